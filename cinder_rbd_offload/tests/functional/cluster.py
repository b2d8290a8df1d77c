# SPDX-License-Identifier: Apache-2.0
"""The lab's Ceph cluster as its operator sees it, past all drivers."""

from collections.abc import Iterator
import contextlib
import json
import pathlib
import time
from typing import Any

import rados
import rbd as librbd

from cinder_rbd_offload import ceph as offload_ceph
from lab import ceph
from lab import rbd
from lab import service
from lab import state as lab_state

SECONDS = 120
# The OSD's own bookkeeping between two looks, in bytes.
STILL_BYTES = 256 << 10
STILL_SECONDS = 0.3

# What lets the manager open images and keep its tasks, but not write data.
_NO_DATA = 'allow rx' + ''.join(
    f', allow rwx object_prefix {prefix}'
    for prefix in ('rbd_task', 'rbd_header', 'rbd_object_map')
)

_SAME_OSD = (
    """
rule same-osd {
    id 77
    type erasure
    min_size 3
    max_size 3
"""
    + 3
    * """
    step take default
    step choose indep 1 type osd
    step emit
"""
    + '}\n'
)


class Cluster:
    """The cluster of Cinder's volumes and Glance's default store."""

    def __init__(self, state: lab_state.State) -> None:
        self._state = state
        self._osd = ceph.Osd(state)

    def ceph(self, *words: str) -> Any:
        """Run a ``ceph`` command and return what it says, as objects."""
        text = self._osd.admin(*words, '-f', 'json')
        return json.loads(text) if text.strip() else None

    def rbd(self, *words: str) -> Any:
        """Run an ``rbd`` command that knows JSON."""
        return json.loads(self.change(*words, '--format', 'json') or '[]')

    def change(self, *words: str) -> str:
        """Run an ``rbd`` command and return what it says."""
        return self._osd.run('rbd', '-c', self._osd.conf, *words)

    def tasks(self) -> list[dict[str, Any]]:
        """List what the manager has to do, as ``rbd task list`` does."""
        return list(self.ceph('rbd', 'task', 'list'))

    @contextlib.contextmanager
    def caps(self, user: str, **changes: str) -> Iterator[None]:
        """Change a user's caps for a while.

        :param changes: what is '' is taken away
        """
        self._osd.set_caps(user, **changes)
        try:
            yield
        finally:
            self._osd.set_caps(user)

    @contextlib.contextmanager
    def glance_reads_volumes(self) -> Iterator[None]:
        """Let Glance's user read the volumes' pool for a while."""
        caps = ceph.CAPS['glance']['osd'] + ceph.READS_VOLUMES
        with self.caps('glance', osd=caps):
            try:
                yield
            finally:
                self.forget()

    @contextlib.contextmanager
    def config(self, who: str, option: str, value: str) -> Iterator[None]:
        """Set an option in the monitors' configuration for a while."""
        self._osd.admin('config', 'set', who, option, value)
        try:
            yield
        finally:
            self._osd.admin('config', 'rm', who, option)

    @contextlib.contextmanager
    def erasure_coded_pool(self) -> Iterator[str]:
        """Have a pool for a while that can hold data, but no metadata.

        All chunks of an object are on the only OSD, by a rule that takes it
        again and again.
        """
        name = 'erasure'
        folder = self._state.folder('erasure')
        profile = ('osd', 'erasure-code-profile', 'set', name)
        self._osd.admin(*profile, 'k=2', 'm=1', 'crush-failure-domain=osd')
        text, binary = folder / 'map', folder / 'map.bin'
        before = folder / 'before.bin'
        self._osd.admin('osd', 'getcrushmap', '-o', str(before))
        self._osd.run('crushtool', '-d', before, '-o', text)
        with text.open('a') as file:
            file.write(_SAME_OSD)
        self._osd.run('crushtool', '-c', text, '-o', binary)
        self._osd.admin('osd', 'setcrushmap', '-i', str(binary))
        create = ('osd', 'pool', 'create', name, '8', '8', 'erasure', name)
        self._osd.admin(*create, 'same-osd')
        self._osd.admin(
            *('osd', 'pool', 'set', name, 'allow_ec_overwrites', 'true')
        )
        self._osd.admin('osd', 'pool', 'application', 'enable', name, 'rbd')
        try:
            yield name
        finally:
            with self.config('mon', 'mon_allow_pool_delete', 'true'):
                self._osd.admin(
                    *('osd', 'pool', 'rm', name, name),
                    '--yes-i-really-really-mean-it',
                )
            self._osd.admin('osd', 'setcrushmap', '-i', str(before))
            self._osd.admin('osd', 'erasure-code-profile', 'rm', name)

    @contextlib.contextmanager
    def failing_flattens(self) -> Iterator[None]:
        """Have the manager fail at what it has to do, for a while.

        It takes tasks, and tries each again, but may not write data.
        Caps count from its next start on.
        """
        self._restart_manager(_NO_DATA)
        try:
            yield
        finally:
            self._restart_manager('allow *')

    def _restart_manager(self, osd: str) -> None:
        manager = ceph.Manager(self._state)
        words = ('mon', 'allow profile mgr', 'osd', osd, 'mds', 'allow *')
        self._osd.admin('auth', 'caps', manager.daemon, *words)
        manager.down()
        manager.up()

    def cancel(self, image: str) -> None:
        """Have the manager forget what it has to do with an image."""
        for task in self.tasks():
            if task['refs']['image_name'] == image:
                self.ceph('rbd', 'task', 'cancel', task['id'])

    def journal(self) -> dict[str, str]:
        """Return the entries of uploads that are under way."""
        with rbd.pool(self._state, 'volumes') as ioctx:
            entries = offload_ceph.Table(rados, ioctx).read()
            return {
                key: text
                for key, text in entries.items()
                if '/' not in key and '"stage": "ended"' not in text
            }

    def strike(self, image_id: str) -> None:
        """Take an entry out of the driver's journal."""
        with rbd.pool(self._state, 'volumes') as ioctx:
            table = offload_ceph.Table(rados, ioctx)
            table.swap(image_id, table.read()[image_id], '')

    def forget(self) -> None:
        """Have the driver forget whether Glance reads the volumes' pool."""
        with rbd.pool(self._state, 'volumes') as ioctx:
            table = offload_ceph.Table(rados, ioctx)
            for key, value in table.read().items():
                if '/' in key:
                    table.swap(key, value, '')

    def contents(self) -> set[str]:
        """Name all that there is: in the pools, their trash, and besides.

        That is images, snapshots of any kind, what the manager has to do,
        and the journal's entries.
        """
        found = {f'task: {task["message"]}' for task in self.tasks()}
        found |= {f'journal: {key}' for key in self.journal()}
        for name in ceph.POOLS:
            with rbd.pool(self._state, name) as pool:
                trash = librbd.RBD().trash_list(pool)
                found |= {f'trash of {name}: {one["name"]}' for one in trash}
                found |= _images(name, pool)
        return found

    def parent(self, image: str, pool: str = 'images') -> str:
        """Return the image that an image still gets data from, or ''."""
        with rbd.pool(self._state, pool) as ioctx:
            with librbd.Image(ioctx, image, read_only=True) as handle:
                try:
                    return '/'.join(handle.parent_info()[:2])
                except librbd.ImageNotFound:
                    return ''

    def settled(self) -> int:
        """Return the bytes that data takes in the OSD, in all pools.

        Waits until nothing is written or removed any more.
        """
        seen = [-STILL_BYTES]

        def still() -> bool:
            time.sleep(STILL_SECONDS)
            seen.append(self._allocated())
            return abs(seen[-1] - seen[-2]) < STILL_BYTES

        service.wait("the OSD's space", still, SECONDS)
        return seen[-1]

    def _allocated(self) -> int:
        socket: pathlib.Path = self._osd.base / 'osd.asok'
        text = self._osd.run('ceph', '--admin-daemon', socket, 'perf', 'dump')
        return int(json.loads(text)['bluestore']['bluestore_allocated'])


def _images(name: str, pool: Any) -> set[str]:
    found = set()
    for image in librbd.RBD().list(pool):
        found.add(f'{name}/{image}')
        try:
            with librbd.Image(pool, image, read_only=True) as handle:
                snapshots = list(handle.list_snaps())
        # It was removed just now.
        except librbd.ImageNotFound:
            continue
        for one in snapshots:
            kind = ' in the trash' if one.get('namespace') else ''
            found.add(f'{name}/{image}@{one["name"]}{kind}')
    return found
