# SPDX-License-Identifier: Apache-2.0
"""What the cluster holds."""

import dataclasses
import uuid

from cinder_rbd_offload.tests.fake_ceph import errors


# Stands for the objects of an image, of 4 MiB each.
BLOCK = 8

# The namespace of snapshots that only clones still need.
TRASH = 2


@dataclasses.dataclass
class Snapshot:
    """What an image was at one instant."""

    id: int
    size: int
    blocks: dict[int, bytes]
    # None for one whose unprotecting broke off.
    protected: bool | None = False
    flags: int = 0
    parent: 'Snapshot | None' = None


@dataclasses.dataclass
class Stored:
    """An image as the cluster holds it; a block that is missing is a hole."""

    size: int
    blocks: dict[int, bytes] = dataclasses.field(default_factory=dict)
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    snapshots: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    # By the names that they had.
    trash: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    parent: Snapshot | None = None
    features: int = 61
    flags: int = 0
    # What librbd was told of its form.
    form: dict[str, object] = dataclasses.field(default_factory=dict)
    id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    # Whether its removal broke off, and left no more than the name.
    headless: bool = False


def content(stored):
    """Return all bytes of an image or a snapshot, holes as zeros."""
    blocks = range(-(-stored.size // BLOCK))
    whole = b''.join(stored.blocks.get(b, bytes(BLOCK)) for b in blocks)
    return whole[: stored.size]


def with_parents(seen):
    inherited = with_parents(seen.parent) if seen.parent else {}
    return inherited | seen.blocks


def find(where, name):
    if name not in where:
        raise errors.rbd.ImageNotFound(name)
    return where[name]
