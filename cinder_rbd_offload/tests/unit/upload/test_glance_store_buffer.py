# SPDX-License-Identifier: Apache-2.0
"""The buffer on disk of the store for Glance, and what it lacks."""

import os

import ddt
import fixtures
import glance_store

from cinder_rbd_offload.tests.unit.upload import glance_store_case
from cinder_rbd_offload.upload import budget

SEGMENT = glance_store_case.SEGMENT
SIZE = glance_store_case.SIZE
KINDS = glance_store_case.KINDS


@ddt.ddt
class BufferTestCase(glance_store_case.StoreTestCase):
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
