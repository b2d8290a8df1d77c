# SPDX-License-Identifier: Apache-2.0
"""An upload is complete, or it has not been: no failure leaves a trace.

A good upload is run once to learn every point at which an operation of Ceph
begins, has taken effect, or is half-way. Then an error is raised at each of
these points, and the pools are compared with what they held before.
"""

import ddt
from glanceclient import exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import protocol
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base


COPY, CLONE = plan.Method.COPY, plan.Method.CLONE_FLATTEN


class Greenlet(BaseException):
    """Ends a task from outside, as eventlet's GreenletExit does."""


class ProtocolTestCase(base.TestCase):
    # The methods to try.
    order = (COPY,)

    def upload(self):
        job = job_.Job(
            self.pool('volumes'), base.VOLUME, self.pool('images'), base.IMAGE
        )
        publication = publish.Publication(
            self.api(),
            job.target,
            base.IMAGE,
            base.URL,
            10,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        self.before = self.cluster.state()
        protocol.upload(job, self.order, publication)

    def break_at(self, point, error):
        """Have an error raised at a point of :func:`points`."""
        operation, when, skip = point
        self.cluster.fail(operation, error, when=when, skip=skip, times=1)

    def assertUndone(self):
        self.assertEqual(self.before, self.cluster.state())

    def assertComplete(self):
        """Require the image, and the volume as it was."""
        self.assertSealed()
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))
        self.assertEqual(self.before['volumes'], self.volumes)


def points(prepare=lambda case: None):
    """List the points of an upload, before and after Glance is asked.

    Each is an operation, a moment of it, and how often that came before.
    """
    case = ProtocolTestCase('upload')
    case.start_over()
    prepare(case)
    asked = []
    add_location = case.glance.add_location

    def note(*args):
        asked.append(len(case.cluster.reached))
        add_location(*args)

    case.glance.add_location = note
    try:
        case.upload()
    except exceptions.OffloadError:
        asked.append(len(case.cluster.reached))
    reached = case.cluster.reached
    every = [
        (*point, reached[:number].count(point))
        for number, point in enumerate(reached)
    ]
    return every[: asked[0]], every[asked[0] :]


def refuse(case):
    case.glance.service_role = False


def occupy(case):
    case.images[base.IMAGE] = fake_ceph.Stored(1)


def clone(case):
    case.order = (CLONE,)
    case.inherit()


def clone_v1(case):
    clone(case)
    case.cluster.clone_v2 = False


MAKING, CLEANING = points()
MAKING_OF_CLONE, _CLEANING = points(clone)
MAKING_OF_CLONE_V1, _CLEANING = points(clone_v1)
_MAKING, WITHDRAWING = points(refuse)
COLLIDING, _CLEANING = points(occupy)


@ddt.ddt
class UploadTestCase(ProtocolTestCase):
    def test_upload(self):
        self.upload()
        self.assertComplete()

    @ddt.data(True, False)
    def test_upload_of_a_clone(self, clone_v2):
        self.order = (CLONE,)
        self.cluster.clone_v2 = clone_v2
        self.inherit()
        self.upload()
        self.assertComplete()

    @ddt.data((COPY, CLONE, 'copy'), (CLONE, COPY, 'flatten'))
    @ddt.unpack
    def test_each_method_is_the_fallback_of_the_other(
        self, first, second, operation
    ):
        self.order = (first, second)
        self.cluster.fail(operation, self.timeout(), when='after')
        self.upload()
        self.assertComplete()
        log = self.logs.output
        self.assertIn(f'by {second.value}, since {first.value} failed', log)
        self.assertIn(f'inside the cluster by {second.value}', log)

    def test_no_fallback_gets_around_a_missing_capability(self):
        self.order = (COPY, CLONE)
        self.cluster.fail('copy', self.cluster.rbd.PermissionError('no'))
        self.assertRaises(exceptions.CephNotPermitted, self.upload)
        self.assertUndone()

    def test_data_of_a_doubtful_format_is_left_to_glance(self):
        self.volumes[base.VOLUME].size = 1024
        self.volumes[base.VOLUME].blocks[0] = b'QED\0'.ljust(fake_ceph.BLOCK)
        self.assertRaises(exceptions.FormatDoubtful, self.upload)
        self.assertUndone()
        self.assertEqual([], self.glance.tasks[base.IMAGE])

    def test_the_log_tells_what_was_done(self):
        self.upload()
        self.assertIn(f'{base.SIZE} bytes', self.logs.output)

    def test_the_image_is_the_volume_at_one_instant(self):
        def write():
            self.volumes[base.VOLUME].blocks[0] = b'x' * fake_ceph.BLOCK

        self.cluster.on('copy', write)
        self.cluster.on('copy', write, when='half')
        self.upload()
        self.assertSealed()

    @ddt.data(
        ('service_role', False, exceptions.LocationRefused),
        ('blind', True, exceptions.LocationRefused),
    )
    @ddt.unpack
    def test_a_location_that_is_refused(self, trouble, value, error):
        setattr(self.glance, trouble, value)
        self.assertRaises(error, self.upload)
        self.assertUndone()

    def test_an_image_that_is_deleted(self):
        self.cluster.on('copy', lambda: self.glance.delete(base.IMAGE))
        self.assertRaises(exceptions.ImageGone, self.upload)
        self.assertUndone()

    def test_an_image_that_is_given_other_data(self):
        self.cluster.on(
            'copy', lambda: self.glance.take_other_data(base.IMAGE, 1)
        )
        self.assertRaises(exceptions.ImageTaken, self.upload)
        self.assertUndone()

    @ddt.data(False, True)
    def test_data_that_glance_may_still_take_is_kept(self, stuck):
        """No answer, or none in time; in one case the image does get it."""
        self.glance.stuck = stuck
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.assertRaises(exceptions.LocationUnknown, self.upload)
        self.assertSealed()
        self.assertEqual(self.before['volumes'], self.volumes)
        self.assertEqual(not stuck, self.glance.owns(base.IMAGE, base.URL))

    @ddt.data(KeyboardInterrupt, Greenlet)
    def test_an_interruption_while_glance_decides_keeps_the_data(self, error):
        self.glance.fail('get', error())
        self.assertRaises(error, self.upload)
        self.assertEqual(self.before['volumes'], self.volumes)
        self.clock.sleep(1)
        self.assertComplete()


