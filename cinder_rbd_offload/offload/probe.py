# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that a plan rests on, and no more than it needs."""

from collections.abc import Callable
import dataclasses
import time

from cinder_rbd_offload import ceph
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import findings
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import plan


def gather(
    facts: plan.Facts,
    glance: glance_api.Glance,
    connection: ceph.Connection,
    journal: journal_.Journal,
    volume: str,
    now: Callable[[], float] = time.time,
) -> plan.Facts:
    """Find out what the way of an upload depends on.

    :param facts: those that Cinder gave
    :param volume: the volume's RBD image
    :param now: the time of day, in seconds
    :raises CephError: when Ceph cannot be asked
    """
    if not plan.eligible(facts):
        return facts
    try:
        stores = glance.stores()
    # Whatever keeps Glance from answering, the upload that leaves the cluster
    # is the one to succeed or to say what is wrong.
    except Exception as exc:
        return dataclasses.replace(facts, stores_error=str(exc))
    facts = dataclasses.replace(
        facts, stores=stores, fsid=connection.cluster.fsid()
    )
    store = plan.choose_store(facts)
    if isinstance(store, str):
        return facts
    return dataclasses.replace(
        facts,
        is_clone=connection.source.is_clone(volume),
        size=connection.source.size(volume),
        used=connection.source.used(volume),
        clone_v2=connection.cluster.has_clone_v2(),
        reads_through=findings.recall(journal, findings.clones(store), now),
    )
