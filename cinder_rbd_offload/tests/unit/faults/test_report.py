# SPDX-License-Identifier: Apache-2.0
"""A line for each round, and a table that adds up."""

import pathlib

import fixtures
from oslotest import base

from faults import report
from faults import rounds


def result(kind='boundary', outcomes=('active',), complaints=()):
    return rounds.Result(
        seed=7,
        kind=kind,
        label='copy: before Pool.clone #1',
        outcomes=list(outcomes),
        causes=[],
        complaints=list(complaints),
        seconds=1.5,
        settling=1.0,
    )


class ReportTestCase(base.BaseTestCase):
    def test_a_line_names_seed_verdict_fault_and_outcomes(self):
        line = report.line(3, result(outcomes=('active', 'nothing')))
        for word in ('3 seed 7', 'good', 'boundary', '1 active, 1 nothing'):
            self.assertIn(word, line)
        self.assertIn('not reached: copy: before Pool.clone #1', line)
        self.assertIn('BAD', report.line(3, result(complaints=('x',))))

    def test_the_table_counts_rounds_and_outcomes(self):
        lines = report.table(
            [
                result(outcomes=('active', 'active', 'ordinary')),
                result(complaints=('x',), outcomes=('bad',)),
                result(kind='host', outcomes=('nothing', 'not begun')),
            ]
        )
        self.assertEqual(
            [
                'boundary 2 2 0 1 0 1',
                'host 1 0 1 0 1 0',
                'all 3 2 1 1 1 1',
            ],
            [' '.join(line.split()) for line in lines[1:]],
        )

    def test_a_bad_round_keeps_the_logs(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        log = folder / 'log'
        log.write_text('last words')
        said = []
        bad = result(complaints=('image i is queued',))
        report.Keeper(folder).keep_bad(
            3, bad, {'cinder': log, 'none': folder / 'none'}, said.append
        )
        kept = folder / 'bad' / '3-seed-7'
        self.assertEqual('last words', (kept / 'cinder').read_text())
        self.assertIn('image i is queued', (kept / 'complaints').read_text())
        self.assertIn('image i is queued', said[0])
