# SPDX-License-Identifier: Apache-2.0
"""Who asks Glance is who may: the owner, Cinder, or Cinder for the owner."""

import contextlib
import functools
import io
import re

from cinder.volume.drivers import rbd as _rbd  # noqa: F401

from cinder import context as cinder_context
from cinder import service_auth
import ddt
import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg
from oslo_config import fixture as config_fixture
from oslotest import base
import requests_mock

from cinder_rbd_offload import identity
from cinder_rbd_offload import image_client
from cinder_rbd_offload.tests.unit import fake_keystone
from cinder_rbd_offload.upload import body

GLANCE = 'https://glance.test'
ENDS = '2030-01-01T00:00:00.000000Z'


class IdentityTestCase(base.BaseTestCase):
    """Cinder has the user ``cinder`` in [service_user].

    :ivar requests: each request to Glance, with who makes it
    """

    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger())
        self.keystone = self.useFixture(fake_keystone.Keystone())
        self.keystone.users = {
            'cinder': ('secret', ['service']),
            'glance': ('secret', ['admin']),
        }
        self.conf = self.useFixture(config_fixture.Config(cfg.CONF))
        self.configure('service_user', 'cinder')
        self.conf.config(group='service_user', send_service_user_token=True)
        self.useFixture(
            fixtures.MonkeyPatch('cinder.service_auth._SERVICE_AUTH', None)
        )
        self.context = cinder_context.RequestContext(
            user_id='user',
            project_id='project',
            auth_token='user-token',
            roles=['member', 'reader'],
            is_admin=False,
        )
        self.conf.config(glance_api_servers=[GLANCE])
        self.requests = []
        self.keystone.register_uri(
            requests_mock.ANY, re.compile(GLANCE), json=self.answer
        )

    def configure(self, group, user):
        """Name a user in a section of cinder.conf."""
        values = {
            'auth_url': fake_keystone.URL,
            'username': user,
            'user_domain_id': 'default',
            'password': 'secret',
            'project_name': 'service',
            'project_domain_id': 'default',
        }
        loading.register_auth_conf_options(cfg.CONF, group)
        options = loading.get_auth_plugin_conf_options('password')
        self.conf.register_opts(options, group=group)
        self.conf.config(group=group, auth_type='password', **values)

    def answer(self, request, context):
        """Answer as Glance does, and note who asked."""
        context.headers['Content-Type'] = 'application/json'
        if request.path in ABOUT:
            return ABOUT[request.path]
        headers = request.headers
        self.requests.append(
            (
                request,
                *map(
                    self.user_of,
                    (headers['X-Auth-Token'], headers.get('X-Service-Token')),
                ),
            )
        )
        return {'id': 'image', 'status': 'active', 'size': 1, 'stores': []}

    def user_of(self, token):
        """Return who has a token: a user, and a trust if any."""
        return self.keystone.tokens.get(token, (token, None))

    def asker(self):
        """Return who made the last request: a user, and a trust if any."""
        return self.requests[-1][1]

    def delegate(self):
        return identity.delegate(self.context, ENDS)


# What glanceclient reads before it asks.
ABOUT = {
    '/versions': {'versions': [{'id': 'v2.17', 'status': 'CURRENT'}]},
    '/v2/schemas/image': {'name': 'image', 'properties': {}},
}
OWNER = ('user-token', None)
CINDER = ('cinder', None)


class AsOwnerTestCase(IdentityTestCase):
    @property
    def api(self):
        return identity.as_owner(self.context)

    def assertAsked(self, method, path, *users):
        request, *asked_by = self.requests[0]
        self.assertEqual(
            (method, f'{GLANCE}{path}'), (request.method, request.url)
        )
        self.assertEqual([*users], asked_by)

    def test_the_owner_asks(self):
        self.api.state('image', 1)
        self.assertAsked('GET', '/v2/images/image', OWNER, CINDER)

    def test_cinder_asks_for_the_stores(self):
        self.api.stores()
        self.assertAsked('GET', '/v2/info/stores/detail', CINDER, CINDER)

    def test_the_user_of_glance_s_section_asks_for_the_stores(self):
        self.configure('glance', 'glance')
        self.api.stores()
        self.assertAsked(
            *('GET', '/v2/info/stores/detail', ('glance', None), CINDER)
        )

    def test_the_owner_does_where_cinder_has_no_user(self):
        self.conf.config(group='service_user', send_service_user_token=False)
        self.api.stores()
        self.assertAsked(
            *('GET', '/v2/info/stores/detail', OWNER, (None, None))
        )

    def test_the_owner_deletes_a_protected_image(self):
        url = f'{GLANCE}/v2/images/image'
        answers = [{'status_code': 403}, {'status_code': 204}]
        deletes = self.keystone.register_uri('DELETE', url, answers)
        self.api.delete('image')
        self.assertEqual(2, deletes.call_count)
        (patch,) = [one for one, *_ in self.requests if one.method == 'PATCH']
        (change,) = patch.json()
        self.assertEqual('/protected', change['path'])
        self.assertIs(False, change['value'])

    def test_the_owner_adds_the_location(self):
        self.api.add_location('image', 'url')
        self.assertAsked('POST', '/v2/images/image/locations', OWNER, CINDER)
        self.assertEqual(
            {'url': 'url', 'validation_data': {}},
            self.requests[0][0].json(),
        )

    def test_the_user_of_glance_s_section_adds_the_location(self):
        self.configure('glance', 'glance')
        self.api.add_location('image', 'url')
        self.assertAsked(
            *('POST', '/v2/images/image/locations', ('glance', None), CINDER)
        )

    def test_no_request_waits_for_ever(self):
        self.api.state('image', 1)
        self.assertEqual(image_client.TIMEOUT, self.requests[0][0].timeout)

    def test_the_operator_says_how_long(self):
        self.conf.config(glance_request_timeout=7)
        self.api.state('image', 1)
        self.assertEqual(7, self.requests[0][0].timeout)


