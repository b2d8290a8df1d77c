# SPDX-License-Identifier: Apache-2.0
"""Locations by reference, in the store that Glance has from here."""

import pathlib
from unittest import mock

import ddt
import fixtures
from glance_store import exceptions as store_exceptions
from glance_store import location as glance_location
from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload.upload import glance_store as our_store

FILE = """
[ref1]
auth_address = http://keystone/v3
user = service:glance
key = a-key
"""
URL = 'swift+reference://ref1/glance/an-image'
STOCK = 'swift+config://ref1/glance/an-image'


@ddt.ddt
class LocationTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        path = pathlib.Path(folder) / 'swift.conf'
        path.write_text(FILE)
        self.conf = cfg.ConfigOpts()
        self.conf.register_opts(our_store.OPTIONS, group='fast')
        self.conf.register_opt(
            cfg.StrOpt('default_backend'), group='glance_store'
        )
        self.conf.set_override('swift_store_config_file', str(path), 'fast')
        self.conf.set_override('default_swift_reference', 'ref1', 'fast')
        self.conf.set_override('swift_register_references', True, 'fast')
        self.conf([])
        self.store = our_store.SingleTenantStore(self.conf, backend='fast')
        self.store.configure()
        self.store.configure_add()

    def location(self, url):
        return glance_location.Location(
            *('swift', our_store.StoreLocation, self.conf),
            uri=url,
            backend='fast',
        )

    def parts(self, url):
        found = self.location(url).store_location
        return (
            *(found.scheme, found.swift_url, found.container, found.obj),
            *(found.user, found.key),
        )

    def test_it_is_read_as_glances_own(self):
        self.assertEqual(self.parts(STOCK), self.parts(URL))
        self.assertIn('a-key', self.parts(URL))

    def test_an_unknown_reference(self):
        self.assertRaises(
            store_exceptions.BadStoreUri,
            self.location,
            'swift+reference://ref2/glance/an-image',
        )

    def test_the_store_takes_its_scheme(self):
        self.assertIn('swift+reference', self.store.get_schemes())
        self.assertIn('swift+config', self.store.get_schemes())

    @ddt.data((URL, True), (STOCK, True), (URL.replace('1', '2'), False))
    @ddt.unpack
    def test_glance_finds_the_store(self, url, expected):
        """As glance.common.store_utils does."""
        self.assertIs(expected, url.startswith(self.store.url_prefix))

    def test_glance_does_not_find_it_unless_the_option_says_so(self):
        self.conf.set_override('swift_register_references', False, 'fast')
        self.assertTrue(STOCK.startswith(self.store.url_prefix))
        self.assertFalse(URL.startswith(self.store.url_prefix))

    def test_another_container_is_not_registered(self):
        context = mock.Mock(roles=['service'], service_roles=[], is_admin=True)
        connection = mock.Mock()
        connection.head_object.return_value = {'content-length': '7'}
        there = self.location(URL.replace('/glance/', '/secrets/'))
        self.assertEqual(0, self.store.get_size(there, connection, context))

    def test_nothing_is_registered_unless_the_option_says_so(self):
        self.conf.set_override('swift_register_references', False, 'fast')
        context = mock.Mock(roles=['service'], service_roles=[], is_admin=True)
        found = self.store.get_size(self.location(URL), mock.Mock(), context)
        self.assertEqual(0, found)

    def test_a_store_without_the_file_has_its_own_prefix(self):
        self.store._url_prefix = 'swift+http://a:b@keystone/v3/glance/'
        self.assertEqual(self.store._url_prefix, self.store.url_prefix)
        self.store._url_prefix = None
        self.assertIsNone(self.store.url_prefix)

    @ddt.data(
        (URL, ['member'], [], False, 0),
        (URL, ['member'], ['service'], False, 7),
        (URL, ['service'], [], False, 7),
        (URL, ['admin'], [], True, 7),
        (URL, None, None, None, 0),
        (STOCK, ['member'], [], False, 7),
    )
    @ddt.unpack
    def test_who_may_register(self, url, roles, service_roles, admin, size):
        context = roles and mock.Mock(
            roles=roles, service_roles=service_roles, is_admin=admin
        )
        connection = mock.Mock()
        connection.head_object.return_value = {'content-length': '7'}
        found = self.store.get_size(self.location(url), connection, context)
        self.assertEqual(size, found)
