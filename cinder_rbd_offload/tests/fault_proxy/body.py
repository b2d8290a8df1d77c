# SPDX-License-Identifier: Apache-2.0
"""The body of a request, in pieces, whatever frame it comes in."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import BinaryIO

from cinder_rbd_offload.tests.fault_proxy import rules

PIECE = 1 << 16
END = b'0\r\n\r\n'


class Broken(Exception):
    """The exchange ends here."""


class Body:
    """Gives a body's pieces once, and counts their bytes.

    :param exchange: where they are counted
    :param headers: the request's
    :param stream: what follows them, read without a buffer
    """

    def __init__(
        self,
        exchange: rules.Exchange,
        headers: Mapping[str, str],
        stream: BinaryIO,
    ) -> None:
        coding = headers.get('Transfer-Encoding', '')
        self.chunked = 'chunked' in coding.lower()
        self._exchange = exchange
        self._length = int(headers.get('Content-Length', 0))
        # Whether all of it has been read, with its frame.
        self.ended = not self.chunked and not self._length
        self._stream = stream
        self._pieces = self._read_all()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._pieces)
        except (ConnectionError, ValueError):
            # The client has hung up, perhaps where a size should be.
            raise Broken from None

    def frame(self, piece: bytes) -> bytes:
        """Return a piece in the frame that it came in."""
        return chunk(piece) if self.chunked else piece

    def drain(self) -> None:
        """Read what is left; unread, it would cost the client its answer.

        :raises Broken: when the client hangs up
        """
        for _piece in self:
            pass

    def _read_all(self) -> Iterator[bytes]:
        if self.chunked:
            while size := self._read_size():
                yield from self._read(size)
                self._stream.readline()
            while self._stream.readline().strip():
                pass
            self.ended = True
        else:
            yield from self._read(self._length)

    def _read_size(self) -> int:
        return int(self._stream.readline().partition(b';')[0], 16)

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._stream.read(min(size, PIECE))
            if not piece:
                raise ConnectionError
            size -= len(piece)
            self._exchange.received += len(piece)
            self.ended = not self.chunked and not size
            yield piece


def chunk(piece: bytes) -> bytes:
    """Return bytes as a chunk of the chunked transfer coding."""
    return b'%x\r\n%b\r\n' % (len(piece), piece)