@ddt.ddt
class DelegateTestCase(IdentityTestCase):
    def test_a_trust(self):
        trust = self.delegate()
        token, asked = self.keystone.trusts[trust]
        self.assertEqual('user-token', token)
        self.assertEqual('user', asked['trustor_user_id'])
        self.assertEqual('project', asked['project_id'])
        self.assertEqual('cinder-id', asked['trustee_user_id'])
        self.assertEqual([{'name': 'member'}], asked['roles'])

    def assertNone(self, reason=''):
        self.assertEqual('', self.delegate())
        self.assertEqual({}, self.keystone.trusts)
        self.assertIn(reason, self.logs.output)

    def test_no_request_waits_for_ever(self):
        self.delegate()
        timeouts = {one.timeout for one in self.keystone.request_history}
        self.assertEqual({image_client.TIMEOUT}, timeouts)

    def test_cinder_has_no_user(self):
        self.conf.config(group='service_user', send_service_user_token=False)
        self.assertNone()
        self.assertFalse(self.keystone.called)

    def test_cinder_s_user_may_do_it_all(self):
        self.keystone.users['cinder'] = ('secret', ['admin', 'service'])
        self.assertNone()

    def test_the_user_of_glance_s_section_may_do_it_all(self):
        self.configure('glance', 'glance')
        self.assertNone()

    def test_a_user_who_may_not_delegate(self):
        self.keystone.refuses = True
        self.assertNone(
            'No trust for user user; a crash of this upload may leave an '
            'image that only its owner can delete: restricted'
        )

    @ddt.data('down', 'wrong')
    def test_keystone_does_not_help(self, how):
        """It costs nobody the upload."""
        if how == 'down':
            self.keystone.down()
        else:
            self.keystone.users.clear()
        self.assertNone('No trust for user user')

    def test_a_section_without_a_user(self):
        self.conf.config(group='service_user', auth_type=None)
        self.assertNone('No trust for user user')


class ReleaseTestCase(IdentityTestCase):
    def test_it_is_ended_for_the_user(self):
        trust = self.delegate()
        identity.release(trust)
        self.assertEqual({}, self.keystone.trusts)
        ((ended, token),) = self.keystone.ended
        self.assertEqual(trust, ended)
        self.assertEqual(('cinder', trust), self.keystone.tokens[token])

    def test_a_trust_has_its_own_scope(self):
        """Keystone refuses a request that names a project as well."""
        trust = self.delegate()
        identity.release(trust)
        self.assertEqual(
            {'OS-TRUST:trust': {'id': trust}}, self.keystone.scopes[-1]
        )

    def test_there_is_none(self):
        identity.release('')
        self.assertFalse(self.keystone.called)

    def test_it_has_ended(self):
        trust = self.delegate()
        identity.release(trust)
        identity.release(trust)
        self.assertEqual(1, len(self.keystone.ended))

    def test_keystone_is_away(self):
        trust = self.delegate()
        self.keystone.down()
        identity.release(trust)
        self.assertIn(f'Trust {trust} is not ended yet', self.logs.output)

    def test_cinder_has_no_user_any_more(self):
        trust = self.delegate()
        self.conf.config(group='service_user', send_service_user_token=False)
        identity.release(trust)
        self.assertEqual([], self.keystone.ended)


