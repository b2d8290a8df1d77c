# SPDX-License-Identifier: Apache-2.0
"""Looks at a cluster, and changes nothing in it."""

import contextlib
import dataclasses
import itertools
import json
from typing import Any

from cinder_rbd_offload.ceph import client as ceph_client
from cinder_rbd_offload.ceph import clones
from cinder_rbd_offload.ceph import reading
from cinder_rbd_offload.ceph import scratch
from cinder_rbd_offload import exceptions

# Images of a pool that are looked at: enough to tell what is usual.
_SAMPLE = 16


@dataclasses.dataclass(frozen=True, slots=True)
class PoolSeen:
    """What a pool looks like.

    :param exists: if not, nothing else is known
    :param free: bytes that can still be written, within the quota, too
    :param object_sizes: those of some of its images, in bytes
    :param data_pools: the pools that some of its images have their data in
    """

    name: str
    exists: bool
    free: int = 0
    object_sizes: frozenset[int] = frozenset()
    data_pools: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class ImageSeen:
    """What an image looks like.

    :param is_clone: whether it has data from a parent
    :param head: its first bytes
    :param used: the bytes of its objects, if its object map tells
    """

    size: int
    is_clone: bool
    head: bytes
    used: int | None = None


def caps(client: ceph_client.Client, user: str | None) -> dict[str, str]:
    """Return a user's capabilities; few may read them, then it is empty."""
    try:
        answer = client.ask_monitors(
            'auth get', entity=f'client.{user or "admin"}'
        )
    except OSError:
        return {}
    (entry,) = json.loads(answer)
    # The key is in the answer, too, and goes no further.
    return dict(entry['caps'])


def pool(client: ceph_client.Client, name: str) -> PoolSeen:
    """Look at a pool.

    :raises CephError: when it cannot be opened, or nobody answers
    """
    if not client.handle.pool_exists(name):
        return PoolSeen(name, exists=False)
    sizes, data_pools = set(), set()
    with client.ioctx(name) as ioctx, _errors(client, f'looking at {name}'):
        found = client.rbd.RBD().list(ioctx)
        ours = (one for one in found if not one.startswith(scratch.PREFIX))
        for image in itertools.islice(ours, _SAMPLE):
            # It may be removed at any time.
            with contextlib.suppress(client.rbd.ImageNotFound):
                with _open(client, ioctx, image) as handle:
                    sizes.add(int(handle.stat()['obj_size']))
                    data_pools.add(int(handle.data_pool_id()))
        names = map(client.handle.pool_reverse_lookup, data_pools)
        return PoolSeen(
            name,
            exists=True,
            free=client.cluster().free(name),
            object_sizes=frozenset(sizes),
            data_pools=frozenset(map(str, names)),
        )


def image(
    client: ceph_client.Client, pool: str, name: str, length: int
) -> ImageSeen | None:
    """Look at an image, as it is now; None when there is none.

    :param length: the bytes of its start that are read, at most
    :raises CephError: when it cannot be read
    """
    with (
        client.ioctx(pool) as ioctx,
        _errors(client, f'opening {pool}/{name}'),
    ):
        try:
            with _open(client, ioctx, name) as handle:
                is_clone = clones.has_parent(client.rbd, handle)
                size = int(handle.size())
                head = bytes(handle.read(0, min(length, size)))
                used = reading.used(client.rbd, handle)
                return ImageSeen(size, is_clone, head, used)
        except client.rbd.ImageNotFound:
            return None


def _open(client: ceph_client.Client, ioctx: Any, name: str) -> Any:
    return contextlib.closing(client.rbd.Image(ioctx, name, read_only=True))


@contextlib.contextmanager
def _errors(client: ceph_client.Client, doing: str) -> Any:
    try:
        yield
    except (client.rbd.Error, client.rados.Error) as exc:
        raise exceptions.CephError(doing, exc) from exc
