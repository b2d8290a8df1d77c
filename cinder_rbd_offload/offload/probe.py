# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that a plan rests on, and no more than it needs."""

from collections.abc import Callable
import dataclasses

from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import plan


def gather(
    facts: plan.Facts,
    glance: glance_api.Glance,
    look: Callable[[], tuple[str, bool]],
) -> plan.Facts:
    """Find out what the way of an upload depends on.

    :param facts: those that Cinder gave
    :param look: returns the id of the volume's cluster, and whether the volume
        is a clone
    """
    if not plan.eligible(facts):
        return facts
    try:
        stores = glance.stores()
    # Whatever keeps Glance from answering, the ordinary upload is the one to
    # succeed or to say what is wrong.
    except Exception as exc:
        return dataclasses.replace(facts, stores_error=str(exc))
    fsid, is_clone = look()
    return dataclasses.replace(
        facts, stores=stores, fsid=fsid, is_clone=is_clone
    )
