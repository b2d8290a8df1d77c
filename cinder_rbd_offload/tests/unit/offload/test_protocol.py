# SPDX-License-Identifier: Apache-2.0
"""An upload is complete, or it has not been: no failure leaves a trace.

A good upload is run once for each method, to learn every point at which an
operation of Ceph begins, has taken effect, or is half-way. Then at each of
these points an error is raised, or the process is killed.
"""

import contextlib

import ddt
from glanceclient import exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base as unit_base
from cinder_rbd_offload.tests.unit.offload import base

IMAGE, VOLUME, URL = unit_base.IMAGE, unit_base.VOLUME, unit_base.URL

WAYS = (
    base.copy,
    base.nothing,
    base.clone,
    base.clone_v1,
    base.instant,
    base.instant_unread,
)
POINTS = {way: base.points(way) for way in WAYS}


@ddt.ddt
class UploadTestCase(base.UploadTestCase):
    @ddt.data(*WAYS)
    def test_upload(self, way):
        way(self)
        self.assertTrue(self.upload())
        self.settle()
        self.assertComplete()
        self.assertSettled()

    def test_the_form_of_the_image_is_glance_s(self):
        for way in (base.copy, base.nothing, base.instant):
            self.start_over()
            way(self)
            self.upload()
            self.settle()
            self.assertEqual(
                {'order': 23, 'stripe_unit': 8 << 20, 'stripe_count': 1},
                self.images[IMAGE].form,
            )
            self.assertEqual(unit_base.FEATURES, self.images[IMAGE].features)

    @ddt.data(('copy', 'copy', 'clone_flatten'), ('auto', 'flatten', 'copy'))
    @ddt.unpack
    def test_each_method_is_the_fallback_of_the_other(
        self, method, operation, other
    ):
        self.method = method
        self.cluster.fail(operation, self.timeout(), when='after', times=1)
        self.assertTrue(self.upload())
        self.assertComplete()
        self.assertIn(f'is made by {other}, since', self.logs.output)
        self.assertIn(f'inside the cluster by {other}', self.logs.output)

    def test_no_fallback_gets_around_a_missing_capability(self):
        self.cluster.fail('flatten', self.cluster.rbd.PermissionError('no'))
        self.assertFalse(self.upload())
        self.assertNothingLeft()
        self.assertNotIn(('copy', 'before'), self.cluster.reached)

    def test_who_may_write_no_images_uploads_in_the_ordinary_way(self):
        """Nothing was made, so that it cannot be removed is no matter."""
        for operation in ('clone', 'copy', 'remove'):
            self.cluster.fail(
                operation, self.cluster.rbd.PermissionError('no')
            )
        self.assertFalse(self.upload())
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        self.assertIn('ceph auth caps client.cinder', self.logs.output)

    def test_who_may_not_even_look_for_images(self):
        """So that nothing is left there needs no look either."""

        class Denied(dict):
            def __contains__(pool, name):
                raise self.cluster.rbd.PermissionError(name)

        self.cluster.pools['images'] = Denied()
        self.assertFalse(self.upload())
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        self.assertIn('ceph auth caps client.cinder', self.logs.output)

    def test_data_of_a_doubtful_format_is_left_to_glance(self):
        self.volumes[VOLUME].size = 1024
        self.volumes[VOLUME].blocks[0] = b'QED\0'.ljust(fake_ceph.BLOCK)
        self.assertFalse(self.upload())
        self.assertNothingLeft()
        self.assertEqual([], self.glance.tasks[IMAGE])

    def test_the_log_tells_what_was_done(self):
        self.upload()
        self.assertIn(f'{unit_base.SIZE} bytes', self.logs.output)

    @ddt.data('copy', 'clone_flatten', 'instant')
    def test_the_image_is_the_volume_at_one_instant(self, method):
        def write():
            self.volumes[VOLUME].blocks[0] = b'x' * fake_ceph.BLOCK

        self.method = method
        for operation in ('copy', 'clone', 'rename'):
            self.cluster.on(operation, write)
        self.upload()
        self.settle()
        self.assertSealed()

    def test_what_has_the_image_s_name_is_whole(self):
        named = []
        self.cluster.on(
            'flatten', lambda: named.append(IMAGE in self.images), when='half'
        )
        self.upload()
        self.assertEqual([False], named)

    def test_an_image_that_is_deleted(self):
        self.cluster.on('flatten', lambda: self.glance.delete(IMAGE))
        self.assertRaises(exceptions.ImageGone, self.upload)
        self.assertNothingLeft()
        self.recover()
        self.assertSettled()

    @ddt.data((1, 'ceph'), (unit_base.SIZE, 'web'))
    @ddt.unpack
    def test_an_image_that_is_given_other_data(self, size, stores):
        self.cluster.on(
            'flatten',
            lambda: self.glance.take_other_data(IMAGE, size, stores),
        )
        self.assertRaises(exceptions.ImageTaken, self.upload)
        self.assertNothingLeft()
        self.assertIsNone(self.entry())

    def test_a_location_that_is_refused(self):
        self.glance.blind = True
        self.assertFalse(self.upload())
        self.assertNothingLeft()
        self.assertIsNone(self.entry())

    @ddt.data(False, True)
    def test_data_that_glance_may_still_take_is_kept(self, stuck):
        """No answer, or none in time; in one case the image does get it."""
        self.glance.stuck = stuck
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.assertRaises(exceptions.LocationUnknown, self.upload)
        self.assertSealed()
        self.assertEqual(self.before['volumes'], self.volumes)
        self.assertEqual(not stuck, self.glance.owns(IMAGE, URL))
        self.assertEqual(journal.Stage.PUBLISHING, self.entry().stage)
        self.assertEqual([], self.released)

    def test_no_other_error_takes_the_place_of_an_unknown_outcome(self):
        """The image would be streamed, and have its data twice."""
        self.glance.stuck = True
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.cluster.fail('remove_snap', ZeroDivisionError())
        self.assertRaises(exceptions.LocationUnknown, self.upload)

    def test_an_error_that_nobody_foresaw_keeps_the_data(self):
        self.glance.fail('get', ZeroDivisionError())
        self.glance.fail('get_associated_image_tasks', ZeroDivisionError())
        self.assertRaises(exceptions.LocationUnknown, self.upload)
        self.glance.heal()
        self.settle()
        self.assertComplete()


