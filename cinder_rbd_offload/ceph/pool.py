# SPDX-License-Identifier: Apache-2.0
"""What is asked of RBD, one whole operation a method.

Every method blocks, and opens and closes what it needs, so that a caller can
send the call as it is to a native thread. Nothing here logs. Errors of
librbd leave as those of :mod:`cinder_rbd_offload.exceptions`.
"""

from collections.abc import Iterator
import contextlib
import errno
from typing import Any

from cinder_rbd_offload.ceph import clones
from cinder_rbd_offload.ceph import errors
from cinder_rbd_offload.ceph import reading
from cinder_rbd_offload.ceph import shape as shape_
from cinder_rbd_offload.ceph import snapshots
from cinder_rbd_offload import exceptions

# Glance's RBD store opens an image at the snapshot that the location names,
# and calls it this (glance_store, _drivers/rbd.py, DEFAULT_SNAPNAME).
GLANCE_SNAPSHOT = 'snap'
# What Cinder's RBD driver adds to the name of a volume that was deleted while
# clones of it need it (cinder/volume/drivers/rbd.py, _delete_volume).
DELETED = '.deleted'


class Pool:
    """The RBD images of one pool.

    :param rbd: the ``rbd`` module of the Ceph distribution
    :param ioctx: an open I/O context of the pool; the caller closes it
    :param shape: the form of images that are made here
    """

    def __init__(self, rbd: Any, ioctx: Any, shape: shape_.Shape) -> None:
        self._rbd = rbd
        self.ioctx = ioctx
        self.shape = shape
        self.name: str = ioctx.name

    def is_clone(self, image: str) -> bool:
        """Tell whether an image has a parent that it gets data from."""
        with self._doing(f'looking at {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                return clones.has_parent(self._rbd, handle)

    def size(self, image: str) -> int:
        """Return the size of an image in bytes, holes included."""
        with self._doing(f'opening {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                return int(handle.size())

    def id(self, image: str) -> str:
        """Return what identifies an image whatever its name; '' for none."""
        with self._doing(f'looking for {self.name}/{image}'):
            try:
                with self._open(image, read_only=True) as handle:
                    return str(handle.id())
            except self._rbd.ImageNotFound:
                return ''

    def listed_id(self, image: str) -> str:
        """Return the id that the pool's directory has of a name; '' for none.

        Unlike :meth:`id` it finds an image whose removal broke off: librbd
        16.2 removes the header first, and the name in the directory last.
        """
        with self._doing(f'listing the images of pool {self.name}'):
            found = self._rbd.RBD().list2(self.ioctx)
            return next(
                (str(one['id']) for one in found if one['name'] == image), ''
            )

    def used(self, image: str, snapshot: str | None = None) -> int | None:
        """Return the bytes of an image's objects, its parents' included.

        Each object counts whole, and so does each hole in it.

        :param snapshot: look at this one, not at the image as it is now
        :returns: None where the image has no valid object map, so that only
            a walk over all of its objects could tell
        """
        with self._doing(f'looking at the objects of {self.name}/{image}'):
            with self._open(image, snapshot, read_only=True) as handle:
                return reading.used(self._rbd, handle)

    def snapshot(self, image: str, snapshot: str) -> None:
        """Take a snapshot of an image.

        On an attached volume librbd asks the client that holds the exclusive
        lock, which finishes the writes under way first: the snapshot is one
        instant.

        :raises SnapshotFailed: when that failed
        """
        with self._doing(
            f'taking the snapshot {self.name}/{image}@{snapshot}',
            exceptions.SnapshotFailed,
        ):
            with self._open(image) as handle:
                handle.create_snap(snapshot)

    def drop_snapshot(self, image: str, snapshot: str) -> None:
        """Remove a snapshot, protected or not; fine if it is not there.

        A volume that Cinder has deleted by force, although it has snapshots,
        is under another name, kept for its clones, or in the pool's trash.
        """
        with self._doing(f'removing {self.name}/{image}@{snapshot}'):
            for name in (image, image + DELETED):
                if self._drop_snapshot(name, snapshot):
                    return
            for entry in self._rbd.RBD().trash_list(self.ioctx):
                if entry['name'] == image:
                    self._drop_snapshot(None, snapshot, entry['id'])

    def trashed(self, image: str) -> frozenset[str]:
        """Return the names of snapshots that only clones still need.

        :returns: those that Ceph gave them when they were removed; none where
            the image is not there
        """
        with self._doing(f'looking at the snapshots of {self.name}/{image}'):
            try:
                with self._open(image, read_only=True) as handle:
                    return frozenset(
                        one['name']
                        for one in snapshots.trash(self._rbd, handle)
                    )
            except self._rbd.ImageNotFound:
                return frozenset()

    def read(self, image: str, snapshot: str, length: int) -> bytes:
        """Return the first bytes of a snapshot, at most ``length``."""
        with self._doing(f'reading {self.name}/{image}@{snapshot}'):
            with self._open(image, snapshot, read_only=True) as handle:
                return bytes(handle.read(0, min(length, handle.size())))

    def open_snapshot(self, image: str, snapshot: str) -> reading.OpenSnapshot:
        """Open a snapshot to be read; the caller closes it."""
        return reading.OpenSnapshot(self._rbd, self.ioctx, image, snapshot)

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
                handle.copy(target.ioctx, name, **target.shape.options())

    def clone(
        self,
        image: str,
        snapshot: str,
        target: 'Pool',
        name: str,
        lasting: bool = False,
    ) -> None:
        """Make a clone of a snapshot, which depends on it until flattened.

        Where the client still makes clones of format 1, the snapshot is
        protected first, as they need it.

        :param target: the pool of the clone
        :param name: the name of the clone
        :param lasting: make one that can stay a clone for a while: it outlives
            the snapshot, which format 1 does not; a flatten later on reaches
            the snapshots that the clone has by then; and a flatten that broke
            off, by whomever, can be repeated. For that it has no object map:
            librbd 16.2.15 enters an object there before it copies it, and the
            next flatten takes it for copied, and loses its data.
        :raises ImageExists: when the target pool has an image of that name
        """
        doing = (
            f'cloning {self.name}/{image}@{snapshot} to {target.name}/{name}'
        )
        origin = (self.ioctx, image, snapshot)
        options = target.shape.options()
        if lasting:
            options['features'] |= self._rbd.RBD_FEATURE_DEEP_FLATTEN
            options['features'] &= ~self._object_map()
        with target._making(doing, name):
            clones.clone(
                self._rbd,
                origin,
                (target.ioctx, name),
                options,
                protect=not lasting,
            )

    def flatten(self, image: str, progress: shape_.Progress) -> None:
        """Give a clone all the data that it still has from its parent.

        Fine if it has none. One that broke off can be repeated only for a
        lasting clone; see :meth:`clone`.
        """
        with self._doing(f'flattening {self.name}/{image}'):
            with self._open(image) as handle:
                if clones.has_parent(self._rbd, handle):
                    handle.flatten(on_progress=progress.report)

    def cut_short(self, image: str) -> None:
        """Have a copy to an image fail that is under way.

        librbd has no call for it. But the copy's next write is beyond the end
        of an image that was shrunk to nothing.
        """
        with self._doing(f'stopping the copy to {self.name}/{image}'):
            with self._open(image) as handle:
                handle.resize(0)

    def rename(self, image: str, name: str) -> None:
        """Give an image another name.

        :raises ImageExists: when the pool has an image of that name
        """
        doing = f'renaming {self.name}/{image} to {name}'
        with self._making(doing, name):
            self._rbd.RBD().rename(self.ioctx, image, name)
            # librbd only warns where it could not remove that.
            self._drop_name(image)

    def finish_rename(self, image: str, name: str, rbd_id: str) -> None:
        """Bring a rename to its end that broke off; fine if none did.

        librbd 16.2 writes the object of the new name, then the directory of
        the pool, then removes the object of the old name (RenameRequest.cc).
        In between both names open the image, and librbd neither repeats the
        rename nor removes all of the image.

        :param rbd_id: what :meth:`id` says of the image
        """
        if {self.id(image), self.id(name)} != {rbd_id}:
            return
        with self._doing(f'renaming {self.name}/{image} to {name}'):
            rbd = self._rbd.RBD()
            begun = image in rbd.list(self.ioctx)
            # The name that is not in the directory.
            self._drop_name(name if begun else image)
            if begun:
                rbd.rename(self.ioctx, image, name)

    def seal(self, image: str) -> None:
        """Give an image the form that Glance's own RBD store gives it.

        That is a protected snapshot of the store's usual name, and no
        metadata: librbd copies what the volume carried, for example its QoS
        limits, and every clone of the image would inherit them. One that is
        no clone any more gets the object map that lasting clones lack. What
        is so already stays; a snapshot that is removed meanwhile is not made
        again, for then Glance is deleting the image.
        """
        with self._doing(f'preparing {self.name}/{image} for Glance'):
            with self._open(image) as handle:
                there = GLANCE_SNAPSHOT in snapshots.names(handle)
                for key, _value in list(handle.metadata_list()):
                    handle.metadata_remove(key)
                if lacking := self._lacking(handle):
                    handle.update_features(lacking, True)
                if self._unmapped(handle):
                    # Against whoever else opens it, as Glance does to delete
                    # it: each time librbd would hand the lock over, and walk
                    # over all objects from the start again.
                    handle.lock_acquire(self._rbd.RBD_LOCK_MODE_EXCLUSIVE)
                    handle.rebuild_object_map()
                if not there:
                    handle.create_snap(GLANCE_SNAPSHOT)
                if not handle.is_protected_snap(GLANCE_SNAPSHOT):
                    handle.protect_snap(GLANCE_SNAPSHOT)
            with self._open(image, GLANCE_SNAPSHOT) as handle:
                if self._unmapped(handle):
                    handle.rebuild_object_map()

    def is_sealed(self, image: str) -> bool:
        """Tell whether an image has all that :meth:`seal` gives it."""
        with self._doing(f'looking at {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                if GLANCE_SNAPSHOT not in snapshots.names(handle):
                    return False
                if self._lacking(handle) or self._unmapped(handle):
                    return False
            # Whoever reads it while the map is made may set the flag again.
            with self._open(image, GLANCE_SNAPSHOT, read_only=True) as handle:
                return not self._unmapped(handle)

    def has_snapshot(self, image: str) -> bool:
        """Tell whether an image has the snapshot that its location names."""
        with self._doing(f'looking at {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                return GLANCE_SNAPSHOT in snapshots.names(handle)

    def is_open(self, image: str) -> bool:
        """Tell whether somebody has an image open for writing."""
        with self._doing(f'looking at {self.name}/{image}'):
            with self._open(image, read_only=True) as handle:
                return bool(list(handle.watchers_list()))

    def remove(self, image: str) -> None:
        """Remove an image that was made here; fine if it is not there."""
        with self._doing(f'removing {self.name}/{image}'):
            self._drop_snapshot(image, GLANCE_SNAPSHOT)
            rbd = self._rbd.RBD()
            try:
                rbd.remove(self.ioctx, image)
            except (self._rbd.ImageNotFound, self._rbd.PermissionError):
                # Who may not remove it could not make it either. But librbd
                # 16.2 also says not found where it cannot move the image to
                # the trash, as in a full pool that has none yet.
                if image in rbd.list(self.ioctx):
                    raise

    def _drop_name(self, name: str) -> None:
        """Remove the object of an image's name; fine if it is not there."""
        try:
            self.ioctx.remove_object(f'rbd_id.{name}')
        # Of the module rados.
        except Exception as exc:
            if getattr(exc, 'errno', None) != errno.ENOENT:
                raise self._rbd.Error(str(exc)) from exc

    def _object_map(self) -> int:
        """Return the features that keep track of an image's objects."""
        return int(
            self._rbd.RBD_FEATURE_OBJECT_MAP | self._rbd.RBD_FEATURE_FAST_DIFF
        )

    def _lacking(self, handle: Any) -> int:
        """Return the features that an image still has to get."""
        if clones.has_parent(self._rbd, handle):
            return 0
        features = self.shape.features & self._object_map()
        return int(features & ~handle.features())

    def _unmapped(self, handle: Any) -> bool:
        """Tell whether an image has an object map that is not valid."""
        return bool(handle.flags() & self._rbd.RBD_FLAG_OBJECT_MAP_INVALID)

    def _drop_snapshot(
        self, image: str | None, snapshot: str, image_id: str | None = None
    ) -> bool:
        """Remove a snapshot; tell whether the image is there at all."""
        with contextlib.ExitStack() as stack:
            opened = self._open(image, image_id=image_id)
            # Later on it also tells of another snapshot that vanishes.
            try:
                handle = stack.enter_context(opened)
            except self._rbd.ImageNotFound:
                return False
            snapshots.drop(self._rbd, handle, snapshot)
        return True

    @contextlib.contextmanager
    def _open(
        self,
        image: str | None,
        snapshot: str | None = None,
        read_only: bool = False,
        image_id: str | None = None,
    ) -> Iterator[Any]:
        handle = self._rbd.Image(
            self.ioctx,
            image,
            snapshot=snapshot,
            read_only=read_only,
            image_id=image_id,
        )
        try:
            yield handle
        finally:
            handle.close()

    def _doing(
        self,
        doing: str,
        error: type[exceptions.CephError] = exceptions.CephError,
    ) -> contextlib.AbstractContextManager[None]:
        return errors.named(self._rbd, doing, self.name, error)

    @contextlib.contextmanager
    def _making(self, doing: str, image: str) -> Iterator[None]:
        """Name the operation that makes an image, and tell a taken name."""
        with self._doing(doing):
            try:
                yield
            except self._rbd.ImageExists:
                raise exceptions.ImageExists(self.name, image) from None
