# SPDX-License-Identifier: Apache-2.0
"""What a run says: a line for each round, a table, and files to look into."""

import collections
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import json
import pathlib

from faults import rounds
from faults import settle

# Bytes of each log that are kept of a bad round.
TAIL = 400_000


def line(number: int, result: rounds.Result) -> str:
    """Say in a line what came of a round."""
    outcomes = collections.Counter(result.outcomes)
    counts = ' '.join(
        f'{outcomes[one]} {one},' for one in settle.OUTCOMES if outcomes[one]
    ).rstrip(',')
    verdict = 'BAD ' if result.bad else 'good'
    causes = '; '.join(result.causes) or f'not reached: {result.label}'
    return (
        f'{number:4} seed {result.seed:<6} {verdict} {result.kind:9} '
        f'{result.seconds:5.1f} s  {counts}  [{causes}]'
    )


def table(results: Iterable[rounds.Result]) -> list[str]:
    """Count rounds and outcomes for each kind of fault."""
    head = ('fault', 'rounds', *settle.OUTCOMES[:-1], 'bad rounds')
    rows: dict[str, collections.Counter[str]] = {}
    for result in results:
        for name in (result.kind, 'all'):
            counts = rows.setdefault(name, collections.Counter())
            counts['rounds'] += 1
            counts['bad rounds'] += result.bad
            counts.update(result.outcomes)
    rows['all'] = rows.pop('all', collections.Counter())
    lines = [head] + [
        (name, *(str(counts[column]) for column in head[1:]))
        for name, counts in rows.items()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        '  '.join(
            text.ljust(width) if index == 0 else text.rjust(width)
            for index, (text, width) in enumerate(
                zip(words, widths, strict=True)
            )
        )
        for words in lines
    ]


class Keeper:
    """Writes what is looked at later.

    :param folder: gets ``results.jsonl``, and a folder for each bad round
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._results = folder / 'results.jsonl'

    def keep(self, number: int, result: rounds.Result) -> None:
        """Append a result."""
        fields = {'number': number} | dataclasses.asdict(result)
        with self._results.open('a') as file:
            file.write(json.dumps(fields) + '\n')

    def keep_bad(
        self,
        number: int,
        result: rounds.Result,
        logs: Mapping[str, pathlib.Path],
        say: Callable[[str], None],
    ) -> None:
        """Keep the ends of the logs of a bad round."""
        folder = self._folder / 'bad' / f'{number}-seed-{result.seed}'
        folder.mkdir(parents=True, exist_ok=True)
        (folder / 'complaints').write_text(
            '\n'.join([line(number, result), *result.complaints]) + '\n'
        )
        for name, log in logs.items():
            if log.exists():
                with log.open('rb') as file:
                    file.seek(max(0, log.stat().st_size - TAIL))
                    (folder / name).write_bytes(file.read())
        for complaint in result.complaints:
            say(f'       {complaint}')
        say(f'       logs: {folder}')
