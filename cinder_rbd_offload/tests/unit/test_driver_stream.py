# SPDX-License-Identifier: Apache-2.0
"""What cannot stay in the cluster is streamed, and is in the journal."""

import contextlib
import gzip
import tempfile
import types

from cinder import exception
from cinder import objects
from cinder.volume.drivers import rbd as base_rbd
import ddt
from glanceclient import exc
from oslo_config import cfg
from oslo_config import fixture as config_fixture

from cinder_rbd_offload import driver
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import identity
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.tests.unit import test_driver
from cinder_rbd_offload.upload import patience

DATA = fake_ceph.content(fake_ceph.Stored(base.SIZE, base.BLOCKS))


class StreamingTestCase(test_driver.DriverTestCase):
    """A driver that streams, to a Glance that takes what it is sent.

    :ivar status: what Glance answers
    """

    upload_method = 'stream'

    def setUp(self):
        super().setUp()
        real = patience.Patience.__init__
        self.patch(
            patience.Patience,
            '__init__',
            side_effect=lambda this, seconds, attempts=5: real(
                this, seconds, attempts, self.clock.now, self.clock.sleep
            ),
        )
        self.sender = self.patch(
            identity, 'data_sender', return_value=self.put
        )
        self.status = 204

    def start_over(self):
        super().start_over()
        self.volume.volume_type = objects.VolumeType(
            extra_specs={'image_service:store_id': 'web'}
        )
        self.volume.glance_metadata = {}
        self.entries = []

    def put(self, image_id, body, headers):
        self.entries.append(self.entry())
        self.sent, self.headers = b''.join(body), headers
        if self.status == 204:
            self.glance.take(image_id, self.sent)
        return types.SimpleNamespace(
            ok=self.status == 204,
            status_code=self.status,
            headers={'content-type': 'text/plain'},
            content=b'',
            reason='for a reason',
        )

    def assertStreamed(self, released=1):
        self.ordinary.assert_not_called()
        self.assertEqual(DATA, self.sent)
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])
        self.assertEqual(self.before, self.cluster.state())
        self.assertIsNone(self.entry())
        self.assertEqual(released, len(self.released.mock_calls))


