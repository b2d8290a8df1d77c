# SPDX-License-Identifier: Apache-2.0
"""However Glance and Ceph behave, a location is taken with its data, or not.

Every scenario ends in :meth:`PublicationTestCase.publish`, which lets the
clock run on for hours after ``Publication.run`` has ended, and requires:

* an image that is active with our location has its sealed data;
* after ``NotPublished`` Glance never takes the location any more, although
  nobody has removed the data yet;
* after ``LocationUnknown`` the data is there, sealed.
"""

import functools

import ddt
from glanceclient import exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

LOST = exc.CommunicationError('connection reset')
TIMEOUT = 10
HOURS = 36000


class PublicationTestCase(base.TestCase):
    """A sealed copy of the volume, which no location names yet.

    It is offered once; :class:`OffersTestCase` offers it again.
    """

    OFFERS = 1

    def setUp(self):
        super().setUp()
        self.patch(publish, 'OFFERS', self.OFFERS)

    def start_over(self):
        super().start_over()
        self.target = self.pool('images')
        self.images[base.IMAGE] = fake_ceph.Stored(
            base.SIZE, dict(base.BLOCKS)
        )
        self.target.seal(base.IMAGE)
        self.cluster.reached.clear()

    def publish(self):
        """Publish, and return the error that it ended with, if any."""
        publication = publish.Publication(
            self.api(),
            publish.Sealed(self.target, base.IMAGE),
            base.IMAGE,
            base.URL,
            ('web',),
            TIMEOUT,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )
        error = None
        try:
            publication.run(base.SIZE)
        except (exceptions.OffloadError, KeyboardInterrupt) as exc:
            error = exc
        self.ended = self.clock.time
        kept = not isinstance(error, exceptions.NotPublished)
        if kept:
            self.assertSealed()
        self.clock.sleep(HOURS)
        if self.taken():
            self.assertTrue(kept)
            self.assertSealed()
        return error

    def taken(self):
        return self.glance.owns(base.IMAGE, base.URL)

    def assertPublished(self):
        self.assertIsNone(self.publish())
        self.assertTrue(self.taken())

    def assertEnds(self, error, *words):
        ended = self.publish()
        self.assertIs(error, type(ended))
        for word in words:
            self.assertIn(word, str(ended))

    def never_arrives(self):
        """Lose the request: the image stays idle, the location is drawn."""
        self.glance.fail('add_image_location', LOST)

    def ceph_takes(self, seconds, operation, when):
        """Have an operation take time, in which Glance goes on."""
        self.cluster.on(
            operation,
            functools.partial(self.clock.sleep, seconds),
            when=when,
        )


@ddt.ddt
class GlanceTestCase(PublicationTestCase):
    """The rows of the module's table, and what keeps Glance from them."""

    def test_taken(self):
        before = self.cluster.state()
        self.assertPublished()
        self.assertEqual(before, self.cluster.state())
        self.assertLess(self.ended, 1)

    def test_a_slow_task_is_waited_for(self):
        self.glance.pace = TIMEOUT / 3
        self.assertPublished()

    @ddt.data(LOST, exc.HTTPConflict(), exc.HTTPInternalServerError())
    def test_an_error_may_belie_a_request_that_was_taken(self, error):
        self.glance.fail('add_image_location', error, arrives=0)
        self.assertPublished()

    @ddt.data(0, 0.3)
    def test_a_task_that_fails(self, pace):
        self.glance.blind = True
        self.glance.pace = pace
        self.assertEnds(
            exceptions.LocationRefused, base.URL, 'Task failed due to Internal'
        )
        self.assertLess(self.ended, 2)

    def test_a_task_that_fails_without_a_message(self):
        self.glance.blind = True
        # After the last offer, and so after the last task.
        tasks = self.glance.tasks[base.IMAGE]
        self.cluster.on('remove_snap', tasks.clear, when='after')
        self.assertEnds(exceptions.LocationRefused, 'without a message')

    def test_a_task_whose_message_is_not_for_us(self):
        self.glance.blind = True
        self.glance.fail('get_associated_image_tasks', exc.HTTPForbidden('x'))
        self.assertEnds(exceptions.LocationRefused, 'not tell why (HTTP x)')

    def test_a_request_that_is_refused(self):
        self.glance.service_role = False
        self.assertEnds(exceptions.LocationRefused, 'HTTPForbidden')
        self.assertLess(self.ended, 2)

    def test_a_request_that_never_arrives(self):
        self.never_arrives()
        self.assertEnds(exceptions.LocationRefused, 'connection reset')
        self.assertLess(self.ended, 2)

    @ddt.data((0, False), (0.05, False), (0.15, False), (3, True))
    @ddt.unpack
    def test_the_user_deletes_the_image(self, seconds, stuck):
        """Before the task opens the data, after it, or with none at work."""
        self.glance.stuck = stuck
        self.clock.after(seconds, lambda: self.glance.delete(base.IMAGE))
        self.assertEnds(exceptions.ImageGone, base.IMAGE)
        self.assertLess(self.ended, 4)

    def test_the_user_deletes_the_image_of_a_withdrawn_location(self):
        self.never_arrives()
        self.cluster.on(
            'remove_snap', lambda: self.glance.delete(base.IMAGE), when='after'
        )
        self.assertEnds(exceptions.ImageGone)

    def test_other_data_makes_the_image_active(self):
        self.glance.stuck = True
        self.clock.after(
            0.3, lambda: self.glance.take_other_data(base.IMAGE, 1)
        )
        self.assertEnds(exceptions.ImageTaken)
        self.assertLess(self.ended, 2)

    def test_other_data_makes_the_image_of_a_withdrawn_location_active(self):
        self.never_arrives()
        self.cluster.on(
            'remove_snap', lambda: self.glance.take_other_data(base.IMAGE, 1)
        )
        self.assertEnds(exceptions.ImageTaken)

    def test_other_data_of_the_same_size_in_another_store(self):
        """And in a hidden one it is not told apart.

        Then our data is in vain, but never removed for a mere guess.
        """
        for stores, ended in (('web', exceptions.ImageTaken), ('', None)):
            self.start_over()
            self.never_arrives()
            self.cluster.on(
                'open',
                functools.partial(
                    self.glance.take_other_data,
                    base.IMAGE,
                    base.SIZE,
                    stores,
                ),
                times=1,
            )
            error = self.publish()
            self.assertIs(ended, error and type(error))

    def test_a_task_that_is_stuck(self):
        self.glance.stuck = True
        self.assertEnds(exceptions.LocationUnknown, 'within 10 s')
        self.assertAlmostEqual(TIMEOUT, self.ended, delta=1)

    def test_a_task_that_ends_after_the_deadline(self):
        self.glance.pace = TIMEOUT
        self.assertEnds(exceptions.LocationUnknown)
        self.assertTrue(self.taken())

    def test_a_lock_that_another_task_holds_proves_nothing(self):
        """409; the other task ends, without any data, and then all is idle."""
        image = self.glance.images[base.IMAGE]
        image['os_glance_import_task'] = 'of another'
        self.clock.after(3, lambda: image.pop('os_glance_import_task'))
        self.assertEnds(exceptions.LocationRefused, 'HTTPConflict')
        self.assertGreaterEqual(self.ended, 3)


