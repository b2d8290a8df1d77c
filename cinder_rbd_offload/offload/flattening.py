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

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import job as job_

LOG = logging.getLogger(__name__)


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
        tasks = {(task.pool, task.image) for task in cluster.tasks()}
        if (entry.pool, entry.image_id) not in tasks:
            _hand_over(job, cluster)
        return False
    job.target.seal(entry.image_id)
    return True


def here(job: job_.Job) -> None:
    """Flatten a clone on this host, and make it ready for Glance again."""
    job.target.flatten(job.image_id, job.work.progress)
    job.target.seal(job.image_id)


def _hand_over(job: job_.Job, cluster: ceph.Cluster) -> None:
    try:
        cluster.add_flatten(job.target.name, job.image_id)
    except exceptions.CephError as exc:
        LOG.warning(
            'Image %(image)s is flattened by this host, not by the manager: '
            '%(error)s',
            {'image': job.image_id, 'error': exc},
        )
        here(job)
