# SPDX-License-Identifier: Apache-2.0
"""Reads a snapshot of an RBD image, many parts at a time."""

import os
from typing import Any

from cinder_rbd_offload.ceph import errors
from cinder_rbd_offload import exceptions


class Reading:
    """A part of a snapshot that librbd is reading.

    :param completion: librbd's
    :param received: where librbd's thread puts the data
    :param doing: what is done, for errors
    """

    def __init__(
        self, completion: Any, received: list[bytes], doing: str
    ) -> None:
        self._completion = completion
        self._received = received
        self._doing = doing

    def wait(self) -> bytes:
        """Return the data, once it is there.

        :raises CephError: when it could not be read
        """
        self._completion.wait_for_complete_and_cb()
        result = self._completion.get_return_value()
        if result < 0:
            raise exceptions.CephError(
                self._doing, OSError(-result, os.strerror(-result))
            )
        return self._received[0]


class OpenSnapshot:
    """A snapshot of an image, open to be read; see ``Pool.open_snapshot``.

    Blocking methods are for native threads. :meth:`start` may be called by
    several at once.

    :ivar size: in bytes
    """

    def __init__(
        self, rbd: Any, ioctx: Any, image: str, snapshot: str
    ) -> None:
        self._rbd = rbd
        self._name = f'{ioctx.name}/{image}@{snapshot}'
        with self._doing():
            self._image = rbd.Image(
                ioctx, image, snapshot=snapshot, read_only=True
            )
            self.size = int(self._image.size())

    def extents(self) -> list[tuple[int, int]]:
        """Return where data may be; everything else reads as zeros.

        Without an object map that is everywhere: then only a walk over all
        objects could tell, which is what reading does anyway.

        :returns: pairs of offset and length in bytes, in order, no two of
            which touch
        """
        with self._doing():
            found = objects(self._rbd, self._image)
        if found is None:
            return [(0, self.size)] if self.size else []
        return _merged(found)

    def start(self, offset: int, length: int) -> Reading:
        """Have librbd read a part, and do not wait for it."""
        received: list[bytes] = []

        def receive(_completion: Any, data: bytes | None) -> None:
            received.append(data or b'')

        with self._doing():
            completion = self._image.aio_read(offset, length, receive)
        return Reading(completion, received, self._reading())

    def close(self) -> None:
        """Close it; librbd waits for what it is still reading."""
        with self._doing():
            self._image.close()

    def _doing(self) -> Any:
        return errors.named(self._rbd, self._reading(), '')

    def _reading(self) -> str:
        return f'reading {self._name}'


def objects(bindings: Any, image: Any) -> list[tuple[int, int]] | None:
    """List the objects of an open image, its parents' included.

    Each counts whole, and so does each hole in it.

    :param bindings: the ``rbd`` module
    :returns: offsets and lengths in bytes; None where the image has no valid
        object map, so that only a walk over all of its objects could tell
    """
    if not image.features() & bindings.RBD_FEATURE_FAST_DIFF:
        return None
    if image.flags() & bindings.RBD_FLAG_FAST_DIFF_INVALID:
        return None
    found: list[tuple[int, int]] = []

    def note(offset: int, length: int, exists: bool) -> None:
        if exists:
            found.append((offset, length))

    image.diff_iterate(
        0, image.size(), None, note, include_parent=True, whole_object=True
    )
    return found


def used(bindings: Any, image: Any) -> int | None:
    """Return the bytes of what :func:`objects` lists; None where it cannot."""
    found = objects(bindings, image)
    return None if found is None else sum(length for _at, length in found)


def _merged(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join what touches or overlaps, as parts of a parent and its child."""
    merged: list[tuple[int, int]] = []
    for offset, length in sorted(found):
        if merged and offset <= sum(merged[-1]):
            start, before = merged[-1]
            merged[-1] = (start, max(before, offset + length - start))
        else:
            merged.append((offset, length))
    return merged