@ddt.ddt
class OffersTestCase(PublicationTestCase):
    """An idle image is offered its location again, for a while."""

    OFFERS = publish.OFFERS

    @ddt.data(LOST, exc.HTTPInternalServerError())
    def test_a_request_that_fails_at_first(self, error):
        self.glance.fail('add_image_location', error)
        self.clock.after(0.6, self.glance.heal)
        self.assertPublished()

    def test_a_task_that_fails_at_first(self):
        self.glance.blind = True
        self.clock.after(0.6, self.glance.heal)
        self.assertPublished()
        self.assertGreater(len(self.glance.tasks[base.IMAGE]), 1)

    @ddt.data(0.1, 0.3, 0.6, 0.9)
    def test_an_offer_that_was_thought_lost_does_no_harm(self, arrives):
        self.glance.fail('add_image_location', LOST, arrives=arrives)
        self.assertPublished()

    def test_tasks_that_fail_for_ever(self):
        self.glance.blind = True
        self.assertEnds(exceptions.LocationRefused, 'Task failed')
        self.assertEqual(publish.OFFERS, len(self.glance.tasks[base.IMAGE]))
        self.assertLess(self.ended, TIMEOUT / 2)


@ddt.ddt
class OutageTestCase(PublicationTestCase):
    """While Glance cannot be asked, nothing is concluded."""

    def test_from_the_first_look_for_ever(self):
        self.glance.fail('get', LOST)
        self.assertEnds(exceptions.LocationUnknown)
        self.assertTrue(self.taken())

    @ddt.data(False, True)
    def test_for_some_seconds(self, blind):
        self.glance.blind = blind
        self.clock.after(0.05, self.goes_down_for(5))
        if blind:
            self.assertEnds(exceptions.LocationRefused)
        else:
            self.assertPublished()
        self.assertGreater(self.ended, 5)

    @ddt.data(5, HOURS)
    def test_after_the_withdrawal(self, seconds):
        """A withdrawn location is one again before the outcome is unknown."""
        self.never_arrives()
        self.cluster.on('remove_snap', self.goes_down_for(seconds), 'after')
        if seconds < TIMEOUT:
            self.assertEnds(exceptions.LocationRefused)
        else:
            self.assertEnds(exceptions.LocationUnknown)

    def test_a_request_that_arrives_in_an_outage_after_the_withdrawal(self):
        self.glance.fail('add_image_location', LOST, arrives=TIMEOUT + 1)
        self.cluster.on('remove_snap', self.goes_down_for(HOURS), 'after')
        self.assertEnds(exceptions.LocationUnknown)
        self.assertTrue(self.taken())

    def goes_down_for(self, seconds):
        def go_down():
            self.glance.down_until = self.clock.time + seconds

        return go_down
