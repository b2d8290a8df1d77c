# SPDX-License-Identifier: Apache-2.0
"""The driver's uploads are in the journal, and what is left is settled."""

import threading
from unittest import mock

from cinder import exception
from cinder import objects
from cinder.volume.drivers import rbd as base_rbd
import ddt
from glanceclient import exc

from cinder_rbd_offload import driver
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import identity
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import watch
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.tests.unit import test_driver

Stage = journal.Stage


@ddt.ddt
class SetupTestCase(test_driver.DriverTestCase):
    """The loop begins once the driver is known to work."""

    def test_the_loop_begins(self):
        self.looping.return_value.start.assert_called_once_with(60)
        recover, recovery = self.looping.call_args.args
        self.assertEqual(self.driver._recover, recover)
        self.assertIsInstance(recovery, driver.recover.Recovery)

    def test_its_interval_is_the_option(self):
        self.driver.configuration.rbd_offload_recovery_interval = 7
        self.driver.check_for_setup_error()
        self.looping.return_value.start.assert_called_with(7)

    @ddt.data('rbd_pool', 'rbd_cluster_name')
    def test_it_does_not_where_the_driver_does_not_work(self, option):
        setattr(self.driver.configuration, option, '')
        self.looping.reset_mock()
        self.assertRaises(
            exception.InvalidConfigurationValue,
            self.driver.check_for_setup_error,
        )
        self.looping.assert_not_called()

    def test_an_error_does_not_end_the_loop(self):
        self.cluster.fail(
            'operate_read_op', self.cluster.rados.TimedOut('no'), times=1
        )
        self.recover()
        self.assertIn(
            'WARNING Unfinished uploads were not looked for', self.logs.output
        )
        self.assertIn('TimedOut: no', self.logs.output)
        self.recover()

    def test_a_silent_keystone_does_not_make_this_host_seem_dead(self):
        beaten = threading.Event()
        interval = mock.patch.object(watch, 'INTERVAL', 0.001)
        interval.start()
        self.addCleanup(interval.stop)
        self.cluster.on('operate_write_op', beaten.set, when='after', skip=2)

        def delegate(_context, _expires):
            self.assertTrue(beaten.wait(20))
            return 'a-trust'

        identity.delegate.side_effect = delegate
        self.upload()

    def test_no_more_than_so_many_work_at_the_same_time(self):
        self.driver.configuration.rbd_offload_max_uploads = 2
        self.driver.check_for_setup_error()
        free = []
        slots = self.driver._settings.slots

        def count():
            while slots.acquire(blocking=False):
                free.append(1)
            for _slot in free:
                slots.release()

        self.cluster.on('copy', count)
        self.upload()
        self.assertEqual(1, len(free))


@ddt.ddt
class StageTestCase(test_driver.DriverTestCase):
    """What is in the journal while an upload is under way."""

    def test_inside_the_cluster(self):
        entries = []
        self.cluster.on('copy', lambda: entries.append(self.entry()))
        self.upload()
        (entry,) = entries
        self.assertEqual(Stage.MAKING, entry.stage)
        self.assertEqual('here@ceph', entry.host)
        self.assertEqual(self.driver._run, entry.run)
        self.assertEqual(self.volume.name, entry.volume)
        self.assertEqual(test_driver.VOLUME_ID, entry.volume_id)
        self.assertEqual('a-trust', entry.trust)
        self.assertOffloaded()

    @ddt.data('qcow2', 'raw')
    def test_the_ordinary_way(self, disk_format):
        entries = []
        self.ordinary.side_effect = lambda *_args: entries.append(self.entry())
        if disk_format == 'raw':
            self.cluster.fail('copy', self.timeout())
            self.cluster.fail('flatten', self.timeout())
            self.cluster.fail('clone', self.timeout())
        self.upload(disk_format)
        self.assertEqual([Stage.ORDINARY], [one.stage for one in entries])
        self.assertEnded()

    def test_the_ordinary_way_gives_signs_of_life(self):
        watched = []

        def upload(*_args):
            (watch,) = [call for call in watches.mock_calls if call[0] == '']
            watched.append(watch.args[0].record.entry.stage)
            self.assertTrue(entered.called)

        watches = self.patch(driver.watch, 'Watch')
        entered = watches.return_value.__enter__
        self.ordinary.side_effect = upload
        self.upload('qcow2')
        self.assertEqual([Stage.ORDINARY], watched)
        watches.return_value.__exit__.assert_called_once()

    def test_recovery_leaves_it_alone(self):
        """As long as this process works on it, and no longer."""
        for operation in ('copy', 'rename'):
            self.cluster.on(operation, self.recover)
        self.upload()
        self.assertOffloaded()
        self.assertEqual(set(), self.driver._uploads)

    def test_recovery_leaves_an_ordinary_upload_alone(self):
        self.ordinary.side_effect = lambda *_args: self.recover()
        self.upload('qcow2')
        self.assertIn(base.IMAGE, self.glance.images)
        self.assertEqual(set(), self.driver._uploads)


