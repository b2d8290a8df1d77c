# SPDX-License-Identifier: Apache-2.0
"""The results of Tempest on two back ends, side by side."""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import io
import re
from typing import Any

import rich.box
import rich.console
import rich.table
import subunit
import testtools

PASSED, FAILED, SKIPPED = 'success', 'fail', 'skip'
# How Tempest marks a test with its id and other tags.
TAGS = re.compile(r'\[.*\]$')


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """What became of one test.

    :param seconds: how long it took
    """

    status: str
    seconds: float = 0.0


Results = Mapping[str, Test]


def read(stream: bytes) -> dict[str, Test]:
    """Read a stream of results (subunit, v2), by the names of tests.

    What a class fails in before its tests counts as a test of its own.
    """
    results: dict[str, Test] = {}

    def take(test: Mapping[str, Any]) -> None:
        status = test['status']
        if status == 'exists':
            return
        begin, end = test['timestamps']
        seconds = (end - begin).total_seconds() if begin and end else 0.0
        # A test that was never heard of again has not passed.
        known = {PASSED, FAILED, SKIPPED}
        results[TAGS.sub('', test['id'])] = Test(
            status if status in known else FAILED, seconds
        )

    reader = testtools.StreamToDict(take)
    reader.startTestRun()
    subunit.ByteStreamToStreamResult(
        io.BytesIO(stream), non_subunit_name='output'
    ).run(reader)
    reader.stopTestRun()
    return {
        name: test
        for name, test in results.items()
        if not name.startswith('output')
    }


def worse(stock: Results, ours: Results, own: str) -> list[str]:
    """List the tests that ours may not end as it does.

    These are those that the stock driver passes and ours does not, whatever
    it does with them, and those of our own that fail.

    :param own: how the names of our own tests begin
    """
    lost = {
        name
        for name, test in stock.items()
        if test.status == PASSED and status(ours, name) != PASSED
    }
    failed = {
        name
        for name, test in ours.items()
        # A class that fails in its fixtures is named in parentheses.
        if test.status == FAILED and own in name
    }
    return sorted(lost | failed)


def status(results: Results, name: str) -> str:
    """Return what became of a test; '' for one that did not run."""
    return results[name].status if name in results else ''


def count(results: Results) -> tuple[int, int, int]:
    """Count the tests that passed, failed, and were skipped."""
    each = [test.status for test in results.values()]
    return each.count(PASSED), each.count(FAILED), each.count(SKIPPED)


def show(
    console: rich.console.Console,
    suites: Sequence[tuple[str, Results, Results]],
    own: str,
) -> None:
    """Print the suites side by side, then where they differ, and uploads.

    :param suites: the name of each, and its results on the stock driver and
        on ours
    """
    table = _table('Tempest on both drivers', 'suite')
    for name, *both in suites:
        cells = []
        for results in both:
            passed, failed, skipped = count(results)
            cells.append(f'{passed} passed, {failed} failed, {skipped} skip')
        table.add_row(name, *cells)
    console.print(table)
    differing = _table('Where they differ', 'test')
    uploads = _table('Uploads, in seconds', 'test')
    for _name, stock, ours in suites:
        for one in sorted({*stock, *ours}):
            before, after = status(stock, one), status(ours, one)
            if before != after:
                differing.add_row(one, before or '-', after or '-')
            elif before == PASSED and 'upload' in one:
                uploads.add_row(
                    one,
                    *(f'{each[one].seconds:.1f}' for each in (stock, ours)),
                )
    for table in (uploads, differing):
        if table.row_count:
            console.print(table)
    bad = [
        one for _name, *both in suites for one in worse(both[0], both[1], own)
    ]
    for one in bad:
        console.print(f'[red]WORSE[/red] {one}', highlight=False)


def _table(title: str, first: str) -> rich.table.Table:
    table = rich.table.Table(
        title=title, title_style='bold', box=rich.box.SIMPLE
    )
    table.add_column(first, overflow='fold')
    for name in ('upstream', 'offload'):
        table.add_column(name, justify='right')
    return table
