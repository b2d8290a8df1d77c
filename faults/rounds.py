# SPDX-License-Identifier: Apache-2.0
"""One round: uploads, a fault, and the look at what came of it."""

import dataclasses
import time

from faults import faults
from faults import observe
from faults import orders
from faults import schedule
from faults import settle
from faults import stage as stage_
from faults import trace
from faults import volumes as volumes_


@dataclasses.dataclass(slots=True)
class Result:
    """What came of a round.

    :param outcomes: one of :mod:`faults.settle` for each upload
    :param causes: what was done, in words
    :param complaints: what is wrong; a good round has none
    :param seconds: how long the round took, and of that the settling
    """

    seed: int
    kind: str
    label: str
    outcomes: list[str]
    causes: list[str]
    complaints: list[str]
    seconds: float
    settling: float

    @property
    def bad(self) -> bool:
        """Whether something is wrong."""
        return bool(self.complaints)


class Rounds:
    """Carries out rounds in one lab.

    :param stage: the lab
    :param volumes: what is uploaded
    :param deadline: seconds that a round has to settle once all services are
        back
    """

    def __init__(
        self,
        stage: stage_.Stage,
        volumes: volumes_.Volumes,
        deadline: float,
    ) -> None:
        self._stage = stage
        self._volumes = volumes
        self._settling = settle.Settling(
            stage, volumes, observe.Observer(stage.state), deadline
        )
        self._orders = orders.Orders(stage.folder)

    def run(self, plan: schedule.Plan) -> Result:
        """Carry out a round.

        :raises Failed: when the lab itself does not work any more
        """
        started = time.monotonic()
        if plan.fresh:
            self._volumes.renew(plan.fresh)
        mark = self._stage.trace.mark()
        for backend, order in plan.orders.items():
            self._orders.give(backend, order)
        uploads = self._start(plan)
        images = [upload.image for upload in uploads]
        losses = faults.Cause(self._stage, plan, mark, images).run()
        back = time.monotonic()
        complaints, outcomes = self._settling.run(uploads, mark, losses)
        for backend in stage_.BACKENDS:
            self._orders.take(backend)
        if not complaints:
            complaints = self._settling.clear(uploads)
        ended = time.monotonic()
        return Result(
            seed=plan.seed,
            kind=plan.kind,
            label=plan.label,
            outcomes=outcomes,
            causes=[
                f'{event.backend}: {event.order}'
                for event in self._stage.trace.since(mark)
                if event.event == 'fired'
            ]
            + [loss.cause for loss in losses],
            complaints=complaints,
            seconds=round(ended - started, 1),
            settling=round(ended - back, 1),
        )

    def record(
        self, seed: int
    ) -> tuple[Result, dict[str, list[schedule.Boundary]]]:
        """Carry out a round without a fault, and list its boundaries."""
        mark = self._stage.trace.mark()
        result = self.run(schedule.calm(seed, stage_.BACKENDS))
        events = self._stage.trace.since(mark)
        return result, {
            backend: trace.boundaries(
                event for event in events if event.backend == backend
            )
            for backend in stage_.BACKENDS
        }

    def _start(self, plan: schedule.Plan) -> list[volumes_.Upload]:
        some = list(self._volumes.small.values())
        if plan.large:
            some.insert(0, self._volumes.large[plan.large])
        return [
            self._volumes.upload(volume, f'round-{plan.seed}')
            for volume in some
        ]
