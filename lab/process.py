# SPDX-License-Identifier: Apache-2.0
"""Long-running processes that a later command can find and end.

Each is started as the leader of a session of its own, and written down with
its pid and start time, which together are never used twice. Its children stay
in its session, by which they are found when the leader has died.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import signal
import subprocess
import time

STOP_SECONDS = 30


@dataclasses.dataclass(frozen=True, slots=True)
class Stat:
    """A process, as /proc tells it.

    :param started: clock ticks between the machine's start and its own
    """

    pid: int
    session: int
    started: int


class Process:
    """One process of a lab.

    :param record: the file that remembers it
    :param log: the file that its output goes to
    """

    def __init__(self, record: pathlib.Path, log: pathlib.Path) -> None:
        self._record = record
        self.log = log

    def start(
        self, command: list[str], env: dict[str, str], cwd: pathlib.Path
    ) -> None:
        """Start it; what is left of an earlier start is ended first."""
        self.stop()
        with self.log.open('ab') as log:
            child = subprocess.Popen(
                command,
                env=os.environ | env,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # One that has ended already is still there, waited for by nobody.
        stat = _stat(child.pid, even_ended=True)
        assert stat is not None
        self._record.write_text(json.dumps(dataclasses.asdict(stat)))

    @property
    def pid(self) -> int | None:
        """The pid, or None when it is not running."""
        leader = self._leader()
        return leader.pid if leader and _stat(leader.pid) == leader else None

    @property
    def died(self) -> bool:
        """Whether it was started, was not stopped, and is gone."""
        return self._leader() is not None and self.pid is None

    @property
    def started_at(self) -> str:
        """When it was started, as ISO 8601 in UTC, without a zone."""
        moment = self._record.stat().st_mtime
        return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime(
            '%Y-%m-%dT%H:%M:%S.%f'
        )

    def members(self) -> list[int]:
        """Return the pids of the process and of what it started."""
        leader = self._leader()
        if leader is None:
            return []
        return [
            stat.pid
            for stat in _all_processes()
            if stat.session == leader.pid and stat.started >= leader.started
        ]

    def stop(self) -> None:
        """End it and all that it started, by force if it takes too long."""
        deadline = time.monotonic() + STOP_SECONDS
        if self.pid is not None:
            _signal(self.pid, signal.SIGTERM)
        while self.pid is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in self.members():
            _signal(pid, signal.SIGKILL)
        while self.members() and time.monotonic() < deadline + 5:
            time.sleep(0.05)
        self._record.unlink(missing_ok=True)

    def _leader(self) -> Stat | None:
        try:
            return Stat(**json.loads(self._record.read_text()))
        except (FileNotFoundError, json.JSONDecodeError):
            return None


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _all_processes() -> Iterator[Stat]:
    for entry in pathlib.Path('/proc').iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            yield stat


def _stat(pid: int, even_ended: bool = False) -> Stat | None:
    """Read a process that is there (proc(5)); a zombie has ended."""
    try:
        text = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    fields = text[text.rindex(')') + 2 :].split()
    if fields[0] in 'ZX' and not even_ended:
        return None
    return Stat(pid, session=int(fields[3]), started=int(fields[19]))
