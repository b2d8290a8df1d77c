# SPDX-License-Identifier: Apache-2.0
"""Uploads through the store for Glance, and the tokens that they take."""

import itertools
import socket
import time
from unittest import mock

import ddt
import glance_store
from glance_store._drivers.swift import store as upstream
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session

from cinder_rbd_offload.tests.unit import fake_keystone
from cinder_rbd_offload.tests.unit.upload import glance_store_case
from cinder_rbd_offload.upload import glance_store as our_store
from cinder_rbd_offload.upload import resend

IMAGE = glance_store_case.IMAGE
SEGMENT = glance_store_case.SEGMENT
SIZE = glance_store_case.SIZE
DATA = glance_store_case.DATA

# Errors that pass of Keystone's, or of the way to it, and others.
AWAY = (
    ks_exceptions.ConnectFailure('no connection'),
    ks_exceptions.ConnectTimeout('no answer'),
    ks_exceptions.UnknownConnectionError('broken', OSError()),
    ks_exceptions.ServiceUnavailable('restarting'),
    ks_exceptions.BadGateway('no backend'),
    ks_exceptions.TooManyRequests('slower'),
)
REFUSALS = (
    ks_exceptions.Unauthorized('another key'),
    ks_exceptions.Conflict('a conflict'),
    ks_exceptions.RequestEntityTooLarge('too large'),
    ks_exceptions.EndpointNotFound('no Swift'),
    ks_exceptions.SSLError('certificate verify failed'),
)


@ddt.ddt
class KeystoneTestCase(glance_store_case.StoreTestCase):
    """A token is to be had, and Keystone has its faults."""

    def at(self, path, act):
        """Act once, when a request for a path has reached Swift."""
        waiting = [act]
        fault = self.swift.fault

        def watch(method, found):
            if waiting and found.endswith(path):
                waiting.pop()()
            return fault(method, found)

        self.swift.fault = watch

    def fail(self, times, error=AWAY[0]):
        """Have Keystone fail from now on."""
        self.session.faults = [error] * times
        self.session.asked = 0

    @ddt.idata(itertools.product((True, False), AWAY + REFUSALS))
    @ddt.unpack
    def test_a_token_is_used_until_it_expires(self, buffered, error):
        self.session.expiring = True
        self.at('00002', lambda: self.fail(100, error))
        store = self.store(buffered)
        self.assert_stored(self.add(store), store)
        self.assertNotEqual(0, self.session.asked)

    def test_a_token_is_used_until_it_expires_when_it_is_undone(self):
        self.session.expiring = True
        self.at('00002', lambda: self.fail(100))
        self.order(413, where='00003')
        self.assertRaises(glance_store.StorageFull, self.add, self.store())
        self.assertNotEqual(0, self.session.asked)
        self.assert_nothing_left()

    @ddt.data(*AWAY)
    def test_it_is_away_when_a_token_is_refused(self, error):
        self.order(401, where='00002')
        self.at('00002', lambda: self.fail(5, error))
        store = self.store()
        self.assert_stored(self.add(store), store)
        self.assertEqual(6, self.session.asked)

    @ddt.data(*AWAY)
    def test_it_is_away_when_an_upload_begins(self, error):
        self.session.faults = [error] * 5
        store = self.store()
        self.assert_stored(self.add(store), store)

    @ddt.data(*AWAY)
    def test_it_is_away_when_swift_is_looked_up(self, error):
        self.session.faults = [error] * 5
        store = self.store(swift_store_endpoint=None)
        self.assert_stored(self.add(store), store)

    @ddt.data(*AWAY)
    def test_it_is_back_when_the_upload_is_undone(self, error):
        self.order(401, where='00002')
        self.at('00002', lambda: self.fail(resend.ATTEMPTS + 5, error))
        found = self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assertIn(f'Got error from Keystone: {error}', str(found))
        self.assertEqual([], self.session.faults)
        self.assert_nothing_left()

    def test_it_stays_away(self):
        self.order(401, where='00003')
        self.at('00003', lambda: self.fail(100))
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        # For the upload, for the first object, and for two others.
        self.assertEqual(2 * resend.ATTEMPTS + 2, self.session.asked)
        self.assertEqual(2, len(self.swift.objects))
        self.assertIn(
            'may have left 3 objects in container glance, from '
            f'{IMAGE}-00001 to {IMAGE}-00003: {AWAY[0]}',
            self.logs.output,
        )
        self.assertNotIn('Traceback', self.logs.output)

    @ddt.data(*REFUSALS)
    def test_it_refuses(self, error):
        """What Glance understands of Swift's answers, these do not mean."""
        self.order(401, where='00002')
        self.at('00002', lambda: self.fail(1, error))
        found = self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assertIn(f'Got error from Keystone: {error}', str(found))
        self.assert_nothing_left()

    def test_it_refuses_when_an_upload_begins(self):
        self.session.faults = [REFUSALS[0]]
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assertEqual([], self.swift.requests)

    def test_a_user_s_token_cannot_be_renewed(self):
        """As in stores of several tenants, without trusts."""
        store = self.store()
        manager = store.get_manager
        store.get_manager = lambda *args, allow_reauth: manager(*args)
        self.order(401, where='00002')
        found = self.assertRaises(
            glance_store.BackendException, self.add, store
        )
        self.assertIn('Got error from Swift', str(found))
        self.assertIn('401', str(found))
        self.assertEqual(1, self.session.asked)
        self.assert_nothing_left()

    def test_what_is_not_of_keystone_is_not_hidden(self):
        store = self.store()
        store.init_client.side_effect = glance_store.BadStoreUri('wrong')
        self.assertRaises(glance_store.BadStoreUri, self.add, store)

    def trusted(self, error=None):
        """Have a store whose tokens are by a trust; return that, too."""
        store = self.store()
        self.session.auth.trust_id = 'a-trust'
        self.client.trusts.delete.side_effect = error
        return store

    @ddt.data(AWAY[0], REFUSALS[0])
    def test_a_trust_that_is_not_revoked(self, error):
        store = self.trusted(error)
        self.assert_stored(self.add(store), store)
        self.assertIn(
            f'Trust a-trust of an upload is not revoked: {error}',
            self.logs.output,
        )

    def test_a_trust_that_is_not_revoked_after_a_failure(self):
        self.order(413, where='00002')
        store = self.trusted(AWAY[0])
        self.assertRaises(glance_store.StorageFull, self.add, store)
        self.assert_nothing_left()

    def test_a_trust_is_revoked_once(self):
        store = self.trusted()
        self.session.faults = [AWAY[0]] * 5
        self.add(store)
        self.client.trusts.delete.assert_called_once_with('a-trust')
        self.assertNotIn('not revoked', self.logs.output)

    def test_there_is_no_trust(self):
        self.add(self.store())
        self.client.trusts.delete.assert_not_called()

    def test_it_may_be_silent_for_a_time_only(self):
        silent = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(silent.close)
        host, port = silent.getsockname()
        store = self.store(
            swift_store_auth_address=f'http://{host}:{port}/v3',
            swift_store_auth_version='3',
        )
        client = type(store).init_client(store, store.create_location(IMAGE))
        self.assertRaises(
            ks_exceptions.ConnectTimeout, client.session.get_auth_headers
        )


