# SPDX-License-Identifier: Apache-2.0
"""An upload waits for its turn, keeps the limits, and goes on otherwise."""

from unittest import mock

import ddt

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import attempt
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base as unit_base
from cinder_rbd_offload.tests.unit.offload import base

IMAGE, VOLUME = unit_base.IMAGE, unit_base.VOLUME


class AttemptTestCase(base.UploadTestCase):
    def again(self):
        """Begin with another image of the same volume."""
        self.images.clear()
        self.glance.delete(IMAGE)
        self.glance.create(IMAGE)


class Turn:
    """The turns of a back end, all of them taken by others.

    :ivar looks: what is called at each look for a free one
    """

    def __init__(self, looks):
        self.looks = iter(looks)
        self.waited = []
        self.released = 0

    def acquire(self, blocking=True, timeout=None):
        if not blocking:
            return False
        self.waited.append(timeout)
        return next(self.looks)()

    def release(self):
        self.released += 1


@ddt.ddt
class TurnTestCase(AttemptTestCase):
    def test_it_waits_and_is_shown_as_waiting(self):
        stages = []

        def busy():
            stages.append(self.entry().stage)
            return False

        self.slots = Turn([busy, busy, lambda: True])
        self.assertTrue(self.upload())
        self.assertEqual([journal.Stage.WAITING] * 2, stages)
        self.assertEqual([0.5] * 3, self.slots.waited)
        self.assertEqual(1, self.slots.released)
        self.assertIn('INFO Image', self.logs.output)
        self.assertIn('waits for its turn', self.logs.output)
        self.assertComplete()

    def test_nothing_is_made_before_its_turn(self):
        def busy():
            self.assertNothingLeft()
            return False

        self.slots = Turn([busy, lambda: True])
        self.assertTrue(self.upload())

    def test_the_image_is_deleted_meanwhile(self):
        watches = []
        real = attempt.watch.Watch

        def watch(*args):
            watches.append(real(*args))
            return watches[-1]

        def busy():
            self.glance.delete(IMAGE)
            watches[-1].ask()
            return False

        self.slots = Turn([busy])
        with mock.patch.object(attempt.watch, 'Watch', watch):
            self.assertRaises(exceptions.ImageGone, self.upload)
        self.assertEqual(0, self.slots.released)
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        self.assertNotIn(('create_snap', 'before'), self.cluster.reached)

    def test_no_turn_is_needed_where_nobody_waits(self):
        self.assertTrue(self.upload())
        self.assertNotIn('waits for its turn', self.logs.output)

    @ddt.data('create_snap', 'read', 'rename', 'protect_snap')
    def test_a_turn_ends_with_a_failure(self, operation):
        self.cluster.fail(operation, self.timeout(), times=2)
        self.assertFalse(self.upload())
        self.assertTrue(self.slots.acquire(blocking=False))

    def test_a_turn_ends_with_a_kill(self):
        self.cluster.fail('clone', KeyboardInterrupt())
        self.assertRaises(KeyboardInterrupt, self.upload)
        self.assertTrue(self.slots.acquire(blocking=False))


@ddt.ddt
class LimitsTestCase(AttemptTestCase):
    """Nothing is made, nor is a turn taken, before an image is refused."""

    def assertRefused(self, reason):
        self.slots.acquire()
        error = self.assertRaises(exceptions.NoRoom, self.upload)
        self.assertIn(reason, str(error))
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        for operation in ('create_snap', 'copy', 'clone'):
            self.assertNotIn((operation, 'before'), self.cluster.reached)

    def test_the_size_cap(self):
        self.size_cap = unit_base.SIZE - 1
        self.assertRefused('rbd_offload_image_size_cap')

    def test_the_quota(self):
        self.volumes[VOLUME].size = 4 << 20
        self.glance.usage = {'image_size_total': {'limit': 10, 'usage': 7}}
        self.assertRefused('image_size_total')

    def test_the_pool(self):
        self.cluster.free = 2 * fake_ceph.BLOCK - 1
        self.assertRefused('pool images has room')

    def wait(self, look):
        """Have the upload wait for its turn until something was done."""

        def turn():
            look()
            return True

        self.slots = Turn([turn])

    def test_the_pool_is_full_when_the_turn_comes(self):
        def fill():
            self.cluster.free = 0

        self.wait(fill)
        error = self.assertRaises(exceptions.NoRoom, self.upload)
        self.assertIn('pool images has room for 0', str(error))
        self.assertEqual(1, self.slots.released)
        self.assertNothingLeft()
        self.assertIsNone(self.entry())

    def test_the_quota_is_used_when_the_turn_comes(self):
        def use():
            self.glance.usage = {'image_size_total': {'limit': 1, 'usage': 1}}

        self.volumes[VOLUME].size = 1 << 20
        self.wait(use)
        self.assertRaises(exceptions.NoRoom, self.upload)
        self.assertEqual(1, self.slots.released)
        self.assertNothingLeft()

    def test_the_pool_of_the_data(self):
        """It is that one which has to have room."""
        asked = []
        real = attempt.ceph.Cluster.free

        def free(cluster, pool):
            asked.append(pool)
            return real(cluster, 'images')

        self.data_pools = {'ceph': 'ec-data'}
        with mock.patch.object(attempt.ceph.Cluster, 'free', free):
            self.upload()
        self.assertEqual(['ec-data'], asked)
        self.assertEqual('ec-data', self.images[IMAGE].form['data_pool'])

    def test_all_that_is_allowed(self):
        self.size_cap = unit_base.SIZE
        self.cluster.free = 2 * fake_ceph.BLOCK
        self.assertTrue(self.upload())

    def test_the_bytes_to_move_are_in_the_journal(self):
        seen = []
        self.cluster.on('clone', lambda: seen.append(self.entry().bytes))
        self.upload()
        self.assertEqual([2 * fake_ceph.BLOCK], seen)

    def test_the_stores_that_it_is_not_in_are_in_the_journal(self):
        seen = []
        self.cluster.on('clone', lambda: seen.append(self.entry().elsewhere))
        self.upload()
        self.assertEqual([('web',)], seen)

    @ddt.data('diff_iterate', 'mon_command')
    def test_a_limit_that_cannot_be_learnt(self, operation):
        error = self.cluster.rados.TimedOut('x')
        if operation == 'diff_iterate':
            error = self.timeout()
        self.cluster.fail(operation, error)
        self.assertFalse(self.upload())
        self.assertNothingLeft()


