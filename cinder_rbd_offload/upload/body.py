# SPDX-License-Identifier: Apache-2.0
"""The body of a request: a file from its start to its end, each time.

Whoever sends the request again, be it this package or a library under it,
iterates over the body again, and so begins at the start: never is the rest of
a broken attempt sent as a whole image.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import hashlib
from typing import Any
from typing import Protocol

from oslo_utils import units

# Bytes that are handed to the socket at a time.
CHUNK = units.Mi


class File(Protocol):
    """What a body is made of."""

    def read(self, length: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


class _Chunks:
    """What is done of a body's work for each chunk on a native thread."""

    def __init__(
        self, begin: Callable[[], contextlib.AbstractContextManager[File]]
    ) -> None:
        self._begin = begin
        self._open = contextlib.ExitStack()
        # As a check against accidents, for which Glance has it.
        self._digest = hashlib.md5(usedforsecurity=False)

    def rewind(self) -> None:
        """Begin again."""
        self.close()
        self._digest = hashlib.md5(usedforsecurity=False)
        self._file = self._open.enter_context(self._begin())

    def read(self) -> bytes:
        """Return the next chunk; b'' at the end."""
        data = self._file.read(CHUNK)
        self._digest.update(data)
        return data

    def md5(self) -> str:
        """Return the MD5 of what was read since the start, in hex.

        Where nothing was read, it is that of no data.
        """
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()


class Body:
    """A file that is sent, once or several times.

    :param begin: opens it at its start
    :param size: in bytes, where it is known
    :param check: called before each chunk; raises what is to end the upload
    :param report: called with the bytes that were read since the start
    :param native: puts an object's blocking methods on native threads
    :ivar len: the size, which requests sends as Content-Length; None where it
        is not known
    :ivar sent: bytes of the current iteration that were taken
    :ivar whole: whether the current iteration has come to the file's end
    """

    def __init__(
        self,
        begin: Callable[[], contextlib.AbstractContextManager[File]],
        size: int | None,
        check: Callable[[], None],
        report: Callable[[int], object],
        native: Callable[[Any], Any],
    ) -> None:
        self._chunks: _Chunks = native(_Chunks(begin))
        self._check = check
        self._report = report
        self.len = size
        self.sent = 0
        self.whole = False

    def __iter__(self) -> Iterator[bytes]:
        self.sent = 0
        self.whole = False
        self._check()
        self._chunks.rewind()
        while chunk := self._chunks.read():
            yield chunk
            self.sent += len(chunk)
            self._report(self.sent)
            self._check()
        self.whole = True

    def md5(self) -> str:
        """Return the MD5 of what was read in the last iteration, in hex."""
        return self._chunks.md5()

    def close(self) -> None:
        """Let go of the file."""
        self._chunks.close()
