# SPDX-License-Identifier: Apache-2.0
"""Looks at everything that a fault could have left something in."""

from collections.abc import Iterator
import contextlib
import datetime
import json
import pathlib
from typing import Any
import uuid

import rados
import rbd

from faults import audit
from lab import client
from lab import state as lab_state

JOURNAL = 'rbd_offload.journal'
IMPORT_LOCK = 'os_glance_import_task'
TEMPORARY = ('cinder/tmp', 'cinder/conversion')
# Seconds that Ceph has for one answer.
PATIENCE = '20'
# Keys of the journal read at once.
KEYS = 10000


class Observer:
    """Sees a lab as its operator does, with the keys of the administrators.

    :param state: the lab's
    """

    def __init__(self, state: lab_state.State) -> None:
        self._state = state
        self._admin = client.connect(state, 'admin')

    def look(self, expected: dict[str, str]) -> audit.Observation:
        """Look at everything once.

        :param expected: the volumes that there should be
        """
        with self.cluster() as cluster:
            with contextlib.ExitStack() as stack:
                volumes, images = (
                    stack.enter_context(cluster.open_ioctx(name))
                    for name in ('volumes', 'images')
                )
                # First what is seen in the cluster, then who claims it: an
                # image that turns active in between has its data.
                return audit.Observation(
                    expected=dict(expected),
                    journal=tuple(_journal(volumes)),
                    tasks=tuple(_tasks(cluster)),
                    volume_pool=tuple(_disks(volumes)),
                    image_pool=tuple(_disks(images)),
                    trash=(*_trash(volumes), *_trash(images)),
                    images=tuple(self._images()),
                    volumes=self._volumes(),
                    files=tuple(self._files()),
                    trusts=tuple(self._trusts()),
                )

    @contextlib.contextmanager
    def cluster(self) -> Iterator[Any]:
        """Connect to the cluster as client.admin; never waits for ever."""
        patience = {'rados_osd_op_timeout': PATIENCE}
        patience['rados_mon_op_timeout'] = PATIENCE
        conf = str(self._state.root / 'ceph' / 'ceph.conf')
        with rados.Rados(conffile=conf, conf=patience) as cluster:
            yield cluster

    def _images(self) -> Iterator[audit.Image]:
        for image in self._admin.image.images():
            yield audit.Image(
                id=image.id,
                status=image.status,
                size=image.size,
                lock=(image.properties or {}).get(IMPORT_LOCK) or '',
            )

    def _volumes(self) -> dict[str, str]:
        volumes = self._admin.block_storage.volumes(all_projects=True)
        return {volume.id: volume.status for volume in volumes}

    def _files(self) -> Iterator[str]:
        for folder in TEMPORARY:
            top: pathlib.Path = self._state.root / folder
            for path in top.rglob('*'):
                if path.is_file():
                    yield str(path.relative_to(self._state.root))

    def _trusts(self) -> Iterator[str]:
        answer = self._admin.identity.get('/OS-TRUST/trusts')
        answer.raise_for_status()
        now = datetime.datetime.now(datetime.UTC)
        for trust in answer.json()['trusts']:
            end = trust.get('expires_at')
            if not end or datetime.datetime.fromisoformat(end) > now:
                yield trust['id']


def _journal(ioctx: Any) -> list[str]:
    """List the images with an entry; other keys are the journal's own."""
    with rados.ReadOpCtx() as operation:
        entries, _result = ioctx.get_omap_vals(operation, '', '', KEYS)
        try:
            ioctx.operate_read_op(operation, JOURNAL)
        except rados.ObjectNotFound:
            return []
        return [key for key, _value in entries if _is_uuid(key)]


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _tasks(cluster: Any) -> list[str]:
    command = {'prefix': 'rbd task list', 'format': 'json'}
    code, output, error = cluster.mgr_command(json.dumps(command), b'')
    if code:
        raise rados.Error(f'rbd task list: {error}', abs(code))
    return [task['message'] for task in json.loads(output or b'[]')]


def _trash(ioctx: Any) -> list[str]:
    """List what is in the trash, and names that a rename has left by half."""
    trash = [entry['name'] for entry in rbd.RBD().trash_list(ioctx)]
    listed = {f'rbd_id.{name}' for name in rbd.RBD().list(ioctx)}
    named = {one.key for one in ioctx.list_objects()}
    halves = {key for key in named - listed if key.startswith('rbd_id.')}
    return [f'{ioctx.name}/{name}' for name in [*trash, *sorted(halves)]]


def _disks(ioctx: Any) -> Iterator[audit.Disk]:
    for name in rbd.RBD().list(ioctx):
        # It may be going just now.
        with contextlib.suppress(rbd.ImageNotFound):
            with rbd.Image(ioctx, name, read_only=True) as image:
                yield _disk(name, image)


def _disk(name: str, image: Any) -> audit.Disk:
    return audit.Disk(
        name=name,
        size=image.size(),
        snapshots=tuple(_snapshots(image)),
        parent=_parent(image),
        watchers=tuple(
            sorted(watcher['addr'] for watcher in image.watchers_list())
        ),
    )


def _snapshots(image: Any) -> Iterator[audit.Snapshot]:
    for snapshot in list(image.list_snaps()):
        trashed = snapshot['namespace'] == rbd.RBD_SNAP_NAMESPACE_TYPE_TRASH
        name = snapshot['name']
        yield audit.Snapshot(
            name=name,
            protected=not trashed and image.is_protected_snap(name),
            trashed=trashed,
        )


def _parent(image: Any) -> str:
    try:
        pool, parent, snapshot = image.parent_info()
    except rbd.ImageNotFound:
        return ''
    return f'{pool}/{parent}@{snapshot}'
