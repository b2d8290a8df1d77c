# SPDX-License-Identifier: Apache-2.0
"""A Ceph cluster in memory, behind the names of Ceph's own bindings.

``Cluster.rados`` and ``Cluster.rbd`` stand for the modules ``rados`` and
``rbd`` of Ceph 16.2, as far as an upload needs them. A test looks at
``Cluster.pools`` for what an operation has done, and at ``Cluster.opened``
for what nobody closed.

Something else may happen at any operation::

    cluster.on('create_snap', action)  # just before it
    cluster.on('copy', action, when='half')  # while it works
    cluster.fail('remove', error, when='after')  # done, yet it fails
    cluster.fail('open', error, skip=2, times=1)  # the third one
"""

import copy
import dataclasses
import errno
import functools
import json
import math
import types
import uuid

RBD_SNAP_NAMESPACE_TYPE_TRASH = 2

# Stands for the objects of an image, of 4 MiB each.
BLOCK = 8


def _errors(names):
    error = type('Error', (Exception,), {})
    os_error = type('OSError', (error,), {})
    found = {name: type(name, (os_error,), {}) for name in names.split()}
    return types.SimpleNamespace(Error=error, OSError=os_error, **found)


rbd_errors = _errors(
    'ImageBusy ImageExists ImageHasSnapshots ImageNotFound InvalidArgument '
    'NoSpace OperationCanceled PermissionError ReadOnlyImage Timeout'
)
rados_errors = _errors(
    'NotConnected ObjectNotFound PermissionDeniedError PermissionError '
    'TimedOut'
)


@dataclasses.dataclass
class Snapshot:
    """What an image was at one instant."""

    id: int
    size: int
    blocks: dict[int, bytes]
    # None for one whose unprotecting broke off.
    protected: bool | None = False
    flags: int = 0
    parent: 'Snapshot | None' = None


@dataclasses.dataclass
class Stored:
    """An image as the cluster holds it; a block that is missing is a hole."""

    size: int
    blocks: dict[int, bytes] = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    snapshots: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    # By the names that they had.
    trash: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    parent: Snapshot | None = None
    features: int = 61
    flags: int = 0
    # What librbd was told of its form.
    form: dict[str, object] = dataclasses.field(default_factory=dict)
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    # Whether its removal broke off, and left no more than the name.
    headless: bool = False


