# SPDX-License-Identifier: Apache-2.0
"""Turns the results of a run into tables, as text and for the documents."""

import dataclasses
import itertools
import pathlib
import re

import rich.console
import rich.table

from bench import cases
from bench import claims
from bench import figures
from bench import picture
from bench import reader
from bench import results as bench_results
from bench import ways

UPLOAD, STEP = bench_results.UPLOAD, bench_results.STEP
STREAM, READER = bench_results.STREAM, bench_results.READER
NOTHING = '—'
# Columns of a table that goes to a file.
WIDTH = 160

BEGIN = '.. figures of make bench: begin'
END = '.. figures of make bench: end'


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table of text; the first cell of a row names what it is about."""

    title: str
    header: list[str]
    rows: list[list[str]]


def tables(results: bench_results.Results) -> list[Table]:
    """Make every table of a run."""
    every = (_claims, _uploads, _steps, _streams, _readers)
    return [table for make in every if (table := make(results)).rows]


def notes(results: bench_results.Results) -> list[str]:
    """Say what the tables need for being read rightly."""
    about = '; '.join(f'{name} {text}' for name, text in results.about.items())
    said = [
        f'{about}. Rounds: {results.rounds}.',
        'Each figure is a median, with the least and the most in parentheses; '
        'a ratio is that of the medians, with the least and the most ratio '
        'within one round.',
    ]
    left_out: dict[str, list[str]] = {}
    fewer: dict[int, list[str]] = {}
    more: dict[int, set[str]] = {}
    for (kind, case, method), count in _counts(results).items():
        if reason := case.left_out(method):
            left_out.setdefault(reason, []).append(case.title)
        elif 0 < count < results.rounds:
            step = ' alone' if kind == STEP else ''
            fewer.setdefault(count, []).append(f'{case.title}: {method}{step}')
        elif count > results.rounds:
            more.setdefault(count, set()).add(case.title)
    for reason, titles in left_out.items():
        said.append(f'Not measured: {"; ".join(titles)}: {reason}.')
    for count, titles in fewer.items():
        said.append(f'Slow, so {count} rounds only: {"; ".join(titles)}.')
    for count, found in more.items():
        said.append(f'{count} rounds: {"; ".join(sorted(found))}.')
    return said


def _counts(
    results: bench_results.Results,
) -> dict[tuple[str, cases.Case, str], int]:
    """Count the samples of each method in each case that was measured."""
    return {
        (kind, case, method): len(
            results.values(kind, case, method, 'seconds')
        )
        for kind, methods in ((UPLOAD, cases.METHODS), (STEP, cases.STEPS))
        for case in cases.ALL
        if results.measured(kind, case)
        for method in methods
    }


def _claims(results: bench_results.Results) -> Table:
    rows = []
    for claim in claims.CLAIMS:
        found = claim.found(results)
        bound = 'at most' if claim.at_most else 'at least'
        rows.append(
            [
                claim.text,
                f'{bound} {claim.limit:g} {claim.unit}'.rstrip(),
                _spread(found, claim.unit),
                NOTHING
                if found is None
                else ('yes' if claim.holds(found) else 'NO'),
            ]
        )
    return Table('Targets', ['', 'target', 'measured', 'met'], rows)


def _uploads(results: bench_results.Results) -> Table:
    rows = []
    for case in cases.ALL:
        if not results.measured(UPLOAD, case):
            continue
        for method in cases.METHODS:
            seconds = results.summary(UPLOAD, case, method, 'seconds')
            detached = results.summary(UPLOAD, case, method, 'detached')
            faster = figures.ratio(
                results.values(UPLOAD, case, cases.UPSTREAM, 'seconds'),
                results.values(UPLOAD, case, method, 'seconds'),
            )
            rows.append(
                [
                    case.title,
                    _named(results, case, method),
                    _spread(seconds, 's'),
                    _spread(faster),
                    *_bytes(results, UPLOAD, case, method),
                    'when active'
                    if detached and detached == seconds
                    else _spread(detached, 's'),
                ]
            )
    return Table(
        'Whole uploads, from the request to active',
        ['volume', 'method', 'request to active', 'upstream / this']
        + ['host sent', 'host received', 'image occupies', 'independent'],
        rows,
    )


def _named(
    results: bench_results.Results, case: cases.Case, method: str
) -> str:
    """Name a method, and what made the images where the name does not say."""
    made_by = results.made_by(case, method)
    if method == cases.UPSTREAM or made_by in ([], [method]):
        return method
    return f'{method} ({", ".join(made_by)})'


def _steps(results: bench_results.Results) -> Table:
    rows = []
    for case in itertools.chain(*cases.MATERIALISED):
        for method in cases.STEPS:
            values = results.values(STEP, case, method, 'seconds')
            if not values:
                continue
            base = results.values(STEP, case, cases.RBD_CP, 'seconds')
            rows.append(
                [
                    case.title,
                    method,
                    _spread(figures.summarise(values), 's'),
                    _spread(figures.ratio(values, base)),
                    _mib(
                        results.summary(STEP, case, method, 'messenger_sent')
                    ),
                    *_bytes(results, STEP, case, method),
                ]
            )
    return Table(
        'The step that makes the data, alone',
        ['volume', 'by', 'time', 'this / rbd cp']
        + ['messenger sent', 'client sent', 'client received']
        + ['image occupies'],
        rows,
    )


def _streams(results: bench_results.Results) -> Table:
    rows = []
    for case, way in ways.PLAN:
        base = results.values(
            STREAM, case, way.method(ways.UPSTREAM), 'seconds'
        )
        for who in way.stores:
            method = way.method(who)
            values = results.values(STREAM, case, method, 'seconds')
            if not values:
                continue
            rows.append(
                [
                    f'{case.title}, {way.title}',
                    who,
                    _spread(figures.summarise(values), 's'),
                    _spread(figures.ratio(base, values)),
                    *_bytes(results, STREAM, case, method)[:2],
                ]
            )
    return Table(
        'Uploads that leave the cluster, from the request to active',
        ['volume', 'by', 'request to active', 'upstream / this']
        + ['host sent', 'host received'],
        rows,
    )


def _readers(results: bench_results.Results) -> Table:
    rows = []
    best = results.values(READER, None, reader.NONE, 'seconds')
    for name in (reader.NONE, reader.STOCK, reader.OURS):
        values = results.values(READER, None, name, 'seconds')
        if not values:
            continue
        taken = results.summary(READER, None, name, 'occupied')
        assert taken is not None
        rows.append(
            [
                f'{reader.SIZE >> 20} MiB in segments of '
                f'{reader.SEGMENT >> 20} MiB, source and sink of '
                f'{reader.RATE >> 20} MiB/s',
                name,
                _spread(figures.summarise(values), 's'),
                _spread(figures.ratio(best, values)),
                f'{figures.text(taken.median / cases.KIB)} KiB',
            ]
        )
    return Table(
        'What stands between a client and Swift, in Glance',
        ['image', 'reader', 'time', 'none / this', 'taken at first byte'],
        rows,
    )


def _bytes(
    results: bench_results.Results, kind: str, case: cases.Case, method: str
) -> list[str]:
    return [
        _mib(results.summary(kind, case, method, what))
        for what in ('sent', 'received', 'occupied')
    ]


def _mib(summary: figures.Summary | None) -> str:
    """Write an amount of bytes; they hardly vary, so only the median."""
    if summary is None:
        return NOTHING
    return f'{figures.text(summary.median / cases.MIB)} MiB'


def _spread(summary: figures.Summary | None, unit: str = '') -> str:
    if summary is None:
        return NOTHING
    median = f'{figures.text(summary.median)} {unit}'.rstrip()
    if summary.low == summary.high:
        return median
    low, high = figures.text(summary.low), figures.text(summary.high)
    return f'{median} ({low} to {high})'


def show(results: bench_results.Results) -> None:
    """Print every table and note."""
    console = rich.console.Console()
    if not console.is_terminal:
        console.width = WIDTH
    for table in tables(results):
        shown = rich.table.Table(title=table.title)
        for name in table.header:
            shown.add_column(name)
        for above, row in zip([None, *table.rows], table.rows, strict=False):
            same = above is not None and above[0] == row[0]
            if above is not None and not same:
                shown.add_section()
            shown.add_row('' if same else row[0], *row[1:])
        console.print(shown)
    for note in notes(results):
        console.print(f'* {note}', highlight=False)


def write(results: bench_results.Results, folder: pathlib.Path) -> None:
    """Write the tables, the picture and all samples for the documents."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'bench.json').write_text(results.to_json())
    (folder / 'bench.inc').write_text(restructured(results))
    picture.draw(results, folder / 'bench.png')


