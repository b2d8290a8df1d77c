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
    :ivar pieces: of data
    :ivar lines: of all manifests that list those
    """

    size: int
    sent: int = 0
    pieces: int = 0
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


class Halted(Exception):
    """Another worker has failed."""


class Data:
    """The data of one image on its way.

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
        progress: Callable[[int], Any],
    ) -> None:
        self._client = client
        self._image_id = image_id
        self._source = source
        self._layout = layout
        self._halt = halt
        self._outcome = outcome
        self._progress = progress
        self._lock = threading.Lock()
        self._todo = iter(layout.packs)
        self._pieces: list[swift_layout.Piece] = []
        self._done = source.size - sum(map(_length, layout.packs))

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
                pack = next(self._todo, None)
            if pack is None:
                return
            self._halt.check()
            pieces = self._send_pack(pack)
            with self._lock:
                self._pieces += pieces
                self._done += _length(pack)
                self._progress(self._done)

    def _send_pack(
        self, pack: tuple[tuple[int, int], ...]
    ) -> list[swift_layout.Piece]:
        """Send what is not zeros of some stretches, if anything is."""
        body = swift_body.Pack(
            self._source, pack, self._layout.hole, self._halt.check
        )
        if not body.has_data():
            return []
        name = swift_layout.data_name(self._image_id, pack[0][0])
        self.put(name, body)
        size = sum(length for _offset, length in body.found)
        segment = swift_layout.Entry(name, body.etag, size, size)
        pieces, start = [], 0
        for offset, length in body.found:
            pieces.append(swift_layout.Piece(offset, length, segment, start))
            start += length
        return pieces

    def put(self, name: str, body: swift_body.Body) -> None:
        """Write an object, and count what that takes."""
        try:
            self._client.put(name, body)
        finally:
            with self._lock:
                self._outcome.sent += body.sent


def _length(pack: tuple[tuple[int, int], ...]) -> int:
    return sum(end - start for start, end in pack)
