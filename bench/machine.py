# SPDX-License-Identifier: Apache-2.0
"""What a run's figures depend on: the machine, the versions, the day."""

import datetime
from importlib import metadata
import os
import pathlib
import platform
import re
import subprocess

DISTRIBUTIONS = ('cinder', 'glance')
SECONDS = 30


def about() -> dict[str, str]:
    """Describe this machine and what is installed on it."""
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')
    load = os.getloadavg()[0]
    return {
        'date': f'{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC',
        'machine': (
            f'{os.cpu_count()} cores ({_processor()}), '
            f'{memory / (1 << 30):.0f} GiB of memory'
        ),
        'load before': f'{load:.1f}',
        'kernel': f'{platform.system()} {platform.release()}',
        'Python': platform.python_version(),
        'Ceph': _second_word('ceph version', 'ceph', '--version'),
        **{name: metadata.version(name) for name in DISTRIBUTIONS},
        'this project': _revision(),
    }


def _processor() -> str:
    cpus = pathlib.Path('/proc/cpuinfo').read_text()
    found = re.search(r'^model name\s*:\s*(.+)$', cpus, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _revision() -> str:
    """Return the commit of this tree, and whether files differ from it."""
    try:
        done = subprocess.run(
            ['git', 'describe', '--always', '--dirty'],
            cwd=pathlib.Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return metadata.version('cinder-rbd-offload')
    return done.stdout.strip()


def _second_word(before: str, *command: str) -> str:
    """Return the word after some words of what a command prints."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    return done.stdout.partition(before)[2].split()[0]