class Cluster:
    """One cluster, its pools, and what clients have open there."""

    def __init__(self, fsid='a-fsid', pools=('volumes', 'images')):
        self.fsid = fsid
        self.pools = {pool: {} for pool in pools}
        # Names of a rename that broke off, which the directory does not have.
        self.unlisted = set()
        self.keeps_names = False
        self.clone_v2 = True
        # What objects hold as omap, by pool and name.
        self.omap = {pool: {} for pool in pools}
        self.trash = {pool: {} for pool in pools}
        self.free = 1 << 40
        self.tasks = []
        self.shut_out = []
        # What a client that has died gets instead of any answer.
        self.dead = None
        # What one gets that was shut out.
        self.refusal = None
        self.opened = []
        self.reached = []
        # Reads that nobody has waited for, and what they come to.
        self.reading = []
        self.read_error = 0
        self._hooks = []
        self.rbd = types.SimpleNamespace(
            **vars(rbd_errors),
            Image=Image,
            RBD=functools.partial(RBD, self),
            RBD_FEATURE_LAYERING=1,
            RBD_FEATURE_EXCLUSIVE_LOCK=4,
            RBD_FEATURE_OBJECT_MAP=8,
            RBD_FEATURE_FAST_DIFF=16,
            RBD_FEATURE_DEEP_FLATTEN=32,
            RBD_FEATURE_JOURNALING=64,
            RBD_LOCK_MODE_EXCLUSIVE=0,
            RBD_FLAG_OBJECT_MAP_INVALID=1,
            RBD_FLAG_FAST_DIFF_INVALID=2,
            RBD_SNAP_NAMESPACE_TYPE_TRASH=RBD_SNAP_NAMESPACE_TYPE_TRASH,
        )
        self.rados = types.SimpleNamespace(
            **vars(rados_errors),
            Rados=functools.partial(Rados, self),
            WriteOpCtx=WriteOp,
            ReadOpCtx=ReadOp,
            LIBRADOS_CREATE_IDEMPOTENT=0,
        )

    def state(self):
        """Return what the pools hold now, to compare it later."""
        return copy.deepcopy(
            self.pools | {'unlisted': self.unlisted, 'trash': self.trash}
        )

    def on(self, operation, action, when='before', skip=0, times=math.inf):
        """Have something happen at some of the calls of an operation."""
        calls = range(skip, skip + times) if times < math.inf else None
        self._hooks.append((operation, when, skip, calls, action))

    def fail(self, operation, error, **which):
        """Have an operation raise an error, even after it took effect."""

        def action():
            raise error

        self.on(operation, action, **which)

    def run_tasks(self):
        """Do what the manager was given to do."""
        tasks, self.tasks = self.tasks, []
        for pool, name in tasks:
            if stored := self.pools[pool].get(name):
                self.flatten(stored)

    def flatten(self, stored):
        """Flatten an image and, as deep-flatten has it, its snapshots."""
        parent = stored.parent
        for one in (stored, *stored.snapshots.values()):
            one.blocks = _with_parents(one)
            one.parent = None
        self.empty_trash(parent)

    def has_clones(self, snapshot):
        """Tell whether an image, or one's snapshot, reads a snapshot."""
        return any(
            one.parent is snapshot
            for images in self.pools.values()
            for stored in images.values()
            for one in (stored, *stored.snapshots.values())
        )

    def empty_trash(self, snapshot):
        """Remove a snapshot from the trash, unless a clone reads it."""
        if self.has_clones(snapshot):
            return
        for images in self.pools.values():
            for stored in images.values():
                for name, one in list(stored.trash.items()):
                    if one is snapshot:
                        del stored.trash[name]

    def entries(self):
        """Return the journal's entries of uploads."""
        omap = self.omap['volumes'].get('rbd_offload.journal', {})
        return {key: text for key, text in omap.items() if '/' not in key}

    def reach(self, operation, when):
        """Let happen what a test wants at this point."""
        if error := self.dead or self.refusal:
            raise error
        call = self.reached.count((operation, when))
        self.reached.append((operation, when))
        for name, moment, skip, calls, action in self._hooks:
            if (name, moment) == (operation, when) and call >= skip:
                if calls is None or call in calls:
                    action()
        if self.refusal and when != 'after':
            raise self.refusal


def _operation(method):
    """Make a method an operation, which a hook may join or break."""

    @functools.wraps(method)
    def operation(self, *args, **kwargs):
        self.require_usable()
        self.cluster.reach(method.__name__, 'before')
        result = method(self, *args, **kwargs)
        self.cluster.reach(method.__name__, 'after')
        return result

    return operation


def _writing(method):
    """Make a method an operation of an image that is open for writing."""

    @functools.wraps(method)
    def operation(self, *args, **kwargs):
        if self.read_only:
            raise rbd_errors.ReadOnlyImage(method.__name__)
        return method(self, *args, **kwargs)

    return _operation(operation)


class _Opened:
    """Something that a client has to close."""

    def __init__(self, cluster):
        self.cluster = cluster

    def _release(self):
        if self in self.cluster.opened:
            self.cluster.opened.remove(self)


class Rados(_Opened):
    def __init__(self, cluster, rados_id, clustername, conffile):
        super().__init__(cluster)
        self._conf = {
            'keyring': '/etc/ceph/a-keyring',
            'rbd_default_features': '61',
        }
        self.conf_set = self._conf.__setitem__
        self.conf_get = self._conf.get
        self.shutdown = self._release

    def require_usable(self):
        if self not in self.cluster.opened:
            raise rados_errors.NotConnected('not connected')

    def connect(self):
        self.cluster.reach('connect', 'before')
        self.cluster.opened.append(self)

    @_operation
    def get_fsid(self):
        return self.cluster.fsid

    def get_addrs(self):
        return f'192.0.2.1:0/{id(self)}'

    @_operation
    def blocklist_add(self, client_address, expire_seconds=0):
        self.cluster.shut_out.append(client_address)

    @_operation
    def mon_command(self, command, _input):
        asked = json.loads(command)
        if asked['prefix'] == 'df':
            stats = {'max_avail': self.cluster.free, 'stored': 0}
            answer = {
                'pools': [
                    {'name': name, 'stats': stats}
                    for name in self.cluster.pools
                ]
            }
            return 0, json.dumps(answer).encode(), ''
        release = 'mimic' if self.cluster.clone_v2 else 'luminous'
        return 0, f'{release}\n'.encode(), ''

    @_operation
    def mgr_command(self, command, _input, timeout):
        asked = json.loads(command)
        if asked['prefix'] == 'rbd task add flatten':
            pool, image = asked['image_spec'].split('/')
            if image not in self.cluster.pools[pool]:
                return -errno.ENOENT, '', 'no such image'
            self.cluster.tasks.append((pool, image))
        return (
            0,
            json.dumps(
                [
                    {
                        'refs': {
                            'action': 'flatten',
                            'pool_name': pool,
                            'image_name': image,
                        }
                    }
                    for pool, image in self.cluster.tasks
                ]
            ),
            '',
        )

    def open_ioctx(self, ioctx_name):
        self.require_usable()
        self.cluster.reach('open_ioctx', 'before')
        return Ioctx(self.cluster, ioctx_name)


