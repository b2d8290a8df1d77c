# SPDX-License-Identifier: Apache-2.0
"""Counts the bytes that processes send and receive over TCP.

The kernel keeps both numbers for each connection (tcp_info), and ``ss``
prints them. They are looked at a few times a second, and a connection is
counted as it was seen last, so what moves in its last moments is missed.
"""

import re
import subprocess
import threading
from types import TracebackType

from lab import process

INTERVAL = 0.1
CONNECTION = re.compile(
    r'(?P<ends>\S+:\d+\s+\S+:\d+)\s+users:\(.*pid=(?P<pid>\d+),.*?\)\)'
    r'(?P<info>.*)'
)
BYTES = re.compile(r'\bbytes_(sent|received):(\d+)')


class Traffic:
    """A context in which the traffic of a process and its children counts."""

    def __init__(self, watched: process.Process) -> None:
        self._watched = watched
        self._before: dict[str, int] = {}
        self._now: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def total(self) -> int:
        """The bytes sent and received inside the context, so far."""
        return sum(
            count - self._before.get(connection, 0)
            for connection, count in self._now.items()
        )

    def __enter__(self) -> 'Traffic':
        self._before = self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._now |= self._look()

    def _look(self) -> dict[str, int]:
        pids = {str(pid) for pid in self._watched.members()}
        lines = subprocess.run(
            ['ss', '-tinpHO'], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return {
            found['ends']: sum(int(n) for _, n in BYTES.findall(found['info']))
            for found in map(CONNECTION.search, lines)
            if found and found['pid'] in pids
        }
