# SPDX-License-Identifier: Apache-2.0
"""Uploads through the store for Glance, to a Swift that has its faults."""

import configparser
import hashlib
import io
import itertools
import logging
import os
import pathlib
import random
import socket
import time
from unittest import mock

import ddt
import fixtures
import glance_store
from glance_store._drivers.swift import store as upstream
from glance_store import location
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session
from oslo_config import cfg
from oslotest import base
import tenacity

from cinder_rbd_offload.tests import fake_swift
from cinder_rbd_offload.tests.unit import fake_keystone
from cinder_rbd_offload.upload import budget
from cinder_rbd_offload.upload import glance_store as our_store
from cinder_rbd_offload.upload import resend
from cinder_rbd_offload.upload import store_opts

IMAGE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
SEGMENT = 256 * 1024
SIZE = 3 * SEGMENT + 12345
DATA = random.Random(1).randbytes(SIZE)

# How an image gets into Swift: whether it has segments, and whether its size
# was known.
KINDS = ((False, True), (True, True), (True, False))

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

# Faults that pass, and what the path of the request ends with; those of the
# first three happen within the body of the image, or of a segment.
PASSING = (
    {'how': 'reset'},
    {'how': 'lost'},
    {'how': 'stall'},
    {'how': 'corrupt'},
    {'how': 401},
    {'how': 408},
    {'how': 429, 'headers': (('Retry-After', '0'),)},
    {'how': 498},
    {'how': 500},
    {'how': 503, 'times': 5},
    {'how': 503, 'early': True},
    {'how': 507},
)


class Session:
    """Stands for Keystone: each token is good until it is invalidated.

    :ivar faults: what it ends the next requests for a token with
    :ivar asked: how often it was asked for a token
    :ivar expiring: whether its tokens are about to expire
    """

    def __init__(self, swift):
        self.swift = swift
        self.numbers = itertools.count()
        self.faults = []
        self.asked = 0
        self.expiring = False
        self.auth = mock.Mock(trust_id=None)
        self.issue()

    def issue(self):
        self.token = f'token-{next(self.numbers)}'
        self.swift.tokens = {self.token}
        self.auth.auth_ref.will_expire_soon = lambda _seconds: self.expiring

    def invalidate(self):
        self.auth.auth_ref = None
        self.swift.tokens = set()

    def get_auth_headers(self):
        self.asked += 1
        self.fail()
        if self.auth.auth_ref is None:
            self.auth.auth_ref = mock.Mock()
            self.issue()
        return {'X-Auth-Token': self.token}

    def get_endpoint(self, **_kwargs):
        self.fail()
        return self.swift.url

    def fail(self):
        if self.faults:
            raise self.faults.pop(0)


class Stream:
    """An image's data as Glance gives it: it cannot seek."""

    def __init__(self, data, error=None):
        self.file = io.BytesIO(data)
        self.error = error

    def read(self, size=-1):
        data = self.file.read(size)
        if not data and self.error:
            raise self.error
        return data


class StoreTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.swift = self.useFixture(fake_swift.FakeSwift())
        self.folder = self.useFixture(fixtures.TempDir()).path
        self.useFixture(
            fixtures.MockPatchObject(resend, 'PAUSE', tenacity.wait_none())
        )
        self.session = Session(self.swift)
        self.conf = cfg.ConfigOpts()
        glance_store.register_opts(self.conf)
        self.conf.register_opts(our_store.OPTIONS, group='glance_store')
        self.conf([])

    def build(self, buffered=True, make=our_store.Store, **options):
        options = {
            'swift_store_create_container_on_put': True,
            'swift_store_endpoint': self.swift.url,
            'swift_store_auth_address': 'http://127.0.0.1:9/v3',
            'swift_store_user': 'service:glance',
            'swift_store_key': 'secret',
            'swift_store_timeout': 1,
            'swift_buffer_on_upload': buffered,
            'swift_upload_buffer_dir': self.folder,
            **options,
        }
        for name, value in options.items():
            self.conf.set_override(name, value, 'glance_store')
        store = make(self.conf)
        store.configure()
        store.large_object_size = store.large_object_chunk_size = SEGMENT
        return store

    def store(self, *args, **options):
        store = self.build(*args, **options)
        self.client = mock.Mock(session=self.session)
        self.useFixture(
            fixtures.MockPatchObject(
                store, 'init_client', return_value=self.client
            )
        )
        return store

    def add(self, store, data=DATA, size=SIZE, **kwargs):
        return store.add(IMAGE, Stream(data), size, 'sha512', **kwargs)

    def assert_stored(self, answer, store, data=DATA):
        url, size, checksum, multihash, _metadata = answer
        self.assertEqual(len(data), size)
        self.assertEqual(hashlib.md5(data).hexdigest(), checksum)
        self.assertEqual(hashlib.sha512(data).hexdigest(), multihash)
        self.assertEqual(data, self.swift.image(f'glance/{IMAGE}'))
        place = location.Location(
            'swift', our_store.StoreLocation, self.conf, uri=url
        )
        self.assertEqual(f'{IMAGE}', place.store_location.obj)

    def assert_buffer_empty(self):
        share = budget.Share(self.folder, 10 * budget.SLOT)
        self.assertEqual(10, sum(share.take() for _ in range(10)))
        share.close()
        self.assertEqual([budget.LEDGER], os.listdir(self.folder))

    def assert_nothing_left(self):
        self.assertEqual({}, self.swift.objects)
        self.assert_buffer_empty()

    def order(self, *args, **kwargs):
        self.swift.faults.append(fake_swift.Fault(*args, **kwargs))

    def warnings(self):
        return self.logs.output.count('without a buffer')


@ddt.ddt
class FaultsTestCase(StoreTestCase):
    """Faults that pass, and faults that do not."""

    @ddt.idata(itertools.product(KINDS, range(len(PASSING))))
    @ddt.unpack
    def test_a_fault_that_passes(self, kind, number):
        segmented, known = kind
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        where = f'{IMAGE}-00002' if segmented else IMAGE
        self.order(**{'where': where, **PASSING[number]})
        answer = self.add(store, size=SIZE if known else 0)
        self.assertEqual(0, self.swift.faults[0].times)
        self.assert_stored(answer, store)
        self.assertEqual(5 if segmented else 1, len(self.swift.objects))
        self.assert_buffer_empty()

    @ddt.data(*KINDS)
    @ddt.unpack
    def test_bytes_that_are_sent_again(self, segmented, known):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        self.order(503, where=f'{IMAGE}.*', times=2)
        self.add(store, size=SIZE if known else 0)
        again = self.swift.received - SIZE
        self.assertEqual(2 * (SEGMENT if segmented else SIZE), again)

    @ddt.data(*KINDS)
    @ddt.unpack
    def test_a_fault_that_stays(self, segmented, known):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        where = f'{IMAGE}-00003' if segmented else IMAGE
        self.order(503, where=where, times=6)
        error = self.assertRaises(
            glance_store.BackendException,
            self.add,
            store,
            size=SIZE if known else 0,
        )
        self.assertIn('503', str(error))
        self.assert_nothing_left()

    def test_a_manifest_that_fails(self):
        self.order(503, where=IMAGE, times=6)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_a_manifest_that_a_fault_meets(self):
        self.order('lost', where=IMAGE)
        self.order(401, where=IMAGE)
        store = self.store()
        self.assert_stored(self.add(store), store)

    def test_what_arrived_unseen_is_removed(self):
        self.order('lost', where='00002', times=6)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_faults_while_it_is_undone(self):
        self.order(413, where='00003')
        self.order(503, method='DELETE', times=2)
        self.order(429, method='DELETE')
        self.order(401, method='DELETE')
        self.order('lost', method='DELETE')
        self.assertRaises(glance_store.StorageFull, self.add, self.store())
        self.assert_nothing_left()

    def test_swift_is_gone_while_it_is_undone(self):
        self.order(507, where='00003', times=6)
        self.order('reset', method='DELETE', times=100)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        deletions = [m for m, _path in self.swift.requests if m == 'DELETE']
        # All attempts for the first, and one for each of the others.
        self.assertEqual(resend.ATTEMPTS + 2, len(deletions))

    def test_an_image_that_is_there(self):
        self.order(409, where=IMAGE)
        self.swift.containers.add('glance')
        self.swift.objects[f'glance/{IMAGE}'] = b'other'
        self.assertRaises(glance_store.Duplicate, self.add, self.store())
        self.assertEqual({f'glance/{IMAGE}': b'other'}, self.swift.objects)

    def test_a_token_that_is_refused_twice(self):
        self.order(401, where='00002', times=2)
        store = self.store()
        self.assert_stored(self.add(store), store)

    def test_no_token_will_do(self):
        self.order(401, where='00002', times=3)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_the_container_is_asked_for_again(self):
        self.order(503, method='HEAD')
        self.order(401, method='HEAD')
        self.order(503, where='glance')
        self.order(401, where='glance')
        store = self.store()
        self.assert_stored(self.add(store), store)


