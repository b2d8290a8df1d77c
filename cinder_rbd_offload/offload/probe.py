# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that a plan rests on, and no more than it needs."""

from collections.abc import Callable
import dataclasses

from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import plan


def gather(
    disk_format: str,
    container_format: str,
    store_id: str | None,
    glance: glance_api.Glance,
    fsid: Callable[[], str],
) -> plan.Facts:
    """Find out what the way of an upload depends on.

    :param store_id: the store that the volume type names, or None
    :param fsid: returns the id of the volume's cluster
    """
    facts = plan.Facts(disk_format, container_format, store_id)
    if not plan.raw_and_bare(facts):
        return facts
    try:
        stores = glance.stores()
    # Whatever keeps Glance from answering, the ordinary upload is the one to
    # succeed or to say what is wrong.
    except Exception as exc:
        return dataclasses.replace(facts, stores_error=str(exc))
    return dataclasses.replace(facts, stores=stores, fsid=fsid())
