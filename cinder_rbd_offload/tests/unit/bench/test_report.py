# SPDX-License-Identifier: Apache-2.0
"""Tables say what was measured, and nothing that was not."""

import json
import logging
import pathlib

import fixtures
from oslotest import base

from bench import cases
from bench import report
from bench import results
from cinder_rbd_offload.tests.unit.bench import samples

UPSTREAM = [
    samples.sample(cases.THIN_4, 'upstream', seconds, number)
    for number, seconds in enumerate((30.0, 20.0, 40.0))
]
OURS = [
    samples.sample(
        cases.THIN_4, 'offload', seconds, number, made_by='clone_flatten'
    )
    for number, seconds in enumerate((3.0, 2.5, 5.0))
]
RUN = samples.run(*UPSTREAM, *OURS, rounds=3)


def row(results, method):
    """Return the row of a method in the table of uploads."""
    (found,) = (
        one
        for table in report.tables(results)
        if table.title.startswith('Whole uploads')
        for one in table.rows
        if one[1].startswith(method)
    )
    return found


def table(results, title):
    """Return the rows of the table whose title begins so."""
    (found,) = (
        one for one in report.tables(results) if one.title.startswith(title)
    )
    return found.rows


class ReportTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # It tells at length how it chooses a font.
        logging.getLogger('matplotlib').setLevel(logging.WARNING)
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def test_a_row_has_median_spread_and_ratio(self):
        self.assertEqual(
            [
                '4 GiB, 1 GiB in use',
                'offload (clone_flatten)',
                '3.00 s (2.50 to 5.00)',
                '10.0 (8.00 to 10.0)',
                *['1024 MiB'] * 3,
                'when active',
            ],
            row(RUN, 'offload'),
        )

    def test_streams_are_beside_upstream_on_the_same_way(self):
        kind = {'kind': results.STREAM}
        found = samples.run(
            samples.sample(cases.DENSE_1, 'files: upstream', 20, **kind),
            samples.sample(cases.DENSE_1, 'files: stream', 8, **kind),
            samples.sample(cases.DENSE_1, 'swift: stream', 40, **kind),
        )
        size = '1024 MiB'
        files = '1 GiB, full, to a file store'
        self.assertEqual(
            [
                [files, 'upstream', '20.0 s', '1.00', size, size],
                [files, 'stream', '8.00 s', '2.50', size, size],
                ['1 GiB, full, to Swift', 'stream', '40.0 s', '—', size, size],
            ],
            table(found, 'Uploads that leave'),
        )

    def test_readers_are_beside_none(self):
        kind = {'kind': results.READER}
        found = samples.run(
            samples.sample(None, 'none', 2.5, occupied=65536, **kind),
            samples.sample(None, 'glance_store', 5, occupied=1 << 24, **kind),
        )
        self.assertEqual(
            [
                ['none', '2.50 s', '1.00', '64.0 KiB'],
                ['glance_store', '5.00 s', '0.50', '16384 KiB'],
            ],
            [row[1:] for row in table(found, 'What stands between')],
        )

    def test_an_image_that_is_flattened_later_says_when(self):
        results = samples.run(
            samples.sample(cases.THIN_4, 'instant', 2.0, detached=7.5)
        )
        self.assertEqual('7.50 s', row(results, 'instant')[-1])

    def test_a_method_that_was_not_measured_has_no_figures(self):
        self.assertEqual({report.NOTHING}, set(row(RUN, 'instant')[2:]))

    def test_one_round_has_no_spread(self):
        results = samples.run(UPSTREAM[0], OURS[0])
        self.assertEqual('3.00 s', row(results, 'offload')[2])

    def test_cases_that_were_not_measured_are_left_out(self):
        text = report.restructured(RUN)
        self.assertIn(cases.THIN_4.title, text)
        self.assertNotIn(f'* - {cases.DENSE_4.title}', text)

    def test_an_empty_run_has_no_rows_but_the_claims(self):
        self.assertEqual(
            ['Targets'],
            [table.title for table in report.tables(samples.run())],
        )

    def test_notes_say_on_what_it_ran(self):
        self.assertIn('2 cores', report.notes(RUN)[0])

    def test_notes_say_what_is_left_out_and_why_where_it_was_measured(self):
        def left_out(results):
            return [n for n in report.notes(results) if 'Not measured' in n]

        self.assertEqual([], left_out(RUN))
        huge = (cases.THIN_64, cases.THIN_1024)
        results = samples.run(*(samples.sample(c, 'offload') for c in huge))
        (note,) = left_out(results)
        self.assertIn(
            '64 GiB, 256 MiB in use; 1 TiB, 256 MiB in use: upstream', note
        )

    def test_notes_name_what_had_fewer_rounds(self):
        results = samples.run(OURS[0], rounds=3)
        self.assertEqual(
            'Slow, so 1 rounds only: 4 GiB, 1 GiB in use: offload.',
            report.notes(results)[-1],
        )

    def test_notes_name_what_had_more_rounds(self):
        results = samples.run(
            *(
                samples.sample(cases.THIN_4, method, number=number)
                for method in ('offload', 'instant')
                for number in range(2)
            )
        )
        self.assertEqual(
            '2 rounds: 4 GiB, 1 GiB in use.', report.notes(results)[-1]
        )

    def test_the_messengers_count_stands_beside_the_kernels(self):
        step = {'kind': 'step', 'sent': 2 * cases.MIB, 'received': 0}
        results = samples.run(
            samples.sample(cases.SPECKS, 'rbd cp', **step),
            samples.sample(
                cases.SPECKS, 'copy', messenger_sent=cases.MIB, **step
            ),
        )
        *_others, table = report.tables(results)
        self.assertEqual(
            [('rbd cp', '—', '2.00 MiB'), ('copy', '1.00 MiB', '2.00 MiB')],
            [(one[1], one[4], one[5]) for one in table.rows],
        )

    def test_it_is_written_with_a_picture_and_every_sample(self):
        report.write(RUN, self.folder / 'figures')
        written = {
            path.name: path.read_bytes()
            for path in (self.folder / 'figures').iterdir()
        }
        self.assertEqual(
            {'bench.inc', 'bench.json', 'bench.png'}, set(written)
        )
        self.assertEqual(b'\x89PNG', written['bench.png'][:4])
        self.assertEqual(
            [30.0, 20.0, 40.0, 3.0, 2.5, 5.0],
            [
                one['seconds']
                for one in json.loads(written['bench.json'])['samples']
            ],
        )

    def test_the_readme_is_changed_between_the_marks_only(self):
        readme = self.folder / 'README.rst'
        readme.write_text(f'a\n\n{report.BEGIN}\nold\n{report.END}\n\nb\n')
        report.write_readme(RUN, readme)
        first = readme.read_text()
        self.assertNotIn('old', first)
        self.assertIn('3.00 s (2.50 to 5.00)', first)
        self.assertTrue(first.startswith(f'a\n\n{report.BEGIN}\n\n==='))
        self.assertTrue(first.endswith(f'===\n\n{report.END}\n\nb\n'))
        report.write_readme(RUN, readme)
        self.assertEqual(first, readme.read_text())

    def test_a_run_without_the_main_case_leaves_the_readme(self):
        readme = self.folder / 'README.rst'
        text = f'a\n\n{report.BEGIN}\nold\n{report.END}\n'
        readme.write_text(text)
        results = samples.run(samples.sample(cases.SPECKS, 'offload'))
        report.write_readme(results, readme)
        self.assertEqual(text, readme.read_text())

    def test_a_readme_without_marks_is_refused(self):
        readme = self.folder / 'README.rst'
        readme.write_text('a\n')
        self.assertRaises(ValueError, report.write_readme, RUN, readme)
        self.assertEqual('a\n', readme.read_text())

    def test_a_simple_table(self):
        table = report.Table('', ['', 'b'], [['long', '1'], ['c', '22']])
        self.assertEqual(
            '==== ==\n     b\n==== ==\nlong 1\nc    22\n==== ==\n',
            report.simple(table),
        )
