# SPDX-License-Identifier: Apache-2.0
"""The measurements of a run, and the questions asked of them."""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any

from bench import cases
from bench import figures

UPLOAD = 'upload'
STEP = 'step'
STREAM = 'stream'
READER = 'reader'


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One measurement.

    :param kind: UPLOAD, from request to active; STEP, the data alone; STREAM,
        an upload that leaves the cluster; or READER, without any cluster
    :param seconds: how long it took
    :param sent: bytes that the host or client sent, by the kernel's count
    :param received: bytes that it received, likewise
    :param occupied: bytes that the image takes in the OSD; of a reader, those
        that it had taken when it gave the first
    :param detached: seconds from the request until the image depends on no
        volume any more; as ``seconds`` where it never did once it was made
    :param made_by: what made it, by the log of the driver
    :param messenger_sent: bytes that the client sent, by its own count; None
        where it could not be asked
    """

    kind: str
    case: str
    method: str
    round: int
    seconds: float
    sent: int
    received: int
    occupied: int
    detached: float
    made_by: str
    messenger_sent: int | None = None

    @property
    def moved(self) -> int:
        """Bytes that the host or client sent or received."""
        return self.sent + self.received


@dataclasses.dataclass(slots=True)
class Results:
    """All samples of a run.

    :param about: what ran on what, and when, in pairs of name and text
    :param rounds: how many rounds were asked for
    """

    about: Mapping[str, str]
    rounds: int
    samples: list[Sample] = dataclasses.field(default_factory=list)

    def values(
        self, kind: str, case: cases.Case | None, method: str, what: str
    ) -> dict[int, float]:
        """Return one measure of one method in one case, by round.

        :param case: None where there is none
        :param what: a field or property of :class:`Sample`; samples in which
            it is None do not count
        """
        return {
            one.round: getattr(one, what)
            for one in self.samples
            if (one.kind, one.method) == (kind, method)
            and one.case == (case.key if case else '')
            and getattr(one, what) is not None
        }

    def summary(
        self, kind: str, case: cases.Case | None, method: str, what: str
    ) -> figures.Summary | None:
        """Summarise such values; None where there are none."""
        return figures.summarise(self.values(kind, case, method, what))

    def measured(self, kind: str, case: cases.Case) -> bool:
        """Tell whether there is any sample of a case."""
        return any(
            (one.kind, one.case) == (kind, case.key) for one in self.samples
        )

    def made_by(self, case: cases.Case, method: str) -> list[str]:
        """Name the methods that really made the images of a method."""
        return sorted(
            {
                one.made_by
                for one in self.samples
                if (one.kind, one.case, one.method)
                == (UPLOAD, case.key, method)
            }
        )

    def to_json(self) -> str:
        """Write down everything, one sample after the other."""
        every: dict[str, Any] = dataclasses.asdict(self)
        return json.dumps(every, indent=1) + '\n'
