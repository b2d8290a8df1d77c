# SPDX-License-Identifier: Apache-2.0
"""Makes clones of snapshots, and tells them from other images."""

from collections.abc import Mapping
import contextlib
from typing import Any


def has_parent(bindings: Any, handle: Any) -> bool:
    """Tell whether an open image has a parent that it gets data from.

    :param bindings: the ``rbd`` module
    """
    try:
        handle.parent_info()
    except bindings.ImageNotFound:
        return False
    return True


def clone(
    bindings: Any,
    origin: tuple[Any, str, str],
    target: tuple[Any, str],
    options: Mapping[str, Any],
    protect: bool = True,
) -> None:
    """Make a clone of a snapshot.

    :param bindings: the ``rbd`` module; its errors are raised
    :param origin: an I/O context, an image, and its snapshot
    :param target: an I/O context, and the name of the clone
    :param options: further arguments of librbd's
    :param protect: protect the snapshot where it needs that, which is for
        clones of format 1
    """
    make = bindings.RBD().clone
    try:
        make(*origin, *target, **options)
    except bindings.InvalidArgument:
        if not protect:
            raise
        ioctx, image, snapshot = origin
        with contextlib.closing(bindings.Image(ioctx, image)) as handle:
            handle.protect_snap(snapshot)
        make(*origin, *target, **options)
