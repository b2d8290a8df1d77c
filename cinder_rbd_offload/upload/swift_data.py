# SPDX-License-Identifier: Apache-2.0
"""Sends the data of an image, several segments at a time."""

from collections.abc import Callable
from concurrent import futures
import dataclasses
import threading
from typing import Any

from cinder_rbd_offload.upload import swift_body
from cinder_rbd_offload.upload import swift_client
from cinder_rbd_offload.upload import swift_layout


@dataclasses.dataclass(slots=True)
class Outcome:
    """What an upload came to.

    :ivar size: the bytes of the image
    :ivar sent: the bytes that left this host, faults included
    :ivar segments: the objects of data
    :ivar lines: of all manifests that list those
    """

    size: int
    sent: int = 0
    segments: int = 0
    lines: int = 0


class Halt:
    """Whether there is any point in going on.

    :param check: raises when there is none
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._event = threading.Event()

    def set(self) -> None:
        """Have everybody stop."""
        self._event.set()

    def check(self) -> None:
        """Raise when there is no point in going on.

        :raises Halted: when another worker has failed
        """
        self._check()
        if self._event.is_set():
            raise Halted

    def pause(self, seconds: float) -> None:
        """Wait, and look now and then whether there is any point in it."""
        while seconds > 0:
            self.check()
            self._event.wait(min(seconds, _NAP))
            seconds -= _NAP
        self.check()


class Halted(Exception):
    """Another worker has failed."""


# How long a pause may go on without a look at whether there is any point in
# it, in seconds.
_NAP = 1.0


class Data:
    """The data of one image on its way.

    :param started: told the name of each object before it is written
    :param progress: told the bytes of the image that are done
    """

    def __init__(
        self,
        client: swift_client.Client,
        image_id: str,
        source: swift_body.Source,
        layout: swift_layout.Layout,
        halt: Halt,
        outcome: Outcome,
        started: Callable[[str], Any],
        progress: Callable[[int], Any],
    ) -> None:
        self._client = client
        self._image_id = image_id
        self._source = source
        self._layout = layout
        self._halt = halt
        self._outcome = outcome
        self._started = started
        self._progress = progress
        self._lock = threading.Lock()
        self._todo = iter(layout.stretches)
        self._pieces: list[swift_layout.Piece] = []
        busy = sum(end - start for start, end in layout.stretches)
        self._done = source.size - busy

    def send(self, workers: int) -> list[swift_layout.Piece]:
        """Send it; return what it has become, in order.

        :param workers: how many segments are sent at the same time
        """
        self._progress(self._done)
        with futures.ThreadPoolExecutor(workers) as pool:
            try:
                waiting = [pool.submit(self._work) for _ in range(workers)]
                futures.wait(waiting, return_when=futures.FIRST_EXCEPTION)
                failed = [one.exception() for one in waiting if one.done()]
            except BaseException:
                self._halt.set()
                raise
            if any(failed):
                self._halt.set()
        errors = [one.exception() for one in waiting]
        # Those that were stopped tell nothing of why.
        for error in sorted(
            filter(None, errors), key=lambda exc: isinstance(exc, Halted)
        ):
            raise error
        return sorted(self._pieces, key=lambda piece: piece.offset)

    def _work(self) -> None:
        while True:
            with self._lock:
                stretch = next(self._todo, None)
            if stretch is None:
                return
            self._send_stretch(*stretch)

    def _send_stretch(self, start: int, end: int) -> None:
        """Send what is not zeros of a stretch."""
        cells = swift_body.Cells(self._source, end, self._layout.hole)
        position = start
        while True:
            self._halt.check()
            cell = cells.read(position)
            if not cell:
                return
            if swift_body.is_zero(cell):
                self._finish(position, position + len(cell))
                position += len(cell)
                continue
            run = swift_body.Run(cells, position, cell, self._halt.check)
            self.put(swift_layout.data_name(self._image_id, position), run)
            piece = swift_layout.Piece(position, run.end - position, run.etag)
            self._finish(position, run.known, piece)
            position = run.known

    def put(self, name: str, body: swift_body.Body) -> None:
        """Write an object, and count what that takes."""
        self._started(name)
        try:
            self._client.put(name, body)
        finally:
            with self._lock:
                self._outcome.sent += body.sent

    def _finish(
        self, start: int, end: int, piece: swift_layout.Piece | None = None
    ) -> None:
        """Count a part of a stretch as done."""
        with self._lock:
            if piece is not None:
                self._pieces.append(piece)
            self._done += end - start
            self._progress(self._done)
