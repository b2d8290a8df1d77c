# SPDX-License-Identifier: Apache-2.0
"""Causes the fault of a round, and brings back what it took away."""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import signal
import time

from faults import orders
from faults import schedule
from faults import stage as stage_
from faults import trace

# Seconds to wait for a boundary, or for an upload to reach the driver. A plan
# may name a passing that does not happen this time.
PATIENCE = 20.0
POLL = 0.02


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """What was away, and when.

    :param cause: what was done, in words
    :param begin: seconds since the epoch, as is ``end``
    :param backend: the back end that lost its process; '' for all of them
    :param service: the service that was away, or ''
    """

    cause: str
    begin: float
    end: float
    backend: str = ''
    service: str = ''


class Cause:
    """Causes the fault of one round.

    :param stage: the lab
    :param plan: the round
    :param mark: the place in the trace where the round begins
    :param images: the images that are being uploaded
    """

    def __init__(
        self,
        stage: stage_.Stage,
        plan: schedule.Plan,
        mark: int,
        images: Iterable[str],
    ) -> None:
        self._stage = stage
        self._plan = plan
        self._mark = mark
        self._images = set(images)
        self._orders = orders.Orders(stage.folder)
        self._losses: list[Loss] = []

    def run(self) -> list[Loss]:
        """Cause the fault; when this returns, everything runs again.

        :raises Failed: when it does not
        """
        kind = self._plan.kind
        if kind == 'child':
            self._children()
        elif kind == 'host':
            self._sleep()
            self._away('cinder-volume', self._plan.away)
        elif kind == 'freeze':
            self._freeze()
        elif kind in schedule.SERVICES:
            self._service(kind)
        return self._losses

    def _children(self) -> None:
        """Kill the process that has each upload, at its time."""
        begin = self._first_upload()
        for backend, delay in sorted(
            self._plan.delays.items(), key=lambda item: item[1]
        ):
            time.sleep(max(0.0, begin + delay - time.time()))
            for pid in self._workers(backend):
                stage_.send(pid, signal.SIGKILL)
            now = time.time()
            self._losses.append(Loss(f'killed {backend}', now, now, backend))

    def _workers(self, backend: str) -> set[int]:
        """Wait until processes have a back end's uploads; return the pids."""
        events = self._await(
            lambda event: event.event == 'upload' and event.backend == backend
        )
        return {event.pid for event in events}

    def _service(self, name: str) -> None:
        """Take a service away, at a boundary or at a time."""
        stopped = None
        if self._plan.orders:
            stopped = self._reached()
        else:
            self._sleep()
        self._away(name, self._plan.away, stopped)

    def _away(
        self, name: str, seconds: float, stopped: int | None = None
    ) -> None:
        begin = time.time()
        self._stage.kill(name)
        if stopped is not None:
            stage_.send(stopped, signal.SIGCONT)
        time.sleep(seconds)
        self._stage.launch(name)
        self._losses.append(
            Loss(f'{name} was away', begin, time.time(), service=name)
        )

    def _freeze(self) -> None:
        """Stop a process for longer than the journal trusts it."""
        pid = self._reached()
        begin = time.time()
        if pid is not None:
            time.sleep(self._plan.away)
            stage_.send(pid, signal.SIGCONT)
            self._losses.append(Loss('frozen', begin, time.time()))

    def _sleep(self) -> None:
        delay = min(self._plan.delays.values())
        time.sleep(max(0.0, self._first_upload() + delay - time.time()))

    def _first_upload(self) -> float:
        """Wait until the driver has an upload, and return when that was."""
        events = self._await(
            lambda event: (
                event.event == 'upload' and event.image in self._images
            )
        )
        return events[0].time if events else time.time()

    def _reached(self) -> int | None:
        """Wait until a process has stopped itself; return its pid.

        On a busy machine it may come there later than anybody waits. Then the
        order is taken back: nobody would let it go on.
        """

        def fired(event: trace.Event) -> bool:
            return event.event == 'fired'

        events = self._await(fired)
        taken = [self._orders.take(backend) for backend in self._plan.orders]
        if not events and not all(taken):
            events = self._await(fired)
        return events[0].pid if events else None

    def _await(
        self, wanted: Callable[[trace.Event], bool]
    ) -> list[trace.Event]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found = list(filter(wanted, self._stage.trace.since(self._mark)))
            if found:
                return found
            time.sleep(POLL)
        return []
