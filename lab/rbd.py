# SPDX-License-Identifier: Apache-2.0
"""What is in the lab's pools, seen by client.admin, past all drivers."""

from collections.abc import Iterator
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
from typing import Any

import rados
import rbd

from lab import state as lab_state

CHUNK = 4 << 20
WRITERS = 8


@contextlib.contextmanager
def pool(
    state: lab_state.State, name: str, cluster: str = 'ceph'
) -> Iterator[Any]:
    """Open a pool of the lab's.

    :param name: ``volumes`` or ``images``
    """
    conf = str(state.root / cluster / 'ceph.conf')
    with rados.Rados(conffile=conf) as client:
        with client.open_ioctx(name) as ioctx:
            yield ioctx


def fill(ioctx: Any, image: str, file: pathlib.Path) -> None:
    """Write a file to an image, leaving out what is all zeros."""
    zeros = bytes(CHUNK)
    with rbd.Image(ioctx, image) as target, file.open('rb') as source:
        for offset in range(0, file.stat().st_size, CHUNK):
            data = source.read(CHUNK)
            if data != zeros[: len(data)]:
                target.write(data, offset)


def sha512(ioctx: Any, image: str, snapshot: str | None = None) -> str:
    """Return the SHA-512 of an image's whole content, holes as zeros."""
    digest = hashlib.sha512()
    with rbd.Image(ioctx, image, snapshot=snapshot, read_only=True) as source:
        size = source.size()
        for offset in range(0, size, CHUNK):
            digest.update(source.read(offset, min(CHUNK, size - offset)))
    return digest.hexdigest()


def same(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Tell whether two images have the same size and bytes.

    :param first: an I/O context, an image, and the snapshot to look at, if
        it is to be one
    """
    with (
        rbd.Image(*first, read_only=True) as one,
        rbd.Image(*second, read_only=True) as other,
    ):
        size = one.size()
        return bool(size == other.size()) and all(
            one.read(offset, min(CHUNK, size - offset))
            == other.read(offset, min(CHUNK, size - offset))
            for offset in range(0, size, CHUNK)
        )


def used(ioctx: Any, image: str) -> int:
    """Return the bytes of the objects that an image has, without its parent.

    Like ``rbd du`` it counts an object whole.
    """
    lengths: list[int] = []

    def count(_offset: int, length: int, exists: bool) -> None:
        lengths.append(length if exists else 0)

    with rbd.Image(ioctx, image, read_only=True) as source:
        source.diff_iterate(
            0,
            source.size(),
            None,
            count,
            include_parent=False,
            whole_object=True,
        )
    return sum(lengths)


def has_parent(ioctx: Any, image: str) -> bool:
    """Tell whether an image reads data of another one."""
    with rbd.Image(ioctx, image, read_only=True) as source:
        try:
            source.parent_info()
        except rbd.ImageNotFound:
            return False
    return True


def contents(ioctx: Any) -> dict[str, list[str]]:
    """Return the images of a pool with their snapshots."""
    found = {}
    for image in rbd.RBD().list(ioctx):
        # It may be removed just now.
        with contextlib.suppress(rbd.ImageNotFound):
            found[image] = sorted(one['name'] for one in _snaps(ioctx, image))
    return found


def _snaps(ioctx: Any, name: str) -> list[dict[str, Any]]:
    with rbd.Image(ioctx, name, read_only=True) as image:
        return list(image.list_snaps())


def write_random(
    ioctx: Any, image: str, offsets: range, length: int = 4096
) -> None:
    """Write random bytes at each of some offsets of an image."""

    def write(offset: int) -> None:
        target.write(os.urandom(length), offset)

    with (
        rbd.Image(ioctx, image) as target,
        concurrent.futures.ThreadPoolExecutor(WRITERS) as pool,
    ):
        list(pool.map(write, offsets))
