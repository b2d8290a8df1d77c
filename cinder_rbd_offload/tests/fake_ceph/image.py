# SPDX-License-Identifier: Apache-2.0
"""The class ``Image`` of the module ``rbd``."""

import uuid

from cinder_rbd_offload.tests.fake_ceph import errors
from cinder_rbd_offload.tests.fake_ceph import opened
from cinder_rbd_offload.tests.fake_ceph import stored as stored_

BLOCK = stored_.BLOCK


class Completion:
    """A read that is carried out when it is waited for."""

    def __init__(self, image, offset, length, oncomplete):
        self._image = image
        self.place = (offset, length)
        self._oncomplete = oncomplete
        self._result = None

    def wait_for_complete_and_cb(self):
        cluster = self._image.cluster
        if self in cluster.reading:
            cluster.reading.remove(self)
            self._result = cluster.read_error or self.place[1]
            data = None
            if self._result > 0:
                data = self._image.read(*self.place)
            self._oncomplete(self, data)

    def get_return_value(self):
        return self._result


class Image(opened.Opened):
    def __init__(
        self, ioctx, name, snapshot=None, read_only=False, image_id=None
    ):
        super().__init__(ioctx.cluster)
        self.cluster.reach('open', 'before')
        if image_id is None:
            self.stored = self._seen = stored_.find(ioctx.images, name)
        else:
            trash = self.cluster.trash[ioctx.name].values()
            trash = {one.id: one for one in trash}
            self.stored = self._seen = stored_.find(trash, image_id)
        if self.stored.headless:
            raise errors.rbd.ImageNotFound(name)
        if snapshot is not None:
            self._seen = stored_.find(self.stored.snapshots, snapshot)
        self.read_only = read_only or snapshot is not None
        self.cluster.opened.append(self)

    def require_usable(self):
        if self not in self.cluster.opened:
            raise errors.rbd.InvalidArgument('image is closed')

    def close(self):
        if self in self.cluster.opened:
            self._release()
            self.cluster.reach('close', 'after')

    @opened.operation
    def size(self):
        return self._seen.size

    @opened.operation
    def read(self, offset, length):
        return stored_.content(self._seen)[offset : offset + length]

    @opened.operation
    def aio_read(self, offset, length, oncomplete, fadvise_flags=0):
        completion = Completion(self, offset, length, oncomplete)
        self.cluster.reading.append(completion)
        return completion

    @opened.writing
    def write(self, data, offset):
        end = offset + len(data)
        if end > self.stored.size:
            raise errors.rbd.InvalidArgument('beyond the end of the image')
        whole = bytearray(stored_.content(self.stored))
        whole[offset:end] = data
        for block in range(offset // BLOCK, -(-end // BLOCK)):
            start = block * BLOCK
            self.stored.blocks[block] = bytes(whole[start : start + BLOCK])
        return len(data)

    @opened.operation
    def copy(self, dest_ioctx, dest_name, features, **form):
        if dest_name in dest_ioctx.images:
            raise errors.rbd.ImageExists(dest_name)
        target = dest_ioctx.images[dest_name] = stored_.Stored(
            self._seen.size, features=features, form=form
        )
        self.cluster.reach('copy', 'half')
        if target.size < self._seen.size:
            raise errors.rbd.InvalidArgument('beyond the end of the image')
        # As librbd 16.2.15 copies a snapshot: what is the parent's is lost.
        target.blocks.update(self._seen.blocks)
        target.metadata.update(self.stored.metadata)

    @opened.operation
    def parent_info(self):
        if self._seen.parent is None:
            raise errors.rbd.ImageNotFound('no parent')
        return ('images', 'parent', 'snap')

    @opened.operation
    def id(self):
        return self.stored.id

    @opened.operation
    def features(self):
        return self.stored.features

    @opened.operation
    def flags(self):
        return self._seen.flags

    @opened.writing
    def update_features(self, features, enabled):
        if not enabled or features & ~24:
            raise NotImplementedError('but to enable the object map')
        self.stored.features |= features
        for one in (self.stored, *self.stored.snapshots.values()):
            one.flags = 3

    @opened.operation
    def lock_acquire(self, lock_mode):
        if self._seen is not self.stored:
            raise errors.rbd.InvalidArgument('a snapshot has no lock')

    @opened.operation
    def rebuild_object_map(self):
        self._seen.flags = 0

    @opened.operation
    def diff_iterate(
        self,
        offset,
        length,
        from_snapshot,
        iterate_cb,
        include_parent=True,
        whole_object=False,
    ):
        if (offset, length, from_snapshot) != (0, self._seen.size, None):
            raise NotImplementedError('but a whole image, from its beginning')
        if not whole_object:
            raise NotImplementedError('but whole objects')
        seen = self._seen
        blocks = stored_.with_parents(seen) if include_parent else seen.blocks
        for block in sorted(blocks):
            iterate_cb(block * BLOCK, BLOCK, True)

    @opened.writing
    def resize(self, size):
        self.stored.size = size

    @opened.writing
    def flatten(self, on_progress):
        if self.stored.parent is None:
            raise errors.rbd.InvalidArgument('image has no parent')
        self.cluster.reach('flatten', 'half')
        blocks = stored_.with_parents(self.stored)
        for number in range(len(blocks)):
            if on_progress(number, len(blocks)) < 0:
                raise errors.rbd.OperationCanceled('as it was told')
        self.cluster.flatten(self.stored)

    @opened.operation
    def watchers_list(self):
        handles = (h for h in self.cluster.opened if isinstance(h, Image))
        return iter(
            [
                {'addr': 'somewhere', 'id': 1, 'cookie': 1}
                for handle in handles
                if handle.stored is self.stored and not handle.read_only
            ]
        )

    @opened.operation
    def list_snaps(self):
        for name, one in self.stored.snapshots.items():
            yield {'id': one.id, 'size': one.size, 'name': name} | {
                'namespace': 0
            }
        for name, one in self.stored.trash.items():
            # Ceph gives it another name.
            new = str(uuid.UUID(int=one.id))
            yield {'id': one.id, 'size': one.size, 'name': new} | {
                'namespace': stored_.TRASH,
                'trash': {'original_name': name},
            }

    @opened.writing
    def create_snap(self, name):
        if name in self.stored.snapshots:
            raise errors.rbd.ImageExists(name)
        self.stored.snapshots[name] = stored_.Snapshot(
            id=len(self.stored.snapshots) + 1,
            size=self.stored.size,
            blocks=dict(self.stored.blocks),
            parent=self.stored.parent,
        )

    @opened.writing
    def remove_snap(self, name):
        if stored_.find(self.stored.snapshots, name).protected is not False:
            raise errors.rbd.ImageBusy(name)
        self.stored.trash[name] = self.stored.snapshots.pop(name)
        self.cluster.reach('remove_snap', 'half')
        self.cluster.empty_trash(self.stored.trash[name])

    @opened.writing
    def remove_snap_by_id(self, snap_id):
        for snapshot in list(self.stored.trash.values()):
            if snapshot.id == snap_id:
                if self.cluster.has_clones(snapshot):
                    raise errors.rbd.ImageBusy(f'{snap_id} has clones')
                self.cluster.empty_trash(snapshot)
                return
        raise errors.rbd.ImageNotFound(f'no snapshot {snap_id}')

    @opened.operation
    def is_protected_snap(self, name):
        return stored_.find(self.stored.snapshots, name).protected is True

    @opened.writing
    def protect_snap(self, name):
        snapshot = stored_.find(self.stored.snapshots, name)
        if snapshot.protected:
            raise errors.rbd.ImageBusy(name)
        snapshot.protected = True

    @opened.writing
    def unprotect_snap(self, name):
        snapshot = stored_.find(self.stored.snapshots, name)
        if snapshot.protected is False:
            raise errors.rbd.InvalidArgument(name)
        snapshot.protected = None
        self.cluster.reach('unprotect_snap', 'half')
        snapshot.protected = False

    @opened.operation
    def metadata_list(self):
        yield from self.stored.metadata.items()

    @opened.writing
    def metadata_set(self, key, value):
        self.stored.metadata[key] = value

    @opened.writing
    def metadata_remove(self, key):
        del self.stored.metadata[key]