@ddt.ddt
class TenantsTestCase(glance_store_case.StoreTestCase):
    """Each image is in the account of its owner, by a trust if need be."""

    CONTAINER = f'glance_{IMAGE}'
    # Of one object, and of segments.
    SIZES = (SEGMENT - 1, SIZE)

    def setUp(self):
        super().setUp()
        self.context = mock.Mock(
            auth_token='token-of-user',
            user_id='user-id',
            project_id='project',
            service_catalog=[],
        )
        self.swift.tokens = {
            'token-of-user',
            *(f'token-{number}' for number in range(100)),
        }

    def keystone(self):
        keystone = self.useFixture(fake_keystone.Keystone(real_http=True))
        keystone.users = {
            'glance': ('secret', ()),
            'user': (None, ('member',)),
        }
        keystone.tokens['token-of-user'] = ('user', None)
        keystone.catalog = [('identity', f'{fake_keystone.URL}/v3')]
        return keystone

    def tenants(self, *args, **options):
        return self.build(
            *args,
            **{
                'swift_store_multi_tenant': True,
                'swift_store_auth_address': f'{fake_keystone.URL}/v3',
                **options,
            },
        )

    def add(self, store, size=SIZE, known=True):
        return super().add(
            store, DATA[:size], size if known else 0, context=self.context
        )

    def assert_whole(self, size=SIZE):
        data = self.swift.image(f'{self.CONTAINER}/{IMAGE}')
        self.assertEqual(DATA[:size], data)

    @ddt.data(*SIZES)
    def test_a_trust_ends_with_its_upload(self, size):
        keystone = self.keystone()
        self.add(self.tenants(), size)
        self.assert_whole(size)
        self.assertEqual({}, keystone.trusts)
        ((trust, token),) = keystone.ended
        # The trust's own token acts for the user, as whom it is revoked.
        self.assertEqual(('glance', trust), keystone.tokens[token])

    def test_a_trust_ends_with_an_upload_that_failed(self):
        keystone = self.keystone()
        self.order(413, where='00002')
        self.assertRaises(glance_store.StorageFull, self.add, self.tenants())
        self.assertEqual(1, len(keystone.ended))
        self.assert_nothing_left()

    def test_a_trust_that_gives_no_token_ends_as_well(self):
        keystone = self.keystone()
        keystone.forbids = True
        self.add(self.tenants())
        self.assert_whole()
        ((trust, _asked),) = keystone.trusts.items()
        self.assertIn(f'Trust {trust} of an upload is not', self.logs.output)

    @ddt.data(*itertools.product(SIZES, (True, False)))
    @ddt.unpack
    def test_as_many_trusts_as_glance_s_own_store_has(self, size, known):
        counts = set()
        for make in (upstream.Store, our_store.Store):
            # Glance's own gives the last segment a wrong length.
            size = size // SEGMENT * SEGMENT or size
            keystone = self.keystone()
            self.swift.objects.clear()
            self.add(self.tenants(False, make), size, known)
            self.assert_whole(size)
            counts.add(len(keystone.trusts) + len(keystone.ended))
        self.assertEqual({int(size >= SEGMENT or not known)}, counts)

    @ddt.data(*SIZES)
    def test_a_keystone_that_is_silent(self, size):
        """The user's own token does, which cannot be replaced."""
        silent = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(silent.close)
        host, port = silent.getsockname()
        store = self.tenants(
            swift_store_auth_address=f'http://{host}:{port}/v3'
        )
        start = time.monotonic()
        self.add(store, size)
        self.assertLess(time.monotonic() - start, 20)
        self.assert_whole(size)

    def test_the_timeout_is_for_clients_of_this_store(self):
        self.keystone()
        store = self.tenants()
        made = []
        request = session.Session.request

        def watch(one, *args, **kwargs):
            made.append(one.timeout)
            return request(one, *args, **kwargs)

        location = store.create_location(IMAGE, context=self.context)
        with mock.patch.object(session.Session, 'request', watch):
            store.init_client(location, self.context)
            self.assertEqual({1.0}, set(made))
            made.clear()
            upstream.MultiTenantStore.init_client(
                store, location, self.context
            )
        self.assertEqual({None}, set(made))

    @ddt.data(*SIZES)
    def test_a_container_goes_with_an_upload_that_failed(self, size):
        self.keystone()
        where = '-00002' if size == SIZE else f'/{IMAGE}'
        self.order(413, where=where)
        self.order(503, where=self.CONTAINER, method='DELETE')
        self.assertRaises(
            glance_store.StorageFull, self.add, self.tenants(), size
        )
        self.assertEqual(set(), self.swift.containers)
        self.assertNotIn('may have left', self.logs.output)

    def fail(self, error=glance_store.StorageFull, **options):
        self.keystone()
        self.order(413, where='00002')
        self.assertRaises(error, self.add, self.tenants(**options))
        return [
            path
            for method, path in self.swift.requests
            if method == 'DELETE' and path == self.CONTAINER
        ]

    def test_a_container_that_is_not_empty_stays(self):
        self.swift.containers.add(self.CONTAINER)
        self.swift.objects[f'{self.CONTAINER}/other'] = b''
        self.assertEqual(1, len(self.fail()))
        self.assertEqual({self.CONTAINER}, self.swift.containers)
        self.assertNotIn('may have left', self.logs.output)

    def test_a_container_that_is_gone(self):
        self.order('lost', where=self.CONTAINER, method='DELETE')
        self.assertEqual(2, len(self.fail()))
        self.assertEqual(set(), self.swift.containers)
        self.assertNotIn('may have left', self.logs.output)

    def test_a_container_that_cannot_be_removed(self):
        self.order(503, where=self.CONTAINER, method='DELETE', times=100)
        self.assertEqual(resend.ATTEMPTS, len(self.fail()))
        self.assertIn(
            f'A failed upload may have left container {self.CONTAINER}',
            self.logs.output,
        )

    def test_a_container_whose_objects_cannot_be_removed(self):
        self.order(503, where='-0000.', method='DELETE', times=100)
        self.assertEqual([], self.fail())

    def test_a_container_that_the_store_does_not_make(self):
        self.swift.containers.add(self.CONTAINER)
        deletions = self.fail(swift_store_create_container_on_put=False)
        self.assertEqual([], deletions)
        self.assertEqual({self.CONTAINER}, self.swift.containers)

    def test_a_container_of_an_image_that_is_there(self):
        self.keystone()
        self.order(409, where=f'/{IMAGE}')
        self.assertRaises(glance_store.Duplicate, self.add, self.tenants())
        self.assertEqual({self.CONTAINER}, self.swift.containers)

    def test_a_container_of_all_images_stays(self):
        self.order(413, where='00002')
        self.assertRaises(glance_store.StorageFull, super().add, self.store())
        self.assertEqual({'glance'}, self.swift.containers)
