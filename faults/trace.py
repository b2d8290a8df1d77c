# SPDX-License-Identifier: Apache-2.0
"""Reads the trace that the instrumented cinder-volume writes."""

from collections.abc import Iterable
import dataclasses
import json
import pathlib

from faults import orders

# Of a step that a run takes many times, such as a look at the image, so many
# passings are boundaries of their own.
PASSINGS = 3
# Of boundaries that are closer, in seconds, none but the last counts: nothing
# can be asked of another process in between.
CLOSEST = 0.0002
# The step that changes the journal; it is given the image, what the entry was,
# and what it is from then on.
JOURNALED = 'Table.swap'


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """One line of the trace.

    :param time: seconds since the epoch
    :param event: ``start`` and ``ready`` of a back end's process; ``upload``,
        ``ordinary`` and either with ``ended``, for the driver and upstream's
        part of it; ``before`` and ``after`` a step; ``fired`` for an order
    """

    time: float
    pid: int
    backend: str
    event: str
    host: str = ''
    name: str = ''
    arguments: tuple[str, ...] = ()
    image: str = ''
    order: str = ''


class Trace:
    """The trace of one lab.

    :param folder: the folder that cinder-volume got in FAULTS_DIR
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._file = folder / orders.TRACE
        # How far processes() has read, and what it has found.
        self._read = 0
        self._processes: dict[tuple[str, str], int] = {}

    def mark(self) -> int:
        """Return the place where the trace ends now."""
        return self._file.stat().st_size if self._file.exists() else 0

    def since(self, mark: int) -> list[Event]:
        """Return the events after a place."""
        return [parse(json.loads(line)) for line in self._lines(mark)]

    def processes(self) -> dict[tuple[str, str], int]:
        """Return the last process of each host and back end, by pid."""
        for line in self._lines(self._read):
            self._read += len(line) + 1
            # Few of many lines are worth being decoded.
            if b'"ready"' in line:
                event = parse(json.loads(line))
                self._processes[event.host, event.backend] = event.pid
        return dict(self._processes)

    def _lines(self, mark: int) -> list[bytes]:
        if not self._file.exists():
            return []
        with self._file.open('rb') as file:
            file.seek(mark)
            # What a process writes at this moment may lack its end.
            return file.read().split(b'\n')[:-1]


def parse(line: dict[str, object]) -> Event:
    """Make an event of a decoded line."""
    fields = dict(line)
    fields['arguments'] = tuple(fields.get('arguments', ()))  # type: ignore
    return Event(**fields)  # type: ignore


def boundaries(events: Iterable[Event]) -> list[tuple[str, str, int]]:
    """List the boundaries that one process has passed, in their order.

    :returns: ``before`` or ``after``, the step, and the passing from 1
    """
    seen: dict[tuple[str, str], int] = {}
    found: list[tuple[str, str, int]] = []
    last = 0.0
    for event in events:
        if event.event not in ('before', 'after'):
            continue
        key = (event.event, event.name)
        seen[key] = seen.get(key, 0) + 1
        if found and event.time - last < CLOSEST:
            found.pop()
        last = event.time
        found.append((*key, seen[key]))
    return [one for one in found if one[-1] <= PASSINGS]


def begun(events: Iterable[Event], image: str) -> bool:
    """Tell whether the journal ever had an upload with its owner's trust.

    Before that nothing remains of an upload that could finish or undo it.
    """
    return any(
        event.event == 'after'
        and event.name == JOURNALED
        and image in event.arguments
        and _trust(event.arguments[-1])
        for event in events
    )


def _trust(text: str) -> str:
    """Return the trust that an entry of the journal names, or ''."""
    try:
        return str(json.loads(text).get('trust') or '')
    except ValueError:
        return ''


def ordinary_during(
    events: Iterable[Event], image: str, begin: float, end: float
) -> bool:
    """Tell whether upstream's upload of an image was under way in a span.

    :param begin: seconds since the epoch, as is ``end``
    """
    entered = None
    for event in events:
        if event.image != image:
            continue
        if event.event == 'ordinary':
            entered = event.time
        elif event.event == 'ordinary ended' and entered is not None:
            if entered <= end and event.time >= begin:
                return True
            entered = None
    return entered is not None and entered <= end
