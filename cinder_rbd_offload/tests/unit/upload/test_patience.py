# SPDX-License-Identifier: Apache-2.0
"""What is tried again, after which pauses, and for how long."""

import ddt
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_glance
from cinder_rbd_offload.upload import patience

YEAR = 365 * 24 * 60 * 60.0


def fault(pause=0.0, flowed=False):
    made = patience.Fault('x', pause)
    made.flowed = flowed
    return made


@ddt.ddt
class PatienceTestCase(base.BaseTestCase):
    """Attempts of ten seconds each.

    :ivar pauses: those that were told of
    :ivar naps: what they were made of
    """

    def setUp(self):
        super().setUp()
        self.clock = fake_glance.Clock()
        self.pauses = []
        self.naps = []
        self.attempts = 0
        self.takes = 10
        self.check = lambda: None

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.clock.sleep(seconds)

    def run_with(self, *errors, seconds=60):
        left = list(errors)

        def once():
            self.attempts += 1
            self.clock.sleep(self.takes)
            if left:
                raise left.pop(0)
            return 'a result'

        return patience.Patience(seconds, 3, self.clock.now, self.sleep).run(
            once,
            lambda: self.check(),
            lambda _fault, pause: self.pauses.append(pause),
        )

    def assertGivenUp(self, *faults):
        error = self.assertRaises(patience.Fault, self.run_with, *faults)
        # Not the first one, which may be long ago.
        self.assertIs(faults[self.attempts - 1], error)

    def test_at_once(self):
        self.assertEqual('a result', self.run_with())
        self.assertEqual([], self.pauses)

    def test_pauses_grow_to_a_bound(self):
        self.run_with(*[fault() for _ in range(2000)], seconds=1_000_000)
        self.assertLessEqual(max(self.pauses), patience.LONGEST_PAUSE)
        self.assertLessEqual(max(self.pauses[:3]), 2.0)
        self.assertLess(5, sum(self.pauses[100:]) / 1900)
        self.assertEqual(2000, len(set(self.pauses)))

    def test_a_pause_is_asked_for(self):
        self.run_with(fault(40))
        self.assertEqual([40], self.pauses)
        self.assertEqual(2 * 10 + 40, self.clock.time)

    def test_a_pause_that_is_asked_for_is_not_too_short(self):
        """Or all who are told to come at once do."""
        self.run_with(*[fault(0.001) for _ in range(8)], seconds=1000)
        self.assertLess(1, sum(self.pauses))

    @ddt.data(61.0, YEAR)
    def test_a_longer_one_than_there_is_time_for(self, pause):
        self.assertGivenUp(fault(pause))
        self.assertEqual([], self.naps)

    def test_what_is_left_of_the_time_counts(self):
        self.assertGivenUp(fault(40), fault(40))
        self.assertEqual([40], self.pauses)

    def test_time_passes_in_attempts_too(self):
        self.assertGivenUp(*[fault() for _ in range(200)])
        self.assertLessEqual(self.attempts, 8)

    def test_it_begins_with_the_first_fault(self):
        self.takes = 61
        self.run_with(fault())

    def test_it_begins_anew_when_data_flowed(self):
        self.takes = 61
        self.run_with(fault(), fault(flowed=True), fault(flowed=True))

    def test_it_does_not_begin_anew_for_ever(self):
        self.takes = 61
        self.assertGivenUp(*[fault(flowed=True) for _ in range(200)])
        self.assertEqual(4, self.attempts)

    def test_as_many_attempts_as_there_is_time_for(self):
        """However many of them have sent data."""
        self.takes = 0
        self.run_with(*[fault(flowed=True) for _ in range(8)], seconds=300)

    def test_what_is_no_fault_ends_it(self):
        self.assertRaises(LookupError, self.run_with, LookupError())
        self.assertEqual(1, self.attempts)

    def test_a_pause_ends_with_its_reason(self):
        def check():
            if self.clock.time > 15:
                raise exceptions.TakenOver('id')

        self.check = check
        self.assertRaises(exceptions.TakenOver, self.run_with, fault(50))
        self.assertLess(self.clock.time, 17)
        self.assertEqual(1, self.attempts)

    def test_a_pause_has_its_length(self):
        self.run_with(fault(7.3))
        self.assertAlmostEqual(27.3, self.clock.time)
        self.assertLessEqual(max(self.naps), 1)
