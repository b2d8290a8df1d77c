# SPDX-License-Identifier: Apache-2.0
"""A seed is a round; a run of rounds leaves out no boundary and no kind."""

import signal

import ddt
from oslotest import base

from faults import orders
from faults import schedule

STEPS = [
    (when, step, 1)
    for step in ('snapshot', 'clone', 'flatten', 'seal')
    for when in ('before', 'after')
]
CATALOG = {'copy': STEPS[:5], 'instant': STEPS}


def plans(number, **options):
    return [schedule.plan(seed, CATALOG, **options) for seed in range(number)]


@ddt.ddt
class ScheduleTestCase(base.BaseTestCase):
    def test_the_same_seed_is_the_same_round(self):
        self.assertEqual(plans(40), plans(40))
        self.assertNotEqual(plans(40)[1].delays, plans(40)[2].delays)

    def test_every_kind_has_its_turn(self):
        kinds = [plan.kind for plan in plans(len(schedule.SLOTS))]
        self.assertEqual(list(schedule.SLOTS), kinds)

    def test_every_boundary_has_its_turn(self):
        for backend, some in CATALOG.items():
            killed = {
                plan.orders[backend].label
                for plan in plans(2 * len(STEPS))
                if plan.kind == 'boundary'
            }
            wanted = {orders.Order(*one, signal=9).label for one in some}
            self.assertEqual(wanted, killed)

    @ddt.data('glance', 'boundary', 'freeze')
    def test_only_the_kinds_asked_for(self, kind):
        found = plans(9, slots=[kind])
        self.assertEqual({kind}, {plan.kind for plan in found})

    def test_a_process_is_killed_and_stopped_by_the_right_signals(self):
        for plan in plans(64):
            wanted = signal.SIGKILL
            if plan.kind not in ('boundary', 'relapse'):
                wanted = signal.SIGSTOP
            for order in plan.orders.values():
                self.assertEqual(wanted, order.signal)
                self.assertEqual(plan.kind == 'relapse', bool(order.then))

    def test_a_service_is_lost_at_boundaries_and_at_random_times(self):
        found = plans(20, slots=schedule.SERVICES)
        self.assertEqual({True, False}, {bool(p.orders) for p in found})
        low, high = schedule.AWAY
        self.assertTrue(all(low <= plan.away <= high for plan in found))

    def test_a_process_is_stopped_for_as_long_as_told(self):
        for plan in plans(4, slots=['freeze'], freeze=33.0):
            self.assertEqual(33.0, plan.away)

    def test_a_host_is_away_for_long_only_where_there_is_another(self):
        one, two = (
            plans(1, slots=['host'], freeze=33.0, hosts=hosts)[0].away
            for hosts in (1, 2)
        )
        self.assertLess(one, 5)
        self.assertEqual(33.0, two)

    def test_the_calm_round_has_no_fault(self):
        plan = schedule.calm(5, list(CATALOG))
        self.assertEqual(
            ('none', {}, '-'), (plan.kind, plan.orders, plan.label)
        )