@ddt.ddt
class ActForTestCase(IdentityTestCase):
    def test_by_a_trust(self):
        trust = self.delegate()
        api = identity.act_for(trust)
        for ask in (
            functools.partial(api.state, 'image', 1),
            functools.partial(api.delete, 'image'),
            functools.partial(api.add_location, 'image', 'url'),
            api.stores,
        ):
            ask()
            self.assertEqual(('cinder', trust), self.asker())

    def test_a_location_is_added_as_glance_takes_it(self):
        api = identity.act_for(self.delegate())
        api.add_location('image', 'url')
        request, *_asked_by = self.requests[0]
        self.assertEqual('POST', request.method)
        self.assertEqual(f'{GLANCE}/v2/images/image/locations', request.url)

    @ddt.data('', 'a-trust-that-has-ended')
    def test_by_cinder_itself(self, trust):
        self.keystone.users['cinder'] = ('secret', ['admin', 'service'])
        identity.act_for(trust).delete('image')
        self.assertEqual(('cinder', None), self.asker())

    def test_by_the_user_of_glance_s_section(self):
        self.configure('glance', 'glance')
        identity.act_for('').delete('image')
        self.assertEqual(('glance', None), self.asker())

    def test_by_nobody_without_a_trust(self):
        self.assertIsNone(identity.act_for(''))

    def test_by_nobody_where_cinder_has_no_user(self):
        trust = self.delegate()
        self.conf.config(group='service_user', send_service_user_token=False)
        self.assertIsNone(identity.act_for(trust))

    def test_by_nobody_when_the_trust_has_ended(self):
        trust = self.delegate()
        identity.release(trust)
        self.assertIsNone(identity.act_for(trust))
        self.assertIn(f'Trust {trust} is of no use', self.logs.output)

    def test_by_nobody_when_its_owner_may_not_any_more(self):
        """Keystone says so where the role is gone, or the user disabled."""
        trust = self.delegate()
        self.keystone.forbids = True
        self.assertIsNone(identity.act_for(trust))
        self.assertIn(f'Trust {trust} is of no use', self.logs.output)

    def test_glance_is_found_in_the_catalog(self):
        """No request of a user's brings one along."""
        self.conf.config(glance_api_servers=None)
        self.keystone.catalog = [('image', f'{GLANCE}/v2')]
        identity.act_for(self.delegate()).state('image', 1)
        self.assertEqual(f'{GLANCE}/v2/images/image', self.requests[-1][0].url)

    def test_glance_is_not_in_the_catalog(self):
        self.conf.config(glance_api_servers=None)
        self.keystone.catalog = [('volume', 'https://cinder.test')]
        api = identity.act_for(self.delegate())
        for _attempt in range(2):
            error = self.assertRaises(
                ks_exceptions.EndpointNotFound, api.state, 'image', 1
            )
        self.assertIn('set glance_api_servers', str(error))

    @ddt.data(True, False)
    def test_keystone_is_away(self, from_the_start):
        """Then nothing may be concluded, and recovery tries again."""
        trust = self.delegate()
        self.keystone.down()
        if from_the_start:
            service_auth.get_service_auth_plugin().invalidate()
        self.assertRaises(
            ks_exceptions.ClientException, identity.act_for, trust
        )


class DataSenderTestCase(IdentityTestCase):
    """An image's data goes out as its owner's, with the service token.

    :ivar received: each request, with its body
    """

    def setUp(self):
        super().setUp()
        self.conf.config(glance_api_servers=['https://glance.test/v2'])
        self.received = []
        self.statuses = []
        self.keystone.put(
            'https://glance.test/v2/images/an-id/file', text=self.take
        )
        self.body = body.Body(
            lambda: contextlib.nullcontext(io.BytesIO(b'the data')),
            8,
            lambda: None,
            lambda _read: None,
            lambda thing: thing,
        )
        self.addCleanup(self.body.close)

    def take(self, request, context):
        self.received.append((request, b''.join(request.body)))
        context.status_code = self.statuses.pop(0) if self.statuses else 204
        return 'said'

    def put(self):
        put = identity.data_sender(self.context, 7)
        return put('an-id', self.body, {'x-image-meta-store': 'far'})

    def test_who_sends_what(self):
        self.assertEqual(204, self.put().status_code)
        ((request, data),) = self.received
        self.assertEqual(b'the data', data)
        self.assertEqual('8', request.headers['Content-Length'])
        self.assertEqual('far', request.headers['x-image-meta-store'])
        self.assertEqual('user-token', request.headers['X-Auth-Token'])
        service = self.keystone.tokens[request.headers['X-Service-Token']]
        self.assertIn('cinder', str(service))
        self.assertEqual(
            'application/octet-stream', request.headers['Content-Type']
        )
        self.assertEqual(7, request.timeout)

    def test_a_token_that_has_expired(self):
        """The library sends the request again: all of it."""
        self.statuses = [401]
        self.assertEqual(204, self.put().status_code)
        self.assertEqual(
            2 * [b'the data'], [data for _r, data in self.received]
        )

    def test_what_glance_says_is_returned(self):
        self.statuses = [503]
        answer = self.put()
        self.assertEqual((503, 'said'), (answer.status_code, answer.text))

    def test_nothing_of_it_is_in_the_log(self):
        self.put()
        self.assertNotIn('token', self.logs.output)
