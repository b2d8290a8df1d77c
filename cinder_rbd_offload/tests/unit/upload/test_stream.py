# SPDX-License-Identifier: Apache-2.0
"""What is sent is one instant of the volume, and nothing of it stays."""

import ddt

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.upload import stream

SNAPSHOT = f'offload-{base.IMAGE}'


@ddt.ddt
class StreamTestCase(base.TestCase):
    """A sink that is this test."""

    def start_over(self):
        super().start_over()
        self.before = self.cluster.state()
        self.error = None
        self.reported = []

    def send(self, body):
        self.sent = b''
        for chunk in body:
            self.sent += chunk
            # Whoever has the volume goes on writing.
            self.volumes[base.VOLUME].blocks = {1: b'later'}
        if self.error:
            raise self.error

    def stream(self):
        return stream.stream(
            *(self.pool('volumes'), base.VOLUME, SNAPSHOT, 1 << 20, self),
            *(lambda: None, self.report, lambda thing: thing),
        )

    def report(self, read, total):
        self.reported.append((read, total))

    def assertGone(self):
        self.volumes[base.VOLUME].blocks = dict(base.BLOCKS)
        self.assertEqual(self.before, self.cluster.state())

    def test_one_instant(self):
        self.assertTrue(self.stream())
        self.assertEqual(
            fake_ceph.content(fake_ceph.Stored(base.SIZE, base.BLOCKS)),
            self.sent,
        )
        self.assertEqual([(base.SIZE, base.SIZE)], self.reported)
        self.assertGone()

    def test_the_sink_fails(self):
        self.error = exceptions.UploadFailed(base.IMAGE, 'no', 1)
        self.assertRaises(exceptions.UploadFailed, self.stream)
        self.assertGone()

    def test_ceph_fails(self):
        self.cluster.read_error = -110
        self.assertRaises(exceptions.CephError, self.stream)
        self.cluster.reading.clear()
        self.assertGone()

    def test_the_snapshot_cannot_be_taken(self):
        self.cluster.fail('create_snap', self.timeout())
        self.assertRaises(exceptions.CephError, self.stream)
        self.assertGone()

    def test_the_snapshot_stays(self):
        self.cluster.fail('remove_snap', self.timeout())
        self.assertFalse(self.stream())
        self.assertIn(f'{SNAPSHOT} of {base.VOLUME} is not', self.logs.output)

    def test_the_sink_fails_and_the_snapshot_stays(self):
        self.error = exceptions.UploadFailed(base.IMAGE, 'no', 1)
        self.cluster.fail('remove_snap', self.timeout())
        error = self.assertRaises(exceptions.NotUndone, self.stream)
        self.assertIn('failed: no', str(error))
        self.assertIn(base.IMAGE, str(error))
