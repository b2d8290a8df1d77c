# SPDX-License-Identifier: Apache-2.0
"""What goes straight to Swift is called so, and what keeps it from that."""

import types

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload.cmd import swift
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload import opts
from cinder_rbd_offload.upload import swift_choice

OK, WARNING, ERROR = finding.Level
CEPH = glance.Store('ceph', 'rbd', True, 'images', 'here')
OBJECTS = glance.Store('objects', 'swift', container='glance')
TENANTS = glance.Store('tenants', 'swift')
STORES = (CEPH, OBJECTS, TENANTS)
FILE = """
[ref1]
auth_address = http://keystone/v3
user = service:glance
key = geheim
"""


@ddt.ddt
class SwiftTestCase(base.BaseTestCase):
    def options(self, text=FILE, **references):
        """Return the options of a back end, and their file with a text."""
        path = self.useFixture(fixtures.TempDir()).join('swift.conf')
        if text is not None:
            with open(path, 'w') as file:
                file.write(text)
        values = {one.dest: one.default for one in opts.upload_opts}
        values['image_upload_swift_stores'] = references
        values['image_upload_swift_config_file'] = path
        return swift_choice.Options.of(types.SimpleNamespace(**values))

    def test_an_account_that_can_be_read(self):
        (one,) = swift.check(STORES, self.options(objects='ref1'))
        self.assertEqual(OK, one.level)
        self.assertTrue(
            one.text.endswith('under swift+reference://ref1/glance/')
        )

    @ddt.data(
        (None, 'ref1', 'cannot be read: No such file'),
        (FILE, 'ref2', 'has no section [ref2]'),
        ('[ref1]\nuser = a:b\nkey = geheim\n', 'ref1', 'has no auth_address'),
        ('[ref1\nkey = geheim\n', 'ref1', 'is malformed'),
    )
    @ddt.unpack
    def test_an_account_that_cannot(self, text, reference, expected):
        options = self.options(text, objects=reference)
        (one,) = swift.check(STORES, options)
        self.assertEqual(ERROR, one.level)
        self.assertIn(expected, one.text)
        self.assertIn('swift_store_config_file', one.remedy)
        self.assertNotIn('geheim', one.text + one.remedy)

    @ddt.data(
        ('none', 'Glance has no store none'),
        ('ceph', 'is of type rbd, not swift'),
        ('tenants', 'swift_store_multi_tenant'),
    )
    @ddt.unpack
    def test_a_store_that_is_none(self, store, text):
        (one,) = swift.check(STORES, self.options(**{store: 'ref1'}))
        self.assertEqual(WARNING, one.level)
        self.assertIn(text, one.text)
        self.assertIn('image_upload_swift_stores', one.remedy)

    def test_every_store_is_judged(self):
        options = self.options(none='ref1', objects='ref1')
        levels = [one.level for one in swift.check(STORES, options)]
        self.assertEqual([WARNING, OK], levels)

    @ddt.data(
        ('objects', 'objects'), ('tenants', ''), ('none', ''), (None, '')
    )
    @ddt.unpack
    def test_the_store_of_an_upload(self, store_id, expected):
        options = self.options(objects='ref1', tenants='ref1')
        facts = plan.Facts('raw', 'bare', store_id, STORES)
        self.assertEqual(expected, swift.store(facts, options))
        self.assertEqual('', swift.store(facts, None))
