# SPDX-License-Identifier: Apache-2.0
"""Tells which of a back end's snapshots a user may take over."""

from collections.abc import Iterable
import functools
from typing import Any

from oslo_utils import uuidutils

from cinder_rbd_offload import ceph
from cinder_rbd_offload.offload import job


def only(entries: Iterable[dict[str, Any]], pool: ceph.Pool) -> list[Any]:
    """Leave out what uploads are made from, and what Ceph will remove.

    An instant upload removes its snapshot while the image is still a clone.
    Ceph keeps that for the clone, and calls it by a UUID.

    :param entries: those of Cinder's RBD driver
    :param pool: the pool of the volumes
    :raises CephError: when a volume cannot be looked at
    """
    trashed = functools.cache(pool.trashed)

    def stays(entry: dict[str, Any]) -> bool:
        name = entry['reference']['source-name']
        volume = entry['source_reference']['source-name']
        return not (
            name.startswith(job.PREFIX)
            # A user's snapshot may have such a name, too.
            or (uuidutils.is_uuid_like(name) and name in trashed(volume))
        )

    return list(filter(stays, entries))
