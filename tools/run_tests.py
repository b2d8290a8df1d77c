# SPDX-License-Identifier: Apache-2.0
"""Runs lint, the unit tests, Cinder's, and functional tests in fresh labs.

The functional tests take turns in two labs, a module at a time, since most of
the time they wait for something.

The last line it prints is ``N passed, N failed``, with ``, N skipped`` where
any were; what failed is named once more before it, with the end of what it
said, since of a long output often only the end is kept. The exit code is 0 if
nothing failed.
"""

import collections
import concurrent.futures
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = 'cinder_rbd_offload/tests'
LABS = 2
FOLDER = ROOT / '.lab'
# Of each test that failed, at the end.
LAST_LINES = 30
TOTAL = re.compile(r'^ - (Passed|Failed|Skipped|Unexpected Success): (\d+)$')
FAILED = re.compile(r'^\{\d+\} (\S+) .*\.\.\. FAILED$')

# Passed, failed, skipped.
Totals = tuple[int, int, int]

# What failed, with the last lines that it said.
failed: dict[str, collections.deque[str]] = {}
# One line of output at a time.
printing = threading.Lock()


def main() -> int:
    """Run everything, whatever fails in between."""
    os.chdir(ROOT)
    programs = str(pathlib.Path(sys.executable).parent)
    os.environ['PATH'] = f'{programs}:{os.environ["PATH"]}'
    # Seconds for one test; those of the lab have deadlines of their own.
    os.environ['OS_TEST_TIMEOUT'] = '180'
    # Cinder 29 warns, at each import, that it still uses eventlet.
    os.environ['PYTHONWARNINGS'] = 'ignore::DeprecationWarning'

    totals = [_step('lint', ['tools/lint.sh'])]
    totals.append(_stestr('unit', '--concurrency=0'))
    totals.append(_stestr('upstream', '--concurrency=0'))
    totals.append(_functional())

    good, bad, skipped = _sum(totals)
    for name, lines in failed.items():
        print(f'==> failed: {name}', *filter(str.strip, lines), sep='\n')
    tail = f', {skipped} skipped' if skipped else ''
    print(f'{good} passed, {bad} failed{tail}', flush=True)
    return 1 if bad or not good else 0


def _functional() -> Totals:
    """Run the modules of functional tests, each in whichever lab is free."""
    paths = sorted((ROOT / TESTS / 'functional').glob('test_*.py'))
    labs = [f'test-{number}' for number in range(LABS)]
    free: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run(module: pathlib.Path) -> Totals:
        lab = free.get()
        try:
            return _stestr(
                'functional',
                *('--serial', rf'functional\.{module.stem}\.'),
                repository=str(_results(lab)),
                LAB_STATE=str(FOLDER / lab),
            )
        finally:
            free.put(lab)

    with concurrent.futures.ThreadPoolExecutor(LABS) as pool:
        totals = list(pool.map(_up, labs))
        if not _sum(totals)[1]:
            for lab in labs:
                free.put(lab)
            totals = list(pool.map(run, paths))
    total = _sum(totals)
    # What failed can be looked into: only good labs are removed.
    down = ['down'] if total[1] else ['down', '--purge']
    for lab in labs:
        subprocess.run(_command(lab, *down))
    return total


def _up(name: str) -> Totals:
    """Bring a fresh lab up."""
    if (FOLDER / name).exists():
        subprocess.run(_command(name, 'down', '--purge'), check=True)
    _results(name).mkdir(parents=True, exist_ok=True)
    command = _command(name, 'up', '--ceph2', '--with', 'swift')
    up = _step(f'lab {name}', command)
    if up[1]:
        subprocess.run(_command(name, 'status'))
    return up


def _command(name: str, *words: str) -> list[str]:
    return [sys.executable, '-m', 'lab', '--state', str(FOLDER / name), *words]


def _results(name: str) -> pathlib.Path:
    """Return where stestr keeps what it finds in a lab."""
    return FOLDER / f'{name}.results'


def _sum(totals: list[Totals]) -> Totals:
    good, bad, skipped = map(sum, zip((0, 0, 0), *totals, strict=True))
    return good, bad, skipped


def _step(name: str, command: list[str]) -> Totals:
    """Run a command that either passes or fails."""
    _say(f'==> {name}')
    good = subprocess.run(command).returncode == 0
    _say(f'==> {name}: {"passed" if good else "FAILED"}')
    if not good:
        failed[name] = collections.deque()
    return (1, 0, 0) if good else (0, 1, 0)


def _stestr(
    suite: str, *how: str, repository: str = '.', **environment: str
) -> Totals:
    """Run a suite, or a part of it.

    :param how: what stestr is told
    :param repository: the folder where stestr keeps what it finds
    :param environment: variables for the tests
    """
    name = ' '.join([suite, 'tests', *how[1:]])
    _say(f'==> {name}')
    run = subprocess.Popen(
        [
            *('stestr', '--test-path', f'{TESTS}/{suite}'),
            *('--repo-url', repository, 'run', *how),
        ],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    counts: dict[str, int] = {}
    said: collections.deque[str] = collections.deque()
    for line in map(str.rstrip, run.stdout):
        _say(line)
        if line.startswith(('{', '=')):
            said = collections.deque(maxlen=LAST_LINES)
        said.append(line)
        if total := TOTAL.match(line):
            counts[total[1]] = int(total[2])
        elif test := FAILED.match(line):
            failed[test[1]] = said
    bad = counts.get('Failed', 0) + counts.get('Unexpected Success', 0)
    # A suite that could not be loaded, or is empty, has failed as a whole.
    if run.wait() and not bad:
        failed[f'{name}, as a whole'] = said
        bad = 1
    return counts.get('Passed', 0), bad, counts.get('Skipped', 0)


def _say(line: str) -> None:
    with printing:
        print(line, flush=True)


sys.exit(main())
