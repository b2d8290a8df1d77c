# SPDX-License-Identifier: Apache-2.0
"""A snapshot as a file that is read: seekable, of a known size.

What is read from the start to the end comes from memory: some pieces ahead of
the reader are on their way from Ceph at any time. Ranges that hold no data
are not asked for. A seek costs nothing but the pieces that it leaves behind.
"""

import bisect
import collections
from collections.abc import Iterator
import functools
import io
from types import TracebackType
from typing import Protocol

from oslo_utils import units

# Bytes that are asked for at a time: the usual size of an RBD object.
PIECE = 4 * units.Mi


class Reading(Protocol):
    """A part that is on its way."""

    def wait(self) -> bytes:
        """Return its data, once it is there."""
        ...


class Readable(Protocol):
    """What a source reads; :class:`cinder_rbd_offload.ceph.OpenSnapshot`."""

    size: int

    def extents(self) -> list[tuple[int, int]]:
        """Return where data may be, as offsets and lengths, in order."""
        ...

    def start(self, offset: int, length: int) -> Reading:
        """Begin to read a part."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Source:
    """One snapshot, read from any position.

    All but :meth:`pread` and :meth:`extents` are for one reader at a time.
    All of them may block.

    :param snapshot: what is read; it is closed with the source
    :param ahead: the bytes, at most, that are in memory or on their way
    :ivar size: in bytes
    """

    def __init__(self, snapshot: Readable, ahead: int) -> None:
        self._snapshot = snapshot
        # One more is the piece that is being read.
        self._depth = max(ahead // PIECE - 1, 1)
        self.size = snapshot.size
        self._position = 0
        # The pieces ahead, by number, in the order in which they were begun.
        self._pieces: collections.OrderedDict[int, Reading] = (
            collections.OrderedDict()
        )
        self._current: tuple[int, bytes] = (-1, b'')

    def __enter__(self) -> 'Source':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def extents(self) -> list[tuple[int, int]]:
        """Return where data may be; everything else reads as zeros.

        :returns: pairs of offset and length in bytes, in order, no two of
            which touch
        """
        return self._extents

    @functools.cached_property
    def _extents(self) -> list[tuple[int, int]]:
        return self._snapshot.extents()

    @functools.cached_property
    def _ends(self) -> list[int]:
        return [offset + length for offset, length in self._extents]

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it can be read from any position."""
        return True

    def tell(self) -> int:
        """Return the position, in bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, which may be beyond the end; return it.

        :raises ValueError: for one before the start
        """
        base = {
            io.SEEK_SET: 0,
            io.SEEK_CUR: self._position,
            io.SEEK_END: self.size,
        }[whence]
        if base + offset < 0:
            raise ValueError(f'position {base + offset} is before the start')
        self._position = base + offset
        return self._position

    def read(self, length: int = -1) -> bytes:
        """Return the bytes at the position, and go on behind them.

        :param length: at most so many; negative for all that are left
        :returns: as many, except at the end
        :raises CephError: when they could not be read
        """
        left = max(self.size - self._position, 0)
        length = left if length < 0 else min(length, left)
        parts = []
        while length:
            number, skip = divmod(self._position, PIECE)
            take = min(length, PIECE - skip)
            parts.append(self._part(number, skip, take))
            self._position += take
            length -= take
        return parts[0] if len(parts) == 1 else b''.join(parts)

    def pread(self, offset: int, length: int) -> bytes:
        """Return the bytes at an offset, wherever the position is.

        Any number of readers may do so at once, within the source's size.

        :raises CephError: when they could not be read
        """
        if not self._has_data(offset, offset + length):
            return bytes(length)
        return self._snapshot.start(offset, length).wait()

    def close(self) -> None:
        """Close the snapshot."""
        self._pieces.clear()
        self._snapshot.close()

    def _part(self, number: int, skip: int, take: int) -> bytes:
        """Return a part of a piece."""
        if not self._has_data(number * PIECE, (number + 1) * PIECE):
            return bytes(take)
        if self._current[0] != number:
            self._current = (-1, b'')
            self._ask(number)
            self._current = (number, self._pieces.pop(number).wait())
        data = self._current[1]
        return data if take == len(data) else data[skip : skip + take]

    def _ask(self, number: int) -> None:
        """Have a piece on its way, and those that follow it."""
        # Those in front of it are what a seek has left behind.
        while self._pieces and next(iter(self._pieces)) != number:
            self._pieces.popitem(last=False)
        begin = next(reversed(self._pieces)) + 1 if self._pieces else number
        for following in self._with_data(begin):
            if len(self._pieces) >= self._depth:
                break
            offset = following * PIECE
            length = min(PIECE, self.size - offset)
            self._pieces[following] = self._snapshot.start(offset, length)

    def _has_data(self, begin: int, end: int) -> bool:
        """Tell whether a range holds any data."""
        at = bisect.bisect_right(self._ends, begin)
        return at < len(self._extents) and self._extents[at][0] < end

    def _with_data(self, number: int) -> Iterator[int]:
        """Count the pieces that hold any data, from one on."""
        at = bisect.bisect_right(self._ends, number * PIECE)
        for index in range(at, len(self._extents)):
            offset, length = self._extents[index]
            first = max(offset // PIECE, number)
            number = (offset + length - 1) // PIECE + 1
            yield from range(first, number)
