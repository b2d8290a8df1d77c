# SPDX-License-Identifier: Apache-2.0
"""Draws the uploads of a run, each method beside the others."""

import pathlib

from matplotlib import axes
from matplotlib import figure
from matplotlib import ticker

from bench import cases
from bench import figures
from bench import results as bench_results

# What is drawn: the title, the measure, what it is divided by, and where the
# logarithmic scale begins.
PANELS = (
    ('request to active, seconds', 'seconds', 1, 0.5),
    ('through the cinder-volume host, MiB', 'moved', cases.MIB, 0.05),
    ('the image occupies, MiB', 'occupied', cases.MIB, 0.5),
)
# Told apart by people who see colours differently, too.
COLOURS = ('#444444', '#0072b2', '#e69f00', '#56b4e9', '#009e73')
INCHES = (9, 13)
DPI = 110


def draw(results: bench_results.Results, target: pathlib.Path) -> None:
    """Write the picture of a run as a PNG.

    A bar is a median, the thin line on it goes from the least to the most.
    """
    shown = [
        case
        for case in cases.ALL
        if results.measured(bench_results.UPLOAD, case)
    ]
    drawing = figure.Figure(figsize=INCHES, dpi=DPI, layout='constrained')
    for place, (title, what, unit, left) in enumerate(PANELS, 1):
        panel = drawing.add_subplot(len(PANELS), 1, place)
        _bars(panel, results, shown, what, unit)
        panel.set_title(title, loc='left')
        # With room for the number at the longest bar.
        panel.set_xlim(left, 2 * panel.get_xlim()[1])
    handles, labels = drawing.axes[0].get_legend_handles_labels()
    drawing.legend(
        handles, labels, loc='outside upper center', ncols=len(labels) or 1
    )
    drawing.supxlabel(
        'logarithmic; median, least and most of all rounds; '
        f'{results.about.get("date", "")}',
        fontsize='small',
    )
    drawing.savefig(target)


def _bars(
    panel: axes.Axes,
    results: bench_results.Results,
    shown: list[cases.Case],
    what: str,
    unit: int,
) -> None:
    height = 0.8 / len(cases.METHODS)
    for number, method in enumerate(cases.METHODS):
        found = [
            (place, summary)
            for place, case in enumerate(shown)
            if (
                summary := results.summary(
                    bench_results.UPLOAD, case, method, what
                )
            )
        ]
        bars = panel.barh(
            [place + (number - 2) * height for place, _summary in found],
            [summary.median / unit for _place, summary in found],
            height,
            xerr=[
                [(one.median - one.low) / unit for _place, one in found],
                [(one.high - one.median) / unit for _place, one in found],
            ],
            error_kw={'elinewidth': 0.8, 'ecolor': 'black'},
            color=COLOURS[number],
            label=method,
        )
        panel.bar_label(bars, fmt=figures.text, padding=3, fontsize='x-small')
    panel.set_xscale('log')
    panel.xaxis.set_major_formatter('{x:g}')
    panel.xaxis.set_minor_formatter(ticker.NullFormatter())
    panel.set_yticks(range(len(shown)), [case.title for case in shown])
    panel.invert_yaxis()
    panel.grid(axis='x', linewidth=0.3)
