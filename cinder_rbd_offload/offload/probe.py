# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that a plan rests on, and no more than it needs."""

from collections.abc import Callable
import dataclasses

from cinder_rbd_offload import ceph
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import plan


def gather(
    facts: plan.Facts,
    glance: glance_api.Glance,
    look: Callable[[], tuple[str, ceph.Shape]],
) -> plan.Facts:
    """Find out what the way of an upload depends on.

    :param facts: those that Cinder gave
    :param look: returns the id of the volume's cluster, and what the volume
        is like
    """
    if not plan.eligible(facts):
        return facts
    try:
        stores = glance.stores()
    # Whatever keeps Glance from answering, the ordinary upload is the one to
    # succeed or to say what is wrong.
    except Exception as exc:
        return dataclasses.replace(facts, stores_error=str(exc))
    fsid, shape = look()
    return dataclasses.replace(facts, stores=stores, fsid=fsid, shape=shape)
