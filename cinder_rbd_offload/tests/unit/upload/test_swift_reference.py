# SPDX-License-Identifier: Apache-2.0
"""Accounts as Glance's file names them."""

import pathlib

import ddt
import fixtures
from oslotest import base
from requests_mock.contrib import fixture as rm_fixture

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import swift_reference

KEYSTONE = 'http://keystone/v3'
PASSWORD = f"""
[ref1]
auth_address = {KEYSTONE}
user = service:glance
key = "a:k@y/"

[ref2]
auth_address = https://keystone/v3/
user = images:alice
key = other
user_domain_name = people
project_domain_id = d1

[ref3]
auth_address = {KEYSTONE}
application_credential_id = an-id
application_credential_secret = a-secret
"""


@ddt.ddt
class ReadTestCase(base.BaseTestCase):
    def write(self, text):
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder) / 'swift.conf'
        self.path.write_text(text)
        return str(self.path)

    def read(self, reference='ref1', text=PASSWORD):
        return swift_reference.read(self.write(text), reference)

    def test_user_and_key(self):
        account = self.read()
        self.assertEqual('service:glance', account.user)
        self.assertEqual('a:k@y/', account.key)
        self.assertEqual(
            {'user_domain_id': 'default', 'project_domain_id': 'default'},
            dict(account.domains),
        )

    def test_domains(self):
        self.assertEqual(
            {'user_domain_name': 'people', 'project_domain_id': 'd1'},
            dict(self.read('ref2').domains),
        )

    def test_application_credential(self):
        account = self.read('ref3')
        self.assertEqual('', account.user)
        self.assertEqual('an-id', account.credential_id)
        self.assertEqual('a-secret', account.credential_secret)

    @ddt.data('ref1', 'ref3')
    def test_no_secret_is_shown(self, reference):
        account = self.read(reference)
        for secret in filter(None, (account.key, account.credential_secret)):
            self.assertNotIn(secret, repr(account))

    @ddt.data(
        ('', 'no section [ref1]'),
        ('[ref2]\nuser = a:b', 'no section [ref1]'),
        ('[ref1]\nuser = a:b\nkey = SECRET', 'no auth_address'),
        ('[ref1]\nauth_address = x\nkey = SECRET', 'no user'),
        ('[ref1]\nauth_address = x\nuser = a:b', 'no key'),
        ('[ref1]\nauth_address = x\nuser = b\nkey = SECRET', 'project:user'),
        ('[ref1]\nauth_address = x\nuser = a:b\nkey = "SECRET', 'malformed'),
        ('[ref1]\nuser = a:b\nkey = %SECRET', 'malformed'),
        ('[ref1]\nSECRET', 'malformed'),
        ('SECRET', 'malformed'),
    )
    @ddt.unpack
    def test_unusable(self, text, reason):
        error = self.assertRaises(
            exceptions.ConfigUnusable, self.read, 'ref1', text
        )
        self.assertIn(reason, str(error))
        self.assertIn(str(self.path), str(error))
        self.assertNotIn('SECRET', str(error))

    def test_no_file(self):
        error = self.assertRaises(
            exceptions.ConfigUnusable, swift_reference.read, '/nowhere', 'a'
        )
        self.assertIn('No such file', str(error))


class LocationTestCase(base.BaseTestCase):
    def test_it_has_no_secret(self):
        account = swift_reference.Account(
            'ref1', KEYSTONE, user='a b:c', key='k@:y'
        )
        self.assertEqual(
            'swift+reference://ref1/glance/an-image',
            account.location('glance', 'an-image'),
        )


class SessionTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.web = self.useFixture(rm_fixture.Fixture())
        urls = {'public': 'http://swift/v1/a', 'internal': 'http://in/v1/a'}
        endpoints = [
            {
                'id': name,
                'interface': name,
                'region': 'here',
                'region_id': 'here',
                'url': url,
            }
            for name, url in urls.items()
        ]
        service = {'type': 'object-store', 'id': 's', 'endpoints': endpoints}
        self.web.post(
            f'{KEYSTONE}/auth/tokens',
            headers={'X-Subject-Token': 'a-token'},
            json={
                'token': {
                    'expires_at': '2999-01-01T00:00:00.000000Z',
                    'issued_at': '2026-01-01T00:00:00.000000Z',
                    'catalog': [service],
                }
            },
        )

    def find(self, account, **access):
        access = swift_reference.Access(**access)
        session = account.session(access)
        return swift_reference.address(session, access)()

    def test_password(self):
        account = swift_reference.Account(
            'ref1',
            KEYSTONE,
            user='service:glance',
            key='k',
            domains=(('user_domain_name', 'u'), ('project_domain_id', 'p')),
        )
        self.assertEqual('http://swift/v1/a', self.find(account))
        sent = self.web.last_request.json()['auth']
        self.assertEqual(
            {'name': 'glance', 'domain': {'name': 'u'}, 'password': 'k'},
            sent['identity']['password']['user'],
        )
        self.assertEqual(
            {'project': {'name': 'service', 'domain': {'id': 'p'}}},
            sent['scope'],
        )

    def test_application_credential(self):
        account = swift_reference.Account(
            'ref1', KEYSTONE, credential_id='an-id', credential_secret='s'
        )
        url = self.find(account, interface='internal', region='here')
        self.assertEqual('http://in/v1/a', url)
        self.assertEqual(
            {'id': 'an-id', 'secret': 's'},
            self.web.last_request.json()['auth']['identity'][
                'application_credential'
            ],
        )

    def test_an_endpoint_of_its_own(self):
        account = swift_reference.Account(
            'ref1', KEYSTONE, user='service:glance', key='k'
        )
        url = self.find(account, endpoint='http://elsewhere/v1/a')
        self.assertEqual('http://elsewhere/v1/a', url)
