# SPDX-License-Identifier: Apache-2.0
"""The class ``RBD`` of the module ``rbd``."""

from cinder_rbd_offload.tests.fake_ceph import errors
from cinder_rbd_offload.tests.fake_ceph import image
from cinder_rbd_offload.tests.fake_ceph import opened
from cinder_rbd_offload.tests.fake_ceph import stored as stored_


class RBD:
    def __init__(self, cluster):
        self.cluster = cluster

    def require_usable(self):
        pass

    def version(self):
        return (1, 16, 0)

    @opened.operation
    def list(self, ioctx):
        return [*ioctx.images.keys() - self.cluster.unlisted]

    @opened.operation
    def list2(self, ioctx):
        for name in ioctx.images.keys() - self.cluster.unlisted:
            yield {'id': ioctx.images[name].id, 'name': name}

    @opened.operation
    def trash_move(self, ioctx, name, delay):
        self.cluster.trash[ioctx.name][name] = ioctx.images.pop(name)

    @opened.operation
    def trash_list(self, ioctx):
        for name, stored in self.cluster.trash[ioctx.name].items():
            yield {'id': stored.id, 'name': name}

    @opened.operation
    def create(self, ioctx, name, size):
        if name in ioctx.images:
            raise errors.rbd.ImageExists(name)
        ioctx.images[name] = stored_.Stored(size)

    @opened.operation
    def clone(
        self, p_ioctx, p_name, p_snapname, c_ioctx, c_name, features=61, **form
    ):
        stored = stored_.find(p_ioctx.images, p_name)
        snapshot = stored_.find(stored.snapshots, p_snapname)
        if not self.cluster.clone_v2 and not snapshot.protected:
            raise errors.rbd.InvalidArgument('parent is not protected')
        if c_name in c_ioctx.images:
            raise errors.rbd.ImageExists(c_name)
        c_ioctx.images[c_name] = stored_.Stored(
            snapshot.size,
            metadata=dict(stored.metadata),
            parent=snapshot,
            features=features,
            form=form,
        )

    @opened.operation
    def rename(self, ioctx, src, dest):
        stored = stored_.find(ioctx.images, src)
        if dest in ioctx.images:
            raise errors.rbd.ImageExists(dest)
        unlisted = self.cluster.unlisted
        ioctx.images[dest] = stored
        unlisted.add(dest)
        self.cluster.reach('rename', 'half')
        unlisted.remove(dest)
        unlisted.add(src)
        self.cluster.reach('rename', 'half')
        # librbd goes on where it cannot remove the object of the old name.
        if not self.cluster.keeps_names:
            unlisted.remove(src)
            del ioctx.images[src]

    @opened.operation
    def remove(self, ioctx, name):
        if name in self.cluster.unlisted:
            raise AssertionError(f'{name} is the half of a rename')
        stored = stored_.find(ioctx.images, name)
        if stored.snapshots or stored.trash:
            raise errors.rbd.ImageHasSnapshots(name)
        handles = (
            h for h in self.cluster.opened if isinstance(h, image.Image)
        )
        if any(h.stored is stored and not h.read_only for h in handles):
            raise errors.rbd.ImageBusy(name)
        stored.headless = True
        self.cluster.reach('remove', 'half')
        del ioctx.images[name]
        if stored.parent:
            self.cluster.empty_trash(stored.parent)
