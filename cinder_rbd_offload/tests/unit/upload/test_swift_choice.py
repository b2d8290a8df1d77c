# SPDX-License-Identifier: Apache-2.0
"""Which uploads go straight to Swift."""

import pathlib

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_choice
from cinder_rbd_offload.upload import swift_reference

FILE = """
[ref1]
auth_address = http://keystone/v3
user = service:glance
key = SECRET
"""


@ddt.ddt
class ChoiceTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder) / 'swift.conf'
        self.path.write_text(FILE)

    def options(self, **references):
        return swift_choice.Options(
            references or {'fast': 'ref1'},
            str(self.path),
            swift_reference.Access(),
            swift.Settings(),
        )

    def store(self, **changes):
        given = {'id': 'fast', 'type': 'swift', 'container': 'glance'}
        return glance.Store(**given | changes)

    def test_nothing_against_it(self):
        found = swift_choice.reason_against(self.store(), self.options())
        self.assertEqual('', found)

    @ddt.data(
        ({'id': 'slow'}, 'does not name the store slow'),
        ({'type': 'rbd'}, 'of type rbd'),
        ({'container': None}, 'swift_store_multi_tenant'),
    )
    @ddt.unpack
    def test_against_it(self, changes, expected):
        found = swift_choice.reason_against(
            self.store(**changes), self.options()
        )
        self.assertIn(expected, found)

    def test_location(self):
        target = self.target(self.options())
        self.assertEqual(
            'swift+reference://ref1/glance/image.image', target.url
        )
        self.assertNotIn('SECRET', f'{target}')

    def test_no_such_section(self):
        self.assertRaises(
            exceptions.ConfigUnusable, self.target, self.options(fast='ref2')
        )

    def test_a_store_that_is_not_named_any_more(self):
        error = self.assertRaises(
            exceptions.ConfigUnusable, self.target, self.options(slow='ref1')
        )
        self.assertIn('store fast', str(error))

    def target(self, options):
        return swift_choice.target('fast', 'glance', options, 'image')