@ddt.ddt
class FailureTestCase(ProtocolTestCase):
    def test_every_operation_is_among_the_points(self):
        self.assertLessEqual(
            {
                ('size', 'before', 0),
                ('create_snap', 'before', 0),
                ('copy', 'before', 0),
                ('copy', 'half', 0),
                ('copy', 'after', 0),
                ('metadata_remove', 'after', 0),
                ('create_snap', 'after', 1),
                ('protect_snap', 'after', 0),
            },
            set(MAKING),
        )
        self.assertIn(('clone', 'after', 0), MAKING_OF_CLONE)
        self.assertIn(('flatten', 'after', 0), MAKING_OF_CLONE)
        self.assertIn(('clone', 'after', 0), MAKING_OF_CLONE_V1)
        self.assertIn(('remove_snap', 'after', 0), CLEANING)
        self.assertIn(('remove', 'after', 0), WITHDRAWING)

    @ddt.data(*MAKING)
    def test_while_the_data_is_made(self, point):
        self.require_undone(point)

    @ddt.data(*MAKING_OF_CLONE)
    def test_while_the_data_of_a_clone_is_made(self, point):
        self.require_undone(point, clone)

    @ddt.data(*MAKING_OF_CLONE_V1)
    def test_while_the_data_of_a_clone_of_format_1_is_made(self, point):
        self.require_undone(point, clone_v1)

    def require_undone(self, point, prepare=lambda case: None):
        for error, raised in (
            (self.cluster.rbd.Timeout('x'), exceptions.CephError),
            (
                self.cluster.rbd.PermissionError('x'),
                exceptions.CephNotPermitted,
            ),
            (KeyboardInterrupt(), KeyboardInterrupt),
            (Greenlet(), Greenlet),
        ):
            self.start_over()
            prepare(self)
            self.break_at(point, error)
            self.assertRaises(raised, self.upload)
            self.assertUndone()
            self.assertEqual(
                'queued', self.glance.images[base.IMAGE]['status']
            )

    @ddt.data(*CLEANING)
    def test_after_the_image_was_made(self, point):
        """The upload is good; a snapshot that is left is told."""
        self.break_at(point, self.timeout())
        self.upload()
        self.require_told()
        self.volumes[base.VOLUME].snapshots.clear()
        self.assertComplete()

    @ddt.data(*WITHDRAWING)
    def test_after_the_location_was_refused(self, point):
        """Nothing is left, or what is left is told."""
        refuse(self)
        self.break_at(point, self.timeout())
        self.assertRaises(exceptions.LocationRefused, self.upload)
        self.require_told()

    def require_told(self):
        left = [*self.images, *self.volumes[base.VOLUME].snapshots]
        told = [
            line
            for line in self.logs.output.splitlines()
            if 'Something was left behind' in line
        ]
        for name in left:
            if not self.glance.owns(name, base.URL):
                self.assertTrue(any(name in line for line in told), name)

    def test_what_is_left_is_named_whatever_the_error_says(self):
        self.cluster.fail('remove_snap', RuntimeError('a surprise'))
        self.upload()
        (left,) = self.volumes[base.VOLUME].snapshots
        self.assertIn(
            f"snapshot ('{base.VOLUME}', '{left}')", self.logs.output
        )

    @ddt.data('remove', 'remove_snap', 'open')
    def test_an_error_is_not_hidden_by_another_in_cleaning(self, operation):
        self.cluster.fail('copy', self.timeout(), when='half')
        skip = 4 if operation == 'open' else 0
        self.cluster.fail(
            operation, self.cluster.rbd.ImageBusy('watched'), skip=skip
        )
        error = self.assertRaises(exceptions.CephError, self.upload)
        self.assertIn('Timeout', str(error))
        self.require_told()
        self.assertIn('watched', self.logs.output)


@ddt.ddt
class ForeignImageTestCase(ProtocolTestCase):
    """Glance's pool has an image of that name, which is not ours."""

    def setUp(self):
        super().setUp()
        occupy(self)

    def test_it_is_left_alone(self):
        self.assertRaises(exceptions.ImageExists, self.upload)
        self.assertUndone()

    def test_it_is_left_alone_when_it_came_at_the_last_moment(self):
        del self.images[base.IMAGE]
        self.cluster.on('copy', lambda: occupy(self))
        self.assertRaises(exceptions.ImageExists, self.upload)
        self.assertEqual({base.IMAGE: fake_ceph.Stored(1)}, self.images)

    @ddt.data(*COLLIDING)
    def test_it_is_left_alone_whatever_fails(self, point):
        self.break_at(point, self.timeout())
        self.assertRaises(exceptions.CephError, self.upload)
        self.assertEqual(self.before['images'], self.images)
