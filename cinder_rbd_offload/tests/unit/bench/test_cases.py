# SPDX-License-Identifier: Apache-2.0
"""The cases are what their titles say, and all sides take turns."""

import collections

import ddt
from oslotest import base

from bench import cases
from lab import cinder

CASES = {case.key: case for case in cases.ALL}


@ddt.ddt
class CasesTestCase(base.BaseTestCase):
    def test_every_back_end_of_the_lab_takes_part(self):
        self.assertEqual(cinder.BACKENDS, cases.METHODS)

    def test_no_two_have_one_key(self):
        self.assertEqual(len(cases.ALL), len(CASES))

    @ddt.data(
        ('thin-1', '1 GiB, 256 MiB in use'),
        ('thin-4', '4 GiB, 1 GiB in use'),
        ('thin-64', '64 GiB, 256 MiB in use'),
        ('thin-1024', '1 TiB, 256 MiB in use'),
        ('dense-1', '1 GiB, full'),
        ('dense-4', '4 GiB, full'),
        ('specks', '2 GiB, 4 KiB in each object'),
    )
    @ddt.unpack
    def test_titles(self, key, title):
        self.assertEqual(title, CASES[key].title)

    @ddt.data(*CASES)
    def test_data_lies_at_objects_of_the_volume(self, key):
        case = CASES[key]
        offsets = list(case.offsets)
        self.assertEqual(case.objects, len(offsets))
        self.assertEqual({0}, {offset % cases.OBJECT for offset in offsets})
        self.assertLessEqual(offsets[-1] + case.length, case.size)

    def test_every_fourth_object_of_4_gib_holds_data(self):
        self.assertEqual(4 * cases.OBJECT, cases.THIN_4.offsets.step)
        self.assertEqual(cases.GIB, cases.THIN_4.in_use)

    @ddt.data('thin-64', 'thin-1024')
    def test_upstream_is_left_out_where_it_does_not_fit(self, key):
        self.assertIn('whole size', CASES[key].left_out(cases.UPSTREAM))
        self.assertEqual(0, CASES[key].turns(cases.UPSTREAM, 5))
        self.assertEqual('', CASES[key].left_out('offload'))

    @ddt.data('thin-1', 'thin-4', 'dense-1', 'dense-4', 'specks')
    def test_upstream_is_in_everywhere_else(self, key):
        self.assertEqual('', CASES[key].left_out(cases.UPSTREAM))
        self.assertLess(0, CASES[key].turns(cases.UPSTREAM, 5))

    def test_the_sizes_that_are_compared_take_turns(self):
        self.assertIn(
            {cases.THIN_1, cases.THIN_64, cases.THIN_1024},
            [set(group) for group in cases.UPLOADS],
        )

    def test_each_is_measured_once_a_round_the_slow_less_often(self):
        group = (cases.THIN_1, cases.THIN_1024)
        turns = list(cases.schedule(group, cases.METHODS, 5))
        self.assertEqual(len(set(turns)), len(turns))
        counts = collections.Counter(
            (case.key, method) for _number, case, method in turns
        )
        self.assertEqual(5, counts['thin-1', cases.UPSTREAM])
        self.assertEqual(0, counts['thin-1024', cases.UPSTREAM])
        self.assertEqual(5, counts['thin-1024', 'offload'])
        slow = cases.THIN_1024.turns('copy', 5)
        self.assertLess(slow, 5)
        self.assertEqual(slow, counts['thin-1024', 'copy'])

    def test_rounds_come_one_after_the_other_and_begin_differently(self):
        turns = list(cases.schedule((cases.THIN_4,), cases.METHODS, 3))
        numbers = [number for number, _case, _method in turns]
        self.assertEqual(sorted(numbers), numbers)
        self.assertEqual({*range(6)}, {*numbers})
        first = [turns[start][2] for start in (0, 5, 10)]
        self.assertEqual(list(cases.METHODS[:3]), first)

    def test_cases_are_chosen_by_key(self):
        groups = cases.chosen(cases.UPLOADS, {'thin-64', 'specks'})
        self.assertEqual([(cases.THIN_64,), (cases.SPECKS,)], groups)
        self.assertEqual([], cases.chosen(cases.UPLOADS, {'another'}))

    def test_room_is_that_of_all_volumes_and_the_largest_image(self):
        mib = cases.room((cases.THIN_1, cases.THIN_64), cases.METHODS)
        self.assertEqual((5 + 4) * 256 + 1024, mib // cases.MIB)
