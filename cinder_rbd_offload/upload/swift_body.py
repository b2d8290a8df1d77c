# SPDX-License-Identifier: Apache-2.0
"""What is sent to Swift: runs of data, read as they leave, and zeros.

A body is iterated over anew with each attempt, so that a fault costs no more
than one segment. No more than a cell of it is in memory.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import hashlib
from typing import Protocol

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import swift_layout

CELL = swift_layout.CELL
_ZEROS = bytes(CELL)


class Source(Protocol):
    """An image that does not change.

    :ivar size: its bytes
    """

    size: int

    def extents(self) -> Iterable[tuple[int, int]]:
        """List the (offset, length) of what may hold data, in order."""
        ...

    def pread(self, offset: int, length: int) -> bytes:
        """Read exactly so many bytes; called by several threads at once."""
        ...


class Body:
    """What a PUT sends.

    :param check: called before each piece; raises to end it all
    :ivar error: what the reading or the check has failed with
    :ivar etag: the MD5 of what was sent last
    :ivar sent: the bytes that have left, in all attempts
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self.error: BaseException | None = None
        self.etag = ''
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.md5(usedforsecurity=False)
        self.error = None
        try:
            for piece in self._pieces():
                self._check()
                digest.update(piece)
                self.sent += len(piece)
                yield piece
        # The HTTP client would take some for faults of the connection.
        except Exception as exc:
            self.error = exc
            raise
        self.etag = digest.hexdigest()

    def _pieces(self) -> Iterator[bytes]:
        raise NotImplementedError


class Zeros(Body):
    """Nothing but zeros.

    :param length: how many
    """

    def __init__(self, length: int, check: Callable[[], None]) -> None:
        super().__init__(check)
        self._length = length

    def _pieces(self) -> Iterator[bytes]:
        return zeros(self._length)


class Run(Body):
    """Data up to the next hole.

    :param cells: what is read
    :param start: where the data begins, in bytes
    :param first: what is there; not zeros
    :ivar end: after having been sent: where the data ends
    :ivar known: after having been sent: up to where there are zeros then
    """

    def __init__(
        self,
        cells: 'Cells',
        start: int,
        first: bytes,
        check: Callable[[], None],
    ) -> None:
        super().__init__(check)
        self._cells = cells
        self._start = start
        self._first = first
        self.end = self.known = start

    def _pieces(self) -> Iterator[bytes]:
        self.end = self.known = self._start
        piece = self._first
        while piece:
            self.known += len(piece)
            if not is_zero(piece):
                yield from zeros(self.known - len(piece) - self.end)
                yield piece
                self.end = self.known
            elif self.known - self.end >= self._cells.hole:
                return
            piece = self._cells.read(self.known)


class Cells:
    """A stretch of an image, cell by cell.

    :param end: where it ends, in bytes
    :param hole: the bytes of zeros that end a run of data
    """

    def __init__(self, source: Source, end: int, hole: int) -> None:
        self._source = source
        self.end = end
        self.hole = hole

    def read(self, offset: int) -> bytes:
        """Read the cell that begins at an offset; nothing at the end.

        :raises CephError: when not all of it could be read
        """
        length = min(CELL, self.end - offset)
        if length <= 0:
            return b''
        piece = self._source.pread(offset, length)
        if len(piece) != length:
            raise exceptions.CephError(
                f'reading {length} bytes at {offset} of the snapshot',
                EOFError(f'there are {len(piece)}'),
            )
        return piece


def is_zero(piece: bytes) -> bool:
    """Tell whether there is nothing but zeros in a cell."""
    return piece == (_ZEROS if len(piece) == CELL else bytes(len(piece)))


def zeros(length: int) -> Iterator[bytes]:
    """Give so many zeros, in pieces."""
    while length > 0:
        yield _ZEROS[:length]
        length -= CELL
