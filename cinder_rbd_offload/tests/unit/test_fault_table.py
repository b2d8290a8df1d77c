# SPDX-License-Identifier: Apache-2.0
"""The fault table is one: for the tests, and in the documents."""

import pathlib

import ddt
from oslotest import base

import cinder_rbd_offload
from cinder_rbd_offload.tests.functional import fault_table

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent.parent
TABLES = (fault_table.TO_GLANCE, fault_table.TO_SWIFT)


@ddt.ddt
class FaultTableTestCase(base.BaseTestCase):
    def test_the_documents_have_it(self):
        page = ROOT / 'doc' / 'source' / 'figures' / 'broken.inc'
        self.assertEqual(fault_table.document(), page.read_text())

    @ddt.data(*TABLES)
    def test_each_row_is_a_rule_of_its_own(self, table):
        paths = {'image': '/file$', 'segment': '-00002$'}
        faults = [
            (row.rules(paths), row.where, row.size, row.known) for row in table
        ]
        self.assertEqual(len(table), len(set(faults)))
        self.assertEqual(len(table), len({row.name for row in table}))

    @ddt.data(*TABLES)
    def test_ours_is_never_wrong(self, table):
        outcomes = fault_table.Outcome
        for row in fault_table.column(table, 'ours'):
            self.assertIn(
                row.outcomes['ours'], (outcomes.WHOLE, outcomes.FAILS)
            )
