# SPDX-License-Identifier: Apache-2.0
"""Names the operation in whatever error librbd or librados raises in it."""

from collections.abc import Iterator
import contextlib
import errno
from typing import Any

from cinder_rbd_offload import exceptions

# What an OSD answers for a full pool, and for one at its quota.
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def named(
    bindings: Any,
    doing: str,
    pool: str,
    error: type[exceptions.CephError] = exceptions.CephError,
    daemon: str = 'OSD',
) -> Iterator[None]:
    """Raise the errors of one of Ceph's modules as ours.

    :param bindings: the module, ``rados`` or ``rbd``
    :param doing: the operation, for example ``copying volumes/a@b``
    :param pool: the pool whose capability it needs
    :param error: what is raised when it failed otherwise
    :param daemon: whose capability it needs: ``OSD``, ``monitor`` or
        ``manager``
    :raises CephNotPermitted: when the cephx user lacks a capability
    :raises PoolExhausted: when the pool has no room for it
    :raises CephError: when the operation failed
    """
    denied = [bindings.PermissionError]
    # What the OSDs and monitors answer; librbd has but the other.
    denied += filter(None, [getattr(bindings, 'PermissionDeniedError', None)])
    try:
        yield
    except tuple(denied) as exc:
        raise exceptions.CephNotPermitted(doing, pool, daemon) from exc
    except bindings.Error as exc:
        # A limit of snapshots is a quota as well.
        full = getattr(exc, 'errno', None) in _FULL
        if full and error is exceptions.CephError:
            raise exceptions.PoolExhausted(doing, pool) from exc
        raise error(doing, exc) from exc
