# SPDX-License-Identifier: Apache-2.0
"""Makes images independent that were published as clones.

The manager daemon flattens them one after the other, and tries again what
fails. But a task may be lost, with the image's parent still in place, so the
journal keeps each image until it has no parent.

An image that is being flattened is open for writing, and Glance 33 deletes
such an image only by half: it removes the snapshot that all readers need, and
then finds that the image is busy. The image stays active. So the snapshot is
put back once it has been missing for a while; then it can be read, and deleted
again.
"""

import time

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import job as job_

LOG = logging.getLogger(__name__)

# Seconds, many times as long as Glance takes between the two.
MOMENT = 2


def hand_over(job: job_.Job, cluster: ceph.Cluster) -> None:
    """Have a published clone flattened: by the manager, or else here."""
    try:
        _hand_over(job, cluster)
    # The image is active and whole, and recovery looks after it.
    except Exception as exc:
        LOG.warning(
            'Image %(image)s is not yet independent of its volume: %(error)s',
            {'image': job.image_id, 'error': exc},
        )


def look_after(job: job_.Job, cluster: ceph.Cluster) -> bool:
    """Have a published clone flattened whose flattening is not under way.

    :returns: True where nothing is left to do
    :raises CephError: when that failed
    """
    entry = job.record.entry
    if job.target.id(entry.image_id) != entry.rbd_id:
        return True
    if job.target.is_clone(entry.image_id):
        if (entry.pool, entry.image_id) not in _tasks(cluster):
            _hand_over(job, cluster)
        return False
    if job.target.is_sealed(entry.image_id):
        return True
    if not job.target.has_snapshot(entry.image_id):
        # Glance has closed the image for a moment, before it removes it.
        time.sleep(MOMENT)
        if job.target.id(entry.image_id) != entry.rbd_id:
            return True
    # Whoever has it open may be removing it just now.
    if not job.target.is_open(entry.image_id):
        job.target.seal(entry.image_id)
    return False


def _tasks(cluster: ceph.Cluster) -> set[tuple[str, str]]:
    """List what the manager flattens, each as a pool and an image."""
    try:
        return {(task.pool, task.image) for task in cluster.tasks()}
    # Who may not ask the manager has not handed it anything either.
    except exceptions.CephNotPermitted:
        return set()


def _hand_over(job: job_.Job, cluster: ceph.Cluster) -> None:
    try:
        cluster.add_flatten(job.target.name, job.image_id)
    except exceptions.CephError as exc:
        LOG.warning(
            'Image %(image)s is flattened by this host, not by the manager: '
            '%(error)s',
            {'image': job.image_id, 'error': exc},
        )
        job.target.flatten(job.image_id, job.work.progress)
