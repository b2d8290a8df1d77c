# SPDX-License-Identifier: Apache-2.0
"""Gathers the facts that a plan rests on, and no more than it needs."""

from collections.abc import Callable
import dataclasses
import json
import time

from cinder_rbd_offload import ceph
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import plan

# Seconds for which it counts that Glance could not read a clone: after that
# somebody may have given it the capability.
_DAY = 24 * 60 * 60


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
        reads_through=recall(journal, store, now),
    )


def remember(
    journal: journal_.Journal,
    store: glance_api.Store,
    reads_through: bool,
    now: Callable[[], float] = time.time,
) -> None:
    """Keep for later uploads whether Glance reads clones in a store."""
    value = {'reads_through': reads_through, 'at': now()}
    journal.remember(_what(store), json.dumps(value))


def recall(
    journal: journal_.Journal,
    store: glance_api.Store,
    now: Callable[[], float] = time.time,
) -> bool | None:
    """Tell what was remembered; None for nothing that still counts."""
    text = journal.recall(_what(store))
    try:
        value = json.loads(text)
        reads_through, at = value['reads_through'], value['at']
        if reads_through is False and now() - at > _DAY:
            return None
    # Nothing, or what another version has written.
    except (KeyError, TypeError, ValueError):
        return None
    return bool(reads_through)


def _what(store: glance_api.Store) -> str:
    return f'clones in {store.pool}'