@ddt.ddt
class FailureTestCase(base.UploadTestCase):
    def test_every_operation_is_among_the_points(self):
        operations = {point[0] for way in WAYS for point in POINTS[way]}
        self.assertLessEqual(
            {
                *('create_snap', 'copy', 'clone', 'flatten', 'rename'),
                *('metadata_remove', 'protect_snap', 'remove_snap'),
                *('operate_write_op', 'mgr_command', 'mon_command'),
            },
            operations,
        )

    @ddt.data(*WAYS)
    def test_an_error(self, way):
        """It is answered with success, an ordinary upload, or a clean up."""
        # That the owner cannot delegate is no error to an upload.
        for point in POINTS[way][1:]:
            for error in (
                self.cluster.rbd.Timeout('x'),
                self.cluster.rbd.PermissionError('x'),
                ZeroDivisionError('x'),
            ):
                with self.world(way, point):
                    operation, when, skip = point
                    self.cluster.fail(
                        operation, error, when=when, skip=skip, times=1
                    )
                    self.require_an_answer()

    def require_an_answer(self):
        try:
            inside = self.upload()
        except Exception:
            inside = None
        if inside is False:
            self.assertNothingLeft()
            self.assertIn(IMAGE, self.glance.images)
        # Cinder would upload by itself now, or else delete the image.
        if not inside and self.glance.images[IMAGE]['status'] == 'queued':
            self.glance.delete(IMAGE)
        self.settle()
        self.assertSettled()
        if inside:
            self.assertComplete()

    @ddt.data(*WAYS)
    def test_a_kill(self, way):
        """Whatever is left, recovery makes an image of it, or nothing."""
        for point in POINTS[way]:
            with self.world(way, point):
                self.kill_at(*point)
                if self.cluster.entries():
                    self.settle()
                    self.assertEqual(['volume-id'], self.freed[:1])
                    self.assertSettled()
                else:
                    # It had not begun.
                    self.assertNothingLeft()

    def test_a_kill_before_the_owner_has_delegated(self):
        """Only the owner can delete the image then; the rest is settled."""
        self.kill_at('operate_write_op', 'after', 0)
        self.settle()
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        self.assertEqual(['volume-id'], self.freed)
        self.assertIn('only its owner or an administrator', self.logs.output)

    @ddt.data(*WAYS)
    def test_a_kill_and_another_in_recovery(self, way):
        """Recovery is killed itself, at some of its points."""
        for point in POINTS[way]:
            for later in range(0, 400, 7):
                with self.world(way, point, later):
                    self.kill_at(*point)
                    if not self.entry() or not self.killed_again(later):
                        break
                    self.settle()
                    self.assertSettled()

    def killed_again(self, later):
        """Recover, and be killed after some more operations; or be done."""
        self.kill_after(len(self.cluster.reached) + later)
        try:
            self.recover()
        except base.Killed:
            return True
        finally:
            self.revive()
        return False

    @contextlib.contextmanager
    def world(self, way, *point):
        """Build a new world, and name the point at which it went wrong."""
        self.start_over()
        way(self)
        try:
            yield
        except Exception as exc:
            raise AssertionError(f'{way.__name__} at {point}') from exc

    def kill_at(self, operation, when, skip):
        def kill():
            self.cluster.dead = base.Killed()
            raise self.cluster.dead

        self.cluster.on(operation, kill, when=when, skip=skip, times=1)
        with contextlib.suppress(base.Killed):
            self.upload()
        self.revive()

    def kill_after(self, number):
        reach = self.cluster.reach

        def counting(operation, when):
            if len(self.cluster.reached) >= number:
                self.cluster.dead = base.Killed()
            reach(operation, when)

        self.cluster.reach = counting

    def revive(self):
        """Go on without what only the dead process had."""
        if 'reach' in vars(self.cluster):
            del self.cluster.reach
        self.cluster.dead = None
        self.cluster.opened.clear()
        self.clock.sleep(1)


