# SPDX-License-Identifier: Apache-2.0
"""Medians, spreads, and ratios of what took turns."""

from collections.abc import Mapping
import dataclasses
import statistics


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """Several measurements of one thing: the median, and all that it hides."""

    median: float
    low: float
    high: float
    count: int


def summarise(values: Mapping[int, float]) -> Summary | None:
    """Summarise values by round; None where there are none."""
    if not values:
        return None
    every = list(values.values())
    return Summary(
        statistics.median(every), min(every), max(every), len(every)
    )


def ratio(
    values: Mapping[int, float], base: Mapping[int, float]
) -> Summary | None:
    """Compare values by round with those of another method or case.

    Only rounds that both took part in count. The median is the ratio of
    their medians; the spread is that of the ratios within each round.

    :returns: None where there is nothing to compare
    """
    both = sorted(set(values) & set(base))
    if not both or not all(base[number] for number in both):
        return None
    pairs = [values[number] / base[number] for number in both]
    median = statistics.median(values[number] for number in both)
    return Summary(
        median / statistics.median(base[number] for number in both),
        min(pairs),
        max(pairs),
        len(both),
    )


def text(value: float) -> str:
    """Write a number with as many digits as mean something."""
    if value >= 100:
        return f'{value:.0f}'
    return f'{value:.1f}' if value >= 10 else f'{value:.2f}'
