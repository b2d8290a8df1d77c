# SPDX-License-Identifier: Apache-2.0
"""The command line: many rounds, and 0 if each of them was good."""

import argparse
import json
import pathlib
import signal
import sys
import time

from faults import audit
from faults import observe
from faults import orders
from faults import report
from faults import rounds
from faults import schedule
from faults import stage as stage_
from faults import sweep
from faults import volumes as volumes_
from lab import service


def main() -> int:
    """Run the rounds.

    :returns: 0, or 1 for a bad round, 2 for a broken lab, 130 for Ctrl-C
    """
    args = _parser().parse_args()
    stage = stage_.Stage(args.state, args.hosts, _say)
    # So that whoever ends it, also by a time limit, has its services ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            stage.up()
            results = _run(stage, args)
        finally:
            stage.down()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except service.Failed as exc:
        print(f'FAILED: {exc}', file=sys.stderr)
        return 2
    if args.purge and not any(result.bad for result in results):
        stage.lab.purge()
    return int(any(result.bad for result in results))


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m faults',
        description='Kill the real services while uploads run, and audit.',
    )
    parser.add_argument(
        '--state',
        type=pathlib.Path,
        default=pathlib.Path('.lab/faults'),
        help='the folder of the lab (default: .lab/faults)',
    )
    parser.add_argument(
        '--rounds', type=int, default=208, help='how many (default: 208)'
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='the seed of the first round; the next ones count on',
    )
    parser.add_argument(
        '--fault',
        action='append',
        choices=schedule.KINDS,
        help='these kinds in turn; a seed then names another round',
    )
    parser.add_argument(
        '--hosts',
        type=int,
        default=1,
        choices=(1, 2),
        help='how many hosts have a volume service on the pools (default: 1)',
    )
    parser.add_argument(
        '--deadline',
        type=float,
        default=120.0,
        metavar='SECONDS',
        help='for a round to settle, once all services are back',
    )
    parser.add_argument(
        '--freeze',
        type=float,
        default=45.0,
        metavar='SECONDS',
        help="how long a process is stopped; longer than the journal's lease",
    )
    parser.add_argument(
        '--purge',
        action='store_true',
        help='remove the lab at the end if every round was good',
    )
    return parser


def _run(stage: stage_.Stage, args: argparse.Namespace) -> list[rounds.Result]:
    """Record the boundaries, then run round after round."""
    _withdraw(stage)
    stage.await_processes()
    volumes = volumes_.Volumes(stage)
    observer = observe.Observer(stage.state)
    # What an earlier run has left that was interrupted.
    if audit.complaints(observer.look({})):
        sweep.sweep(stage, observer, volumes)
    volumes.make_all()
    carry = rounds.Rounds(stage, volumes, args.deadline)
    keeper = report.Keeper(stage.folder)
    logs = {
        name: one.log
        for name, one in stage.services.items()
        if name.startswith(('cinder', 'glance', 'ceph', 'rabbitmq'))
    } | {'trace': stage.folder / orders.TRACE}

    result, catalog = carry.record(args.seed)
    (stage.folder / 'boundaries.json').write_text(
        json.dumps(catalog, indent=1)
    )
    for backend, some in catalog.items():
        _say(f'{backend}: {len(some)} boundaries')
    results: list[rounds.Result] = []
    for number in range(args.rounds + 1):
        if number:
            plan = schedule.plan(
                args.seed + number - 1,
                catalog,
                args.fault or schedule.SLOTS,
                args.freeze,
                args.hosts,
            )
            result = carry.run(plan)
        results.append(result)
        _say(report.line(number, result))
        keeper.keep(number, result)
        if result.bad:
            keeper.keep_bad(number, result, logs, _say)
            sweep.sweep(stage, observer, volumes)
    started = time.monotonic()
    volumes.delete_all()
    _say(f'all volumes deleted in {time.monotonic() - started:.0f} s')
    for text in report.table(results):
        _say(text)
    return results


def _withdraw(stage: stage_.Stage) -> None:
    """Take back what orders an earlier run has left."""
    given = orders.Orders(stage.folder)
    for backend in stage_.BACKENDS:
        given.take(backend)


sys.exit(main())
