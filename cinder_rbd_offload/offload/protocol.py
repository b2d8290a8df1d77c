# SPDX-License-Identifier: Apache-2.0
"""The steps of an upload inside one cluster.

::

    step        what it adds                                   journal
    snapshot    <volume>@offload-<image id>                    making
    inspect
    make        offload-<image id> in Glance's pool
    seal        its snapshot ``snap``, protected
    rename      offload-<image id> becomes <image id>          publishing
    publish     a location in Glance; see publish.py
    flatten     (only where Glance did not take a clone)       making
    release     takes the volume's snapshot away again
    hand over   (instant only) a flatten task of the manager   published

The journal says before each step what it may leave behind. Until the location
is published nothing outside the two pools knows of the copy, so a step that
fails has everything removed; afterwards the copy belongs to Glance. The one
state in between, where Glance cannot say which of the two holds, keeps the
copy, and leaves the entry to recovery.
"""

import contextlib
import itertools
import time

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import flattening
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import methods
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import publish

LOG = logging.getLogger(__name__)

Stage = journal.Stage


def upload(
    job: job_.Job,
    order: tuple[plan.Method, ...],
    publication: publish.Publication,
    cluster: ceph.Cluster,
) -> bool | None:
    """Make a Glance image of a volume, all inside the cluster.

    :param order: the methods to try, one or more; the first that works is used
    :returns: whether Glance reads the volume's data through a clone, which
        only the method ``instant`` finds out; otherwise None
    :raises NotUndone: when the upload failed, and something is left of it;
        the journal has it
    :raises LocationUnknown: when the data stays; the journal has it
    :raises TakenOver: when another host goes on with the upload
    :raises OffloadError: when the upload failed, and nothing is left of it
    """
    started = time.monotonic()
    # Before the work is begun, and once more at the end, when it is renamed.
    # Who may not even look there has nothing to undo.
    if job.target.id(job.image_id):
        raise exceptions.ImageExists(job.target.name, job.image_id)
    try:
        method = _make(job, order)
        _name(job, publication)
    except exceptions.TakenOver:
        raise
    except Exception as exc:
        _undo(job, exc)
        raise
    try:
        reads_through = _publish(job, publication, method)
    except exceptions.NotPublished as exc:
        _undo(job, exc)
        raise
    except exceptions.LocationUnknown:
        # That may last; the volume need not wait for it. Nothing may take the
        # place of this error.
        with contextlib.suppress(Exception):
            job.source.drop_snapshot(job.volume, job.snapshot)
        raise
    LOG.info(
        'Image %(image)s was made of volume %(volume)s inside the cluster by '
        '%(method)s: %(bytes)d bytes (holes included) in %(seconds).1f s',
        {
            'image': job.image_id,
            'volume': job.volume,
            'method': method.value,
            'bytes': job.record.entry.size,
            'seconds': time.monotonic() - started,
        },
    )
    if _release(job) and reads_through:
        flattening.hand_over(job, cluster)
    return reads_through


def _make(job: job_.Job, order: tuple[plan.Method, ...]) -> plan.Method:
    """Make the draft, ready for Glance; return the method that worked."""
    job.record.update(stage=Stage.MAKING, pool=job.target.name)
    job.source.snapshot(job.volume, job.snapshot)
    head = job.source.read(job.volume, job.snapshot, inspection.HEAD)
    if reason := inspection.doubt(head):
        raise exceptions.FormatDoubtful(job.volume, reason)
    method = _materialise(job, order)
    job.target.seal(job.draft)
    return method


def _materialise(job: job_.Job, order: tuple[plan.Method, ...]) -> plan.Method:
    for method, following in itertools.pairwise(order):
        try:
            _by(job, method)
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
            job.target.remove(job.draft)
        else:
            return method
    _by(job, order[-1])
    return order[-1]


def _by(job: job_.Job, method: plan.Method) -> None:
    """Make the draft by a method, unless the upload is to end."""
    job.work.check()
    job.record.update(method=method.value)
    try:
        methods.MAKE[method](job)
    except exceptions.PoolExhausted as exc:
        job.work.check()
        size = job.source.size(job.volume)
        raise exceptions.PoolFull(job.image_id, size, str(exc)) from exc
    except exceptions.CephError:
        # It may have failed because it was stopped.
        job.work.check()
        raise
    job.work.check()


def _name(job: job_.Job, publication: publish.Publication) -> None:
    """Give the draft, which is whole now, the image's name."""
    job.record.update(
        stage=Stage.PUBLISHING,
        rbd_id=job.target.id(job.draft),
        size=job.target.size(job.draft),
        location=publication.url,
    )
    job.target.rename(job.draft, job.image_id)


def _publish(
    job: job_.Job, publication: publish.Publication, method: plan.Method
) -> bool | None:
    instant = method is plan.Method.INSTANT
    try:
        publication.run(job.record.entry.size)
    except exceptions.LocationRefused as refusal:
        if not instant:
            raise
        LOG.warning(
            'Image %(image)s is flattened before Glance gets it, since it '
            'does not seem to read pool %(pool)s: %(error)s',
            {
                'image': job.image_id,
                'pool': job.source.name,
                'error': refusal,
            },
        )
        try:
            _flatten_refused(job)
        except (exceptions.NotPublished, exceptions.TakenOver):
            raise
        except Exception as exc:
            raise refusal from exc
        publication.run(job.record.entry.size)
        return False
    return instant or None


def _flatten_refused(job: job_.Job) -> None:
    """Flatten an image that has its name, and that Glance did not take.

    It is in the making again: nothing outside the pool knows of it any more,
    and when the image is deleted in Glance, this ends. It is sealed when it is
    published again, and not before the journal says so: from then on an offer
    that is still on its way can make the image active.
    """
    job.record.update(
        stage=Stage.MAKING, method=plan.Method.CLONE_FLATTEN.value
    )
    try:
        job.target.flatten(job.image_id, job.work.progress)
    except exceptions.CephError:
        # It may have failed because it was stopped.
        job.work.check()
        raise
    job.work.check()
    job.record.update(stage=Stage.PUBLISHING)


def _release(job: job_.Job) -> bool:
    """Let go of the volume, once the image has all that it needs of it.

    A clone that is not flattened keeps what it reads of the snapshot: Ceph
    moves that out of the volume's way.

    :returns: False where recovery is left to do it
    """
    try:
        job.source.drop_snapshot(job.volume, job.snapshot)
        job.record.update(stage=Stage.PUBLISHED, clients=())
    # The image is active. Whoever reads the entry finds that out.
    except Exception as exc:
        LOG.debug('Image %s: %s', job.image_id, exc)
        return False
    return True


def _undo(job: job_.Job, cause: Exception) -> None:
    try:
        job.undo()
        job.record.update(stage=Stage.STARTED)
    except exceptions.TakenOver:
        raise
    # Whatever hinders it, recovery has another try.
    except Exception as exc:
        LOG.warning(
            'What the upload of image %(image)s has left is not yet removed: '
            '%(error)s',
            {'image': job.image_id, 'error': exc},
        )
        raise exceptions.NotUndone(job.image_id, cause) from cause
