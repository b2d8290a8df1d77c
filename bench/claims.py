# SPDX-License-Identifier: Apache-2.0
"""What the project says of its speed, and what a run says to that.

A claim is a ratio of two things that took turns in one run, or an amount of
bytes. None is a test: a noisy machine breaks no build.
"""

from collections.abc import Callable
import dataclasses
import functools

from bench import cases
from bench import figures
from bench import reader
from bench import results as bench_results
from bench import ways

UPLOAD, STEP = bench_results.UPLOAD, bench_results.STEP
STREAM, READER = bench_results.STREAM, bench_results.READER

# A side of a comparison: kind, case, method.
Side = tuple[str, cases.Case | None, str]
Found = Callable[[bench_results.Results], figures.Summary | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Claim:
    """One claim.

    :param text: what is looked at
    :param limit: the bound, in ``unit``
    :param found: looks it up in a run; None where it was not measured
    :param at_most: whether the bound is an upper one
    :param unit: of the bound and what is found
    """

    text: str
    limit: float
    found: Found
    at_most: bool = True
    unit: str = ''

    def holds(self, found: figures.Summary) -> bool:
        """Tell whether the median keeps to the bound."""
        if self.at_most:
            return found.median <= self.limit
        return found.median >= self.limit


def _ratio(
    what: str, one: Side, base: Side, results: bench_results.Results
) -> figures.Summary | None:
    return figures.ratio(
        results.values(*one, what), results.values(*base, what)
    )


def _amount(
    unit: int, what: str, one: Side, results: bench_results.Results
) -> figures.Summary | None:
    values = results.values(*one, what)
    return figures.summarise(
        {number: value / unit for number, value in values.items()}
    )


_mib = functools.partial(_amount, cases.MIB)
_kib = functools.partial(_amount, cases.KIB)


def _in_use(
    what: str, one: tuple[str, cases.Case, str], results: bench_results.Results
) -> figures.Summary | None:
    """Return a measure as a share of the bytes in use."""
    values = results.values(*one, what)
    return figures.summarise(
        {number: value / one[1].in_use for number, value in values.items()}
    )


def _faster(text: str, limit: float, way: ways.Way, who: str) -> Claim:
    """Claim how much faster than upstream a stream is."""
    case = cases.THIN_4 if who == ways.STRAIGHT else cases.DENSE_1
    base = way.method(ways.UPSTREAM)
    return Claim(
        f'{case.title}, {way.title}: upstream / {text}',
        limit,
        _part(
            _ratio,
            'seconds',
            (STREAM, case, base),
            (STREAM, case, way.method(who)),
        ),
        at_most=False,
    )


def _most_moved(
    method: str, results: bench_results.Results
) -> figures.Summary | None:
    """Return the case in which a method's uploads moved most, in MiB."""
    every = (
        _mib('moved', (UPLOAD, case, method), results) for case in cases.ALL
    )
    return max(filter(None, every), key=_median, default=None)


def _most_occupied(
    method: str, results: bench_results.Results
) -> figures.Summary | None:
    """Return the case in which a method's images take most for what is in."""
    every = (
        figures.summarise(
            {
                number: value / case.in_use
                for number, value in results.values(
                    UPLOAD, case, method, 'occupied'
                ).items()
            }
        )
        for case in cases.ALL
    )
    return max(filter(None, every), key=_median, default=None)


def _median(summary: figures.Summary) -> float:
    return summary.median


_part = functools.partial

CLAIMS = (
    Claim(
        f'{cases.THIN_4.title}, request to active: upstream / offload',
        6,
        _part(
            _ratio,
            'seconds',
            (UPLOAD, cases.THIN_4, cases.UPSTREAM),
            (UPLOAD, cases.THIN_4, 'offload'),
        ),
        at_most=False,
    ),
    Claim(
        f'{cases.THIN_4.title}, the step alone: copy / rbd cp',
        1.15,
        _part(
            _ratio,
            'seconds',
            (STEP, cases.THIN_4, 'copy'),
            (STEP, cases.THIN_4, cases.RBD_CP),
        ),
    ),
    Claim(
        '256 MiB in use, request to active: offload of 1 TiB / of 1 GiB',
        1.5,
        _part(
            _ratio,
            'seconds',
            (UPLOAD, cases.THIN_1024, 'offload'),
            (UPLOAD, cases.THIN_1, 'offload'),
        ),
    ),
    Claim(
        '256 MiB in use, request to active: instant of 1 TiB / of 1 GiB',
        1.3,
        _part(
            _ratio,
            'seconds',
            (UPLOAD, cases.THIN_1024, 'instant'),
            (UPLOAD, cases.THIN_1, 'instant'),
        ),
    ),
    Claim(
        f'{cases.SPECKS.title}: sent by the step clone_flatten',
        4,
        _part(_mib, 'sent', (STEP, cases.SPECKS, 'clone_flatten')),
        unit='MiB',
    ),
    Claim(
        f'{cases.SPECKS.title}: sent through the host by offload',
        4,
        _part(_mib, 'sent', (UPLOAD, cases.SPECKS, 'offload')),
        unit='MiB',
    ),
    Claim(
        'any volume: through the host by instant, at most',
        10,
        _part(_most_moved, 'instant'),
        unit='MiB',
    ),
    Claim(
        'any volume: the image of offload occupies / in use, at most',
        1.05,
        _part(_most_occupied, 'offload'),
    ),
    _faster('stream', 1, ways.FILES, ways.STREAM),
    _faster('stream', 1, ways.SLOW, ways.STREAM),
    _faster('stream', 2, ways.FAR, ways.STREAM),
    _faster('straight', 4, ways.SWIFT, ways.STRAIGHT),
    Claim(
        f'{cases.THIN_4.title}, to Swift: sent by straight / in use',
        1.1,
        _part(
            _in_use,
            'sent',
            (STREAM, cases.THIN_4, ways.SWIFT.method(ways.STRAIGHT)),
        ),
    ),
    Claim(
        'source and sink of one speed: share of it with BufferedReader',
        0.95,
        _part(
            _ratio,
            'seconds',
            (READER, None, reader.NONE),
            (READER, None, reader.OURS),
        ),
        at_most=False,
    ),
    Claim(
        'what BufferedReader has taken when the first byte leaves',
        64,
        _part(_kib, 'occupied', (READER, None, reader.OURS)),
        unit='KiB',
    ),
)
