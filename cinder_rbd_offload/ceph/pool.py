# SPDX-License-Identifier: Apache-2.0
"""What is asked of RBD, one whole operation a method.

Every method blocks, and opens and closes what it needs, so that a caller can
send the call as it is to a native thread. Nothing here logs. Errors of
librbd leave as those of :mod:`cinder_rbd_offload.exceptions`.
"""

from collections.abc import Iterator
import contextlib
from typing import Any

from cinder_rbd_offload import exceptions

# Glance's RBD store opens an image at the snapshot that the location names,
# and calls it this (glance_store, _drivers/rbd.py, DEFAULT_SNAPNAME).
GLANCE_SNAPSHOT = 'snap'


class Pool:
    """The RBD images of one pool.

    :param rbd: the ``rbd`` module of the Ceph distribution
    :param ioctx: an open I/O context of the pool; the caller closes it
    :param features: the features of images that are made here, as bits
    """

    def __init__(self, rbd: Any, ioctx: Any, features: int) -> None:
        self._rbd = rbd
        self.ioctx = ioctx
        self.features = features
        self.name: str = ioctx.name

    def is_clone(self, image: str) -> bool:
        """Tell whether an image has a parent that it gets data from."""
        with self._doing(f'looking at {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                try:
                    handle.parent_info()
                except self._rbd.ImageNotFound:
                    return False
                return True

    def size(self, image: str) -> int:
        """Return the size of an image in bytes, holes included."""
        with self._doing(f'opening {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                return int(handle.size())

    def exists(self, image: str) -> bool:
        """Tell whether the pool has an image of this name."""
        with self._doing(f'looking for {self.name}/{image}'):
            try:
                with self._open(image, read_only=True):
                    return True
            except self._rbd.ImageNotFound:
                return False

    def snapshot(self, image: str, snapshot: str) -> None:
        """Take a snapshot of an image.

        On an attached volume librbd asks the client that holds the exclusive
        lock, which finishes the writes under way first: the snapshot is one
        instant.
        """
        with self._doing(
            f'taking the snapshot {self.name}/{image}@{snapshot}'
        ):
            with self._open(image) as handle:
                handle.create_snap(snapshot)

    def drop_snapshot(self, image: str, snapshot: str) -> None:
        """Remove a snapshot, protected or not; fine if it is not there."""
        with self._doing(f'removing {self.name}/{image}@{snapshot}'):
            self._drop_snapshot(image, snapshot)

    def read(self, image: str, snapshot: str, length: int) -> bytes:
        """Return the first bytes of a snapshot, at most ``length``."""
        with self._doing(f'reading {self.name}/{image}@{snapshot}'):
            with self._open(image, snapshot, read_only=True) as handle:
                return bytes(handle.read(0, min(length, handle.size())))

    def copy(
        self, image: str, snapshot: str, target: 'Pool', name: str
    ) -> None:
        """Copy a snapshot to a new image, holes staying holes.

        The snapshot must not have a parent. librbd 16.2.15, copying a
        snapshot that has an object map, takes objects that only the parent
        has for holes: the copy lacks their data, and nothing says so.

        :param target: the pool of the new image
        :param name: the name of the new image
        :raises ImageExists: when the target pool has an image of that name
        """
        doing = (
            f'copying {self.name}/{image}@{snapshot} to {target.name}/{name}'
        )
        with target._making(doing, name):
            with self._open(image, snapshot, read_only=True) as handle:
                handle.copy(target.ioctx, name, features=target.features)

    def clone(
        self, image: str, snapshot: str, target: 'Pool', name: str
    ) -> None:
        """Make a clone of a snapshot, which depends on it until flattened.

        Where the cluster still has clones of format 1, the snapshot is
        protected first, as they need it.

        :param target: the pool of the clone
        :param name: the name of the clone
        :raises ImageExists: when the target pool has an image of that name
        """
        doing = (
            f'cloning {self.name}/{image}@{snapshot} to {target.name}/{name}'
        )
        source = (self.ioctx, image, snapshot, target.ioctx, name)
        with target._making(doing, name):
            clone = self._rbd.RBD().clone
            try:
                clone(*source, features=target.features)
            except self._rbd.InvalidArgument:
                with self._open(image) as handle:
                    handle.protect_snap(snapshot)
                clone(*source, features=target.features)

    def flatten(self, image: str) -> None:
        """Give a clone all the data that it still has from its parent."""
        with self._doing(f'flattening {self.name}/{image}'):
            with self._open(image) as handle:
                handle.flatten()

    def seal(self, image: str) -> None:
        """Give an image the form that Glance's own RBD store gives it.

        That is a protected snapshot of the store's usual name, and no
        metadata: librbd copies what the volume carried, for example its QoS
        limits, and every clone of the image would inherit them. What is so
        already stays.
        """
        with self._doing(f'preparing {self.name}/{image} for Glance'):
            with self._open(image) as handle:
                for key, _value in list(handle.metadata_list()):
                    handle.metadata_remove(key)
                if GLANCE_SNAPSHOT not in _snapshots(handle):
                    handle.create_snap(GLANCE_SNAPSHOT)
                if not handle.is_protected_snap(GLANCE_SNAPSHOT):
                    handle.protect_snap(GLANCE_SNAPSHOT)

    def remove(self, image: str) -> None:
        """Remove an image that was made here; fine if it is not there."""
        with self._doing(f'removing {self.name}/{image}'):
            self._drop_snapshot(image, GLANCE_SNAPSHOT)
            with contextlib.suppress(self._rbd.ImageNotFound):
                self._rbd.RBD().remove(self.ioctx, image)

    def _drop_snapshot(self, image: str, snapshot: str) -> None:
        with contextlib.suppress(self._rbd.ImageNotFound):
            with self._open(image) as handle:
                if handle.is_protected_snap(snapshot):
                    handle.unprotect_snap(snapshot)
                handle.remove_snap(snapshot)

    @contextlib.contextmanager
    def _open(
        self, image: str, snapshot: str | None = None, read_only: bool = False
    ) -> Iterator[Any]:
        handle = self._rbd.Image(
            self.ioctx, image, snapshot=snapshot, read_only=read_only
        )
        try:
            yield handle
        finally:
            handle.close()

    @contextlib.contextmanager
    def _doing(self, doing: str) -> Iterator[None]:
        """Name the operation in whatever error librbd raises in it."""
        try:
            yield
        except self._rbd.PermissionError as exc:
            raise exceptions.CephNotPermitted(doing, self.name) from exc
        except self._rbd.Error as exc:
            raise exceptions.CephError(doing, exc) from exc

    @contextlib.contextmanager
    def _making(self, doing: str, image: str) -> Iterator[None]:
        """Name the operation that makes an image, and tell a taken name."""
        with self._doing(doing):
            try:
                yield
            except self._rbd.ImageExists:
                raise exceptions.ImageExists(self.name, image) from None


def _snapshots(handle: Any) -> set[str]:
    return {snapshot['name'] for snapshot in handle.list_snaps()}
