# SPDX-License-Identifier: Apache-2.0
"""What is sent to Swift: data, read as it leaves, and zeros.

A body is iterated over anew with each attempt, so that a fault costs no more
than one segment. No more than a cell of it is in memory.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
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


class Pack(Body):
    """What holds data of some stretches of an image, one after the other.

    :param stretches: the (start, end) of them, in order
    :param hole: the bytes of zeros that are left out; fewer are sent
    :ivar found: after having been sent: the (offset, length) of the pieces,
        as they follow one another
    """

    def __init__(
        self,
        source: Source,
        stretches: Sequence[tuple[int, int]],
        hole: int,
        check: Callable[[], None],
    ) -> None:
        super().__init__(check)
        self._source = source
        self._stretches = list(stretches)
        self._hole = hole
        self.found: list[tuple[int, int]] = []
        # What was read to find out whether there is anything.
        self._first = -1, b''

    def has_data(self) -> bool:
        """Tell whether there is anything to send; zeros in front are not."""
        while self._stretches:
            start, end = self._stretches[0]
            for offset in range(start, end, CELL):
                self._check()
                cell = self._read(offset, min(CELL, end - offset))
                if not is_zero(cell):
                    self._stretches[0] = offset, end
                    self._first = offset, cell
                    return True
            del self._stretches[0]
        return False

    def _pieces(self) -> Iterator[bytes]:
        self.found = []
        for start, end in self._stretches:
            begin = known = start
            for offset in range(start, end, CELL):
                cell = self._read(offset, min(CELL, end - offset))
                if is_zero(cell):
                    continue
                gap = offset - known
                if known > begin and gap < self._hole:
                    yield from zeros(gap)
                else:
                    if known > begin:
                        self.found.append((begin, known - begin))
                    begin = offset
                yield cell
                known = offset + len(cell)
            if known > begin:
                self.found.append((begin, known - begin))

    def _read(self, offset: int, length: int) -> bytes:
        """Read exactly so much.

        :raises CephError: when not all of it could be read
        """
        if offset == self._first[0]:
            return self._first[1]
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
