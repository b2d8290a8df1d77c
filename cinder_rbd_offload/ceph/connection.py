# SPDX-License-Identifier: Apache-2.0
"""One connection to a cluster, and what is done over it."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from typing import Any

from cinder_rbd_offload.ceph import cluster
from cinder_rbd_offload.ceph import errors
from cinder_rbd_offload.ceph import pool
from cinder_rbd_offload.ceph import shape as shape_
from cinder_rbd_offload.ceph import table
from cinder_rbd_offload import exceptions


def _same(thing: Any) -> Any:
    return thing


@contextlib.contextmanager
def opened(rados: Any, handle: Any, name: str) -> Iterator[Any]:
    """Open an I/O context of a pool, and close it in any case.

    :param rados: the ``rados`` module
    :param handle: a connected ``rados.Rados``
    :param name: the pool's
    In a pool that is full, or has reached its quota, operations fail instead
    of waiting for room, and what makes room is done.

    :raises PoolMissing: when there is no such pool
    :raises CephError: when it could not be opened
    """
    with errors.named(rados, f'opening pool {name}', name):
        try:
            ioctx = handle.open_ioctx(name)
        except rados.ObjectNotFound as exc:
            raise exceptions.PoolMissing(name) from exc
    try:
        ioctx.set_osdmap_full_try()
        yield ioctx
    finally:
        ioctx.close()


class Connection:
    """A cluster, the pool of a back end, and a table of records in that pool.

    :param rados: the ``rados`` module of the Ceph distribution
    :param rbd: its ``rbd`` module
    :param handle: a connected ``rados.Rados``; the caller shuts it down
    :param ioctx: an I/O context of the back end's pool; the caller closes it
    :param features: the features of new images, as bits
    :param wrap: puts an object's blocking methods on native threads, where
        the process has greenthreads

    :ivar on_native_threads: that
    """

    def __init__(
        self,
        rados: Any,
        rbd: Any,
        handle: Any,
        ioctx: Any,
        features: int,
        wrap: Callable[[Any], Any] = _same,
    ) -> None:
        self._rados = rados
        self._rbd = rbd
        self._handle = handle
        self.on_native_threads = wrap
        # As in opened().
        ioctx.set_osdmap_full_try()
        self.cluster: cluster.Cluster = wrap(cluster.Cluster(rados, handle))
        self.source: pool.Pool = wrap(
            pool.Pool(rbd, ioctx, shape_.Shape(features))
        )
        self.table: table.Table = wrap(table.Table(rados, ioctx))

    @contextlib.contextmanager
    def open_pool(self, name: str, shape: shape_.Shape) -> Iterator[pool.Pool]:
        """Open another pool of the cluster.

        :param shape: the form of images that are made there
        :raises PoolMissing: when there is no such pool
        :raises CephError: when it could not be opened
        """
        with opened(self._rados, self._handle, name) as ioctx:
            yield self.on_native_threads(pool.Pool(self._rbd, ioctx, shape))
