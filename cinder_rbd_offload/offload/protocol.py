# SPDX-License-Identifier: Apache-2.0
"""The steps of an upload inside one cluster, each of them undone on failure.

::

    step          leaves behind                          undone by
    snapshot      <volume>@offload-<image id>            dropping it (always)
    inspect       nothing
    make          <image id> in Glance's pool            removing it
    seal          its snapshot ``snap``, protected       removing it
    publish       a location in Glance                   see publish.py

Until the location is published nothing outside the two pools knows of the
copy, so it can be removed; afterwards it belongs to Glance. The one state in
between, where Glance cannot say which of the two holds, keeps the copy.
"""

from collections.abc import Callable
import contextlib
import itertools
import time

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import methods
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import publish

LOG = logging.getLogger(__name__)


def upload(
    job: job_.Job,
    order: tuple[plan.Method, ...],
    publication: publish.Publication,
) -> None:
    """Make a Glance image of a volume, all inside the cluster.

    :param order: the methods to try, one or more; the first that works is used
    :raises OffloadError: nothing is left in either pool, except after
        :class:`exceptions.LocationUnknown`
    """
    started = time.monotonic()
    with contextlib.ExitStack() as cleaning:
        cleaning.callback(
            _clean,
            'snapshot',
            job.source.drop_snapshot,
            *(job.volume, job.snapshot),
        )
        job.source.snapshot(job.volume, job.snapshot)
        head = job.source.read(job.volume, job.snapshot, inspection.HEAD)
        if reason := inspection.doubt(head):
            raise exceptions.FormatDoubtful(job.volume, reason)
        method, size = _materialise(job, order)
        try:
            publication.run(size)
        except exceptions.NotPublished:
            _clean('image', job.target.remove, job.image_id)
            raise
    LOG.info(
        'Image %(image)s was made of volume %(volume)s inside the cluster by '
        '%(method)s: %(bytes)d bytes (holes included) in %(seconds).1f s',
        {
            'image': job.image_id,
            'volume': job.volume,
            'method': method.value,
            'bytes': size,
            'seconds': time.monotonic() - started,
        },
    )


def _materialise(
    job: job_.Job, order: tuple[plan.Method, ...]
) -> tuple[plan.Method, int]:
    """Make the image's data, ready for Glance, or leave nothing of it.

    :returns: the method that worked, and the size in bytes, holes included
    """
    # Asked before there is anything to undo, so that no undo can take it.
    if job.target.exists(job.image_id):
        raise exceptions.ImageExists(job.target.name, job.image_id)
    for method, following in itertools.pairwise(order):
        try:
            return method, _make(job, method)
        except (exceptions.CephNotPermitted, exceptions.ImageExists):
            raise
        except exceptions.CephError as exc:
            LOG.warning(
                'Image %(image)s is made by %(following)s, since %(method)s '
                'failed: %(error)s',
                {
                    'image': job.image_id,
                    'following': following.value,
                    'method': method.value,
                    'error': exc,
                },
            )
    return order[-1], _make(job, order[-1])


def _make(job: job_.Job, method: plan.Method) -> int:
    with contextlib.ExitStack() as undo:
        undo.callback(_clean, 'image', job.target.remove, job.image_id)
        try:
            methods.MAKE[method](job)
        except exceptions.ImageExists:
            # Its owner uploaded to it since it was looked for.
            undo.pop_all()
            raise
        job.target.seal(job.image_id)
        size = job.target.size(job.image_id)
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
