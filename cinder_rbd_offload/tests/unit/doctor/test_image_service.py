# SPDX-License-Identifier: Apache-2.0
"""What Glance and Keystone answer is judged, each fault with its remedy."""

import dataclasses

import ddt
from oslotest import base

from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload.doctor import image_service
from cinder_rbd_offload import glance

OK, WARNING, ERROR = finding.Level


def user(*roles, section='service_user', error=''):
    return image_service.UserSeen(section, frozenset(roles), error)


def server(*versions, error=''):
    return image_service.ServerSeen('http://g', versions, error)


GOOD = image_service.GlanceSeen(
    service=user('service'),
    servers=(server('v2.9', 'v2.17', 'v2.18'),),
    stores=(
        glance.Store('ceph', 'rbd', True, 'images', 'f'),
        glance.Store('files', 'file'),
    ),
)


@ddt.ddt
class ImageServiceTestCase(base.BaseTestCase):
    def check(self, **changes):
        return image_service.check(dataclasses.replace(GOOD, **changes))

    def one(self, check, **changes):
        (found,) = [x for x in self.check(**changes) if x.check == check]
        self.assertEqual(found.level != OK, bool(found.remedy))
        return found

    def test_all_is_well(self):
        self.assertEqual({OK}, {one.level for one in self.check()})

    @ddt.data(
        (None, None, ERROR, 'sends no service token'),
        (user('member'), None, ERROR, '[service_user] does not have'),
        (user(error='HTTP 401'), None, ERROR, 'no token: HTTP 401'),
        (user('service'), None, OK, '([service_user])'),
        (None, user('admin', 'service', section='glance'), OK, '([glance])'),
        (user('service'), user('admin', section='glance'), OK, 'and [glance]'),
        (None, user('admin', section='glance'), ERROR, 'the role service'),
        (user('service'), user('member'), ERROR, 'the private images'),
        (user('service'), user(error='no'), ERROR, 'gets no token'),
    )
    @ddt.unpack
    def test_tokens(self, service, privileged, level, text):
        one = self.one('service token', service=service, privileged=privileged)
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)

    @ddt.data(
        ({}, OK, 'by a trust that is given to the user of [service_user]'),
        ({'service': user('service', 'admin')}, OK, 'of [service_user], who'),
        ({'privileged': user('admin', section='glance')}, OK, 'of [glance],'),
        ({'privileged': user('member', section='glance')}, OK, 'a trust'),
        ({'trusts_error': 'HTTP 404'}, WARNING, 'trusts for that of [serv'),
        ({'trusts_error': 'HTTP 404'}, WARNING, '[service_user]: HTTP 404'),
        (
            {
                'service': None,
                'privileged': user('service', 'admin', section='glance'),
            },
            WARNING,
            'send_service_user_token in [service_user] is not true',
        ),
    )
    @ddt.unpack
    def test_recovery(self, changes, level, text):
        one = self.one('recovery', **changes)
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)

    @ddt.data(
        {'service': None},
        {'service': user(error='HTTP 401')},
        {'privileged': user(error='HTTP 401')},
    )
    def test_recovery_without_a_token(self, changes):
        """That is said of the token, once."""
        checks = [one.check for one in self.check(**changes)]
        self.assertNotIn('recovery', checks)
        self.assertEqual(1, checks.count('service token'))

    @ddt.data(
        (server('v2.16', 'v2.9'), ERROR, 'has the image API 2.16'),
        (server('v2.17'), OK, 'image API 2.17'),
        (server('v2.100'), OK, 'image API 2.100'),
        (server('v3.0'), OK, 'image API 3.0'),
        (server('nonsense'), ERROR, '0.0'),
        (server(), ERROR, '0.0'),
        (server(error='refused'), ERROR, 'does not answer'),
    )
    @ddt.unpack
    def test_server(self, seen, level, text):
        one = self.one('glance api', servers=(seen,))
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)

    def test_every_server_is_judged(self):
        servers = (server('v2.17'), server('v2.16'))
        found = self.check(servers=servers)
        levels = [x.level for x in found if x.check == 'glance api']
        self.assertEqual([OK, ERROR], levels)

    def test_no_server(self):
        one = self.one('glance api', servers=(), servers_error='no catalog')
        self.assertIn('no catalog', one.text)

    def test_stores(self):
        text = self.one('stores').text
        self.assertIn('ceph (rbd, default), files (file)', text)

    def test_no_stores(self):
        found = self.check(stores=None, stores_error='HTTP 403')
        self.assertEqual(ERROR, found[-1].level)
        self.assertIn('HTTP 403', found[-1].text)
        self.assertNotIn('quota', {one.check for one in found})

    @ddt.data(
        ({}, OK, 'no limits'),
        ({'limits': frozenset({'b', 'a'})}, OK, 'Keystone: a, b'),
        ({'limits_error': 'HTTP 404'}, WARNING, 'HTTP 404'),
    )
    @ddt.unpack
    def test_quota(self, changes, level, text):
        one = self.one('quota', **changes)
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)
