# SPDX-License-Identifier: Apache-2.0
"""Every way that an upload goes has its line in the log, and is counted."""

import dataclasses
import pathlib

from cinder import exception
from cinder import objects
import ddt
import fixtures
from glanceclient import exc
from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.metrics import exposition
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.tests.unit import test_driver
from cinder_rbd_offload.tests.unit import test_driver_stream
from cinder_rbd_offload.tests.unit import test_driver_swift


class MeasuredMixin:
    """A driver whose counters are written, and looks for what is told."""

    def start_over(self):
        super().start_over()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        config = self.driver.configuration
        config.rbd_offload_metrics_directory = str(self.folder)
        self.driver.check_for_setup_error()
        self.cluster.reached.clear()

    def assertTold(self, method, outcome='success', after='-', **more):
        """Require one line with these fields, and one upload counted."""
        (line,) = [
            line
            for line in self.logs.output.splitlines()
            if 'Upload ended: ' in line
        ]
        fields = dict(
            field.split('=') for field in line.split(': ')[1].split(' ')
        )
        expected = {
            'image': base.IMAGE,
            'volume': test_driver.VOLUME_ID,
            'backend': 'ceph',
            'method': method,
            'outcome': outcome,
            'size': str(units.Gi),
            'after': after,
        } | more
        self.assertEqual(expected, {name: fields[name] for name in expected})
        (path,) = self.folder.glob('*.prom')
        counted = [
            one
            for one, value in exposition.from_text(path.read_text()).items()
            if value and one.startswith(exposition.UPLOADS)
        ]
        labels = {
            'host': 'here',
            'backend': 'ceph',
            'method': method,
            'outcome': outcome,
        }
        self.assertEqual(
            [exposition.sample(exposition.UPLOADS, labels)], counted
        )


@ddt.ddt
class ClusterTestCase(MeasuredMixin, test_driver.DriverTestCase):
    @ddt.data('copy', 'clone_flatten')
    def test_inside_the_cluster(self, method):
        self.driver.configuration.rbd_offload_method = method
        self.upload()
        used = str(len(base.BLOCKS) * base.SIZE // 3)
        self.assertTold(method, bytes=used, error='-')

    def test_instant(self):
        self.driver.configuration.rbd_offload_method = 'instant'
        self.upload()
        self.assertTold('instant', bytes='0')

    def test_a_method_after_another(self):
        self.cluster.fail('copy', self.timeout())
        self.upload()
        self.assertTold('clone_flatten', after='copy')

    def test_the_ordinary_way_after_all_others(self):
        for operation in ('copy', 'clone', 'flatten'):
            self.cluster.fail(operation, self.timeout())
        self.upload()
        self.assertTold('ordinary', after='copy,clone_flatten')

    def test_what_does_not_qualify(self):
        self.upload('qcow2')
        self.assertTold('ordinary', bytes=str(units.Gi))

    def test_turned_off(self):
        self.driver.configuration.rbd_offload_method = 'off'
        self.upload()
        self.assertTold('ordinary', bytes=str(units.Gi))

    def test_without_a_journal(self):
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.PermissionDeniedError('no')
        )
        self.upload()
        self.assertTold('ordinary')

    def test_the_ordinary_way_fails(self):
        self.ordinary.side_effect = exception.ImageCopyFailure
        self.assertRaises(exception.ImageCopyFailure, self.upload, 'qcow2')
        self.assertTold('ordinary', 'failure', error='ImageCopyFailure')

    def test_no_room(self):
        self.cluster.free = 1
        self.assertFails('would have', exception.ImageLimitExceeded)
        self.assertTold('none', 'failure', error='PoolFull', bytes='0')
        self.messages.assert_not_called()

    def test_more_than_is_allowed(self):
        self.driver._settings = dataclasses.replace(
            self.driver._settings, image_size_cap=1
        )
        self.assertFails('would have', exception.ImageLimitExceeded)
        self.assertTold('none', 'refused', error='NoRoom', bytes='0')

    def test_the_outcome_is_unknown(self):
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.assertFails('within 10 s')
        self.assertTold('copy', 'unknown', error='LocationUnknown')


class StreamTestCase(MeasuredMixin, test_driver_stream.StreamingTestCase):
    def test_stream(self):
        self.upload()
        self.assertTold('stream', bytes=str(base.SIZE))

    def test_stream_after_an_offload_that_failed(self):
        self.volume.volume_type = objects.VolumeType(
            extra_specs={'image_service:store_id': 'ceph'}
        )
        self.glance.blind = True
        self.upload()
        self.assertTold('stream', after='copy')

    def test_a_conversion_that_is_left_to_cinder(self):
        self.patch(
            test_driver_stream.driver.convert,
            'converted',
            side_effect=exceptions.ConversionFailed('a', 'no driver rbd'),
        )
        self.upload('qcow2')
        self.assertTold('ordinary', after='stream')

    def test_a_stream_that_fails(self):
        self.status = 403
        self.assertFails('HTTP 403')
        self.assertTold('stream', 'failure', error='UploadFailed')

    def test_a_snapshot_that_cannot_be_taken(self):
        """The user is told so, beside what Cinder says of every upload."""
        self.cluster.fail('create_snap', self.timeout())
        self.assertFails('rbd snap limit')
        self.assertTold('stream', 'failure', error='SnapshotFailed')
        self.messages.return_value.create.assert_called_once()


class SwiftTestCase(MeasuredMixin, test_driver_swift.SwiftTestCase):
    def test_straight_to_swift(self):
        self.upload()
        self.assertTold('swift')
