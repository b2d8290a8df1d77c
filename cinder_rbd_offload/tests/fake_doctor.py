# SPDX-License-Identifier: Apache-2.0
"""The cluster in memory, with what only the doctor asks of one.

That is the daemons' commands, omap, and cephx: ``Cluster.denied`` has what is
not permitted, each as ``mon``, ``mgr``, or a pool that cannot be written.
"""

import errno
import functools
import json

from cinder_rbd_offload.tests import fake_ceph


def _denied(errors, what):
    error = errors.PermissionError(f'{what} is denied')
    error.errno = errno.EPERM
    return error


class Cluster(fake_ceph.Cluster):
    """A cluster.

    :ivar answers: what the monitors answer, by the command
    :ivar tasks: the manager's, each an id and an image
    :ivar idle: whether the manager never comes to its tasks
    :ivar data_pools: the default data pool for images of a pool
    :ivar objects: the objects with an omap, by pool
    """

    def __init__(self, **options):
        super().__init__(**options)
        self.denied = set()
        self.answers = {
            'osd get-require-min-compat-client': 'mimic\n',
            'df': json.dumps(
                {
                    'pools': [
                        {'name': pool, 'stats': {'max_avail': 100 << 30}}
                        for pool in self.pools
                    ]
                }
            ),
        }
        self.tasks = []
        self.idle = False
        self.data_pools = {}
        self.objects = {pool: {} for pool in self.pools}
        self.rbd.RBD = functools.partial(RBD, self)
        self.rbd.Image = Image
        self.rados.Rados = functools.partial(Rados, self)
        self.rados.WriteOpCtx = self.rados.ReadOpCtx = Operation

    def require(self, errors, what):
        if what in self.denied:
            raise _denied(errors, what)


class Operation(list):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class Rados(fake_ceph.Rados):
    def open_ioctx(self, ioctx_name):
        self.require_usable()
        self.cluster.reach('open_ioctx', 'before')
        return Ioctx(self.cluster, ioctx_name)

    def pool_exists(self, name):
        return name in self.cluster.pools

    def pool_reverse_lookup(self, number):
        return list(self.cluster.pools)[number]

    def mon_command(self, command, _input):
        words = json.loads(command)
        if words['prefix'] == 'osd blocklist':
            if 'mon' in self.cluster.denied:
                return -errno.EACCES, b'', 'access denied'
            return -errno.EINVAL, b'', 'unable to parse address'
        answer = self.cluster.answers.get(words['prefix'])
        if answer is None:
            return -errno.EACCES, b'', 'access denied'
        return 0, answer.encode(), ''

    def mgr_command(self, command, _input, timeout=0):
        words = json.loads(command)
        prefix = words['prefix']
        self.cluster.reach(prefix, 'before')
        if 'mgr' in self.cluster.denied:
            return -errno.EACCES, b'', 'access denied'
        if prefix == 'rbd task list':
            listed = [
                {'id': number, 'refs': {'image_name': image}}
                for number, image in self.cluster.tasks
            ]
            if self.cluster.tasks and not self.cluster.idle:
                self.cluster.tasks.pop(0)
            return 0, json.dumps(listed).encode(), ''
        if prefix == 'rbd task cancel':
            self.cluster.tasks = [
                task
                for task in self.cluster.tasks
                if task[0] != words['task_id']
            ]
            return 0, b'', ''
        assert prefix == 'rbd task add flatten'
        pool, _slash, image = words['image_spec'].partition('/')
        if f'mgr {pool}' in self.cluster.denied:
            return -errno.EACCES, b'', 'not authorized'
        assert self.cluster.pools[pool][image].parent
        self.cluster.tasks.append(('a-task', image))
        return 0, b'', ''


class Ioctx(fake_ceph.Ioctx):
    def set_omap(self, operation, keys, values):
        operation.append(dict(zip(keys, values, strict=True)))

    def operate_write_op(self, operation, name):
        self.cluster.require(fake_ceph.errors.rados, self.name)
        self.cluster.objects[self.name][name] = operation[0]

    def get_omap_vals(self, operation, after, prefix, count):
        operation.after = after
        return operation, 0

    def operate_read_op(self, operation, name):
        self.cluster.require(fake_ceph.errors.rados, self.name)
        if name not in self.cluster.objects[self.name]:
            raise fake_ceph.errors.rados.ObjectNotFound(name)
        operation.extend(
            (key, value if isinstance(value, bytes) else value.encode())
            for key, value in self.cluster.objects[self.name][name].items()
            if key > operation.after
        )

    def remove_object(self, name):
        if name.startswith('rbd_id.'):
            return super().remove_object(name)
        self.cluster.reach('remove_object', 'before')
        self.cluster.require(fake_ceph.errors.rados, self.name)
        if self.cluster.objects[self.name].pop(name, None) is None:
            raise fake_ceph.errors.rados.ObjectNotFound(name)


class RBD(fake_ceph.RBD):
    def create(self, ioctx, name, size, data_pool=None):
        self.cluster.require(fake_ceph.errors.rbd, ioctx.name)
        super().create(ioctx, name, size)
        self._place(ioctx, name, data_pool)

    def clone(self, p_ioctx, p_name, p_snapname, c_ioctx, c_name, **options):
        data_pool = options.pop('data_pool', None)
        self.cluster.require(fake_ceph.errors.rbd, c_ioctx.name)
        super().clone(p_ioctx, p_name, p_snapname, c_ioctx, c_name, **options)
        self._place(c_ioctx, c_name, data_pool)

    def _place(self, ioctx, name, data_pool):
        usual = self.cluster.data_pools.get(ioctx.name, ioctx.name)
        ioctx.images[name].data_pool = data_pool or usual


class Image(fake_ceph.Image):
    def __init__(self, ioctx, name, snapshot=None, read_only=False):
        super().__init__(ioctx, name, snapshot, read_only)
        self._own = ioctx.name

    @property
    def _data_pool(self):
        return getattr(self.stored, 'data_pool', self._own)

    def data_pool_id(self):
        return list(self.cluster.pools).index(self._data_pool)

    def stat(self):
        return {'obj_size': fake_ceph.BLOCK}

    def write(self, data, offset):
        self.cluster.require(fake_ceph.errors.rbd, self._data_pool)
        return super().write(data, offset)

    def flatten(self, on_progress=lambda done, total: 0):
        super().flatten(on_progress)
