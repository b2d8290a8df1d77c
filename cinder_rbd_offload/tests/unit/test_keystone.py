# SPDX-License-Identifier: Apache-2.0
"""A user delegates to Cinder what it takes to clean up, and no more."""

import datetime

import ddt
import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import fixture as ks_fixture
from keystoneauth1.identity import generic
from keystoneauth1 import session as ks_session
from oslotest import base

from cinder_rbd_offload import keystone
from cinder_rbd_offload.tests.unit import fake_keystone

ENDS = '2030-01-01T00:00:00.000000Z'


@ddt.ddt
class TrustsTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.keystone = self.useFixture(fake_keystone.Keystone())
        self.keystone.users = {
            'cinder': ('secret', ['service']),
            'glance': ('secret', ['admin', 'service']),
        }
        self.session = ks_session.Session()
        self.addCleanup(self.session._session.close)

    def auth(self, user='cinder', url=fake_keystone.URL, **scope):
        scope = scope or {
            'project_name': 'service',
            'project_domain_id': 'default',
        }
        return generic.Password(
            url,
            username=user,
            password='secret',
            user_domain_id='default',
            **scope,
        )

    def trusts(self, own='cinder', **auth):
        return keystone.Trusts(self.session, self.auth(**auth), self.auth(own))

    def create(self, roles=('member', 'reader'), trusts=None, expires=ENDS):
        trusts = trusts or self.trusts()
        return trusts.create('user-token', 'user', 'project', roles, expires)

    @ddt.data(
        (['service'], True),
        (['service', 'admin'], False),
        (['administrator'], True),
    )
    @ddt.unpack
    def test_needed(self, roles, expected):
        """Cinder's own user may see any image, or else needs a trust."""
        self.keystone.users['own'] = ('secret', roles)
        self.assertIs(expected, self.trusts('own').needed())

    def test_whether_it_is_needed_cannot_be_learnt(self):
        self.keystone.down()
        self.assertRaises(ks_exceptions.ClientException, self.trusts().needed)

    def test_create(self):
        trust = self.create()
        token, asked = self.keystone.trusts[trust]
        self.assertEqual('user-token', token)
        del asked['expires_at']
        self.assertEqual(
            {
                'trustor_user_id': 'user',
                'trustee_user_id': 'cinder-id',
                'project_id': 'project',
                'impersonation': True,
                'roles': [{'name': 'member'}],
            },
            asked,
        )

    @ddt.data(
        (['member', 'reader', 'admin'], ['member']),
        (['reader', 'custom'], ['custom', 'reader']),
        (['admin'], ['admin']),
    )
    @ddt.unpack
    def test_no_more_is_delegated_than_it_takes(self, roles, delegated):
        _token, asked = self.keystone.trusts[self.create(roles)]
        self.assertEqual(
            [{'name': name} for name in delegated], asked['roles']
        )

    @ddt.data('', '/', '/v3', '/v3/')
    def test_every_form_of_the_url(self, end):
        url = f'{fake_keystone.URL}{end}'
        self.keystone.get(
            url, json=ks_fixture.DiscoveryList(fake_keystone.URL, v2=False)
        )
        self.create(trusts=self.trusts(url=url))
        self.assertEqual(
            f'{fake_keystone.URL}/v3/OS-TRUST/trusts',
            self.keystone.last_request.url,
        )

    def test_it_ends_by_itself_after_a_week(self):
        randbelow = self.useFixture(
            fixtures.MockPatchObject(
                keystone.secrets, 'randbelow', autospec=True
            )
        ).mock
        randbelow.return_value = 7
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        expires = datetime.datetime.strptime(
            keystone.expiry(), '%Y-%m-%dT%H:%M:%S.%fZ'
        ).replace(tzinfo=datetime.UTC)
        week = datetime.timedelta(days=7, seconds=7)
        self.assertLessEqual(before + week, expires)
        self.assertLess(expires, before + week + datetime.timedelta(hours=1))

    def test_no_two_end_at_the_same_time(self):
        """Keystone would refuse the second."""
        self.assertLess(1, len({keystone.expiry() for _one in range(5)}))

    def test_it_ends_when_it_was_to_end(self):
        _token, asked = self.keystone.trusts[self.create()]
        self.assertEqual(ENDS, asked['expires_at'])

    @ddt.data(True, False)
    def test_a_connection_that_was_idle_for_too_long(self, late):
        """The second request finds what the first one did, if it did."""
        trusts = self.trusts()
        self.assertEqual('', trusts.find(ENDS))
        self.keystone.cut, self.keystone.late = 1, late
        trust = self.create(trusts=trusts)
        self.assertEqual([trust], list(self.keystone.trusts))
        self.assertEqual(0, self.keystone.cut)

    def test_a_connection_breaks_more_than_once(self):
        self.keystone.cut = 2
        self.assertIs(True, self.trusts().needed())
        self.keystone.cut = 3
        self.assertRaises(ks_exceptions.ConnectFailure, self.trusts().needed)

    def test_a_trust_ends_although_a_connection_breaks(self):
        trust = self.create()
        self.keystone.cut = 1
        self.trusts().delete(trust, self.auth(trust_id=trust))
        self.assertEqual([trust], [one for one, _by in self.keystone.ended])

    def test_it_is_found_by_when_it_ends(self):
        self.create(expires='2031-01-01T00:00:00.000000Z')
        trust = self.create()
        self.assertEqual(trust, self.trusts().find(ENDS))

    def test_there_is_none_that_ends_then(self):
        self.create(expires='2031-01-01T00:00:00.000000Z')
        self.assertEqual('', self.trusts().find(ENDS))

    def test_one_of_several_might_be_another_s(self):
        self.create()
        self.create()
        self.assertEqual('', self.trusts().find(ENDS))

    def test_a_user_who_may_not_delegate(self):
        self.keystone.refuses = True
        self.assertRaises(ks_exceptions.Forbidden, self.create)

    def delete(self, trust):
        self.trusts().delete(trust, self.auth(trust_id=trust))

    def test_delete(self):
        """Only who has delegated may end it: Cinder as that user."""
        trust = self.create()
        self.delete(trust)
        self.assertEqual({}, self.keystone.trusts)
        ((ended, token),) = self.keystone.ended
        self.assertEqual(trust, ended)
        self.assertEqual(('cinder', trust), self.keystone.tokens[token])

    def test_what_has_ended_need_not_be_ended(self):
        trust = self.create()
        self.delete(trust)
        self.delete(trust)
        self.delete('never-heard-of')
        self.assertEqual(1, len(self.keystone.ended))

    def test_a_user_who_is_gone(self):
        trust = self.create()
        self.keystone.users.clear()
        self.delete(trust)

    def test_it_cannot_be_ended_now(self):
        trust = self.create()
        self.keystone.down()
        self.assertRaises(ks_exceptions.ClientException, self.delete, trust)
