# SPDX-License-Identifier: Apache-2.0
"""Counts the bytes that processes send and receive over TCP.

The kernel keeps both numbers for each connection (tcp_info), and ``ss``
prints them. The connections of the processes are looked at a few times a
second, which tells whose they are; of one that ends in between, a second
``ss`` prints the last numbers as the kernel destroys it. So the count is
whole, but for connections that live less than a look's interval.
"""

import re
import socket
import subprocess
import threading
import time
from types import TracebackType
from typing import Protocol

# Seconds between two looks. One costs 10 ms of a core.
INTERVAL = 0.2
# Seconds in which the kernel's last reports arrive here, at the latest.
GRACE = 10
# Seconds for ``ss`` to start.
START_SECONDS = 10
ENDS = re.compile(r'\S+:\d+\s+\S+:\d+')
PID = re.compile(r'\bpid=(\d+),')
BYTES = {
    kind: re.compile(rf'\bbytes_{kind}:(\d+)') for kind in ('sent', 'received')
}


class Watched(Protocol):
    """Processes that belong together."""

    def members(self) -> list[int]:
        """Return their pids."""


class Traffic:
    """A context in which the traffic of some processes counts."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._before: dict[str, dict[str, int]] = {}
        self._now: dict[str, dict[str, int]] = {}
        self._ended: dict[str, dict[str, int]] = {}
        self._stop = threading.Event()
        self._heard = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._reader = threading.Thread(target=self._read_ended, daemon=True)

    @property
    def sent(self) -> int:
        """The bytes sent inside the context, so far."""
        return self._count('sent')

    @property
    def received(self) -> int:
        """The bytes received inside the context, so far."""
        return self._count('received')

    @property
    def total(self) -> int:
        """The bytes sent and received inside the context, so far."""
        return self.sent + self.received

    def __enter__(self) -> 'Traffic':
        # By itself ss keeps what it prints until it has a page of it.
        self._events = subprocess.Popen(
            ['stdbuf', '-oL', 'ss', '-tinHOE'],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader.start()
        self._await_events()
        self._before = self._look()
        self._watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._watcher.join()
        self._await_last()
        self._events.terminate()
        self._reader.join()
        self._events.wait()

    def _await_events(self) -> None:
        """Wait until ended connections are reported: end some, and see."""
        deadline = time.monotonic() + START_SECONDS
        with socket.create_server(('127.0.0.1', 0)) as server:
            while not self._heard.wait(0.02):
                if time.monotonic() > deadline:
                    self._events.terminate()
                    raise TimeoutError('ss -E does not report connections')
                socket.create_connection(server.getsockname()).close()
                server.accept()[0].close()

    def _await_last(self) -> None:
        """Wait for the reports of all connections that have ended."""
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline:
            alive = self._look()
            self._now |= alive
            gone = {*self._before, *self._now} - alive.keys()
            if gone <= self._ended.keys():
                return
            time.sleep(INTERVAL)

    def _count(self, kind: str) -> int:
        seen = {**self._before, **self._now}
        return sum(
            self._ended.get(ends, last)[kind]
            - self._before.get(ends, {}).get(kind, 0)
            for ends, last in seen.items()
        )

    def _watch(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._now |= self._look()

    def _look(self) -> dict[str, dict[str, int]]:
        pids = set(self._watched.members())
        lines = subprocess.run(
            ['ss', '-tinpHO'], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        return dict(
            _connection(line)
            for line in lines
            if pids.intersection(map(int, PID.findall(line)))
        )

    def _read_ended(self) -> None:
        assert self._events.stdout is not None
        for line in self._events.stdout:
            if ENDS.search(line):
                self._heard.set()
                self._ended.update([_connection(line)])


def _connection(line: str) -> tuple[str, dict[str, int]]:
    """Read a line of ``ss``: the two ends, and the bytes of each kind."""
    ends = ENDS.search(line)
    assert ends is not None, line
    counts = {kind: BYTES[kind].search(line) for kind in BYTES}
    return ' '.join(ends[0].split()), {
        kind: int(count[1]) if count else 0 for kind, count in counts.items()
    }
