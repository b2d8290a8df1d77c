# SPDX-License-Identifier: Apache-2.0
"""The ways to make an image's data inside the cluster.

Each makes an image without a parent of the job's snapshot. On an error it
leaves whatever it has of it to the caller to remove.
"""

from collections.abc import Callable

from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import plan


def copy(job: job_.Job) -> None:
    """Read every object of the snapshot here, and write it whole there."""
    job.source.copy(job.volume, job.snapshot, job.target, job.image_id)


def clone_flatten(job: job_.Job) -> None:
    """Make a clone, and give it the data that its parent has."""
    job.source.clone(job.volume, job.snapshot, job.target, job.image_id)
    job.target.flatten(job.image_id)


MAKE: dict[plan.Method, Callable[[job_.Job], None]] = {
    plan.Method.COPY: copy,
    plan.Method.CLONE_FLATTEN: clone_flatten,
}
