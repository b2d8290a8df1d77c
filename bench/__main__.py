# SPDX-License-Identifier: Apache-2.0
"""The command: a lab, the measurements, the tables."""

import argparse
import pathlib
import shutil
import signal
import sys
import time

from bench import cases
from bench import endtoend
from bench import machine
from bench import materialise
from bench import reader
from bench import report
from bench import results as bench_results
from bench import streams
from bench import ways
from lab import lab as lab_lab
from lab import service

STARTED = time.monotonic()
ROUNDS = 3
# What is not a case inside the cluster, by its name on the command line.
STREAMS, READERS = 'streams', 'readers'
QUICK = (cases.THIN_1, cases.THIN_64, cases.SPECKS)
# What the lab itself and the OSD's own bookkeeping take.
LAB_BYTES = 4 * cases.GIB
# What streams take: three volumes, and an image.
STREAM_BYTES = 8 * cases.GIB


def main() -> int:
    """Run it; return 0, 1 for a failure, or 130 when it was interrupted."""
    args = _parser().parse_args()
    # An end that is asked for is as orderly as one by Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    groups = cases.chosen(cases.UPLOADS, args.cases)
    steps = cases.chosen(cases.MATERIALISED, args.cases)
    other = args.cases & {STREAMS, READERS}
    if lack := _lack(args.state, groups, other):
        print(f'FAILED: {lack}', file=sys.stderr)
        return 1
    fresh = not args.state.exists()
    lab = lab_lab.Lab(args.state, say=_say)
    results = bench_results.Results(machine.about(), args.rounds)
    try:
        if READERS in other:
            reader.run(results, _say)
        lab.up(swift=True)
        if STREAMS in other:
            _measure_streams(lab, results)
        _measure(lab, groups, steps, results)
    except BaseException as exc:
        if results.samples:
            report.show(results)
        _leave(lab, fresh, exc)
        if isinstance(exc, KeyboardInterrupt):
            return 130
        if isinstance(exc, service.Failed):
            return 1
        raise
    report.show(results)
    if args.out:
        report.write(results, args.out)
    if args.readme:
        report.write_readme(results, args.readme)
    if fresh:
        lab.purge()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m bench',
        description="Upstream's upload and ours side by side, on one lab.",
    )
    every = [*(case.key for case in cases.ALL), STREAMS, READERS]
    parser.add_argument(
        '--state',
        type=pathlib.Path,
        default=pathlib.Path('.lab/bench'),
        help='the folder of the lab; one that is there already is used and '
        'stays, another is made and purged (default: .lab/bench)',
    )
    parser.add_argument(
        '--rounds', type=_count, default=ROUNDS, help='default: %(default)s'
    )
    parser.add_argument(
        '--cases',
        type=lambda text: set(text.split(',')),
        default=set(every),
        help=f'some of {",".join(every)} (default: all)',
    )
    parser.add_argument(
        '--quick',
        action='store_const',
        dest='cases',
        const={case.key for case in QUICK},
        help='a few small cases: does it work at all?',
    )
    parser.add_argument(
        '--out',
        type=pathlib.Path,
        help='a folder for the tables, the picture and all samples',
    )
    parser.add_argument(
        '--readme',
        type=pathlib.Path,
        help='a README with marks, between which the main figures go',
    )
    return parser


def _count(text: str) -> int:
    """Read a number of rounds."""
    count = int(text)
    if count < 1:
        raise ValueError(text)
    return count


def _say(line: str) -> None:
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f'{minutes:3}:{seconds:02} {line}', flush=True)


def _lack(
    state: pathlib.Path,
    groups: list[tuple[cases.Case, ...]],
    other: set[str],
) -> str:
    """Say what is missing for a run; nothing is ''."""
    if not groups and not other:
        return 'none of the cases is known; see --help'
    place = next(path for path in state.resolve().parents if path.exists())
    need = LAB_BYTES + max(
        (cases.room(group, cases.METHODS) for group in groups),
        default=STREAM_BYTES,
    )
    free = shutil.disk_usage(place).free
    if free >= need:
        return ''
    return (
        f'{place} has {free / cases.GIB:.0f} GiB free, and the largest case '
        f'takes {need / cases.GIB:.0f} GiB; choose others with --cases, or '
        'another place with --state'
    )


def _measure_streams(lab: lab_lab.Lab, results: bench_results.Results) -> None:
    sender = streams.Streams(lab, _say)
    for case, way in ways.PLAN:
        sender.run(case, way, results)


def _measure(
    lab: lab_lab.Lab,
    groups: list[tuple[cases.Case, ...]],
    steps: list[tuple[cases.Case, ...]],
    results: bench_results.Results,
) -> None:
    uploads = endtoend.EndToEnd(lab, _say)
    for group in groups:
        uploads.run(group, cases.METHODS, results)
    alone = materialise.Materialise(lab.state, _say)
    for group in steps:
        alone.run(group, cases.STEPS, results)


def _leave(lab: lab_lab.Lab, fresh: bool, exc: BaseException) -> None:
    """After a failure, say what is left and how it is removed."""
    print(f'FAILED: {type(exc).__name__}: {exc}', file=sys.stderr)
    if fresh:
        lab.down()
    state = 'is ended' if fresh else 'runs on'
    print(
        f'The lab {state}; look at the logs in {lab.state.root}, then remove '
        f'it: python -m lab --state {lab.state.root} down --purge',
        file=sys.stderr,
    )


sys.exit(main())
