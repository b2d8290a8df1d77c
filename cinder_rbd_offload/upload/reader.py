# SPDX-License-Identifier: Apache-2.0
"""A stream that can be read again, by whoever has to send it again.

What is read from the stream is kept in a spool at the same moment, so the
first byte can leave as soon as it came, and a seek back finds it in the
spool. All of it is let go of when the reader is closed, so there is a reader
for each part of the stream that the receiver confirms as one.

When the spool has no room, or fails, reading goes on without it, with one
warning in the log. A seek back is then refused with the error of a file that
cannot seek, and the upload ends with whatever made the client want it.

The clients, and what they ask of a body (read of their sources)::

    swiftclient   its truth; tell(), then read(n); on a retry seek(0), with
                  one argument, or reset()
    glanceclient  its truth; seekable(), seek(0, 2), tell(); read(n)
    requests      len, tell() and seek(0, 2) for its size; read(n)
    botocore      seek(0, 2) and tell() for its size; seek(0); read()

So the reader has no ``__len__``: where that is 0, the reader is not true, and
swiftclient and glanceclient send nothing.
"""

from collections.abc import Iterable
import io
from types import TracebackType
from typing import Protocol
from typing import Self

from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import digests as digests_
from cinder_rbd_offload.upload import spool as spool_

# Bytes that are asked of a source at a time, at most.
PIECE = 64 * units.Ki


class Stream(Protocol):
    """What is read, once and in order."""

    def read(self, size: int, /) -> bytes:
        """Return up to that many bytes; b'' at the end."""
        ...


def take(source: Stream, size: int) -> bytes:
    """Read from a stream.

    :raises SourceFailed: when it failed, or gave what is no answer to that
    """
    try:
        data = source.read(size)
        # More than that belongs to what comes after, and None is no end.
        if data is None:
            raise TypeError(f'it gave None for {size} bytes')
        if len(data) > size:
            raise ValueError(f'it gave {len(data)} bytes for {size}')
    except Exception as error:
        raise exceptions.SourceFailed(error) from error
    return data


class BufferedReader:
    """A stream as a file that can be read from any position kept.

    For one thread at a time.

    :param source: the stream; it is not closed with the reader
    :param size: the bytes that it has, where that is known: an earlier end
        is an error
    :param limit: the bytes that are taken of it, at most, where the reader
        is for a part of it
    :param spool: where to keep what was read; None to keep nothing
    :param digests: those that take in each byte once, in order, when it is
        first read
    """

    def __init__(
        self,
        source: Stream,
        *,
        size: int | None = None,
        limit: int | None = None,
        spool: spool_.Spool | None = None,
        digests: Iterable[digests_.Digest] = (),
    ) -> None:
        self._source = source
        self._size = size
        self._limit = limit if size is None else size
        self._spool = spool
        self._digests = tuple(digests)
        self._position = 0
        # How far the source was read.
        self._frontier = 0
        self._ended = False
        self._failure: exceptions.SourceFailed | None = None
        # The last bytes before the frontier, if nobody else has them yet.
        self._pending = b''
        self._file: spool_.SpoolFile | None = None
        self._lost = 'no buffer is configured'
        self.closed = False
        if spool is not None:
            try:
                self._file = spool.open()
            except OSError as error:
                self._give_up(error)

    @property
    def len(self) -> int:
        """The size in bytes; absent (AttributeError) while it is unknown."""
        if self._size is not None:
            return self._size
        if self._ended:
            return self._frontier
        raise AttributeError('the size of this stream is not known yet')

    @property
    def bytes_read(self) -> int:
        """The position, by the name that glance_store has for it."""
        return self._position

    @property
    def is_zero_size(self) -> bool:
        """Whether there is not one byte; may have to read one."""
        if not self._frontier and not self._ended:
            data = self._take(1)
            if self._file is None:
                self._pending = data
        return not self._frontier

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell whether what was read is kept."""
        return self._file is not None

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes, up to a size; all that are left if it is -1.

        They are fewer than asked for where the source gave fewer, and at most
        a piece of it comes at a time: what is there can leave.

        :raises SourceFailed: when the source failed, or ended too early; and
            again at each further try, for what it gives then is not the next
        """
        self._check_open()
        if size is None or size < 0:
            return b''.join(iter(lambda: self.read(PIECE), b''))
        kept = self._again(size)
        if len(kept) == size:
            return kept
        return (
            kept + self._next(size - len(kept)) if kept else self._next(size)
        )

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Read into a buffer; return how many bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def tell(self) -> int:
        """Return the position."""
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position and return it; forwards, reading on as needed.

        :raises RewindRefused: when what is there was not kept, or when the
            end is not known
        """
        self._check_open()
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            if not hasattr(self, 'len'):
                raise exceptions.RewindRefused(
                    offset, 'the size of the stream is not known'
                )
            offset += self.len
        elif whence != io.SEEK_SET:
            raise ValueError(f'whence is {whence}, and should be 0, 1 or 2')
        if offset < 0:
            raise ValueError(f'there is no position {offset}')
        if offset < self._start:
            raise exceptions.RewindRefused(offset, self._lost)
        self._position = offset
        return offset

    def reset(self, *_args: object, **_kwargs: object) -> None:
        """Go back to the start, as swiftclient asks for it."""
        self.seek(0)

    def close(self) -> None:
        """Let go of all that was kept."""
        self.closed = True
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def _start(self) -> int:
        """The first position that can be read."""
        if self._file is not None:
            return 0
        return self._frontier - len(self._pending)

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError('the reader is closed')

    def _again(self, size: int) -> bytes:
        """Return the next bytes, as far as they were read before."""
        if self._position >= self._frontier:
            return b''
        if self._file is None:
            offset = self._position - self._start
            data = self._pending[offset : offset + size]
            if offset + size >= len(self._pending):
                self._pending = b''
        else:
            try:
                data = self._file.read(self._position, size)
            except OSError as error:
                raise exceptions.SourceFailed(error) from error
        self._position += len(data)
        return data

    def _next(self, size: int) -> bytes:
        """Return the next bytes from the source."""
        # After a seek forwards, what lies between is read as well.
        while (gap := self._position - self._frontier) > 0:
            if not self._take(min(gap, PIECE)):
                return b''
        data = self._take(min(size, PIECE))
        self._position += len(data)
        return data

    def _take(self, size: int) -> bytes:
        """Take bytes of the source, and keep them if that can be done."""
        if self._failure is not None:
            raise self._failure
        if self._limit is not None:
            size = min(size, self._limit - self._frontier)
        if self._ended or not size:
            return b''
        self._pending = b''
        try:
            data = take(self._source, size)
        except exceptions.SourceFailed as failure:
            self._failure = failure
            raise
        if not data:
            self._end()
            return b''
        for digest in self._digests:
            digest.update(data)
        self._frontier += len(data)
        self._keep(data)
        return data

    def _end(self) -> None:
        if self._size is not None:
            self._failure = exceptions.SourceEnded(self._size, self._frontier)
            raise self._failure
        self._ended = True

    def _keep(self, data: bytes) -> None:
        if self._file is not None:
            try:
                self._file.append(data)
            except (OSError, exceptions.SpoolFull) as error:
                self._file.close()
                self._file = None
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        assert self._spool is not None
        self._lost = f'it was not kept, because {error}'
        self._spool.give_up(error)
