# SPDX-License-Identifier: Apache-2.0
"""The steps of an upload inside one cluster, each of them undone on failure.

::

    step          leaves behind                          undone by
    snapshot      <volume>@offload-<image id>            dropping it (always)
    inspect       nothing
    copy          <image id> in Glance's pool            removing it
    seal          its snapshot ``snap``, protected       removing it
    publish       a location in Glance                   see publish.py

Until the location is published nothing outside the two pools knows of the
copy, so it can be removed; afterwards it belongs to Glance. The one state in
between, where Glance cannot say which of the two holds, keeps the copy.
"""

from collections.abc import Callable
import contextlib
import time

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import publish

LOG = logging.getLogger(__name__)


def snapshot_name(image_id: str) -> str:
    """Name the snapshot that an image is made from."""
    return f'offload-{image_id}'


def upload(
    source: ceph.Pool,
    volume: str,
    target: ceph.Pool,
    publication: publish.Publication,
    image_id: str,
) -> None:
    """Make a Glance image of a volume, all inside the cluster.

    :param source: the volume's pool
    :param volume: the volume's RBD image
    :param target: Glance's pool
    :param image_id: a queued Glance image
    :raises OffloadError: nothing is left in either pool, except after
        :class:`exceptions.LocationUnknown`
    """
    started = time.monotonic()
    snapshot = snapshot_name(image_id)
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(
            _clean, 'snapshot', source.drop_snapshot, volume, snapshot
        )
        source.snapshot(volume, snapshot)
        head = source.read(volume, snapshot, inspection.HEAD)
        if reason := inspection.doubt(head):
            raise exceptions.FormatDoubtful(volume, reason)
        size = _materialise(source, volume, snapshot, target, image_id)
        try:
            publication.run(size)
        except exceptions.NotPublished:
            _clean('image', target.remove, image_id)
            raise
    LOG.info(
        'Image %(image)s was made of volume %(volume)s inside the cluster: '
        '%(bytes)d bytes (holes included) in %(seconds).1f s',
        {
            'image': image_id,
            'volume': volume,
            'bytes': size,
            'seconds': time.monotonic() - started,
        },
    )


def _materialise(
    source: ceph.Pool,
    volume: str,
    snapshot: str,
    target: ceph.Pool,
    image_id: str,
) -> int:
    """Make the image's data, ready for Glance, or leave nothing of it.

    :returns: its size in bytes, holes included
    """
    # Asked before there is anything to undo, so that no undo can take it.
    if target.exists(image_id):
        raise exceptions.ImageExists(target.name, image_id)
    with contextlib.ExitStack() as undo:
        undo.callback(_clean, 'image', target.remove, image_id)
        try:
            source.copy(volume, snapshot, target, image_id)
        except exceptions.ImageExists:
            # Its owner uploaded to it since the look above.
            undo.pop_all()
            raise
        target.seal(image_id)
        size = target.size(image_id)
        undo.pop_all()
        return size


def _clean(what: str, action: Callable[..., None], *args: str) -> None:
    """Undo a step; what cannot be undone is said, and hides no other error."""
    try:
        action(*args)
    except Exception as exc:
        LOG.warning(
            'Something was left behind after an upload: %(what)s %(args)s; '
            'remove it by hand. %(error)s',
            {'what': what, 'args': args, 'error': exc},
        )
