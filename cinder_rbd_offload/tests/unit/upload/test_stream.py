# SPDX-License-Identifier: Apache-2.0
"""What is sent is one instant of the volume, and nothing of it stays."""

import contextlib
import gzip
import tempfile

import ddt
import fixtures

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.upload import convert
from cinder_rbd_offload.upload import form
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
        self.form = form.Form('raw', False, convert.Settings('/nowhere'))

    def send(self, body):
        self.sent = b''
        for chunk in body:
            self.sent += chunk
            # Whoever has the volume goes on writing.
            self.volumes[base.VOLUME].blocks = {1: b'later'}
        if self.error:
            raise self.error

    def stream(self):
        origin = stream.Origin(
            self.pool('volumes'),
            base.VOLUME,
            SNAPSHOT,
            1 << 20,
            lambda thing: thing,
        )
        return stream.stream(
            origin, self.form, self, lambda: None, self.report
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

    def test_compressed(self):
        self.form = form.Form('raw', True, convert.Settings('/nowhere'))
        self.assertTrue(self.stream())
        self.assertEqual(
            fake_ceph.content(fake_ceph.Stored(base.SIZE, base.BLOCKS)),
            gzip.decompress(self.sent),
        )
        self.assertGone()

    def test_another_format(self):
        """It is made of the snapshot; by what, others test."""
        made = tempfile.TemporaryFile(buffering=0)
        made.write(b'converted')

        @contextlib.contextmanager
        def converted(snapshot, disk_format, settings, look):
            look(0.5)
            self.converted = (snapshot, disk_format)
            with made:
                yield made

        self.useFixture(
            fixtures.MockPatchObject(convert, 'converted', converted)
        )
        self.form = form.Form(
            *('qcow2', False, convert.Settings('/nowhere')),
            *('cinder', '/a/conf', '/a/keyring'),
        )
        self.assertTrue(self.stream())
        self.assertEqual(b'converted', self.sent)
        snapshot, disk_format = self.converted
        self.assertEqual('qcow2', disk_format)
        self.assertEqual(f'volumes/{base.VOLUME}@{SNAPSHOT}', str(snapshot))
        self.assertEqual(2 * fake_ceph.BLOCK, snapshot.used)
        self.assertEqual('/a/conf', snapshot.conf)
        self.assertEqual((base.SIZE // 2, base.SIZE), self.reported[0])
        self.assertEqual((9, 9), self.reported[-1])
        self.assertTrue(made.closed)
        self.assertGone()

    def test_another_host_takes_it_over(self):
        """To remove the snapshot is for that host, and this one may not."""
        self.error = exceptions.TakenOver(base.IMAGE)
        self.cluster.fail('remove_snap', self.timeout())
        self.assertRaises(exceptions.TakenOver, self.stream)
        self.assertIn(SNAPSHOT, self.volumes[base.VOLUME].snapshots)

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
