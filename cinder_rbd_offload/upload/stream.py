# SPDX-License-Identifier: Apache-2.0
"""Streams a volume to Glance, from a snapshot, so that it is one instant."""

from collections.abc import Callable
import contextlib
from typing import Any
from typing import Protocol

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import form as form_
from cinder_rbd_offload.upload import source as source_

LOG = logging.getLogger(__name__)


class Sink(Protocol):
    """Where the data goes."""

    def send(self, body: body_.Body) -> None:
        """Send it all, and see that it arrived."""
        ...


def stream(
    pool: ceph.Pool,
    volume: str,
    snapshot: str,
    ahead: int,
    form: form_.Form,
    sink: Sink,
    check: Callable[[], None],
    report: Callable[[int, int], object],
    native: Callable[[Any], Any],
) -> bool:
    """Send a volume's data; the snapshot that it is read from is temporary.

    :param volume: the volume's RBD image
    :param snapshot: what to call the snapshot
    :param ahead: the bytes that are read ahead, at most
    :param form: what to send of it
    :param check: raises what is to end the upload
    :param report: takes what is done, and how much that is of what
    :param native: puts an object's blocking methods on native threads
    :returns: False where the image is whole, and the snapshot could not be
        removed
    :raises NotUndone: when it failed, and the snapshot could not be removed
    :raises OffloadError: when it failed
    """
    pool.snapshot(volume, snapshot)
    try:
        source = source_.Source(pool.open_snapshot(volume, snapshot), ahead)
        with contextlib.closing(native(source)):

            def used() -> int | None:
                return pool.used(volume, snapshot)

            def look(done: float) -> None:
                report(int(done * source.size), source.size)
                check()

            names = (pool.name, volume, snapshot)
            with form.content(source, names, used, look) as (begin, size):
                body = body_.Body(
                    *(begin, size, check),
                    lambda read: report(read, size or 0),
                    native,
                )
                with contextlib.closing(body):
                    sink.send(body)
    except Exception as exc:
        if not _dropped(pool, volume, snapshot):
            image_id = snapshot.partition('-')[2]
            raise exceptions.NotUndone(image_id, exc) from exc
        raise
    return _dropped(pool, volume, snapshot)


def _dropped(pool: ceph.Pool, volume: str, snapshot: str) -> bool:
    """Remove the snapshot; tell whether it is gone."""
    try:
        pool.drop_snapshot(volume, snapshot)
    # Recovery has another try.
    except Exception as exc:
        LOG.warning(
            'Snapshot %(snapshot)s of %(volume)s is not yet removed: '
            '%(error)s',
            {'snapshot': snapshot, 'volume': volume, 'error': exc},
        )
        return False
    return True
