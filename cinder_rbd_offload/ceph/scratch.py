# SPDX-License-Identifier: Apache-2.0
"""What is made only to try something, and is removed again in any case.

All of it has a name that no volume, image or other run has. What is noted for
removal is noted before it is made: a request that fails may have arrived.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import errno
import json
import time
from types import TracebackType
from typing import Any
import uuid

from cinder_rbd_offload.ceph import client as ceph_client
from cinder_rbd_offload.ceph import clones

# How the names of all images begin that are made here.
PREFIX = 'rbd-offload-doctor-'
_OBJECT_PREFIX = 'rbd_offload.doctor-'

# Bytes of an image that is made to try.
_SIZE = 4096

# The one snapshot of an image that is made to try.
SNAPSHOT = 'snap'

# Seconds that the manager has for a task, and what is in use for its removal;
# and between two looks at it.
_PATIENCE = 15.0
_INTERVAL = 0.25


class Scratch:
    """A context whose images, objects and tasks are gone at its end.

    :param now: a monotonic clock, in seconds
    :param sleep: waits for a number of seconds
    :ivar left: what could not be removed, as ``pool/name: error``
    """

    def __init__(
        self,
        client: ceph_client.Client,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._rbd = client.rbd
        self._now = now
        self._sleep = sleep
        self._run = uuid.uuid4()
        self._undo = contextlib.ExitStack()
        self._unmade: set[str] = set()
        self.left: list[str] = []
        self.errors = (OSError, client.rados.Error, client.rbd.Error)

    def __enter__(self) -> 'Scratch':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._undo.close()

    def create(self, ioctx: Any, purpose: str, **shape: str) -> str:
        """Make an image and return its name.

        :param shape: further arguments of librbd's
        """
        with self._making(ioctx, purpose) as name:
            self._rbd.RBD().create(ioctx, name, _SIZE, **shape)
        return name

    def rename(self, ioctx: Any, name: str, purpose: str) -> str:
        """Give an image another name, and return that."""
        with self._making(ioctx, purpose) as new:
            self._rbd.RBD().rename(ioctx, name, new)
        return new

    def clone(
        self, source: Any, image: str, target: Any, purpose: str, **shape: str
    ) -> str:
        """Make a clone of an image's :data:`SNAPSHOT`; return its name."""
        with self._making(target, purpose) as name:
            clones.clone(
                self._rbd,
                (source, image, SNAPSHOT),
                (target, name),
                {'features': self._client.features()} | shape,
            )
        return name

    def write_object(self, ioctx: Any) -> str:
        """Write an object's omap and return the object's name."""
        name = f'{_OBJECT_PREFIX}{self._run}'
        what = f'{ioctx.name}/{name}'
        gone = self._client.rados.ObjectNotFound
        self._undo.callback(
            self._persist, lambda: ioctx.remove_object(name), gone, what
        )
        with self._noting(what), self._client.rados.WriteOpCtx() as writing:
            ioctx.set_omap(writing, ('key',), (b'value',))
            ioctx.operate_write_op(writing, name)
        return name

    def flatten_by_manager(self, ioctx: Any, name: str) -> None:
        """Have the manager flatten a clone, and wait until it has.

        :raises OSError: when it refuses, or does not come to it
        """
        what = f'the task on {name}'
        self._undo.callback(
            self._persist, lambda: self._cancel(name), FileNotFoundError, what
        )
        with self._noting(what):
            self._client.ask_manager(
                'rbd task add flatten', image_spec=f'{ioctx.name}/{name}'
            )
        deadline = self._now() + _PATIENCE
        while self._tasks(name):
            if self._now() > deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT,
                    f'the manager did not come to it within {_PATIENCE:.0f} s',
                )
            self._sleep(_INTERVAL)

    @contextlib.contextmanager
    def open(
        self, ioctx: Any, name: str, snapshot: str | None = None
    ) -> Iterator[Any]:
        """Open an image, and close it in any case."""
        image = self._rbd.Image(ioctx, name, snapshot=snapshot)
        try:
            yield image
        finally:
            image.close()

    @contextlib.contextmanager
    def _making(self, ioctx: Any, purpose: str) -> Iterator[str]:
        """Choose the name of an image that is made, and note its removal."""
        name = f'{PREFIX}{self._run}-{purpose}'
        what = f'{ioctx.name}/{name}'
        self._undo.callback(
            self._persist,
            lambda: self._remove(ioctx, name),
            self._rbd.ImageNotFound,
            what,
        )
        with self._noting(what):
            yield name

    @contextlib.contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note when something was never made, so that it cannot be left."""
        try:
            yield
        except self.errors as exc:
            if refused(exc):
                self._unmade.add(what)
            raise

    def _remove(self, ioctx: Any, name: str) -> None:
        """Remove an image, in whatever state it is."""
        with self.open(ioctx, name) as image:
            for snapshot in list(image.list_snaps()):
                if image.is_protected_snap(snapshot['name']):
                    image.unprotect_snap(snapshot['name'])
                image.remove_snap(snapshot['name'])
        self._rbd.RBD().remove(ioctx, name)

    def _tasks(self, name: str) -> list[str]:
        """List the ids of the manager's tasks on an image."""
        tasks = json.loads(self._client.ask_manager('rbd task list'))
        return [
            task['id']
            for task in tasks
            if task['refs'].get('image_name') == name
        ]

    def _cancel(self, name: str) -> None:
        """Have the manager drop a task that it did not come to."""
        for task in self._tasks(name):
            self._client.ask_manager('rbd task cancel', task_id=task)
        if self._tasks(name):
            raise TimeoutError(errno.ETIMEDOUT, 'the task still runs')

    def _persist(
        self, action: Callable[[], None], gone: type[Exception], what: str
    ) -> None:
        """Carry out a removal, however often it takes; note what stays."""
        deadline = self._now() + _PATIENCE
        while True:
            try:
                return action()
            except gone:
                return
            except self.errors as exc:
                # What was refused once is refused again; what is busy is so
                # for a moment: the manager has the image open.
                if refused(exc) or self._now() > deadline:
                    if what not in self._unmade:
                        self.left.append(f'{what}: {describe(exc)}')
                    return
            self._sleep(_INTERVAL)


def refused(error: BaseException) -> bool:
    """Tell whether an error of Ceph's is that of a missing capability."""
    return getattr(error, 'errno', None) in (errno.EPERM, errno.EACCES)


def describe(error: BaseException) -> str:
    """Put an error of Ceph's in words."""
    return f'{type(error).__name__}: {error}'
