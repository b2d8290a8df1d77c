# SPDX-License-Identifier: Apache-2.0
"""Tells an image's snapshots, also those that only clones still need.

Ceph keeps such a one in a trash of its own, under another name.
"""

import contextlib
from typing import Any


def names(handle: Any) -> set[str]:
    """Return the names of an open image's snapshots, of all kinds."""
    return {snapshot['name'] for snapshot in handle.list_snaps()}


def drop(bindings: Any, handle: Any, name: str) -> None:
    """Remove a snapshot of an open image; fine if it is not there.

    :param bindings: the ``rbd`` module; its errors are raised
    """
    if name in names(handle):
        # Another host may remove it at the same time.
        with contextlib.suppress(bindings.ImageNotFound):
            _remove(bindings, handle, name)
    # librbd puts it in the trash of snapshots first. There it is left by a
    # client that is killed, or for a clone to read.
    for left in _in_trash(bindings, handle, name):
        with contextlib.suppress(bindings.ImageBusy, bindings.ImageNotFound):
            handle.remove_snap_by_id(left)


def _remove(bindings: Any, handle: Any, name: str) -> None:
    """Remove a snapshot of an open image, protected or not.

    :param bindings: the ``rbd`` module; its errors are raised
    """
    if handle.is_protected_snap(name):
        handle.unprotect_snap(name)
    try:
        handle.remove_snap(name)
    except bindings.ImageBusy as busy:
        # A client that was killed within the first has left it neither
        # protected nor not.
        try:
            handle.unprotect_snap(name)
        except bindings.InvalidArgument:
            raise busy from None
        handle.remove_snap(name)


def trash(bindings: Any, handle: Any) -> list[dict[str, Any]]:
    """Return the snapshots that are in the trash, as librbd tells them.

    :param bindings: the ``rbd`` module
    """
    kind = bindings.RBD_SNAP_NAMESPACE_TYPE_TRASH
    return [one for one in handle.list_snaps() if one['namespace'] == kind]


def _in_trash(bindings: Any, handle: Any, name: str) -> list[int]:
    """Return the ids of snapshots in the trash that had a name before."""
    return [
        one['id']
        for one in trash(bindings, handle)
        # Of one that vanishes meanwhile the bindings do not tell it.
        if one['trash'] and one['trash']['original_name'] == name
    ]
