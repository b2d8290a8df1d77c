# SPDX-License-Identifier: Apache-2.0
"""Medians and ratios say what the samples say."""

from oslotest import base

from bench import figures


class FiguresTestCase(base.BaseTestCase):
    def test_a_summary_is_the_median_and_the_extremes(self):
        found = figures.summarise({0: 4.0, 1: 1.0, 2: 2.0})
        self.assertEqual(figures.Summary(2.0, 1.0, 4.0, 3), found)

    def test_nothing_has_no_summary(self):
        self.assertIsNone(figures.summarise({}))

    def test_a_ratio_is_of_medians_and_spreads_over_the_rounds(self):
        found = figures.ratio(
            {0: 10.0, 1: 20.0, 2: 60.0}, {0: 2.0, 1: 5.0, 2: 6.0}
        )
        self.assertEqual(figures.Summary(4.0, 4.0, 10.0, 3), found)

    def test_only_rounds_that_both_were_in_count(self):
        found = figures.ratio({0: 6.0, 1: 100.0}, {0: 2.0, 7: 50.0})
        self.assertEqual(figures.Summary(3.0, 3.0, 3.0, 1), found)

    def test_what_has_no_counterpart_has_no_ratio(self):
        self.assertIsNone(figures.ratio({0: 1.0}, {1: 1.0}))
        self.assertIsNone(figures.ratio({}, {}))

    def test_nothing_is_divided_by_zero(self):
        self.assertIsNone(figures.ratio({0: 1.0}, {0: 0.0}))
