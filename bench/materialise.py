# SPDX-License-Identifier: Apache-2.0
"""The step that makes an image's data, alone, by client.cinder.

From connecting to done: the ``rbd cp`` command, librbd's ``Image.copy``, and
the methods of :class:`cinder_rbd_offload.ceph.Pool`. All start from one
snapshot, with their own connection.
"""

from collections.abc import Callable
import contextlib
import os
import subprocess
import time
from typing import Any

import rbd as librbd

from bench import cases
from bench import cluster as bench_cluster
from bench import counters
from bench import results as bench_results
from cinder_rbd_offload import ceph
from lab import rbd
from lab import service
from lab import state as lab_state
from lab import traffic

USER = 'cinder'
SECONDS = 600
SOURCE = 'bench-source'
SNAPSHOT = 'bench'
TARGET = 'bench-target'
# What the driver makes in the lab: rbd_default_features, and the objects of
# Glance's own images (its rbd_store_chunk_size).
SHAPE = ceph.Shape(features=61, object_size=8 * cases.MIB)


class Pids:
    """Processes that :mod:`lab.traffic` watches, also such as are to come."""

    def __init__(self, *pids: int) -> None:
        self.pids = list(pids)

    def members(self) -> list[int]:
        """Return their pids."""
        return self.pids


class Materialise:
    """Makes images in a running lab, past Cinder and Glance.

    :param say: takes a line of progress
    """

    def __init__(
        self, state: lab_state.State, say: Callable[[str], None]
    ) -> None:
        self._state = state
        self._cluster = bench_cluster.Cluster(state)
        self._say = say

    def run(
        self,
        group: tuple[cases.Case, ...],
        methods: tuple[str, ...],
        results: bench_results.Results,
    ) -> None:
        """Measure a group of cases; each sample is added as it is there.

        :raises Failed: when anything does not go as it should
        """
        for case in group:
            self._say(f'filling a volume: {case.title}')
            self._make_source(case)
        for number, case, method in cases.schedule(
            group, methods, results.rounds
        ):
            sample = self._measure(number, case, method)
            results.samples.append(sample)
            self._say(
                f'  {case.title}: {method} alone, round {number + 1}: '
                f'{sample.seconds:.2f} s'
            )
        for case in group:
            with rbd.pool(self._state, 'volumes') as pool:
                with librbd.Image(pool, _source(case)) as image:
                    image.remove_snap(SNAPSHOT)
                librbd.RBD().remove(pool, _source(case))

    def _make_source(self, case: cases.Case) -> None:
        with rbd.pool(self._state, 'volumes') as pool:
            librbd.RBD().create(pool, _source(case), case.size)
            self._cluster.fill(_source(case), case)
            with librbd.Image(pool, _source(case)) as image:
                image.create_snap(SNAPSHOT)

    def _measure(
        self, number: int, case: cases.Case, method: str
    ) -> bench_results.Sample:
        before = self._cluster.settled()
        seconds: float
        by_messenger: int | None
        watched = Pids(os.getpid())
        with traffic.Traffic(watched) as counted:
            if method == cases.RBD_CP:
                seconds, by_messenger = self._command(case, watched), None
            else:
                seconds, by_messenger = self._in_process(case, method)
        after = self._cluster.settled()
        self._cluster.check(_source(case), TARGET, case)
        with rbd.pool(self._state, 'images') as pool:
            librbd.RBD().remove(pool, TARGET)
        self._cluster.settled(limit=before)
        return bench_results.Sample(
            kind=bench_results.STEP,
            case=case.key,
            method=method,
            round=number,
            seconds=seconds,
            sent=counted.sent,
            received=counted.received,
            occupied=after - before,
            detached=seconds,
            made_by=method,
            messenger_sent=by_messenger,
        )

    def _command(self, case: cases.Case, watched: Pids) -> float:
        """Run ``rbd cp``; return its seconds."""
        started = time.monotonic()
        child = subprocess.Popen(
            ['rbd', '-c', self._cluster.conf, '--id', USER, '--no-progress']
            + ['cp', f'volumes/{_source(case)}@{SNAPSHOT}', f'images/{TARGET}']
        )
        watched.pids = [child.pid]
        try:
            code = child.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise service.Failed(f'rbd cp took over {SECONDS} s') from None
        finally:
            child.kill()
            child.wait()
        if code:
            raise service.Failed(f'rbd cp failed with exit code {code}')
        return time.monotonic() - started

    def _in_process(self, case: cases.Case, method: str) -> tuple[float, int]:
        """Make it here; return the seconds, and what the messenger sent."""
        started = time.monotonic()
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(
                counters.connect(self._cluster.conf, USER)
            )
            volumes, images = (
                stack.enter_context(client.cluster.open_ioctx(pool))
                for pool in ('volumes', 'images')
            )
            MAKE[method](volumes, images, _source(case))
            seconds = time.monotonic() - started
            return seconds, client.sent()


def _source(case: cases.Case) -> str:
    return f'{SOURCE}-{case.key}'


def _image_copy(volumes: Any, images: Any, source: str) -> None:
    with librbd.Image(volumes, source, SNAPSHOT, read_only=True) as image:
        image.copy(images, TARGET)


def _pool(ioctx: Any) -> ceph.Pool:
    return ceph.Pool(librbd, ioctx, SHAPE)


def _copy(volumes: Any, images: Any, source: str) -> None:
    _pool(volumes).copy(source, SNAPSHOT, _pool(images), TARGET)


def _clone_flatten(volumes: Any, images: Any, source: str) -> None:
    target = _pool(images)
    _pool(volumes).clone(source, SNAPSHOT, target, TARGET)
    target.flatten(TARGET, ceph.Progress())


MAKE: dict[str, Callable[[Any, Any, str], None]] = dict(
    zip(cases.STEPS[1:], (_image_copy, _copy, _clone_flatten), strict=True)
)
