# SPDX-License-Identifier: Apache-2.0
"""An entry is there as long as somebody has something to do with it."""

import ddt
from glanceclient import exc

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import tracking
from cinder_rbd_offload.tests.unit import base

Stage = journal.Stage
CAUSE = TimeoutError('no answer')


@ddt.ddt
class TrackingTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        table = ceph.Table(self.cluster.rados, self.pool('volumes').ioctx)
        self.record = journal.Journal(table, 'here', 'first').begin(
            base.IMAGE, base.VOLUME, 'volume-id', 'dead', 'one-day'
        )
        self.record.update(trust='a-trust')
        self.released = []

    def end(self, error=None):
        """End an upload, well or with an error."""

        def upload():
            with tracking.tracked(
                self.record, self.api(), self.released.append
            ):
                if error:
                    raise error

        if error:
            self.assertIs(error, self.assertRaises(type(error), upload))
        else:
            upload()

    def assertClosed(self):
        self.assertIs(Stage.ENDED, self.record.entry.stage)
        self.assertEqual(['a-trust'], self.released)

    def assertOpen(self):
        self.assertIn(base.IMAGE, self.cluster.entries())
        self.assertEqual([], self.released)

    @ddt.data(
        (Stage.PUBLISHED, 'copy'),
        (Stage.PUBLISHED, 'clone_flatten'),
        (Stage.ORDINARY, ''),
        (Stage.ORDINARY, 'instant'),
    )
    @ddt.unpack
    def test_a_good_end(self, stage, method):
        self.record.update(stage=stage, method=method)
        self.end()
        self.assertClosed()

    @ddt.data((Stage.PUBLISHED, 'instant'), (Stage.PUBLISHING, 'copy'))
    @ddt.unpack
    def test_a_good_end_with_something_left_to_do(self, stage, method):
        """To be flattened, or to be found out that it is published."""
        self.record.update(stage=stage, method=method)
        self.end()
        self.assertOpen()

    @ddt.data(
        exceptions.CephError('copying', CAUSE),
        exceptions.ImageGone(base.IMAGE),
        exceptions.ImageTaken(base.IMAGE),
        exceptions.LocationRefused(base.URL, 'no'),
        exceptions.NoRoom(base.IMAGE, 1, 'none'),
        ValueError('of the ordinary way'),
    )
    def test_a_bad_end(self, error):
        self.record.update(stage=Stage.PUBLISHING, method='instant')
        self.end(error)
        self.assertClosed()
        self.assertNotIn(base.IMAGE, self.glance.images)

    def test_a_bad_end_of_an_image_that_has_data(self):
        self.glance.take_other_data(base.IMAGE, 7)
        self.end(exceptions.ImageTaken(base.IMAGE))
        self.assertClosed()
        self.assertIn(base.IMAGE, self.glance.images)

    def test_a_bad_end_of_an_image_of_wrong_data(self):
        self.glance.take_other_data(base.IMAGE, 7)
        self.record.update(stage=Stage.REJECTED)
        self.end(exceptions.UploadMismatch(base.IMAGE, (7, 'a'), (7, 'b')))
        self.assertClosed()
        self.assertNotIn(base.IMAGE, self.glance.images)

    def test_an_image_of_wrong_data_that_cannot_be_deleted(self):
        self.glance.take_other_data(base.IMAGE, 7)
        self.glance.fail('delete', exc.HTTPServiceUnavailable())
        self.record.update(stage=Stage.REJECTED)
        self.end(exceptions.UploadMismatch(base.IMAGE, (7, 'a'), (7, 'b')))
        self.assertOpen()

    def test_a_bad_end_while_glance_is_away(self):
        """Recovery deletes the image."""
        self.glance.down_until = 1
        self.end(ValueError('of the ordinary way'))
        self.assertOpen()

    @ddt.data(
        exceptions.LocationUnknown(base.IMAGE, base.URL, 1),
        exceptions.NotUndone(base.IMAGE, CAUSE),
        exceptions.TakenOver(base.IMAGE),
        KeyboardInterrupt(),
        GeneratorExit(),
    )
    def test_an_end_with_something_left_to_do(self, error):
        self.end(error)
        self.assertOpen()

    @ddt.data(None, ValueError('x'))
    def test_an_entry_that_cannot_be_taken_out(self, error):
        """Neither a good end nor the error becomes another."""
        self.record.update(stage=Stage.PUBLISHED)
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.TimedOut('no answer')
        )
        self.end(error)
        self.assertIn(base.IMAGE, self.cluster.entries())
        self.assertEqual(['a-trust'], self.released)

    def delegate(self, expires):
        self.assertEqual('one-day', expires)
        return 'another'

    def test_entrust(self):
        tracking.entrust(self.record, self.delegate, self.released.append)
        text = self.cluster.entries()[base.IMAGE].decode()
        self.assertEqual('another', journal.Entry.from_text(text).trust)
        self.assertEqual([], self.released)

    @ddt.data((1, exceptions.CephError), (2, exceptions.EntryUnknown))
    @ddt.unpack
    def test_what_cannot_be_written_is_not_delegated(self, times, error):
        """Nobody would know of it after a crash."""
        self.cluster.fail(
            *('operate_write_op', self.cluster.rados.TimedOut('no answer')),
            skip=self.cluster.reached.count(('operate_write_op', 'before')),
            times=times,
        )
        raised = self.assertRaises(
            (exceptions.CephError, exceptions.EntryUnknown),
            tracking.entrust,
            self.record,
            self.delegate,
            self.released.append,
        )
        self.assertIs(error, type(raised))
        self.assertEqual(['another'], self.released)
        self.assertEqual(times == 2, base.IMAGE in self.cluster.entries())
