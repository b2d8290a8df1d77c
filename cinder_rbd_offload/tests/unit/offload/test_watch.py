# SPDX-License-Identifier: Apache-2.0
"""An upload is looked after: signs of life, progress, and when to end.

Each look is taken here, not by the thread.
"""

import threading
import time
from unittest import mock

import ddt
from glanceclient import exc

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import job
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import methods
from cinder_rbd_offload.offload import watch
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

MIB = 1 << 20
DRAFT = f'offload-{base.IMAGE}'
Stage = journal.Stage


class WatchTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.time = self.patch(watch.time, 'monotonic')
        self.time.return_value = 0.0
        source = self.pool('volumes')
        table = ceph.Table(self.cluster.rados, source.ioctx)
        self.journal = journal.Journal(table, 'here', 'first')
        self.record = self.journal.begin(
            base.IMAGE, base.VOLUME, 'volume-id', 'dead', 'one-day'
        )
        self.record.update(
            stage=Stage.MAKING, pool='images', bytes=100 * MIB, method='copy'
        )
        self.job = job.Job(source, self.pool('images'), self.record)
        self.work = self.job.work
        self.watch = watch.Watch(self.job, self.api())

    def patch(self, target, name):
        patcher = mock.patch.object(target, name, autospec=True)
        self.addCleanup(patcher.stop)
        return patcher.start()

    def stored(self):
        text = self.cluster.entries()[base.IMAGE]
        return journal.Entry.from_text(text.decode())

    def take_over(self):
        other = journal.Journal(
            ceph.Table(self.cluster.rados, self.job.source.ioctx),
            *('there', 'second'),
        )
        record = other.records()[base.IMAGE]
        self.assertTrue(other.take(record, 'new'))

    def assertStopped(self, error):
        self.assertTrue(self.work.stopped)
        self.assertTrue(self.work.progress.stopped)
        self.assertRaises(error, self.work.check)

    def assertGoesOn(self):
        self.assertFalse(self.work.stopped)
        self.assertFalse(self.work.progress.stopped)
        self.work.check()


class AliveTestCase(WatchTestCase):
    """Before an upload is looked after, it waits for other services."""

    def setUp(self):
        super().setUp()
        interval = mock.patch.object(watch, 'INTERVAL', 0.001)
        interval.start()
        self.addCleanup(interval.stop)

    def test_signs_of_life(self):
        beaten = threading.Event()
        first = self.stored().beat

        def count():
            if self.stored().beat > first + 2:
                beaten.set()

        self.cluster.on('operate_write_op', count, when='after')
        with watch.alive(self.record):
            self.assertTrue(beaten.wait(20))
        last = self.stored().beat
        self.record.update()
        self.assertEqual(last + 1, self.stored().beat)

    def test_ceph_does_not_take_one(self):
        beaten = threading.Event()
        self.cluster.fail('operate_write_op', self.timeout(), times=2)
        self.cluster.on('operate_write_op', beaten.set, when='after')
        with watch.alive(self.record):
            self.assertTrue(beaten.wait(20))

    def test_none_is_given_for_another_host(self):
        self.take_over()
        tried = threading.Event()
        self.cluster.on('operate_write_op', tried.set)
        taken = self.stored()
        with watch.alive(self.record):
            self.assertTrue(tried.wait(20))
        self.assertEqual(taken, self.stored())


class SignsOfLifeTestCase(WatchTestCase):
    def assertEnded(self):
        self.assertFalse(any(one.is_alive() for one in self.watch._threads))

    def test_each_look_is_one(self):
        beats = []
        for _look in range(3):
            self.watch.look()
            beats.append(self.stored().beat)
        self.assertEqual([2, 3, 4], beats)

    def test_progress_is_shown(self):
        self.images[DRAFT] = fake_ceph.Stored(base.SIZE)
        self.work.progress.report(3, 8)
        self.watch.look()
        self.assertEqual((3, 8), (self.stored().done, self.stored().total))

    def test_progress_of_a_copy_is_what_it_has_written(self):
        """Since librbd's copy reports none."""
        self.images[DRAFT] = fake_ceph.Stored(
            base.SIZE, {0: b'x' * fake_ceph.BLOCK}
        )
        self.work.copying = True
        self.watch.look()
        self.assertEqual(fake_ceph.BLOCK, self.stored().done)
        self.assertEqual(100 * MIB, self.stored().total)
        self.assertEqual(base.SIZE, self.images[DRAFT].size)

    def test_a_copy_that_has_not_begun_is_no_reason_to_seem_dead(self):
        self.work.copying = True
        self.watch.look()
        self.assertEqual(2, self.stored().beat)

    def test_the_thread_looks_and_ends(self):
        """Also after errors, and while the upload fails."""
        looked = threading.Event()
        looks = []

        def look(_watch):
            looks.append(1)
            if len(looks) == 3:
                looked.set()

        with mock.patch.object(watch, 'INTERVAL', 0):
            self.patch(watch.Watch, 'look').side_effect = look
            with self.watch:
                self.assertTrue(looked.wait(20))
            ended = len(looks)
        self.assertGreaterEqual(ended, 3)
        self.assertEnded()

    def test_a_silent_glance_does_not_make_this_host_seem_dead(self):
        asked, answers = threading.Event(), threading.Event()
        self.addCleanup(answers.set)

        def state(*_args):
            asked.set()
            answers.wait(20)

        self.patch(glance.Glance, 'state').side_effect = state
        with mock.patch.object(watch, 'INTERVAL', 0):
            with self.watch:
                self.assertTrue(asked.wait(20))
                beats = self.stored().beat + 3
                for _wait in range(2000):
                    if self.stored().beat >= beats:
                        break
                    time.sleep(0.01)
                else:
                    self.fail('no sign of life')
                answers.set()
        self.assertEnded()

    def test_no_look_after_the_end(self):
        with self.watch:
            pass
        self.assertEnded()
        self.assertEqual(1, self.stored().beat)