@ddt.ddt
class EarlierTestCase(StoreTestCase):
    """Segments are there that an earlier upload of the image has left."""

    # As long as its own first segment, and a few bytes of a second.
    SHORT = DATA[: SEGMENT + 5]

    def leave(self, *ends):
        """Leave objects, as a process does that is killed."""
        self.swift.containers.add('glance')
        for end in ends:
            self.swift.objects[f'glance/{IMAGE}{end}'] = b'other'

    def puts(self):
        return [
            path for method, path in self.swift.requests if method == 'PUT'
        ]

    @ddt.data(0, len(SHORT))
    def test_one_that_was_killed(self, size):
        self.leave(*(f'-{number:05d}' for number in range(1, 8)))
        store = self.store()
        answer = self.add(store, self.SHORT, size)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))

    def test_one_whose_removal_failed(self):
        self.order(503, where='-00004', times=6)
        self.order(503, method='DELETE', times=100)
        store = self.store()
        self.assertRaises(glance_store.BackendException, self.add, store)
        self.assertEqual(3, len(self.swift.objects))
        self.swift.faults.clear()
        answer = self.add(store, self.SHORT, 0)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))
        self.assertIn(
            'An earlier upload has left 1 objects in container glance, from '
            f'{IMAGE}-00003 to {IMAGE}-00003',
            self.logs.output,
        )

    def test_names_that_no_upload_gives(self):
        self.leave('-00000', '-00001-x', '-other', '-00002a')
        store = self.store()
        self.assert_stored(self.add(store), store)
        self.assertEqual(5, len(self.swift.objects))

    def test_what_is_of_other_images_stays(self):
        self.leave('2-00003', '')
        other = f'{IMAGE[:-1]}d-00003'
        self.swift.objects[f'glance/{other}'] = b'other'
        store = self.store()
        self.assert_stored(self.add(store), store)
        self.assertIn(f'glance/{other}', self.swift.objects)
        self.assertIn(f'glance/{IMAGE}2-00003', self.swift.objects)

    def test_more_than_one_answer_lists(self):
        self.swift.page = 2
        self.leave(*(f'-{number:05d}' for number in range(1, 8)))
        store = self.store()
        answer = self.add(store, self.SHORT, 0)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))

    @ddt.data('GET', 'DELETE')
    def test_faults_that_pass(self, method):
        self.leave('-00009')
        self.order(503, method=method, times=2)
        self.order(401, method=method)
        self.order('lost', method=method)
        store = self.store()
        self.assert_stored(self.add(store), store)

    @ddt.data(('GET', 503), ('GET', 403), ('DELETE', 503), ('DELETE', 403))
    @ddt.unpack
    def test_nothing_is_published_that_may_be_wrong(self, method, status):
        self.leave('-00009')
        where = '' if method == 'GET' else '-00009'
        self.order(status, where=where, method=method, times=6)
        error = self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assertIn('Got error from Swift', str(error))
        self.assertIn(str(status), str(error))
        self.assertNotIn(f'glance/{IMAGE}', self.puts())
        self.assertEqual({f'glance/{IMAGE}-00009'}, set(self.swift.objects))

    def test_an_image_of_one_object_asks_for_none(self):
        store = self.store()
        store.large_object_size = 2 * SIZE
        self.assert_stored(self.add(store), store)
        self.assertNotIn('GET', dict(self.swift.requests))