@ddt.ddt
class StreamTestCase(StreamingTestCase):
    def test_another_store(self):
        self.upload()
        self.assertStreamed()
        (entry,) = self.entries
        self.assertEqual(journal.Stage.STREAMING, entry.stage)
        self.assertEqual('stream', entry.method)
        self.assertIn('of type http, not rbd', entry.reason)
        self.assertEqual('web', self.headers['x-image-meta-store'])
        self.sender.assert_called_once_with(self.context, 300)

    def test_what_the_volume_was_made_from(self):
        self.volume.glance_metadata = {'image_id': 'first'}
        self.upload()
        self.assertEqual('first', self.headers['x-openstack-base-image-ref'])

    def test_an_offload_that_failed(self):
        self.volume.volume_type = None
        self.cluster.fail('copy', self.timeout())
        self.cluster.fail('flatten', self.timeout())
        self.upload()
        self.assertStreamed()
        self.assertNotIn('x-image-meta-store', self.headers)

    def test_the_journal_does_not_take_its_end(self):
        """The image is whole, so that is no error to the user."""
        real = journal.Record.update

        def update(record, **changes):
            if changes.get('stage') is journal.Stage.STARTED:
                raise exceptions.TakenOver(base.IMAGE)
            real(record, **changes)

        self.patch(journal.Record, 'update', side_effect=update)
        self.upload()
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])
        self.assertEqual(journal.Stage.STREAMING, self.entry().stage)

    def test_without_offload(self):
        self.driver.configuration.rbd_offload_method = 'off'
        self.upload()
        self.assertStreamed()

    def test_compressed(self):
        self.upload('raw', 'compressed')
        self.sent = gzip.decompress(self.sent)
        self.assertStreamed()

    def convert(self):
        """Upload as qcow2; return what was converted, and how."""
        conversions = []

        @contextlib.contextmanager
        def converted(snapshot, disk_format, settings, look):
            conversions.append((snapshot, disk_format, settings))
            with tempfile.TemporaryFile(buffering=0) as file:
                file.write(DATA)
                yield file

        self.patch(driver.convert, 'converted', side_effect=converted)
        self.upload('qcow2')
        self.assertStreamed()
        return conversions[0]

    def test_another_format(self):
        snapshot, disk_format, settings = self.convert()
        self.assertEqual('qcow2', disk_format)
        self.assertEqual('cinder', snapshot.user)
        self.assertEqual('/etc/ceph/ceph.conf', snapshot.conf)
        self.assertEqual('/etc/ceph/a-keyring', snapshot.keyring)
        self.assertEqual('gzip', settings.compression)

    def test_another_format_after_a_failover(self):
        """The volume is in the second cluster then."""
        second = {'name': 'b', 'conf': '/etc/ceph/b.conf', 'user': 'other'}
        self.driver._active_config = second
        snapshot, _disk_format, _settings = self.convert()
        self.assertEqual(
            ('other', '/etc/ceph/b.conf'), (snapshot.user, snapshot.conf)
        )

    def test_a_conversion_that_fails_is_left_to_cinder(self):
        """The package that lets qemu-img read Ceph may not be there."""
        self.patch(
            driver.convert,
            'converted',
            side_effect=exceptions.ConversionFailed('a', 'no driver rbd'),
        )
        self.upload('qcow2')
        self.assertLeftToCinder()
        self.assertIn('WARNING Image', self.logs.output)
        self.assertIn('no driver rbd', self.logs.output)
        self.assertEnded()

    @ddt.data(('qcow2', 'bare'), ('raw', 'compressed'))
    @ddt.unpack
    def test_a_header_that_would_be_hidden(self, disk_format, container):
        """Cinder's own checks of what is in the volume give the verdict."""
        self.patch(inspection, 'doubt', return_value='it is QED')
        self.upload(disk_format, container)
        self.assertLeftToCinder()
        self.assertIn('it is QED', self.logs.output)
        self.assertEnded()

    def test_the_header_is_read_on_a_native_thread(self):
        """Else nothing of the process goes on while Ceph takes its time."""

        class Native:
            def __init__(self, thing):
                self._thing = thing

            def __getattr__(self, name):
                return getattr(self._thing, name)

        self.patch(driver, '_on_native_threads', side_effect=Native)
        doubt = self.patch(inspection, 'doubt_of', return_value='')
        self.upload('raw', 'compressed')
        self.assertIsInstance(doubt.call_args.args[0], Native)

    def test_a_conversion_without_room(self):
        self.patch(
            driver.convert,
            'converted',
            side_effect=exceptions.NoSpace('a', '/a/directory', 7, 3),
        )
        self.assertRaises(base_rbd.RBDDriverException, self.upload, 'qcow2')
        self.ordinary.assert_not_called()
        self.assertEnded()

    def test_conversions_may_be_forbidden(self):
        self.useFixture(config_fixture.Config(cfg.CONF)).config(
            image_conversion_disable=True
        )
        self.assertRaises(
            exception.ImageConversionNotAllowed, self.upload, 'qcow2'
        )
        self.assertEnded()

    def test_without_a_journal_it_is_left_to_cinder(self):
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.PermissionDeniedError('no')
        )
        self.upload()
        self.ordinary.assert_called_once()

    def test_glance_refuses(self):
        self.status = 403
        self.assertFails('HTTP 403')
        self.assertEqual(self.before, self.cluster.state())
        self.assertEnded()

    def test_a_limit(self):
        self.status = 413
        self.assertFails('HTTP 413', exception.ImageLimitExceeded)
        self.assertEnded()

    def corrupt(self, image_id, body, headers):
        """Take other data than was sent, and say that all is well."""
        b''.join(body)
        self.glance.take(image_id, DATA[:-1])
        return types.SimpleNamespace(ok=True)

    def test_glance_takes_wrong_data(self):
        self.sender.return_value = self.corrupt
        self.glance.images[base.IMAGE]['protected'] = True
        self.assertFails('so it was deleted')
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.assertEnded()

    @ddt.data(False, True)
    def test_glance_keeps_wrong_data(self, snapshot_stays):
        """Recovery deletes it, also where the volume's snapshot stays."""
        self.sender.return_value = self.corrupt
        self.glance.fail('delete', exc.HTTPServiceUnavailable('no'))
        if snapshot_stays:
            self.cluster.fail('remove_snap', self.timeout(), times=1)
        error = self.assertRaises(base_rbd.RBDDriverException, self.upload)
        self.assertIn('could not be deleted: HTTP no', str(error))
        self.assertEqual(journal.Stage.REJECTED, self.entry().stage)
        self.recover()
        self.assertEqual(journal.Stage.REJECTED, self.entry().stage)
        self.glance.heal()
        self.recover()
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.assertEqual(self.before, self.cluster.state())
        self.assertEnded()

    def test_the_user_deletes_the_image(self):
        self.glance.delete(base.IMAGE)
        self.status = 404
        self.assertFails('was deleted', base_rbd.RBDDriverException)
        self.assertEnded()

    def test_the_snapshot_stays_for_recovery(self):
        self.cluster.fail('remove_snap', self.timeout(), times=1)
        self.upload()
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])
        self.assertEqual(journal.Stage.STREAMING, self.entry().stage)
        self.recover()
        self.assertStreamed()

    def test_a_crash(self):
        """Recovery removes the snapshot, and the image that has no data."""

        def die(image_id, body, headers):
            next(iter(body))
            self.glance.images[base.IMAGE]['status'] = 'saving'
            raise KeyboardInterrupt

        self.sender.return_value = die
        self.assertRaises(KeyboardInterrupt, self.upload)
        self.driver.check_for_setup_error()
        self.recover()
        self.free.assert_called_once_with(test_driver.VOLUME_ID)
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.assertEqual(self.before, self.cluster.state())
        self.assertIsNone(self.entry())

    def test_another_host_takes_it_over(self):
        def taken(image_id, body, headers):
            raise exceptions.TakenOver(base.IMAGE)

        self.sender.return_value = taken
        raised = self.assertRaises(base_rbd.RBDDriverException, self.upload)
        self.assertIn('taken over', str(raised))
        self.ordinary.assert_not_called()
        # Both are for that host.
        self.assertIsNotNone(self.entry())
        self.assertEqual(
            [f'offload-{base.IMAGE}'],
            list(self.volumes[self.volume.name].snapshots),
        )