@ddt.ddt
class RememberTestCase(AttemptTestCase):
    """Instant uploads find out whether Glance reads through clones."""

    def methods(self):
        """Upload, and return the methods that were made use of."""
        used = []
        real = attempt.protocol.methods.MAKE

        def make(method):
            def recorded(job):
                used.append(method)
                real[method](job)

            return recorded

        recording = {method: make(method) for method in real}
        with mock.patch.object(attempt.protocol.methods, 'MAKE', recording):
            self.assertTrue(self.upload())
        self.settle()
        self.assertComplete()
        self.again()
        return used

    def test_auto_does_what_instant_was_seen_to_do(self):
        instant, flatten = plan.Method.INSTANT, plan.Method.CLONE_FLATTEN
        self.method = 'auto'
        self.assertEqual([flatten], self.methods())
        self.method = 'instant'
        self.assertEqual([instant], self.methods())
        self.method = 'auto'
        self.assertEqual([instant], self.methods())

    def test_instant_does_not_try_again_what_was_not_possible(self):
        instant, flatten = plan.Method.INSTANT, plan.Method.CLONE_FLATTEN
        self.glance.reads_through = False
        self.method = 'instant'
        self.assertEqual([instant], self.methods())
        self.assertEqual([flatten], self.methods())
        self.method = 'auto'
        self.assertEqual([flatten], self.methods())

    def test_nothing_is_learnt_of_another_method(self):
        self.upload()
        self.assertNotIn(b'clones in', b''.join(self.omap()))

    def omap(self):
        return (key.encode() for key in self.records())

    def records(self):
        return self.cluster.omap['volumes']['rbd_offload.journal']

    def test_what_cannot_be_remembered_costs_no_upload(self):
        self.method = 'instant'
        with mock.patch.object(
            attempt.findings,
            'remember',
            autospec=True,
            side_effect=ZeroDivisionError,
        ):
            self.assertTrue(self.upload())
        self.settle()
        self.assertComplete()


@ddt.ddt
class OutcomeTestCase(AttemptTestCase):
    """What leaves the cluster, and how the log tells it."""

    def line(self):
        (line,) = [
            line
            for line in self.logs.output.splitlines()
            if 'does not stay in the cluster' in line
        ]
        return line

    def test_what_does_not_qualify(self):
        self.method = 'off'
        self.assertFalse(self.upload())
        self.assertTrue(self.line().startswith('INFO'))

    def test_what_would_qualify_if_glance_named_its_stores(self):
        self.glance.service_role = False
        self.assertFalse(self.upload())
        self.assertTrue(self.line().startswith('WARNING'))
        self.assertIn('Glance did not name its stores', self.line())

    def test_what_fails(self):
        self.cluster.fail('create_snap', self.timeout())
        self.assertFalse(self.upload())
        self.assertTrue(self.line().startswith('WARNING'))

    @ddt.data('create_snap', 'clone')
    def test_a_capability_is_missing(self, operation):
        """The line gives it all pools, whichever of them lacks it."""
        self.cluster.pools['ec-data'] = {}
        self.data_pools = {'ceph': 'ec-data', 'other': 'none-of-it'}
        self.cluster.fail(operation, self.cluster.rbd.PermissionError('no'))
        self.assertFalse(self.upload())
        profiles = ', '.join(
            f'profile rbd pool={pool}'
            for pool in ('volumes', 'images', 'ec-data')
        )
        self.assertIn(f"osd '{profiles}'", self.line())

    def test_what_nobody_foresaw(self):
        self.cluster.fail('create_snap', ZeroDivisionError('surprise'))
        self.assertFalse(self.upload())
        self.assertTrue(self.line().startswith('ERROR'))
        self.assertIn('ZeroDivisionError: surprise', self.logs.output)

    @ddt.data(KeyboardInterrupt, GeneratorExit)
    def test_an_interruption(self, error):
        """It leaves everything to recovery."""
        self.cluster.fail('clone', error())
        self.assertRaises(error, self.upload)
        self.assertEqual(journal.Stage.MAKING, self.entry().stage)
        self.settle()
        self.assertSettled()

    def test_the_reason_is_in_the_journal(self):
        seen = []
        self.cluster.on('clone', lambda: seen.append(self.entry()))
        self.upload()
        self.assertIn('clone_flatten, since', seen[0].reason)
        self.assertEqual('clone_flatten', seen[0].method)
