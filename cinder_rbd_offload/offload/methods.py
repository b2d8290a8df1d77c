# SPDX-License-Identifier: Apache-2.0
"""The ways to make an image's data inside the cluster.

Each makes the draft of the job's snapshot. On an error it leaves whatever it
has of it to the caller to remove.
"""

from collections.abc import Callable

from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import plan


def copy(job: job_.Job) -> None:
    """Read every object of the snapshot here, and write it whole there."""
    job.work.copying = True
    try:
        job.source.copy(job.volume, job.snapshot, job.target, job.draft)
    finally:
        job.work.copying = False


def clone_flatten(job: job_.Job) -> None:
    """Make a clone, and give it the data that its parent has."""
    job.source.clone(job.volume, job.snapshot, job.target, job.draft)
    job.target.flatten(job.draft, job.work.progress)


def instant(job: job_.Job) -> None:
    """Make an image that reads the snapshot's data through."""
    job.source.clone(
        job.volume, job.snapshot, job.target, job.draft, lasting=True
    )


MAKE: dict[plan.Method, Callable[[job_.Job], None]] = {
    plan.Method.COPY: copy,
    plan.Method.CLONE_FLATTEN: clone_flatten,
    plan.Method.INSTANT: instant,
}
