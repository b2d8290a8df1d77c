# SPDX-License-Identifier: Apache-2.0
"""A published clone becomes independent, by the manager or by this host."""

import errno
from unittest import mock

import ddt

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import flattening
from cinder_rbd_offload.offload import job
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

TASK = ('images', base.IMAGE)


@ddt.ddt
class FlatteningTestCase(base.TestCase):
    """A sealed clone that has Glance's name, and its entry."""

    def setUp(self):
        super().setUp()
        stored = fake_ceph.Stored(base.SIZE)
        stored.parent = fake_ceph.Snapshot(1, base.SIZE, dict(base.BLOCKS))
        self.images[base.IMAGE] = stored
        self.target = self.pool('images')
        self.target.seal(base.IMAGE)
        source = self.pool('volumes')
        table = ceph.Table(self.cluster.rados, source.ioctx)
        record = journal.Journal(table, 'here', 'first').begin(
            base.IMAGE, base.VOLUME, 'volume-id', 'dead', 'one-day'
        )
        record.update(pool='images', rbd_id=stored.id)
        self.job = job.Job(source, self.target, record)
        self.handle = self.cluster.rados.Rados('cinder', 'ceph', 'ceph.conf')
        self.handle.connect()
        self.addCleanup(self.handle.shutdown)
        self.ours = ceph.Cluster(self.cluster.rados, self.handle)

    def refuse(self, number):
        """Have the manager answer with an error."""

        def command(_command, _input, timeout):
            return -number, b'', f'not within {timeout} s'

        self.handle.mgr_command = command

    def look_after(self):
        return flattening.look_after(self.job, self.ours)

    def hand_over(self):
        flattening.hand_over(self.job, self.ours)

    def test_hand_over(self):
        self.hand_over()
        self.assertEqual([TASK], self.cluster.tasks)
        self.assertIsNotNone(self.images[base.IMAGE].parent)
        self.assertNotIn('WARNING', self.logs.output)
        self.cluster.run_tasks()
        self.assertSealed()

    @ddt.data(errno.EACCES, errno.ENOENT, errno.ETIMEDOUT)
    def test_this_host_does_what_the_manager_does_not(self, number):
        self.refuse(number)
        self.hand_over()
        self.assertSealed()
        self.assertIn(
            f'WARNING Image {base.IMAGE} is flattened by this host',
            self.logs.output,
        )
        # It was reported, for the journal and the log.
        self.assertEqual(2, self.job.work.progress.total)

    def test_a_snapshot_that_glance_removes_is_not_made_again(self):
        """Else Glance would put the image into the trash, for ever."""
        stored = self.images[base.IMAGE]
        stored.parent = None
        # As a lasting clone is made: without an object map.
        stored.features &= ~24
        self.cluster.on(
            'rebuild_object_map', stored.snapshots.clear, when='after'
        )
        self.assertRaises(exceptions.CephError, self.look_after)
        self.assertEqual({}, stored.snapshots)
        del self.images[base.IMAGE]
        self.assertTrue(self.look_after())

    def test_an_image_that_glance_is_about_to_remove_is_left_to_it(self):
        stored = self.images[base.IMAGE]
        stored.parent = None
        stored.snapshots.clear()

        def remove(_seconds):
            del self.images[base.IMAGE]

        with mock.patch.object(
            flattening.time, 'sleep', autospec=True, side_effect=remove
        ):
            self.assertTrue(self.look_after())

    def test_what_glance_takes_away_meanwhile_is_put_back(self):
        """It cannot delete an image that is open for writing."""
        self.refuse(errno.EACCES)
        snapshots = self.images[base.IMAGE].snapshots
        self.cluster.on('flatten', snapshots.clear, when='half')
        self.hand_over()
        self.assertFalse(self.look_after())
        self.assertSealed()

    @ddt.data(ZeroDivisionError, None)
    def test_a_good_upload_is_good_whatever_comes_after(self, error):
        """Recovery looks after the image."""
        self.refuse(errno.EACCES)
        self.cluster.fail('flatten', error('x') if error else self.timeout())
        self.hand_over()
        self.assertIn('is not yet independent', self.logs.output)
        self.assertIsNotNone(self.images[base.IMAGE].parent)

    def test_an_interruption_is_passed_on(self):
        self.cluster.fail('mgr_command', KeyboardInterrupt())
        self.assertRaises(KeyboardInterrupt, self.hand_over)

    def test_look_after_a_task_that_is_lost(self):
        self.assertFalse(self.look_after())
        self.assertEqual([TASK], self.cluster.tasks)
        self.assertFalse(self.look_after())
        self.assertEqual([TASK], self.cluster.tasks)
        self.cluster.run_tasks()
        self.assertTrue(self.look_after())
        self.assertSealed()

    def test_another_image_s_task_is_not_this_one_s(self):
        self.cluster.pools['other'] = {base.IMAGE: fake_ceph.Stored(1)}
        self.cluster.tasks.append(('other', base.IMAGE))
        self.assertFalse(self.look_after())
        self.assertIn(TASK, self.cluster.tasks)

    def test_this_host_does_it_and_then_it_is_done(self):
        def command(text, _input, timeout):
            if 'list' in text:
                return 0, b'[]', ''
            return -errno.EACCES, b'', f'not within {timeout} s'

        self.handle.mgr_command = command
        self.assertFalse(self.look_after())
        self.assertSealed()
        self.assertTrue(self.look_after())

    def test_a_snapshot_that_glance_has_removed_is_put_back(self):
        self.target.flatten(base.IMAGE, ceph.Progress())
        self.target.drop_snapshot(base.IMAGE, 'snap')
        self.assertFalse(self.look_after())
        self.assertSealed()
        self.assertTrue(self.look_after())

    def test_an_image_that_is_being_removed_is_left_alone(self):
        """Its snapshot goes first; to put it back would spoil the removal."""
        self.target.flatten(base.IMAGE, ceph.Progress())
        self.target.drop_snapshot(base.IMAGE, 'snap')
        ioctx = self.pool('images').ioctx
        remover = self.cluster.rbd.Image(ioctx, base.IMAGE)
        self.assertFalse(self.look_after())
        self.assertFalse(self.target.is_sealed(base.IMAGE))
        remover.close()
        self.assertFalse(self.look_after())
        self.assertTrue(self.look_after())

    def test_an_image_that_is_gone(self):
        self.target.remove(base.IMAGE)
        self.assertTrue(self.look_after())
        self.assertEqual([], self.cluster.tasks)

    def test_an_image_of_somebody_else(self):
        self.images[base.IMAGE] = fake_ceph.Stored(1)
        self.assertTrue(self.look_after())
        self.assertEqual({}, self.images[base.IMAGE].snapshots)

    def test_a_manager_that_is_not_ours_to_ask(self):
        """Nor has it a task then that this host had handed over."""
        self.refuse(errno.EACCES)
        self.assertFalse(self.look_after())
        self.assertSealed()
        self.assertTrue(self.look_after())

    @ddt.data(('id', 'rbd'), ('parent_info', 'rbd'), ('mgr_command', 'rados'))
    @ddt.unpack
    def test_what_cannot_be_learnt_is_not_assumed(self, operation, module):
        error = getattr(self.cluster, module).OSError('no answer')
        before = self.cluster.reached.count((operation, 'before'))
        self.cluster.fail(operation, error, skip=before, times=1)
        self.assertRaises(exceptions.CephError, self.look_after)
        self.assertEqual([], self.cluster.tasks)
        self.assertFalse(self.look_after())
        self.assertEqual([TASK], self.cluster.tasks)
