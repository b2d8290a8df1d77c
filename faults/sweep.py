# SPDX-License-Identifier: Apache-2.0
"""Empties a lab by force after a bad round, so that the next can be good."""

import contextlib
import json
from typing import Any

import rados
import rbd

from faults import audit
from faults import hashing
from faults import observe
from faults import stage as stage_
from faults import volumes as volumes_
from lab import client
from lab import service

SECONDS = 120


def sweep(
    stage: stage_.Stage,
    observer: observe.Observer,
    volumes: volumes_.Volumes,
) -> None:
    """Remove everything that a round can leave.

    :raises Failed: when something cannot be removed
    """
    # In a state that each of its processes has begun anew.
    for name in stage.hosts:
        stage.kill(name)
    for name in stage.hosts:
        stage.launch(name)
    stage.await_processes()
    admin = client.connect(stage.state, 'admin')
    last: list[str] = []

    def clean() -> bool:
        _sweep_once(stage, observer, admin, volumes)
        seen = observer.look(volumes.expected)
        last[:] = audit.complaints(seen)
        return not last and not seen.images

    try:
        service.wait('an empty lab', clean, SECONDS)
    except service.Failed as exc:
        raise service.Failed(f'{exc} {last}') from exc


def _sweep_once(
    stage: stage_.Stage,
    observer: observe.Observer,
    admin: Any,
    volumes: volumes_.Volumes,
) -> None:
    with observer.cluster() as cluster:
        for task in _tasks(cluster, 'rbd task list'):
            _tasks(cluster, 'rbd task cancel', task_id=task['id'])
        images = list(admin.image.images())
        locks = [
            (image.properties or {}).get(observe.IMPORT_LOCK)
            for image in images
        ]
        tasks = stage.state.folder('glance/tasks')
        with hashing.ended(tasks, filter(None, locks)):
            for image in images:
                with contextlib.suppress(Exception):
                    admin.image.delete_image(image)
        with cluster.open_ioctx('images') as ioctx:
            _empty_trash(ioctx)
            for name in rbd.RBD().list(ioctx):
                remove(ioctx, name)
        with cluster.open_ioctx('volumes') as ioctx:
            with contextlib.suppress(rados.ObjectNotFound):
                ioctx.remove_object(observe.JOURNAL)
            _empty_trash(ioctx)
            for name in rbd.RBD().list(ioctx):
                _drop_snapshots(ioctx, name)
    for trust in admin.identity.get('/OS-TRUST/trusts').json()['trusts']:
        admin.identity.delete(f'/OS-TRUST/trusts/{trust["id"]}')
    for folder in observe.TEMPORARY:
        for path in (stage.state.root / folder).rglob('*'):
            if path.is_file():
                path.unlink()
    storage = admin.block_storage
    for volume in storage.volumes(all_projects=True):
        if volume.id not in volumes.expected:
            storage.delete_volume(volume, force=True)
        elif volume.status != volumes.expected[volume.id]:
            storage.reset_volume_status(volume, volumes.expected[volume.id])


def remove(ioctx: Any, name: str) -> None:
    """Remove an RBD image with its snapshots; fine if it is gone or open."""
    with contextlib.suppress(rbd.ImageNotFound, rbd.ImageBusy):
        _drop_snapshots(ioctx, name)
        rbd.RBD().remove(ioctx, name)


def _drop_snapshots(ioctx: Any, name: str) -> None:
    with contextlib.suppress(rbd.ImageNotFound):
        with rbd.Image(ioctx, name) as image:
            for snapshot in list(image.list_snaps()):
                with contextlib.suppress(rbd.ImageBusy):
                    if (
                        snapshot['namespace']
                        == rbd.RBD_SNAP_NAMESPACE_TYPE_TRASH
                    ):
                        image.remove_snap_by_id(snapshot['id'])
                        continue
                    if image.is_protected_snap(snapshot['name']):
                        image.unprotect_snap(snapshot['name'])
                    image.remove_snap(snapshot['name'])


def _empty_trash(ioctx: Any) -> None:
    for entry in rbd.RBD().trash_list(ioctx):
        with contextlib.suppress(rbd.Error):
            rbd.RBD().trash_restore(ioctx, entry['id'], entry['name'])


def _tasks(cluster: Any, prefix: str, **words: str) -> Any:
    command = {'prefix': prefix, 'format': 'json'} | words
    _code, output, _error = cluster.mgr_command(json.dumps(command), b'')
    return json.loads(output or b'[]')