@ddt.ddt
class FrozenTestCase(base.UploadTestCase):
    """A host stands still for so long that another takes its upload over."""

    @ddt.data(*WAYS)
    def test_a_host_that_comes_back(self, way):
        for point in POINTS[way]:
            self.start_over()
            way(self)
            operation, when, skip = point
            self.cluster.on(
                operation, self.take_over, when=when, skip=skip, times=1
            )
            try:
                self.upload()
            except Exception as exc:
                self.assertTrue(self.cluster.refusal, exc)
            self.cluster.refusal = None
            # What was open here could not be removed there.
            self.settle('there@ceph')
            try:
                self.assertSettled()
            except Exception as exc:
                raise AssertionError(f'{way.__name__} at {point}') from exc

    def take_over(self):
        clients = self.entry() and self.entry().clients
        recovery = self.recovery()
        self.recover('there@ceph', recovery=recovery)
        self.clock.sleep(journal.LEASE + 1)
        for _look in range(3):
            self.recover('there@ceph', recovery=recovery)
            self.cluster.run_tasks()
        if clients:
            # From here on the cluster refuses what this host asks for.
            self.assertEqual(clients, tuple(self.cluster.shut_out))
            self.cluster.refusal = self.timeout()


@ddt.ddt
class ForeignImageTestCase(base.UploadTestCase):
    """Glance's pool has an image of that name, which is not ours."""

    def setUp(self):
        super().setUp()
        base.occupy(self)
        self.foreign = self.images[IMAGE]

    def test_it_is_left_alone(self):
        self.assertFalse(self.upload())
        self.assertNothingLeft()

    def test_it_is_left_alone_when_it_came_at_the_last_moment(self):
        del self.images[IMAGE]
        self.cluster.on('rename', lambda: base.occupy(self))
        self.assertFalse(self.upload())
        self.assertEqual([IMAGE], list(self.images))
        self.assertEqual(1, self.images[IMAGE].size)

    def test_recovery_leaves_it_alone(self):
        del self.images[IMAGE]

        def kill():
            base.occupy(self)
            self.cluster.dead = base.Killed()
            raise self.cluster.dead

        self.cluster.on('rename', kill)
        self.assertRaises(base.Killed, self.upload)
        self.cluster.dead = None
        self.cluster.opened.clear()
        self.settle()
        self.assertEqual([IMAGE], list(self.images))
        self.assertEqual(1, self.images[IMAGE].size)
        self.assertIsNone(self.entry())