def restructured(results: bench_results.Results) -> str:
    """Write every table and note as reStructuredText."""
    lines = ['.. Written by ``make bench``; what is changed here is lost.', '']
    for table in tables(results):
        lines += [f'.. list-table:: {table.title}', '   :header-rows: 1', '']
        for row in [table.header, *table.rows]:
            lines += [f'   * - {row[0]}'.rstrip()]
            lines += [f'     - {cell}' for cell in row[1:]]
        lines.append('')
    for note in notes(results):
        lines.append(f'* {note}')
    return '\n'.join(lines) + '\n'


def write_readme(results: bench_results.Results, path: pathlib.Path) -> None:
    """Put the main figures between the two marks of a README.

    A run without the case that the README speaks of changes nothing.

    :raises ValueError: when the marks are not there
    """
    if not results.measured(UPLOAD, cases.THIN_4):
        return
    old = path.read_text()
    pattern = f'{re.escape(BEGIN)}\n.*?{re.escape(END)}\n'
    if not re.search(pattern, old, re.DOTALL):
        raise ValueError(f'{path} has no lines {BEGIN!r} and {END!r}')
    table = simple(_main(results))
    new = f'{BEGIN}\n\n{table}\n{END}\n'
    path.write_text(re.sub(pattern, lambda _: new, old, flags=re.DOTALL))


def _main(results: bench_results.Results) -> Table:
    """Make the table of the case that the README speaks of."""
    case = cases.THIN_4
    rows = []
    for method in cases.METHODS:
        faster = figures.ratio(
            results.values(UPLOAD, case, cases.UPSTREAM, 'seconds'),
            results.values(UPLOAD, case, method, 'seconds'),
        )
        sums = (
            results.summary(UPLOAD, case, method, what)
            for what in ('occupied', 'moved')
        )
        rows.append(
            [
                method,
                _spread(results.summary(UPLOAD, case, method, 'seconds'), 's'),
                NOTHING if method == cases.UPSTREAM else _spread(faster),
                *map(_mib, sums),
            ]
        )
    return Table(
        case.title,
        ['method', 'request to active', 'faster', 'occupies', 'through host'],
        rows,
    )


def simple(table: Table) -> str:
    """Write a table so that it reads well as plain text, too."""
    every = [table.header, *table.rows]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    border = ' '.join('=' * width for width in widths)
    lines = [
        ' '.join(
            cell + ' ' * (width - len(cell))
            for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in every
    ]
    return '\n'.join([border, lines[0], border, *lines[1:], border]) + '\n'