class Ioctx(_Opened):
    def __init__(self, cluster, name):
        super().__init__(cluster)
        if name not in cluster.pools:
            raise rados_errors.ObjectNotFound(f'no pool {name}')
        self.name = name
        # Whether operations fail in a full pool, and do not wait.
        self.full_try = False
        self.close = self._release
        cluster.opened.append(self)

    def require_usable(self):
        if self not in self.cluster.opened:
            raise rados_errors.NotConnected('the I/O context is closed')

    def set_osdmap_full_try(self):
        self.full_try = True

    def set_omap(self, operation, keys, values):
        operation.changes |= dict(zip(keys, values, strict=True))

    def remove_omap_keys(self, operation, keys):
        operation.changes |= dict.fromkeys(keys)

    @_operation
    def operate_write_op(self, operation, name):
        objects = self.cluster.omap[self.name]
        if name not in objects and not operation.creates:
            raise rados_errors.ObjectNotFound(name)
        omap = objects.setdefault(name, {})
        for key, value in operation.expected.items():
            if omap.get(key, b'').decode() != value:
                error = rados_errors.OSError('not as expected')
                error.errno = errno.ECANCELED
                raise error
        for key, value in operation.changes.items():
            omap.pop(key, None)
            if value is not None:
                omap[key] = value

    @_operation
    def remove_object(self, name):
        image = name.removeprefix('rbd_id.')
        if image not in self.images:
            error = rados_errors.ObjectNotFound(name)
            error.errno = errno.ENOENT
            raise error
        self.cluster.unlisted.remove(image)
        del self.images[image]

    def get_omap_vals(self, operation, after, _prefix, limit):
        operation.wanted = after, limit
        return operation.found, 0

    @_operation
    def operate_read_op(self, operation, name):
        omap = self.cluster.omap[self.name]
        if name not in omap:
            raise rados_errors.ObjectNotFound(name)
        after, limit = operation.wanted
        page = sorted(item for item in omap[name].items() if item[0] > after)
        operation.found.extend(page[:limit])

    @property
    def trash(self):
        return self.cluster.trash[self.name]

    @property
    def images(self):
        if self not in self.cluster.opened:
            raise rados_errors.NotConnected('the I/O context is closed')
        return self.cluster.pools[self.name]


class WriteOp:
    def __init__(self):
        self.creates = False
        self.expected = {}
        self.changes = {}

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def new(self, exclusive):
        if exclusive != 0:
            raise NotImplementedError('but an object that may be there')
        self.creates = True

    def omap_cmp(self, key, value):
        self.expected[key] = value


class ReadOp:
    def __init__(self):
        self.found = []

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass


class RBD:
    def __init__(self, cluster):
        self.cluster = cluster

    def require_usable(self):
        pass

    def version(self):
        return (1, 16, 0)

    @_operation
    def list(self, ioctx):
        return [*ioctx.images.keys() - self.cluster.unlisted]

    @_operation
    def list2(self, ioctx):
        for name in ioctx.images.keys() - self.cluster.unlisted:
            yield {'id': ioctx.images[name].id, 'name': name}

    @_operation
    def trash_move(self, ioctx, name, delay):
        ioctx.trash[name] = ioctx.images.pop(name)

    @_operation
    def trash_list(self, ioctx):
        for name, stored in ioctx.trash.items():
            yield {'id': stored.id, 'name': name}

    @_operation
    def create(self, ioctx, name, size):
        if name in ioctx.images:
            raise rbd_errors.ImageExists(name)
        ioctx.images[name] = Stored(size)

    @_operation
    def clone(
        self, p_ioctx, p_name, p_snapname, c_ioctx, c_name, features=61, **form
    ):
        stored = _find(p_ioctx.images, p_name)
        snapshot = _find(stored.snapshots, p_snapname)
        if not self.cluster.clone_v2 and not snapshot.protected:
            raise rbd_errors.InvalidArgument('parent is not protected')
        if c_name in c_ioctx.images:
            raise rbd_errors.ImageExists(c_name)
        c_ioctx.images[c_name] = Stored(
            snapshot.size,
            metadata=dict(stored.metadata),
            parent=snapshot,
            features=features,
            form=form,
        )

    @_operation
    def rename(self, ioctx, src, dest):
        stored = _find(ioctx.images, src)
        if dest in ioctx.images:
            raise rbd_errors.ImageExists(dest)
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

    @_operation
    def remove(self, ioctx, name):
        if name in self.cluster.unlisted:
            raise AssertionError(f'{name} is the half of a rename')
        stored = _find(ioctx.images, name)
        if stored.snapshots or stored.trash:
            raise rbd_errors.ImageHasSnapshots(name)
        handles = (h for h in self.cluster.opened if isinstance(h, Image))
        if any(h.stored is stored and not h.read_only for h in handles):
            raise rbd_errors.ImageBusy(name)
        stored.headless = True
        self.cluster.reach('remove', 'half')
        del ioctx.images[name]
        if stored.parent:
            self.cluster.empty_trash(stored.parent)


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