@ddt.ddt
class EndTestCase(WatchTestCase):
    """What ends an upload, and what does not."""

    def look(self):
        """Look as both threads do, each once, and at what comes of it."""
        self.watch.look()
        self.watch.ask()
        self.watch.look()

    @ddt.data(Stage.WAITING, Stage.MAKING)
    def test_a_deleted_image(self, stage):
        self.record.update(stage=stage)
        self.glance.delete(base.IMAGE)
        self.look()
        self.assertStopped(exceptions.ImageGone)

    @ddt.data(1, base.SIZE, 0)
    def test_other_data(self, size):
        self.glance.take_other_data(base.IMAGE, size)
        self.look()
        self.assertStopped(exceptions.ImageTaken)

    def test_an_image_that_waits_for_its_data(self):
        self.look()
        self.assertGoesOn()

    @ddt.data(Stage.PUBLISHING, Stage.PUBLISHED, Stage.ORDINARY)
    def test_later_others_look_at_the_image(self, stage):
        """It may be active by then with our data, or be deleted for good."""
        self.record.update(stage=stage)
        self.glance.delete(base.IMAGE)
        self.look()
        self.assertGoesOn()

    def test_nobody_may_ask_glance(self):
        self.glance.delete(base.IMAGE)
        watch.Watch(self.job).ask()
        self.assertGoesOn()

    def test_another_host_has_taken_over(self):
        self.take_over()
        self.look()
        self.assertStopped(exceptions.TakenOver)

    def test_the_first_reason_counts(self):
        self.take_over()
        self.glance.delete(base.IMAGE)
        self.look()
        self.assertStopped(exceptions.TakenOver)

    @ddt.data('get', 'operate_write_op', 'diff_iterate')
    def test_an_error_does_not_end_it(self, operation):
        if operation == 'get':
            self.glance.fail('get', exc.CommunicationError('refused'))
        else:
            error = self.cluster.rados.TimedOut('no')
            if operation == 'diff_iterate':
                error = self.timeout()
            self.cluster.fail(operation, error)
        self.images[DRAFT] = fake_ceph.Stored(base.SIZE)
        self.work.copying = True
        self.look()
        self.assertGoesOn()

    def test_an_error_of_the_journal_does_not_hide_the_deletion(self):
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.TimedOut('no')
        )
        self.glance.delete(base.IMAGE)
        self.look()
        self.assertStopped(exceptions.ImageGone)

    def test_a_flatten_stops(self):
        self.inherit()
        self.job.source.snapshot(base.VOLUME, DRAFT)
        self.cluster.on('flatten', self.delete_and_look, when='half')
        self.assertRaises(
            exceptions.CephError, methods.clone_flatten, self.job
        )
        self.assertStopped(exceptions.ImageGone)
        self.assertIsNotNone(self.images[DRAFT].parent)

    def test_a_copy_stops(self):
        self.job.source.snapshot(base.VOLUME, DRAFT)
        self.cluster.on('copy', self.delete_and_look, when='half')
        self.assertRaises(exceptions.CephError, methods.copy, self.job)
        self.assertStopped(exceptions.ImageGone)
        self.assertEqual({}, self.images[DRAFT].blocks)
        self.assertFalse(self.work.copying)

    def test_nothing_else_is_cut_short(self):
        """An image of that size is whole, or of another method."""
        self.images[DRAFT] = fake_ceph.Stored(base.SIZE)
        self.delete_and_look()
        self.assertEqual(base.SIZE, self.images[DRAFT].size)

    def delete_and_look(self):
        self.glance.delete(base.IMAGE)
        self.look()


class LinesTestCase(WatchTestCase):
    """The log tells every ten seconds how far it is, and how fast."""

    def look(self, done, seconds=10.0):
        self.work.progress.report(done, 200)
        for _look in range(watch.LOOKS_PER_LINE):
            self.time.return_value += seconds / watch.LOOKS_PER_LINE
            self.watch.look()

    def lines(self):
        return [
            line
            for line in self.logs.output.splitlines()
            if line.startswith('INFO')
        ]

    def test_lines(self):
        self.look(50)
        self.look(150)
        self.assertEqual(
            [
                f'INFO Image {base.IMAGE}: 25 % done, about 25 of 100 MiB, '
                'at 2 MiB/s',
                f'INFO Image {base.IMAGE}: 75 % done, about 75 of 100 MiB, '
                'at 5 MiB/s',
            ],
            self.lines(),
        )

    def test_the_next_method_begins_anew(self):
        """A rate is of what was moved, and nothing is moved back."""
        self.look(150)
        self.look(0)
        self.assertIn('0 % done, about 0 of 100 MiB, at 0 ', self.lines()[1])

    def test_never_more_than_all_of_it(self):
        """A copy writes objects whole, which may be more than were in use."""
        self.look(300)
        self.assertIn('100 % done, about 100 of 100 MiB', self.lines()[0])

    def test_no_line_while_nothing_is_known(self):
        for _look in range(2 * watch.LOOKS_PER_LINE):
            self.watch.look()
        self.assertEqual('', self.logs.output)

    def test_two_looks_at_the_same_time(self):
        self.look(50, 0.0)
        self.look(100)
        self.assertEqual(1, len(self.lines()))
        self.assertIn('50 % done', self.lines()[0])
