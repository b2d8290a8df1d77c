# SPDX-License-Identifier: Apache-2.0
"""Runs lint, the unit tests, Cinder's, and functional tests in a fresh lab.

The last line it prints is ``N passed, N failed``, with ``, N skipped`` where
any were; what failed is named once more before it. The exit code is 0 if
nothing failed.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TESTS = 'cinder_rbd_offload/tests'
LAB = [sys.executable, '-m', 'lab', '--state', '.lab/test']
TOTAL = re.compile(r'^ - (Passed|Failed|Skipped|Unexpected Success): (\d+)$')
FAILED = re.compile(r'^\{\d+\} (\S+) .*\.\.\. FAILED$')

# What failed, for the end.
failed: list[str] = []


def main() -> int:
    """Run everything, whatever fails in between."""
    os.chdir(ROOT)
    programs = str(pathlib.Path(sys.executable).parent)
    os.environ['PATH'] = f'{programs}:{os.environ["PATH"]}'
    # Seconds for one test; those of the lab have deadlines of their own.
    os.environ['OS_TEST_TIMEOUT'] = '180'
    # Cinder 29 warns, at each import, that it still uses eventlet.
    os.environ['PYTHONWARNINGS'] = 'ignore::DeprecationWarning'
    os.environ['LAB_STATE'] = str(ROOT / '.lab' / 'test')

    totals = [_step('lint', ['tools/lint.sh'])]
    totals.append(_stestr('unit', '--concurrency=0'))
    totals.append(_stestr('upstream', '--concurrency=0'))
    totals.append(_functional())

    good, bad, skipped = map(sum, zip(*totals, strict=True))
    for name in failed:
        print(f'==> failed: {name}')
    tail = f', {skipped} skipped' if skipped else ''
    print(f'{good} passed, {bad} failed{tail}', flush=True)
    return 1 if bad or not good else 0


def _functional() -> tuple[int, int, int]:
    """Run the functional tests in a lab of their own."""
    if (ROOT / '.lab' / 'test').exists():
        subprocess.run([*LAB, 'down', '--purge'], check=True)
    up = _step('lab', [*LAB, 'up', '--ceph2', '--with', 'swift'])
    if up[1]:
        subprocess.run([*LAB, 'status'])
        subprocess.run([*LAB, 'down'])
        return up
    totals = _stestr('functional', '--serial')
    # What failed can be looked into: only a good lab is removed.
    subprocess.run([*LAB, 'down', *([] if totals[1] else ['--purge'])])
    return totals


def _step(name: str, command: list[str]) -> tuple[int, int, int]:
    """Run a command that either passes or fails."""
    print(f'==> {name}', flush=True)
    good = subprocess.run(command).returncode == 0
    print(f'==> {name}: {"passed" if good else "FAILED"}', flush=True)
    if not good:
        failed.append(name)
    return (1, 0, 0) if good else (0, 1, 0)


def _stestr(suite: str, how: str) -> tuple[int, int, int]:
    """Run a suite and return how many tests passed, failed, were skipped."""
    print(f'==> {suite} tests', flush=True)
    run = subprocess.Popen(
        ['stestr', '--test-path', f'{TESTS}/{suite}', 'run', how],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    counts: dict[str, int] = {}
    for line in run.stdout:
        print(line, end='', flush=True)
        if total := TOTAL.match(line.rstrip()):
            counts[total[1]] = int(total[2])
        elif test := FAILED.match(line.rstrip()):
            failed.append(test[1])
    bad = counts.get('Failed', 0) + counts.get('Unexpected Success', 0)
    # A suite that could not be loaded, or is empty, has failed as a whole.
    if run.wait() and not bad:
        failed.append(f'{suite} tests, as a whole')
        bad = 1
    return counts.get('Passed', 0), bad, counts.get('Skipped', 0)


sys.exit(main())
