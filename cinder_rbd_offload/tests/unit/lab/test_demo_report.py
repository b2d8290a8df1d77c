# SPDX-License-Identifier: Apache-2.0
"""The end of the demonstration: every figure, and bars that are true."""

import io
import pathlib
import re

import ddt
import fixtures
from oslotest import base
import rich.console

from lab import demo_report

GIB = demo_report.GIB
RESULTS = (
    demo_report.Result('upstream', 26.0, 26.0, 4 * GIB, 5 * GIB, True),
    demo_report.Result('offload', 5.2, 5.2, GIB, 2 * GIB, True),
    demo_report.Result('instant', 2.0, 9.0, GIB, GIB // 1024, True),
)


def shown(results=RESULTS, **options):
    file = io.StringIO()
    options = {'width': 80, 'color_system': None} | options
    demo_report.show(
        'A title', results, rich.console.Console(file=file, **options)
    )
    return file.getvalue()


@ddt.ddt
class DemoReportTestCase(base.BaseTestCase):
    def bars(self, text):
        """Return the lengths of the bars, by driver, in columns."""
        bars = {}
        for driver, bar in re.findall(r'(\w+) +([█▏▎▍▌▋▊▉]+)', text):
            length = sum(demo_report.EIGHTHS.index(one) / 8 for one in bar)
            bars.setdefault(driver, []).append(length)
        return bars

    def test_the_table(self):
        text = shown()
        self.assertIn('A title', text)
        for result, cells in zip(
            RESULTS,
            (
                ('26.0 s', '26.0 s', '5.00 GiB', '4.00 GiB', 'equal'),
                ('5.2 s', '5.2 s', '2.00 GiB', '1.00 GiB', 'equal'),
                ('2.0 s', '9.0 s', '1.00 MiB', '1.00 GiB', 'equal'),
            ),
            strict=True,
        ):
            row = ' +│ +'.join(map(re.escape, (result.driver, *cells)))
            self.assertRegex(text, row)

    def test_the_bars(self):
        text = shown()
        self.assertEqual(
            {
                'upstream': [40, 40, 40],
                'offload': [8, 16, 10],
                # The least that can be seen, where there is anything.
                'instant': [3.125, 0.125, 10],
            },
            self.bars(text),
        )
        self.assertIn('5.2 s, 5.0 x faster', text)
        self.assertIn('2.0 s, 13.0 x faster', text)

    @ddt.data(80, 100, 200)
    def test_no_line_is_wrapped(self, width):
        lines = shown(width=width).splitlines()
        self.assertEqual(len(shown(width=200).splitlines()), len(lines))
        self.assertLessEqual(max(map(len, lines)), width)

    def test_a_different_image_is_told(self):
        wrong = demo_report.Result('offload', 1.0, 1.0, 1, 1, False)
        self.assertIn('DIFFERENT', shown((RESULTS[0], wrong)))

    def test_a_terminal_without_unicode(self):
        binary = io.BytesIO()
        file = io.TextIOWrapper(binary, 'ascii')
        console = rich.console.Console(file=file, width=80, color_system=None)
        demo_report.show('A title', RESULTS, console)
        file.flush()
        self.assertIn(b'########## ', binary.getvalue())

    def test_nothing_at_all(self):
        """A measure that is zero everywhere has no bar."""
        nothing = demo_report.Result('upstream', 1.0, 1.0, 0, 0, True)
        self.assertEqual({'upstream': [40]}, self.bars(shown((nothing,))))


class ReadmeTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(folder, 'README.rst')

    def write(self):
        demo_report.write_readme(self.path, 'A title', RESULTS)
        return self.path.read_text()

    def test_it_is_replaced_whole(self):
        begin, end = demo_report.BEGIN, demo_report.END
        self.path.write_text(f'before\n\n{begin}\nold\n{end}\n\nafter\n')
        text = self.write()
        self.assertTrue(text.startswith(f'before\n\n{begin}\n\n'))
        self.assertTrue(text.endswith(f'\n\n{end}\n\nafter\n'))
        self.assertNotIn('old', text)
        self.assertIn('13.0 x faster', text)
        self.assertLessEqual(max(map(len, text.splitlines())), 79)
        self.assertEqual(text, self.write())

    def test_without_the_marks(self):
        self.path.write_text('before\n')
        self.assertRaises(ValueError, self.write)
        self.assertEqual('before\n', self.path.read_text())

    def test_our_own_readme_has_them(self):
        root = pathlib.Path(demo_report.__file__).parents[1]
        text = (root / 'README.rst').read_text()
        self.assertIn(f'{demo_report.BEGIN}\n', text)
        self.assertIn(f'{demo_report.END}\n', text)
