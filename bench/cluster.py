# SPDX-License-Identifier: Apache-2.0
"""The lab's Ceph cluster, as the measurements need it."""

from collections.abc import Iterator
import contextlib
import json
import time
from typing import Any

import rados
import rbd as librbd

from bench import cases
from bench import counters
from cinder_rbd_offload import ceph as offload_ceph
from lab import ceph
from lab import rbd
from lab import service
from lab import state as lab_state

# Seconds for the space of what was deleted to come back.
FREE_SECONDS = 180
# Seconds for the manager to flatten an image; it tries again after 30.
FLATTEN_SECONDS = 300
# Two looks at the space in use, so many seconds apart, that agree within so
# many bytes, say that nothing is written or removed any more. The OSD's own
# bookkeeping is a few KiB.
STILL_SECONDS = 0.3
STILL_BYTES = 256 * cases.KIB
# How the keys begin of what the driver has learnt of a Glance store.
LEARNT = 'clones in '


class Cluster:
    """The lab's cluster, seen by client.admin."""

    def __init__(self, state: lab_state.State) -> None:
        self._state = state
        self._osd = ceph.Osd(state)

    @property
    def conf(self) -> str:
        """The path of its ceph.conf."""
        return str(self._osd.conf)

    def allocated(self) -> int:
        """Return the bytes that data takes in the OSD, in all pools."""
        dump = counters.ask(self._osd.base / 'osd.asok', 'perf dump')
        return int(dump['bluestore']['bluestore_allocated'])

    def settled(self, limit: int | None = None) -> int:
        """Wait until nothing is written or removed; return what is in use.

        :param limit: bytes in use before what was since removed; the wait
            goes on until no more is
        :raises Failed: when it takes too long
        """
        seen = [-cases.GIB]

        def still() -> bool:
            time.sleep(STILL_SECONDS)
            seen.append(self.allocated())
            if limit is not None and seen[-1] > limit + cases.MIB:
                return False
            return abs(seen[-1] - seen[-2]) < STILL_BYTES

        service.wait("the OSD's space", still, FREE_SECONDS)
        return seen[-1]

    @contextlib.contextmanager
    def glance_reads_volumes(self) -> Iterator[None]:
        """Let Glance's user read the volumes' pool for a while."""
        self._osd.let_glance_read_volumes()
        try:
            yield
        finally:
            self._osd.set_caps('glance')

    @contextlib.contextmanager
    def latency(self, seconds: float) -> Iterator[None]:
        """Have the OSD answer each request later for a while."""
        name = 'osd_debug_inject_dispatch_delay'
        if not seconds:
            yield
            return
        values = {'probability': 1.0, 'duration': seconds}
        for key, value in values.items():
            self._osd.admin(
                'config', 'set', 'osd', f'{name}_{key}', f'{value}'
            )
        try:
            yield
        finally:
            for key in values:
                self._osd.admin('config', 'rm', 'osd', f'{name}_{key}')

    def forget_glance(self) -> None:
        """Have the driver forget whether Glance reads the volumes' pool.

        It learns that from uploads, and keeps it for later ones.
        """
        with rbd.pool(self._state, 'volumes') as ioctx:
            table = offload_ceph.Table(rados, ioctx)
            for key, value in table.read().items():
                if key.startswith(LEARNT):
                    table.swap(key, value, '')

    def fill(self, image: str, case: cases.Case) -> None:
        """Write a case's data to an image of the volumes' pool."""
        with rbd.pool(self._state, 'volumes') as pool:
            rbd.write_random(pool, image, case.offsets, case.length)

    def _is_clone(self, image: str) -> bool:
        with rbd.pool(self._state, 'images') as pool:
            return rbd.has_parent(pool, image)

    def await_flattened(self, image: str) -> float:
        """Wait until an image depends on no other; return when that was.

        :returns: a moment of the monotonic clock
        :raises Failed: when it takes too long
        """
        service.wait(
            f'the flattening of {image}',
            lambda: not self._is_clone(image),
            FLATTEN_SECONDS,
        )
        flattened = time.monotonic()
        return flattened

    def await_idle_manager(self) -> None:
        """Wait until the manager is done with every image.

        :raises Failed: when it takes too long
        """
        service.wait(
            "the manager's tasks",
            lambda: not json.loads(self._osd.admin('rbd', 'task', 'list')),
            FLATTEN_SECONDS,
        )

    def check(self, volume: str, image: str, case: cases.Case) -> None:
        """Compare the beginnings of what was written, here and there.

        :raises Failed: when the image differs, so that its figures are void
        """
        with (
            self._image('volumes', volume) as ours,
            self._image('images', image) as theirs,
        ):
            same = ours.size() == theirs.size() and all(
                ours.read(offset, 4096) == theirs.read(offset, 4096)
                for offset in case.offsets
            )
        if not same:
            raise service.Failed(f'{image} is not what {volume} is')

    @contextlib.contextmanager
    def _image(self, pool: str, name: str) -> Iterator[Any]:
        with rbd.pool(self._state, pool) as ioctx:
            with librbd.Image(ioctx, name, read_only=True) as handle:
                yield handle
