# SPDX-License-Identifier: Apache-2.0
"""The names of the module ``rados``."""

import errno
import json

from cinder_rbd_offload.tests.fake_ceph import errors
from cinder_rbd_offload.tests.fake_ceph import opened


class Rados(opened.Opened):
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
            raise errors.rados.NotConnected('not connected')

    def connect(self):
        self.cluster.reach('connect', 'before')
        self.cluster.opened.append(self)

    @opened.operation
    def get_fsid(self):
        return self.cluster.fsid

    def get_addrs(self):
        return f'192.0.2.1:0/{id(self)}'

    @opened.operation
    def blocklist_add(self, client_address, expire_seconds=0):
        self.cluster.shut_out.append(client_address)

    @opened.operation
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

    @opened.operation
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


class Ioctx(opened.Opened):
    def __init__(self, cluster, name):
        super().__init__(cluster)
        if name not in cluster.pools:
            raise errors.rados.ObjectNotFound(f'no pool {name}')
        self.name = name
        # Whether operations fail in a full pool, and do not wait.
        self.full_try = False
        self.close = self._release
        cluster.opened.append(self)

    def require_usable(self):
        if self not in self.cluster.opened:
            raise errors.rados.NotConnected('the I/O context is closed')

    def set_osdmap_full_try(self):
        self.full_try = True

    def set_omap(self, operation, keys, values):
        operation.changes |= dict(zip(keys, values, strict=True))

    def remove_omap_keys(self, operation, keys):
        operation.changes |= dict.fromkeys(keys)

    @opened.operation
    def operate_write_op(self, operation, name):
        objects = self.cluster.omap[self.name]
        if name not in objects and not operation.creates:
            raise errors.rados.ObjectNotFound(name)
        omap = objects.setdefault(name, {})
        for key, value in operation.expected.items():
            if omap.get(key, b'').decode() != value:
                error = errors.rados.OSError('not as expected')
                error.errno = errno.ECANCELED
                raise error
        for key, value in operation.changes.items():
            # In one step, for threads that look at it meanwhile.
            if value is None:
                omap.pop(key, None)
            else:
                omap[key] = value

    @opened.operation
    def remove_object(self, name):
        image = name.removeprefix('rbd_id.')
        if image not in self.images:
            error = errors.rados.ObjectNotFound(name)
            error.errno = errno.ENOENT
            raise error
        self.cluster.unlisted.remove(image)
        del self.images[image]

    def get_omap_vals(self, operation, after, _prefix, limit):
        operation.wanted = after, limit
        return operation.found, 0

    @opened.operation
    def operate_read_op(self, operation, name):
        omap = self.cluster.omap[self.name]
        if name not in omap:
            raise errors.rados.ObjectNotFound(name)
        after, limit = operation.wanted
        page = sorted(item for item in omap[name].items() if item[0] > after)
        operation.found.extend(page[:limit])

    @property
    def images(self):
        if self not in self.cluster.opened:
            raise errors.rados.NotConnected('the I/O context is closed')
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
