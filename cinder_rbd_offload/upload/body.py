# SPDX-License-Identifier: Apache-2.0
"""The body of a request: a source from its start to its end, each time.

Whoever sends the request again, be it this package or a library under it,
iterates over the body again, and so begins at the start: never is the rest of
a broken attempt sent as a whole image.
"""

from collections.abc import Callable
from collections.abc import Iterator
import hashlib
import io
from typing import Any
from typing import Protocol

from oslo_utils import units

# Bytes that are handed to the socket at a time.
CHUNK = units.Mi


class File(Protocol):
    """What a body is made of."""

    size: int

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        ...

    def read(self, length: int = -1) -> bytes:
        """Return bytes from the position on."""
        ...


class _Chunks:
    """What is done of a body's work for each chunk on a native thread."""

    def __init__(self, file: File) -> None:
        self._file = file

    def rewind(self) -> None:
        """Begin again."""
        # As a check against accidents, for which Glance has it.
        self._digest = hashlib.md5(usedforsecurity=False)
        self._file.seek(0)

    def read(self) -> bytes:
        """Return the next chunk; b'' at the end."""
        data = self._file.read(CHUNK)
        self._digest.update(data)
        return data

    def md5(self) -> str:
        """Return the MD5 of what was read since the start, in hex."""
        return self._digest.hexdigest()


class Body:
    """A file that is sent, once or several times.

    :param file: seekable, and of a known size
    :param check: called before each chunk; raises what is to end the upload
    :param report: called with the bytes that were read since the start
    :param native: puts an object's blocking methods on native threads
    :ivar len: the size in bytes, which requests sends as Content-Length
    :ivar sent: bytes of the current iteration that were taken
    """

    def __init__(
        self,
        file: File,
        check: Callable[[], None],
        report: Callable[[int], object],
        native: Callable[[Any], Any],
    ) -> None:
        self._chunks: _Chunks = native(_Chunks(file))
        self._check = check
        self._report = report
        self.len = file.size
        self.sent = 0

    def __iter__(self) -> Iterator[bytes]:
        self.sent = 0
        self._chunks.rewind()
        self._check()
        while chunk := self._chunks.read():
            yield chunk
            self.sent += len(chunk)
            self._report(self.sent)
            self._check()

    def md5(self) -> str:
        """Return the MD5 of what was read in the last iteration, in hex."""
        return self._chunks.md5()
