# SPDX-License-Identifier: Apache-2.0
"""An open snapshot: where its data is, and how it is read."""

import errno

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

BLOCK = fake_ceph.BLOCK


class OpenSnapshotTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.source = self.pool('volumes')
        self.source.snapshot(base.VOLUME, 'now')
        self.volumes[base.VOLUME].blocks[1] = b'c' * BLOCK
        self.snapshot = self.source.open_snapshot(base.VOLUME, 'now')
        self.addCleanup(self.snapshot.close)

    def test_its_size(self):
        self.assertEqual(base.SIZE, self.snapshot.size)

    def test_its_extents_are_those_of_the_snapshot(self):
        self.assertEqual(
            [(0, BLOCK), (2 * BLOCK, BLOCK)], self.snapshot.extents()
        )

    def test_extents_that_touch_are_one(self):
        whole = fake_ceph.Stored(base.SIZE, dict.fromkeys(range(3), b'x'))
        whole.snapshots['now'] = fake_ceph.Snapshot(
            id=1, size=base.SIZE, blocks=whole.blocks
        )
        self.volumes['whole'] = whole
        snapshot = self.source.open_snapshot('whole', 'now')
        self.addCleanup(snapshot.close)
        self.assertEqual([(0, base.SIZE)], snapshot.extents())

    def test_without_an_object_map_data_may_be_everywhere(self):
        for lacking in ('features', 'flags'):
            self.volumes[base.VOLUME].features = 61
            self.volumes[base.VOLUME].snapshots['now'].flags = 0
            if lacking == 'features':
                self.volumes[base.VOLUME].features = 1
            else:
                self.volumes[base.VOLUME].snapshots['now'].flags = 2
            self.assertEqual([(0, base.SIZE)], self.snapshot.extents())

    def test_reads_that_overlap_in_time(self):
        first = self.snapshot.start(0, BLOCK)
        second = self.snapshot.start(BLOCK, 2 * BLOCK)
        self.assertEqual(bytes(BLOCK) + b'b' * BLOCK, second.wait())
        self.assertEqual(b'a' * BLOCK, first.wait())

    def test_a_read_that_fails(self):
        reading = self.snapshot.start(0, BLOCK)
        self.cluster.read_error = -errno.ETIMEDOUT
        error = self.assertRaises(exceptions.CephError, reading.wait)
        self.assertIn('reading volumes/volume-1@now failed', str(error))
        self.assertIn('timed out', str(error))

    def test_one_that_is_not_there(self):
        error = self.assertRaises(
            exceptions.CephError,
            self.source.open_snapshot,
            base.VOLUME,
            'gone',
        )
        self.assertIn('reading volumes/volume-1@gone', str(error))
