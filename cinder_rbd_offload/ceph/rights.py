# SPDX-License-Identifier: Apache-2.0
"""Tries what an upload does in the cluster, on images of its own.

No capability is guessed from a name: each right counts as given when an
operation that needs it has worked. All that is made is removed again, whatever
happens.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import time
from typing import Any

from cinder_rbd_offload.ceph import client as ceph_client
from cinder_rbd_offload.ceph import scratch as ceph_scratch

SNAPSHOT = ceph_scratch.SNAPSHOT


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """One operation that was tried.

    :param doing: what it was
    :param daemon: whose capability it needs: ``mon``, ``osd`` or ``mgr``
    :param pool: the pool that the capability is for; '' for any
    :param error: what went wrong; '' if nothing did
    :param refused: whether the error was a missing capability
    """

    doing: str
    daemon: str
    pool: str = ''
    error: str = ''
    refused: bool = False


@dataclasses.dataclass(slots=True)
class Trials:
    """What was found.

    :ivar done: the operations, up to the first of each kind that failed
    :ivar data_pool: the pool for the data of images that this user makes in
        Glance's pool; '' if none could be made
    :ivar left: what could not be removed, as ``pool/name: error``
    """

    done: list[Trial] = dataclasses.field(default_factory=list)
    data_pool: str = ''
    left: list[str] = dataclasses.field(default_factory=list)


class _Failed(Exception):
    """An operation failed, so what builds on it need not be tried."""


def try_all(
    client: ceph_client.Client,
    source: str,
    target: str,
    data_pool: str = '',
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Trials:
    """Try what an upload does.

    :param source: the pool of the volumes
    :param target: the pool of Glance's images
    :param data_pool: the pool for the data of images; '' for the usual one
    :param now: a monotonic clock, in seconds
    :param sleep: waits for a number of seconds
    :raises CephError: when there is no such pool
    """
    with client.ioctx(source) as volumes, client.ioctx(target) as images:
        with ceph_scratch.Scratch(client, now, sleep) as scratch:
            trying = _Trying(client, volumes, images, data_pool, scratch)
            trying.run()
        trying.found.left = scratch.left
        return trying.found


class _Trying:
    def __init__(
        self,
        client: ceph_client.Client,
        volumes: Any,
        images: Any,
        data_pool: str,
        scratch: ceph_scratch.Scratch,
    ) -> None:
        self._client = client
        self._volumes = volumes
        self._images = images
        # What librbd is told of new images in Glance's pool.
        self._shape = {'data_pool': data_pool} if data_pool else {}
        self._scratch = scratch
        self._source = ''
        self.found = Trials()

    def run(self) -> None:
        self._works(self._try_monitors)
        self._works(self._try_journal)
        # Both, so that what is missing is found at once.
        pools = [self._works(self._try_target), self._works(self._try_source)]
        manager = self._works(self._try_manager)
        if all(pools) and self._works(self._try_clone) and manager:
            self._works(self._try_task)

    def _works(self, part: Callable[[], None]) -> bool:
        try:
            part()
        except _Failed:
            return False
        return True

    def _try_monitors(self) -> None:
        """Whoever finds the lock of a host that died shuts that host out.

        The monitors look at the right before they look at the address, and
        this one is none: nothing is changed.
        """
        with self._step('shutting out a dead client', 'mon'):
            try:
                self._client.ask_monitors(
                    'osd blocklist', blocklistop='add', addr='no-address/0'
                )
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise

    def _try_journal(self) -> None:
        """The driver remembers in an object's omap what is under way."""
        ioctx = self._volumes
        with self._step('writing a record', 'osd', ioctx.name):
            name = self._scratch.write_object(ioctx)
        with self._step('reading a record', 'osd', ioctx.name):
            with self._client.rados.ReadOpCtx() as reading:
                # librados writes to what it returns when the read is done.
                records, _result = ioctx.get_omap_vals(reading, '', '', 1)
                ioctx.operate_read_op(reading, name)
                list(records)

    def _try_target(self) -> None:
        ioctx, scratch = self._images, self._scratch
        with self._step('making an image', 'osd', ioctx.name):
            name = scratch.create(ioctx, 'target', **self._shape)
        with self._step('looking at an image', 'osd', ioctx.name):
            with scratch.open(ioctx, name) as image:
                number = image.data_pool_id()
            self.found.data_pool = str(
                self._client.handle.pool_reverse_lookup(number)
            )
        with self._step('writing to an image', 'osd', self.found.data_pool):
            self._write(ioctx, name)
        with self._step('protecting a snapshot', 'osd', ioctx.name):
            with scratch.open(ioctx, name) as image:
                image.create_snap(SNAPSHOT)
                image.protect_snap(SNAPSHOT)
                image.unprotect_snap(SNAPSHOT)
                image.remove_snap(SNAPSHOT)
        with self._step('renaming an image', 'osd', ioctx.name):
            renamed = scratch.rename(ioctx, name, 'renamed')
        with self._step('removing an image', 'osd', ioctx.name):
            self._client.rbd.RBD().remove(ioctx, renamed)

    def _try_source(self) -> None:
        ioctx, scratch = self._volumes, self._scratch
        with self._step('making an image', 'osd', ioctx.name):
            self._source = scratch.create(ioctx, 'source')
        with self._step('writing to an image', 'osd', ioctx.name):
            self._write(ioctx, self._source)
        with self._step('taking a snapshot', 'osd', ioctx.name):
            with scratch.open(ioctx, self._source) as image:
                image.create_snap(SNAPSHOT)
        with self._step('reading a snapshot', 'osd', ioctx.name):
            with scratch.open(ioctx, self._source, SNAPSHOT) as image:
                image.read(0, 1)

    def _try_clone(self) -> None:
        name = self._clone('clone')
        with self._step('flattening an image', 'osd', self._images.name):
            with self._scratch.open(self._images, name) as image:
                image.flatten()

    def _try_manager(self) -> None:
        with self._step('listing tasks', 'mgr'):
            self._client.ask_manager('rbd task list')

    def _try_task(self) -> None:
        name = self._clone('task')
        with self._step('flattening an image', 'mgr', self._images.name):
            self._scratch.flatten_by_manager(self._images, name)

    def _clone(self, purpose: str) -> str:
        target = self._images
        with self._step('cloning between the pools', 'osd', target.name):
            return self._scratch.clone(
                self._volumes, self._source, target, purpose, **self._shape
            )

    def _write(self, ioctx: Any, name: str) -> None:
        with self._scratch.open(ioctx, name) as image:
            image.write(b'x', 0)

    @contextlib.contextmanager
    def _step(self, doing: str, daemon: str, pool: str = '') -> Iterator[None]:
        """Note how an operation ends.

        :raises _Failed: when it fails
        """
        try:
            yield
        except self._scratch.errors as exc:
            text = ceph_scratch.describe(exc)
            refused = ceph_scratch.refused(exc)
            self.found.done.append(Trial(doing, daemon, pool, text, refused))
            raise _Failed from exc
        self.found.done.append(Trial(doing, daemon, pool))
