# SPDX-License-Identifier: Apache-2.0
"""What most tests start from: a cluster with a volume, and a Glance.

Every test ends with a look for handles, I/O contexts and connections that
nobody closed.
"""

import contextlib
import functools
import logging
from unittest import mock

import fixtures
from oslotest import base

from cinder_rbd_offload import ceph
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests import fake_glance

IMAGE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
VOLUME = 'volume-1'
URL = f'rbd://a-fsid/images/{IMAGE}/snap'
SIZE = 3 * fake_ceph.BLOCK
MOMENT = 'cinder_rbd_offload.offload.flattening.MOMENT'
# What rbd_default_features gives new images.
FEATURES = 61
# The middle of the volume is a hole.
BLOCKS = {0: b'a' * fake_ceph.BLOCK, 2: b'b' * fake_ceph.BLOCK}


class TestCase(base.BaseTestCase):
    """A cluster with a volume, a Glance with a queued image, and a clock."""

    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(
            fixtures.FakeLogger(
                level=logging.DEBUG, format='%(levelname)s %(message)s'
            )
        )
        self.useFixture(fixtures.MonkeyPatch(MOMENT, 0))
        self.start_over()

    def start_over(self):
        """Build a new world, so that one test can look at many."""
        self.cluster = fake_ceph.Cluster()
        self.addCleanup(self.assertEqual, [], self.cluster.opened)
        self.volumes = self.cluster.pools['volumes']
        self.images = self.cluster.pools['images']
        self.volumes[VOLUME] = fake_ceph.Stored(
            SIZE, dict(BLOCKS), {'conf_rbd_qos_iops_limit': '100'}
        )
        self.clock = fake_glance.Clock()
        self.glance = fake_glance.Glance(self.cluster, self.clock)
        self.glance.create(IMAGE)

    def inherit(self):
        """Have the volume get its first block from a parent."""
        volume = self.volumes[VOLUME]
        volume.parent = fake_ceph.Snapshot(
            id=1, size=SIZE, blocks={0: volume.blocks.pop(0)}
        )

    def pool(self, name):
        """Open a pool for as long as the test runs."""
        ioctx = fake_ceph.Ioctx(self.cluster, name)
        self.addCleanup(ioctx.close)
        return ceph.Pool(self.cluster.rbd, ioctx, ceph.Shape(FEATURES))

    @contextlib.contextmanager
    def connection(self):
        """Connect to the cluster, as the driver does."""
        handle = self.cluster.rados.Rados('cinder', 'ceph', 'ceph.conf')
        handle.connect()
        ioctx = handle.open_ioctx('volumes')
        try:
            yield ceph.Connection(
                self.cluster.rados, self.cluster.rbd, handle, ioctx, FEATURES
            )
        finally:
            ioctx.close()
            handle.shutdown()

    def use_the_clock(self):
        """Have the wait for Glance take none of the test's time."""
        real = publish.Publication

        def in_no_time(*args):
            now, sleep = self.clock.now, self.clock.sleep
            return real(*args, now=now, sleep=sleep)

        patcher = mock.patch.object(
            publish, 'Publication', autospec=True, side_effect=in_no_time
        )
        patcher.start()
        self.addCleanup(patcher.stop)

    def api(self, add_location=None):
        return glance.Glance(
            as_owner=self.glance.call,
            as_service=functools.partial(
                self.glance.call, privileged_user=True
            ),
            add_location=add_location or self.glance.add_location,
        )

    def entry(self):
        """Return the entry of what is left to do of an upload, or None."""
        text = self.cluster.entries().get(IMAGE)
        entry = text and journal.Entry.from_text(text.decode())
        if entry and entry.stage is journal.Stage.ENDED:
            return None
        return entry

    def timeout(self):
        return self.cluster.rbd.Timeout('no answer')

    def assertSealed(self):
        """Require the image's data, whole and in Glance's own form."""
        self.assertIn(IMAGE, self.images)
        stored = self.images[IMAGE]
        self.assertEqual({}, stored.metadata)
        self.assertEqual(['snap'], list(stored.snapshots))
        self.assertTrue(stored.snapshots['snap'].protected)
        self.assertIsNone(stored.parent)
        self.assertIsNone(stored.snapshots['snap'].parent)
        self.assertEqual(BLOCKS, stored.snapshots['snap'].blocks)
        self.assertEqual(SIZE, stored.snapshots['snap'].size)
