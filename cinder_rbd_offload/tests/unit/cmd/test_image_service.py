# SPDX-License-Identifier: Apache-2.0
"""Glance is asked with Cinder's users, and what fails is told without them."""

import ddt
import fixtures
from keystoneauth1 import fixture as ks_fixture
from oslo_config import cfg
from oslotest import base
from requests_mock.contrib import fixture as rm_fixture

from cinder_rbd_offload.cmd import image_service

KEYSTONE = 'http://keystone/v3'
GLANCE = 'http://glance:9292'
PASSWORD = 'geheim'
STORES = {
    'stores': [
        {
            'id': 'ceph',
            'type': 'rbd',
            'default': 'true',
            'properties': {'pool': 'images', 'fsid': 'f', 'chunk_size': 8},
        }
    ]
}
USER = {
    'auth_type': 'password',
    'auth_url': KEYSTONE,
    'username': 'cinder',
    'password': PASSWORD,
    'project_name': 'service',
    'user_domain_id': 'default',
    'project_domain_id': 'default',
}
SENDING = USER | {'send_service_user_token': 'true'}


@ddt.ddt
class LookTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger())
        self.web = self.useFixture(rm_fixture.Fixture())
        self.web.get(KEYSTONE, json=ks_fixture.V3Discovery(KEYSTONE))
        self.web.get('http://keystone/', status_code=404)
        self.keystone('service')
        self.web.get(
            f'{GLANCE}/versions', json={'versions': [{'id': 'v2.17'}]}
        )
        self.stores = self.web.get(
            f'{GLANCE}/v2/info/stores/detail', json=STORES
        )
        self.trusts = self.web.get(
            f'{KEYSTONE}/OS-TRUST/trusts', json={'trusts': []}
        )
        self.web.get(
            f'{GLANCE}/v2/info/usage', json={'usage': {'image_size_total': {}}}
        )

    def keystone(self, *roles):
        token = ks_fixture.V3Token()
        self.user = token.user_id
        for role in roles:
            token.add_role(name=role)
        catalog = token.add_service('image', 'glance')
        catalog.add_standard_endpoints(public=GLANCE, region='here')
        catalog.add_standard_endpoints(public='http://other', region='there')
        self.tokens = self.web.post(
            f'{KEYSTONE}/auth/tokens',
            json=token,
            headers={'X-Subject-Token': 'a-token'},
        )

    def look(self, servers=GLANCE, **sections):
        lines = ['[DEFAULT]']
        if servers:
            lines.append(f'glance_api_servers = {servers}')
        for section, options in sections.items():
            lines.append(f'[{section}]')
            lines += [f'{key} = {value}' for key, value in options.items()]
        path = self.useFixture(fixtures.TempDir()).join('cinder.conf')
        with open(path, 'w') as file:
            file.write('\n'.join(lines))
        conf = cfg.ConfigOpts()
        conf([f'--config-file={path}'])
        seen = image_service.look(conf)
        self.assertNotIn(PASSWORD, f'{seen} {self.logs.output}')
        return seen

    def test_service_user(self):
        seen = self.look(service_user=SENDING)
        self.assertEqual({'service'}, seen.service.roles)
        self.assertIsNone(seen.privileged)
        self.assertEqual(('v2.17',), seen.servers[0].versions)
        self.assertEqual('ceph', seen.stores[0].id)
        self.assertEqual(8, seen.stores[0].chunk_size)
        self.assertEqual({'image_size_total'}, seen.limits)
        headers = self.stores.last_request.headers
        self.assertEqual('a-token', headers['X-Service-Token'])
        self.assertEqual('a-token', headers['X-Auth-Token'])

    def test_no_token_is_sent(self):
        seen = self.look(service_user=USER)
        self.assertIsNone(seen.service)
        self.assertIsNone(seen.stores)
        self.assertFalse(self.tokens.called)

    def test_user_of_glance_without_a_service_token(self):
        seen = self.look(glance=USER)
        self.assertEqual('glance', seen.privileged.section)
        self.assertEqual('ceph', seen.stores[0].id)
        headers = self.stores.last_request.headers
        self.assertNotIn('X-Service-Token', headers)

    def test_both(self):
        seen = self.look(service_user=SENDING, glance=USER)
        self.assertEqual({'service'}, seen.service.roles)
        self.assertEqual({'service'}, seen.privileged.roles)
        self.assertIsNotNone(seen.stores)

    def test_trusts_are_those_of_the_service_user(self):
        seen = self.look(service_user=SENDING, glance=USER)
        self.assertEqual('', seen.trusts_error)
        self.assertEqual(
            {'trustee_user_id': [self.user]}, self.trusts.last_request.qs
        )

    @ddt.data((403, 'Forbidden'), (404, 'NotFound'))
    @ddt.unpack
    def test_no_trusts(self, status, text):
        self.web.get(f'{KEYSTONE}/OS-TRUST/trusts', status_code=status)
        seen = self.look(service_user=SENDING)
        self.assertIn(text, seen.trusts_error)
        self.assertIsNotNone(seen.stores)

    def test_an_administrator_needs_no_trusts(self):
        self.keystone('service', 'admin')
        self.look(service_user=SENDING)
        self.assertFalse(self.trusts.called)

    def test_no_auth_type(self):
        seen = self.look(service_user={'send_service_user_token': 'true'})
        self.assertIn('auth_type is not set', seen.service.error)

    def test_an_auth_type_that_is_not_for_keystone(self):
        seen = self.look(service_user=SENDING | {'auth_type': 'none'})
        self.assertNotEqual('', seen.service.error)

    def test_an_answer_that_is_not_glances(self):
        self.web.get(
            f'{GLANCE}/v2/info/stores/detail',
            status_code=502,
            json={'message': 'busy'},
            headers={'Content-Type': 'application/json'},
        )
        seen = self.look(service_user=SENDING)
        self.assertIsNone(seen.stores)
        self.assertNotEqual('', seen.stores_error)

    def test_wrong_password(self):
        self.web.post(f'{KEYSTONE}/auth/tokens', status_code=401)
        seen = self.look(service_user=SENDING)
        self.assertIn('Unauthorized', seen.service.error)

    def test_an_option_is_missing(self):
        options = {'auth_type': 'v3token', 'send_service_user_token': 'true'}
        self.assertTrue(self.look(service_user=options).service.error)

    @ddt.data((403, 'Forbidden'), (404, 'NotFound'), (500, 'ServerError'))
    @ddt.unpack
    def test_glance_does_not_name_its_stores(self, status, text):
        self.web.get(f'{GLANCE}/v2/info/stores/detail', status_code=status)
        seen = self.look(service_user=SENDING)
        self.assertIsNone(seen.stores)
        self.assertIn(text, seen.stores_error)

    def test_glance_does_not_tell_the_limits(self):
        self.web.get(f'{GLANCE}/v2/info/usage', status_code=404)
        seen = self.look(service_user=SENDING)
        self.assertIn('NotFound', seen.limits_error)

    @ddt.data(
        {'status_code': 503}, {'text': 'hello'}, {'json': []}, {'json': {}}
    )
    def test_a_server_that_is_no_glance(self, answer):
        self.web.get(f'{GLANCE}/versions', **answer)
        seen = self.look(service_user=SENDING)
        self.assertNotEqual('', seen.servers[0].error)
        self.assertEqual('it does not answer', seen.stores_error)

    def test_another_server_is_asked(self):
        self.web.get('http://u:geheim@dead/versions', status_code=503)
        seen = self.look(
            servers='u:geheim@dead,glance:9292', service_user=SENDING
        )
        self.assertEqual('http://dead', seen.servers[0].url)
        self.assertEqual('', seen.servers[1].error)
        self.assertIsNotNone(seen.stores)

    def test_catalog(self):
        seen = self.look(
            servers='',
            service_user=SENDING,
            glance={'region_name': 'here'},
        )
        self.assertEqual(GLANCE, seen.servers[0].url)

    @ddt.data(
        {'servers': '', 'service_user': USER},
        {
            'servers': '',
            'service_user': SENDING,
            'glance': {'region_name': 'nowhere'},
        },
        {
            'servers': '',
            'service_user': SENDING,
            'DEFAULT': {'glance_catalog_info': 'image'},
        },
    )
    def test_not_in_the_catalog(self, options):
        seen = self.look(**options)
        self.assertNotEqual('', seen.servers_error)
        self.assertEqual((), seen.servers)
