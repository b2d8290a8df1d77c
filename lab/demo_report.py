# SPDX-License-Identifier: Apache-2.0
"""What the demonstration ends with: a table and bars, for a terminal."""

from collections.abc import Sequence
import dataclasses
import io
import pathlib
import re

import rich.box
import rich.console
import rich.panel
import rich.table
import rich.text

GIB = 1 << 30

# Columns that a bar may take, and those of the text for the README.
BAR = 40
WIDTH = 76

# A column of a terminal, filled in eighths.
EIGHTHS = ' ▏▎▍▌▋▊▉█'
# The first is the one that the others are compared with.
COLOURS = ('red', 'green', 'cyan')

BEGIN = '.. the end of make demo: begin'
END = '.. the end of make demo: end'


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What one upload came to.

    :param seconds: from the request until the image was active
    :param independent: the seconds until it read nothing of the volume
    :param occupied: the bytes of the image in the pool
    :param crossed: the bytes that cinder-volume's host sent and received
    :param same: whether the image has the bytes of the volume
    """

    driver: str
    seconds: float
    independent: float
    occupied: int
    crossed: int
    same: bool


def show(
    title: str,
    results: Sequence[Result],
    console: rich.console.Console | None = None,
) -> None:
    """Print the results.

    :param console: None for the terminal
    """
    console = console or rich.console.Console()
    console.print()
    console.print(_table(title, results))
    console.print(_bars(results, console.options.ascii_only))


def write_readme(
    path: pathlib.Path, title: str, results: Sequence[Result]
) -> None:
    """Put what :func:`show` prints between the two marks of a README.

    :raises ValueError: when the marks are not there
    """
    file = io.StringIO()
    show(
        title,
        results,
        rich.console.Console(file=file, width=WIDTH, color_system=None),
    )
    block = '\n'.join(
        f'   {line}'.rstrip() for line in file.getvalue().strip().splitlines()
    )
    new = f'{BEGIN}\n\n.. code-block:: text\n\n{block}\n\n{END}\n'
    old = path.read_text('utf-8')
    pattern = f'{re.escape(BEGIN)}\n.*?{re.escape(END)}\n'
    text, found = re.subn(pattern, lambda _: new, old, flags=re.DOTALL)
    if not found:
        raise ValueError(f'{path} has no lines {BEGIN!r} and {END!r}')
    path.write_text(text, 'utf-8')


def amount(count: int) -> str:
    """Write bytes as GiB, or as MiB where that says more."""
    if count < GIB / 100:
        return f'{count * 1024 / GIB:.2f} MiB'
    return f'{count / GIB:.2f} GiB'


def _table(title: str, results: Sequence[Result]) -> rich.table.Table:
    table = rich.table.Table(
        title=title, title_style='bold', box=rich.box.ROUNDED
    )
    table.add_column('driver', style='bold')
    headers = ('active', 'independent', 'crossed host', 'occupies', 'sha512')
    for header in headers:
        table.add_column(header, justify='right')
    for result, colour in zip(results, COLOURS, strict=False):
        table.add_row(
            rich.text.Text(result.driver, colour),
            f'{result.seconds:.1f} s',
            f'{result.independent:.1f} s',
            amount(result.crossed),
            amount(result.occupied),
            'equal' if result.same else rich.text.Text('DIFFERENT', 'red'),
        )
    return table


def _bars(results: Sequence[Result], ascii_only: bool) -> rich.panel.Panel:
    """Draw each measure: a bar for each driver, the longest one full."""
    measures = (
        ('from the request to the active image', _seconds(results)),
        (
            'through the host of cinder-volume',
            [(one.crossed, amount(one.crossed)) for one in results],
        ),
        (
            'in the pool of the images',
            [(one.occupied, amount(one.occupied)) for one in results],
        ),
    )
    grid = rich.table.Table.grid(padding=(0, 1))
    for column in range(3):
        grid.add_column(justify='right' if column == 0 else 'left')
    for heading, values in measures:
        # A heading is wider than its column.
        grid.add_row('', rich.text.Text(heading, 'bold', no_wrap=True), '')
        most = max(value for value, _text in values) or 1
        for result, colour, (value, text) in zip(
            results, COLOURS, values, strict=False
        ):
            bar = _bar(value / most, ascii_only)
            grid.add_row(result.driver, rich.text.Text(bar, colour), text)
    box = rich.box.ASCII if ascii_only else rich.box.ROUNDED
    return rich.panel.Panel(grid, box=box, expand=False)


def _seconds(results: Sequence[Result]) -> list[tuple[float, str]]:
    """Return the seconds, and how much faster than the first one that is."""
    first, *others = results
    texts = [f'{first.seconds:.1f} s']
    for one in others:
        times = first.seconds / one.seconds
        texts.append(f'{one.seconds:.1f} s, {times:.1f} x faster')
    seconds = [one.seconds for one in results]
    return list(zip(seconds, texts, strict=True))


def _bar(share: float, ascii_only: bool) -> str:
    """Draw a share of the whole width; what is not nothing is to be seen."""
    if ascii_only:
        return '#' * max(round(share * BAR), bool(share))
    full, part = divmod(max(round(share * BAR * 8), bool(share)), 8)
    return (EIGHTHS[8] * full + EIGHTHS[part]).rstrip()
