# SPDX-License-Identifier: Apache-2.0
"""Tries what an upload does in the cluster, on images of its own.

No capability is guessed from a name: each right counts as given when an
operation that needs it has worked. All that is made has a name that no volume,
image or other run has, and is removed again, whatever happens.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import errno
import json
import time
from typing import Any
import uuid

from cinder_rbd_offload.ceph import client as ceph_client

# How the names of all begin that is made here.
PREFIX = 'rbd-offload-doctor-'
_OBJECT_PREFIX = 'rbd_offload.doctor-'

# Bytes of an image that is made to try.
_SIZE = 4096

# Seconds that the manager has to flatten an image of one object, and between
# two looks at it.
_PATIENCE = 15.0
_INTERVAL = 0.25


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
        return _Trying(client, volumes, images, data_pool, now, sleep).run()


class _Trying:
    def __init__(
        self,
        client: ceph_client.Client,
        volumes: Any,
        images: Any,
        data_pool: str,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self._client = client
        self._rbd = client.rbd
        self._volumes = volumes
        self._images = images
        # What librbd is told of new images in Glance's pool.
        self._shape = {'data_pool': data_pool} if data_pool else {}
        self._now = now
        self._sleep = sleep
        self._name = f'{PREFIX}{uuid.uuid4()}'
        self._unmade: set[str] = set()
        self._found = Trials()

    def run(self) -> Trials:
        with contextlib.ExitStack() as undo:

            def works(part: Callable[[contextlib.ExitStack], None]) -> bool:
                try:
                    part(undo)
                except _Failed:
                    return False
                return True

            works(self._try_monitors)
            works(self._try_journal)
            pools = [works(self._try_target), works(self._try_source)]
            manager = works(self._try_manager)
            if all(pools) and works(self._try_clone) and manager:
                works(self._try_task)
        return self._found

    def _try_monitors(self, _undo: contextlib.ExitStack) -> None:
        """Whoever finds the lock of a host that died shuts that host out.

        The monitors look at the right before they look at the address, and
        this one is none: nothing is changed.
        """
        with self._step('shutting out a dead client', 'mon'):
            try:
                self._client.ask_monitors(
                    'osd blocklist', blocklistop='add', addr=f'{PREFIX}/0'
                )
            except OSError as exc:
                if exc.errno != errno.EINVAL:
                    raise

    def _try_journal(self, undo: contextlib.ExitStack) -> None:
        """The driver remembers in an object's omap what is under way."""
        ioctx, rados = self._volumes, self._client.rados
        name = f'{_OBJECT_PREFIX}{uuid.uuid4()}'
        with self._step('writing a record', 'osd', ioctx.name):
            undo.callback(self._remove_object, ioctx, name)
            with self._making(ioctx, name), rados.WriteOpCtx() as writing:
                ioctx.set_omap(writing, ('key',), (b'value',))
                ioctx.operate_write_op(writing, name)
        with self._step('reading a record', 'osd', ioctx.name):
            with rados.ReadOpCtx() as reading:
                # librados writes to what it returns when the read is done.
                records, _result = ioctx.get_omap_vals(reading, '', '', 1)
                ioctx.operate_read_op(reading, name)
                list(records)

    def _try_target(self, undo: contextlib.ExitStack) -> None:
        pool = self._images.name
        name, renamed = f'{self._name}-target', f'{self._name}-renamed'
        with self._step('making an image', 'osd', pool):
            undo.callback(self._remove, self._images, name)
            undo.callback(self._remove, self._images, renamed)
            self._create(self._images, name, **self._shape)
        with self._step('looking at an image', 'osd', pool):
            with self._open(self._images, name) as image:
                number = image.data_pool_id()
            self._found.data_pool = str(
                self._client.handle.pool_reverse_lookup(number)
            )
        with self._step('writing to an image', 'osd', self._found.data_pool):
            self._write(self._images, name)
        with self._step('protecting a snapshot', 'osd', pool):
            with self._open(self._images, name) as image:
                image.create_snap('snap')
                image.protect_snap('snap')
                image.unprotect_snap('snap')
                image.remove_snap('snap')
        with self._step('renaming an image', 'osd', pool):
            self._rbd.RBD().rename(self._images, name, renamed)
        with self._step('removing an image', 'osd', pool):
            self._rbd.RBD().remove(self._images, renamed)

    def _try_source(self, undo: contextlib.ExitStack) -> None:
        pool, name = self._volumes.name, f'{self._name}-source'
        with self._step('making an image', 'osd', pool):
            undo.callback(self._remove, self._volumes, name)
            self._create(self._volumes, name)
        with self._step('writing to an image', 'osd', pool):
            self._write(self._volumes, name)
        with self._step('taking a snapshot', 'osd', pool):
            with self._open(self._volumes, name) as image:
                image.create_snap('snap')
        with self._step('reading a snapshot', 'osd', pool):
            with self._open(self._volumes, name, 'snap') as image:
                image.read(0, 1)

    def _try_clone(self, undo: contextlib.ExitStack) -> None:
        pool, name = self._images.name, f'{self._name}-clone'
        with self._step('cloning between the pools', 'osd', pool):
            self._clone(undo, name)
        with self._step('flattening an image', 'osd', pool):
            with self._open(self._images, name) as image:
                image.flatten()

    def _try_manager(self, _undo: contextlib.ExitStack) -> None:
        with self._step('listing tasks', 'mgr'):
            self._client.ask_manager('rbd task list')

    def _try_task(self, undo: contextlib.ExitStack) -> None:
        pool, name = self._images.name, f'{self._name}-task'
        with self._step('cloning between the pools', 'osd', pool):
            self._clone(undo, name)
        with self._step('flattening an image', 'mgr', pool):
            self._client.ask_manager(
                'rbd task add flatten', image_spec=f'{pool}/{name}'
            )
            undo.callback(self._cancel, name)
            self._await_task(name)

    def _create(self, ioctx: Any, name: str, **shape: str) -> None:
        with self._making(ioctx, name):
            self._rbd.RBD().create(ioctx, name, _SIZE, **shape)

    def _clone(self, undo: contextlib.ExitStack, name: str) -> None:
        origin = (self._volumes, f'{self._name}-source', 'snap')
        undo.callback(self._remove, self._images, name)
        clone = self._rbd.RBD().clone
        try:
            clone(*origin, self._images, name, **self._shape)
        except self._rbd.InvalidArgument:
            # Clones of format 1 need it.
            with self._open(*origin[:2]) as image:
                image.protect_snap('snap')
            clone(*origin, self._images, name, **self._shape)

    def _tasks(self, name: str) -> list[str]:
        """List the ids of the manager's tasks on an image of ours."""
        tasks = json.loads(self._client.ask_manager('rbd task list'))
        return [
            task['id']
            for task in tasks
            if task['refs'].get('image_name') == name
        ]

    def _await_task(self, name: str) -> None:
        deadline = self._now() + _PATIENCE
        while self._tasks(name):
            if self._now() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f'the manager did not come to it within {_PATIENCE:.0f} s',
                )
            self._sleep(_INTERVAL)

    def _write(self, ioctx: Any, name: str) -> None:
        with self._open(ioctx, name) as image:
            image.write(b'x', 0)

    @contextlib.contextmanager
    def _open(
        self, ioctx: Any, name: str, snapshot: str | None = None
    ) -> Iterator[Any]:
        image = self._rbd.Image(ioctx, name, snapshot=snapshot)
        try:
            yield image
        finally:
            image.close()

    @contextlib.contextmanager
    def _step(self, doing: str, daemon: str, pool: str = '') -> Iterator[None]:
        """Note how an operation ends.

        :raises _Failed: when it fails
        """
        try:
            yield
        except self._errors() as exc:
            self._found.done.append(
                Trial(doing, daemon, pool, describe(exc), refused(exc))
            )
            raise _Failed from exc
        self._found.done.append(Trial(doing, daemon, pool))

    @contextlib.contextmanager
    def _making(self, ioctx: Any, name: str) -> Iterator[None]:
        """Note when something was never made, so that it cannot be left."""
        try:
            yield
        except self._errors() as exc:
            if refused(exc):
                self._unmade.add(f'{ioctx.name}/{name}')
            raise

    def _errors(self) -> tuple[type[Exception], ...]:
        return (OSError, self._client.rados.Error, self._rbd.Error)

    def _remove(self, ioctx: Any, name: str) -> None:
        """Remove an image of ours, in whatever state it is."""

        def remove() -> None:
            with self._open(ioctx, name) as image:
                for snapshot in list(image.list_snaps()):
                    if image.is_protected_snap(snapshot['name']):
                        image.unprotect_snap(snapshot['name'])
                    image.remove_snap(snapshot['name'])
            self._rbd.RBD().remove(ioctx, name)

        self._persist(remove, self._rbd.ImageNotFound, f'{ioctx.name}/{name}')

    def _remove_object(self, ioctx: Any, name: str) -> None:
        self._persist(
            lambda: ioctx.remove_object(name),
            self._client.rados.ObjectNotFound,
            f'{ioctx.name}/{name}',
        )

    def _cancel(self, name: str) -> None:
        """Have the manager drop a task that it did not come to."""

        def cancel() -> None:
            for task in self._tasks(name):
                self._client.ask_manager('rbd task cancel', task_id=task)
            if self._tasks(name):
                raise TimeoutError(errno.ETIMEDOUT, 'the task still runs')

        self._persist(cancel, FileNotFoundError, f'the task on {name}')

    def _persist(
        self,
        action: Callable[[], None],
        gone: type[Exception],
        what: str,
    ) -> None:
        """Carry out a removal, however often it takes; note what stays."""
        deadline = self._now() + _PATIENCE
        while True:
            try:
                return action()
            except gone:
                return
            except self._errors() as exc:
                # What was refused once is refused again; what is busy is so
                # for a moment: the manager has the image open.
                if refused(exc) or self._now() > deadline:
                    if what not in self._unmade:
                        self._found.left.append(f'{what}: {describe(exc)}')
                    return
            self._sleep(_INTERVAL)


def refused(error: BaseException) -> bool:
    """Tell whether an error of Ceph's is that of a missing capability."""
    return getattr(error, 'errno', None) in (errno.EPERM, errno.EACCES)


def describe(error: BaseException) -> str:
    """Put an error of Ceph's in words."""
    return f'{type(error).__name__}: {error}'