@ddt.ddt
class KeystoneTestCase(StoreTestCase):
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
class TenantsTestCase(StoreTestCase):
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


@ddt.ddt
class SourceTestCase(StoreTestCase):
    """Data that is not what it should be, or does not come."""

    @ddt.idata(itertools.product(KINDS, (OSError('a client'), KeyError('x'))))
    @ddt.unpack
    def test_a_client_that_went_away(self, kind, gone):
        segmented, known = kind
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            type(gone),
            store.add,
            IMAGE,
            Stream(DATA[:-1], gone),
            SIZE if known else 0,
            'sha512',
        )
        self.assertIs(gone, error)
        puts = [
            path for method, path in self.swift.requests if method == 'PUT'
        ]
        self.assertEqual(len(set(puts)), len(puts))
        self.assert_nothing_left()

    @ddt.data(True, False)
    def test_data_that_ends_early(self, segmented):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            glance_store.Invalid, self.add, store, DATA[:-1]
        )
        self.assertIn(f'expected {SIZE} bytes, got {SIZE - 1}', str(error))
        self.assert_nothing_left()

    @ddt.data(True, False)
    def test_data_that_goes_on(self, segmented):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            glance_store.Invalid, self.add, store, DATA + b'x'
        )
        self.assertIn(f'expected {SIZE} bytes', str(error))
        self.assert_nothing_left()

    @ddt.idata(itertools.product((True, False), repeat=2))
    @ddt.unpack
    def test_an_end_that_nobody_can_see(self, segmented, buffered):
        """It is the source that failed, and not Swift."""
        store = self.store(buffered)
        if not segmented:
            store.large_object_size = 2 * SIZE
        gone = OSError('a client')
        error = self.assertRaises(
            OSError, store.add, IMAGE, Stream(DATA, gone), SIZE, 'sha512'
        )
        self.assertIs(gone, error)
        self.assertEqual({}, self.swift.objects)

    @ddt.idata(
        itertools.product(
            (True, False), (1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT)
        )
    )
    @ddt.unpack
    def test_sizes(self, known, size):
        store = self.store()
        data = DATA[:size]
        answer = self.add(store, data, size if known else 0)
        self.assert_stored(answer, store, data)

    def test_upstream_gives_the_last_segment_a_wrong_length(self):
        self.swift.patience = 0.3
        store = self.store(buffered=False, make=upstream.Store)
        error = self.assertRaises(
            glance_store.BackendException, self.add, store
        )
        self.assertIn('failure and no ability to reset', str(error))
        store = self.store(buffered=False)
        self.assert_stored(self.add(store), store)

    def test_no_data(self):
        store = self.store()
        self.assert_stored(self.add(store, b'', 0), store, b'')

    def test_a_signature_is_verified_with_each_byte_once(self):
        self.order('reset', where='00002')
        verifier = mock.Mock()
        self.add(self.store(), verifier=verifier)
        seen = [call.args[0] for call in verifier.update.call_args_list]
        self.assertEqual(DATA, b''.join(seen))