class Image(_Opened):
    def __init__(
        self, ioctx, name, snapshot=None, read_only=False, image_id=None
    ):
        super().__init__(ioctx.cluster)
        self.cluster.reach('open', 'before')
        if image_id is None:
            self.stored = self._seen = _find(ioctx.images, name)
        else:
            trash = {one.id: one for one in ioctx.trash.values()}
            self.stored = self._seen = _find(trash, image_id)
        if self.stored.headless:
            raise rbd_errors.ImageNotFound(name)
        if snapshot is not None:
            self._seen = _find(self.stored.snapshots, snapshot)
        self.read_only = read_only or snapshot is not None
        self.cluster.opened.append(self)

    def require_usable(self):
        if self not in self.cluster.opened:
            raise rbd_errors.InvalidArgument('image is closed')

    def close(self):
        if self in self.cluster.opened:
            self._release()
            self.cluster.reach('close', 'after')

    @_operation
    def size(self):
        return self._seen.size

    @_operation
    def read(self, offset, length):
        return content(self._seen)[offset : offset + length]

    @_operation
    def aio_read(self, offset, length, oncomplete, fadvise_flags=0):
        completion = Completion(self, offset, length, oncomplete)
        self.cluster.reading.append(completion)
        return completion

    @_writing
    def write(self, data, offset):
        end = offset + len(data)
        if end > self.stored.size:
            raise rbd_errors.InvalidArgument('beyond the end of the image')
        whole = bytearray(content(self.stored))
        whole[offset:end] = data
        for block in range(offset // BLOCK, -(-end // BLOCK)):
            start = block * BLOCK
            self.stored.blocks[block] = bytes(whole[start : start + BLOCK])
        return len(data)

    @_operation
    def copy(self, dest_ioctx, dest_name, features, **form):
        if dest_name in dest_ioctx.images:
            raise rbd_errors.ImageExists(dest_name)
        target = dest_ioctx.images[dest_name] = Stored(
            self._seen.size, features=features, form=form
        )
        self.cluster.reach('copy', 'half')
        if target.size < self._seen.size:
            raise rbd_errors.InvalidArgument('beyond the end of the image')
        # As librbd 16.2.15 copies a snapshot: what is the parent's is lost.
        target.blocks.update(self._seen.blocks)
        target.metadata.update(self.stored.metadata)

    @_operation
    def parent_info(self):
        if self._seen.parent is None:
            raise rbd_errors.ImageNotFound('no parent')
        return ('images', 'parent', 'snap')

    @_operation
    def id(self):
        return self.stored.id

    @_operation
    def features(self):
        return self.stored.features

    @_operation
    def flags(self):
        return self._seen.flags

    @_writing
    def update_features(self, features, enabled):
        if not enabled or features & ~24:
            raise NotImplementedError('but to enable the object map')
        self.stored.features |= features
        for one in (self.stored, *self.stored.snapshots.values()):
            one.flags = 3

    @_operation
    def lock_acquire(self, lock_mode):
        if self._seen is not self.stored:
            raise rbd_errors.InvalidArgument('a snapshot has no lock')

    @_operation
    def rebuild_object_map(self):
        self._seen.flags = 0

    @_operation
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
        blocks = _with_parents(seen) if include_parent else seen.blocks
        for block in sorted(blocks):
            iterate_cb(block * BLOCK, BLOCK, True)

    @_writing
    def resize(self, size):
        self.stored.size = size

    @_writing
    def flatten(self, on_progress):
        if self.stored.parent is None:
            raise rbd_errors.InvalidArgument('image has no parent')
        self.cluster.reach('flatten', 'half')
        blocks = _with_parents(self.stored)
        for number in range(len(blocks)):
            if on_progress(number, len(blocks)) < 0:
                raise rbd_errors.OperationCanceled('as it was told')
        self.cluster.flatten(self.stored)

    @_operation
    def watchers_list(self):
        handles = (h for h in self.cluster.opened if isinstance(h, Image))
        return iter(
            [
                {'addr': 'somewhere', 'id': 1, 'cookie': 1}
                for handle in handles
                if handle.stored is self.stored and not handle.read_only
            ]
        )

    @_operation
    def list_snaps(self):
        for name, one in self.stored.snapshots.items():
            yield {'id': one.id, 'size': one.size, 'name': name} | {
                'namespace': 0
            }
        for name, one in self.stored.trash.items():
            # Ceph gives it another name.
            new = str(uuid.UUID(int=one.id))
            yield {'id': one.id, 'size': one.size, 'name': new} | {
                'namespace': RBD_SNAP_NAMESPACE_TYPE_TRASH,
                'trash': {'original_name': name},
            }

    @_writing
    def create_snap(self, name):
        if name in self.stored.snapshots:
            raise rbd_errors.ImageExists(name)
        self.stored.snapshots[name] = Snapshot(
            id=len(self.stored.snapshots) + 1,
            size=self.stored.size,
            blocks=dict(self.stored.blocks),
            parent=self.stored.parent,
        )

    @_writing
    def remove_snap(self, name):
        if _find(self.stored.snapshots, name).protected is not False:
            raise rbd_errors.ImageBusy(name)
        self.stored.trash[name] = self.stored.snapshots.pop(name)
        self.cluster.reach('remove_snap', 'half')
        self.cluster.empty_trash(self.stored.trash[name])

    @_writing
    def remove_snap_by_id(self, snap_id):
        for snapshot in list(self.stored.trash.values()):
            if snapshot.id == snap_id:
                if self.cluster.has_clones(snapshot):
                    raise rbd_errors.ImageBusy(f'{snap_id} has clones')
                self.cluster.empty_trash(snapshot)
                return
        raise rbd_errors.ImageNotFound(f'no snapshot {snap_id}')

    @_operation
    def is_protected_snap(self, name):
        return _find(self.stored.snapshots, name).protected is True

    @_writing
    def protect_snap(self, name):
        snapshot = _find(self.stored.snapshots, name)
        if snapshot.protected:
            raise rbd_errors.ImageBusy(name)
        snapshot.protected = True

    @_writing
    def unprotect_snap(self, name):
        snapshot = _find(self.stored.snapshots, name)
        if snapshot.protected is False:
            raise rbd_errors.InvalidArgument(name)
        snapshot.protected = None
        self.cluster.reach('unprotect_snap', 'half')
        snapshot.protected = False

    @_operation
    def metadata_list(self):
        yield from self.stored.metadata.items()

    @_writing
    def metadata_set(self, key, value):
        self.stored.metadata[key] = value

    @_writing
    def metadata_remove(self, key):
        del self.stored.metadata[key]


def content(stored):
    """Return all bytes of an image or a snapshot, holes as zeros."""
    blocks = range(-(-stored.size // BLOCK))
    whole = b''.join(stored.blocks.get(b, bytes(BLOCK)) for b in blocks)
    return whole[: stored.size]


def _with_parents(seen):
    inherited = _with_parents(seen.parent) if seen.parent else {}
    return inherited | seen.blocks


def _find(where, name):
    if name not in where:
        raise rbd_errors.ImageNotFound(name)
    return where[name]