@ddt.ddt
class EndTestCase(test_driver.DriverTestCase):
    """The entry is gone, unless something is left to do."""

    def test_method_off_writes_no_journal(self):
        self.driver.configuration.rbd_offload_method = 'off'
        self.upload()
        self.assertEqual({}, self.cluster.omap['volumes'])
        identity.delegate.assert_not_called()
        self.assertLeftToCinder()

    @ddt.data(
        exception.ImageLimitExceeded,
        exception.ImageCopyFailure,
        ZeroDivisionError,
    )
    def test_an_error_of_the_ordinary_way_is_the_caller_s(self, error):
        self.ordinary.side_effect = error
        self.assertRaises(error, self.upload, 'qcow2')
        self.assertEnded()

    @ddt.data(
        exceptions.ImageGone('id'),
        exceptions.ImageTaken('id'),
        exceptions.TakenOver('id'),
        exceptions.NotUndone('id', ValueError('why')),
    )
    def test_what_the_ordinary_way_cannot_take_over(self, error):
        self.patch(driver.attempt.Attempt, 'run', side_effect=error)
        raised = self.assertRaises(base_rbd.RBDDriverException, self.upload)
        self.assertIn(str(error), str(raised))
        self.ordinary.assert_not_called()

    @ddt.data(KeyboardInterrupt, GeneratorExit)
    def test_an_interruption_leaves_all_to_recovery(self, error):
        self.cluster.fail('copy', error(), when='half')
        self.assertRaises(error, self.upload)
        self.ordinary.assert_not_called()
        self.assertEqual(Stage.MAKING, self.entry().stage)
        self.released.assert_not_called()
        self.driver.check_for_setup_error()
        self.recover()
        self.assertEqual(self.before, self.cluster.state())
        self.assertEqual({}, self.glance.images)
        self.assertEnded()

    @ddt.data('before', 'after')
    def test_without_a_journal_the_upload_goes_on(self, when):
        self.cluster.fail(
            'operate_write_op',
            self.cluster.rados.TimedOut('no'),
            when=when,
            times=1,
        )
        self.upload()
        self.assertOrdinary('WARNING', 'not be entered in the journal', False)
        identity.delegate.assert_not_called()
        self.recover()
        self.assertIn(base.IMAGE, self.glance.images)

    def test_an_entry_that_may_be_there_ends_the_upload(self):
        """Recovery would delete the image under Cinder's own upload."""
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.TimedOut('no'), times=2
        )
        raised = self.assertRaises(base_rbd.RBDDriverException, self.upload)
        self.assertIn('when Ceph answers', str(raised))
        self.ordinary.assert_not_called()

    @ddt.data('before', 'after')
    def test_without_the_delegation_written_the_upload_goes_on(self, when):
        """It is ended, since nobody would find it after a crash."""
        self.cluster.fail(
            'operate_write_op',
            self.cluster.rados.TimedOut('no'),
            when=when,
            skip=1,
            times=1,
        )
        self.upload()
        self.assertLeftToCinder()
        self.assertIsNone(self.entry())
        self.released.assert_any_call('a-trust')
        self.assertEqual(set(), self.driver._uploads)

    def test_an_instant_upload_is_flattened_later(self):
        self.driver.configuration.rbd_offload_method = 'instant'
        self.upload()
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))
        self.assertEqual(Stage.PUBLISHED, self.entry().stage)
        self.cluster.run_tasks()
        self.driver.check_for_setup_error()
        # One look to give the image its object map, one to find it there.
        self.recover()
        self.recover()
        self.assertOffloaded()

    def test_the_outcome_is_found_out_later(self):
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.assertRaises(base_rbd.RBDDriverException, self.upload)
        self.glance.heal()
        self.driver.check_for_setup_error()
        self.recover()
        self.assertOffloaded()


@ddt.ddt
class FreeTestCase(test_driver.DriverTestCase):
    """A volume whose upload crashed can be used again."""

    frees = True

    def setUp(self):
        super().setUp()
        self.get = self.patch(objects.Volume, 'get_by_id')
        self.found = mock.Mock(spec=objects.Volume, volume_attachment=[])
        self.get.return_value = self.found

    def crash(self):
        self.cluster.fail('copy', KeyboardInterrupt(), times=1)
        self.assertRaises(KeyboardInterrupt, self.upload)
        self.driver._run = 'of the process that follows'

    @ddt.data(
        ([], 'available'),
        (['detached'], 'available'),
        (['detached', 'attached'], 'in-use'),
    )
    @ddt.unpack
    def test_its_status(self, attachments, status):
        self.found.volume_attachment = [
            mock.Mock(attach_status=one) for one in attachments
        ]
        self.crash()
        self.recover()
        context, volume_id = self.get.call_args.args
        self.assertTrue(context.is_admin)
        self.assertEqual(test_driver.VOLUME_ID, volume_id)
        # Only if no other has given it a status meanwhile.
        self.found.conditional_update.assert_called_once_with(
            {'status': status}, {'status': 'uploading'}
        )
        self.assertEnded()

    def test_a_volume_that_is_gone(self):
        self.get.side_effect = exception.VolumeNotFound(volume_id='id')
        self.crash()
        self.recover()
        self.assertEnded()

    def test_the_database_is_away(self):
        """It is freed at another look."""
        self.get.side_effect = [ZeroDivisionError('no database'), self.found]
        self.crash()
        self.recover()
        self.assertIn('no database', self.logs.output)
        self.assertIsNotNone(self.entry())
        self.recover()
        self.found.conditional_update.assert_called_once()
        self.assertEnded()

    @ddt.data('copy', 'instant')
    def test_an_upload_that_ends(self, method):
        """Cinder frees it, and it may be in use for something else then."""
        self.driver.configuration.rbd_offload_method = method
        self.upload()
        self.cluster.run_tasks()
        for _look in range(3):
            self.recover()
        self.assertEnded()
        self.assertEqual({}, self.cluster.entries())
        self.found.conditional_update.assert_not_called()

    def test_a_crash_before_cinder_frees_it(self):
        self.upload()
        self.driver._run = 'of the process that follows'
        self.recover()
        self.assertEqual({}, self.cluster.entries())
        self.found.conditional_update.assert_called_once()