@ddt.ddt
class BufferTestCase(StoreTestCase):
    """The buffer is off, small, or fails."""

    @ddt.data(*KINDS)
    @ddt.unpack
    def test_off(self, segmented, known):
        store = self.store(buffered=False)
        if not segmented:
            store.large_object_size = 2 * SIZE
        answer = self.add(store, size=SIZE if known else 0)
        self.assert_stored(answer, store)
        self.assertEqual([], os.listdir(self.folder))

    def test_a_fault_without_a_buffer(self):
        self.order(503, where='00002')
        error = self.assertRaises(
            glance_store.BackendException,
            self.add,
            self.store(buffered=False),
        )
        self.assertIn('503', str(error))
        self.assertIn('no buffer is configured', str(error))
        self.assertEqual({}, self.swift.objects)

    def test_a_budget_that_is_used_up(self):
        store = self.store(swift_upload_buffer_budget=budget.SLOT)
        self.assert_stored(self.add(store), store)
        self.assertEqual(1, self.warnings())
        self.assert_buffer_empty()

    def test_a_fault_when_the_budget_is_used_up(self):
        store = self.store(swift_upload_buffer_budget=budget.SLOT)
        self.order(503, where='00002')
        error = self.assertRaises(
            glance_store.BackendException, self.add, store
        )
        self.assertIn('503', str(error))
        self.assertIn('budget', str(error))
        self.assert_nothing_left()

    def test_a_disk_that_is_full(self):
        store = self.store()
        full = OSError(28, 'No space left on device')
        with fixtures.MockPatch('os.pwrite', side_effect=full):
            self.assert_stored(self.add(store), store)
        self.assertEqual(1, self.warnings())
        self.assert_buffer_empty()

    def test_a_directory_that_went_away(self):
        store = self.store()
        os.rename(self.folder, f'{self.folder}-gone')
        self.addCleanup(os.rename, f'{self.folder}-gone', self.folder)
        self.assert_stored(self.add(store), store)
        self.assertEqual(1, self.warnings())

    def test_a_directory_that_is_not_there(self):
        self.assertRaises(
            glance_store.BadStoreConfiguration,
            self.store,
            swift_upload_buffer_dir='/none',
        )

    def test_an_image_larger_than_the_buffer_has_segments(self):
        store = self.store(swift_upload_buffer_cap=SEGMENT)
        store.large_object_size = 2 * SIZE
        self.order('reset', where='00002')
        self.assert_stored(self.add(store), store)
        self.assertEqual(5, len(self.swift.objects))

    def test_an_image_larger_than_the_slots_has_segments(self):
        size = SIZE // budget.SLOT * budget.SLOT + budget.SLOT - 1
        store = self.store(swift_upload_buffer_budget=size)
        store.large_object_size = 2 * SIZE
        self.order('reset', where='00002')
        self.assertLess(SIZE, size)
        self.assert_stored(self.add(store), store)
        self.assertEqual(5, len(self.swift.objects))

    def test_an_image_within_the_buffer_has_none(self):
        store = self.store(swift_upload_buffer_cap=SIZE)
        store.large_object_size = 2 * SIZE
        self.assert_stored(self.add(store), store)
        self.assertEqual(1, len(self.swift.objects))


class TypeTestCase(base.BaseTestCase):
    """Glance sees a store of a type that it knows."""

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        self.conf.register_opt(cfg.DictOpt('enabled_backends'))
        self.conf([])
        self.conf.set_default(
            'enabled_backends',
            {'a': store_opts.TYPE, 'b': 'swift', 'c': 'rbd'},
        )
        glance_store.register_store_opts(self.conf)
        for group in ('a', 'b', 'backend_defaults'):
            self.conf.register_opts(our_store.OPTIONS, group=group)

    def test_it_is_shown_as_swift(self):
        store = our_store.Store(self.conf, 'a')
        self.assertIsInstance(store, our_store.SingleTenantStore)
        self.assertEqual(
            {'a': 'swift', 'b': 'swift', 'c': 'rbd'},
            self.conf.enabled_backends,
        )

    def test_each_kind(self):
        self.conf.set_override('swift_store_multi_tenant', True, 'a')
        store = our_store.Store(self.conf, 'a')
        self.assertIsInstance(store, our_store.MultiTenantStore)

    def test_its_options_are_listed(self):
        names = {option.name for option in our_store.Store.OPTIONS}
        self.assertLessEqual(
            {'swift_store_container', 'swift_upload_buffer_budget'}, names
        )

    def test_the_entry_point(self):
        setup = configparser.ConfigParser()
        setup.read(pathlib.Path(our_store.__file__).parents[2] / 'setup.cfg')
        self.assertEqual(
            f'{store_opts.TYPE} = {our_store.__name__}:Store',
            setup['entry_points']['glance_store.drivers'].strip(),
        )
