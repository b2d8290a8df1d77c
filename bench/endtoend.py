# SPDX-License-Identifier: Apache-2.0
"""Whole uploads through the real APIs, from the request to ``active``.

Every method has a volume of its own, with as much data in the same places,
that stays for all rounds. After each upload its image is deleted, and the
next begins when the OSD has its space back.
"""

from collections.abc import Callable
import concurrent.futures
import contextlib
import re
import time
from typing import Any

from bench import cases
from bench import cluster as bench_cluster
from bench import results as bench_results
from lab import cinder
from lab import client
from lab import lab as lab_lab
from lab import service
from lab import traffic

# Seconds for a volume to be made or deleted, or an image deleted.
CHANGE_SECONDS = 120
# Seconds for an upload.
UPLOAD_SECONDS = 600
# Seconds between two looks at an image on its way to ``active``.
LOOK_SECONDS = 0.1
INSIDE = re.compile(r'inside the cluster by (\w+)')
STREAM = 'stream'


class EndToEnd:
    """Uploads in a running lab.

    :param say: takes a line of progress
    """

    def __init__(self, lab: lab_lab.Lab, say: Callable[[str], None]) -> None:
        self._cluster = bench_cluster.Cluster(lab.state)
        self._service = lab.services['cinder-volume']
        self._say = say
        tenant = client.connect(lab.state, 'tenant')
        self._storage, self._images = tenant.block_storage, tenant.image

    def run(
        self,
        group: tuple[cases.Case, ...],
        methods: tuple[str, ...],
        results: bench_results.Results,
    ) -> None:
        """Measure a group of cases; each sample is added as it is there.

        :raises Failed: when anything does not go as it should; what was made
            is left for a look
        """
        pairs = [
            (case, method)
            for case in group
            for method in methods
            if not case.left_out(method)
        ]
        self._say(f'filling volumes: {"; ".join(c.title for c in group)}')
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            made = pool.map(lambda pair: self._volume(*pair), pairs)
            volumes = dict(zip(pairs, made, strict=True))
        for number, case, method in cases.schedule(
            group, methods, results.rounds
        ):
            sample = self._measure(volumes[case, method], number, case, method)
            results.samples.append(sample)
            self._say(
                f'  {case.title}: {method}, round {number + 1}: '
                f'{sample.seconds:.2f} s'
            )
        for volume in volumes.values():
            self._storage.delete_volume(volume)
        for volume in volumes.values():
            self._storage.wait_for_delete(
                volume, interval=0.5, wait=CHANGE_SECONDS
            )

    def _volume(self, case: cases.Case, method: str) -> Any:
        """Make a volume with the data of a case."""
        volume = self._storage.create_volume(
            name=f'bench-{case.key}', size=case.gib, volume_type=method
        )
        self._storage.wait_for_status(
            volume, 'available', interval=0.5, wait=CHANGE_SECONDS
        )
        self._cluster.fill(f'volume-{volume.id}', case)
        return volume

    def _measure(
        self, volume: Any, number: int, case: cases.Case, method: str
    ) -> bench_results.Sample:
        with contextlib.ExitStack() as stack:
            if method == 'instant':
                stack.enter_context(self._cluster.glance_reads_volumes())
            self._cluster.forget_glance()
            before = self._cluster.settled()
            with traffic.Traffic(self._service.process) as counted:
                started = time.monotonic()
                image_id = self._upload(volume)
                seconds = time.monotonic() - started
                self._storage.wait_for_status(
                    volume, 'available', interval=0.2, wait=CHANGE_SECONDS
                )
            detached = seconds
            if method == 'instant':
                flattened = self._cluster.await_flattened(image_id)
                detached = max(seconds, flattened - started)
                self._cluster.await_idle_manager()
            after = self._cluster.settled()
            self._cluster.check(f'volume-{volume.id}', image_id, case)
            made_by = self._made_by(image_id, method)
            self._delete(image_id)
            self._cluster.settled(limit=before)
        return bench_results.Sample(
            kind=bench_results.UPLOAD,
            case=case.key,
            method=method,
            round=number,
            seconds=seconds,
            sent=counted.sent,
            received=counted.received,
            occupied=after - before,
            detached=detached,
            made_by=made_by,
        )

    def _upload(self, volume: Any) -> str:
        """Upload a volume; return the image's id when it is active."""
        image_id = str(
            self._storage.upload_volume_to_image(
                volume,
                volume.name,
                disk_format='raw',
                container_format='bare',
            )['image_id']
        )
        deadline = time.monotonic() + UPLOAD_SECONDS
        while time.monotonic() < deadline:
            if self._images.get_image(image_id).status == 'active':
                return image_id
            time.sleep(LOOK_SECONDS)
        raise service.Failed(
            f'image {image_id} was not active within {UPLOAD_SECONDS} s; see '
            f'{self._service.log}'
        )

    def _delete(self, image_id: str) -> None:
        """Delete an image.

        Glance refuses that where recovery has it open, as it has once more
        after the manager has flattened it; so it is tried again.
        """
        image = self._images.get_image(image_id)

        def delete() -> bool:
            self._images.delete_image(image)
            return True

        service.wait(f'deleting {image_id}', delete, CHANGE_SECONDS)

    def _made_by(self, image_id: str, method: str) -> str:
        """Look up in the log what made an image.

        :raises Failed: when it was not what the method says, so that the
            figure would stand under a wrong name
        """
        log = self._service.log.read_text(errors='replace')
        lines = [line for line in log.splitlines() if image_id in line]
        found = INSIDE.search('\n'.join(lines))
        if method == cases.UPSTREAM:
            return STREAM
        made_by = found[1] if found else STREAM
        wrong = made_by != method and method in cinder.METHODS
        if wrong or made_by == STREAM:
            raise service.Failed(
                f'{method}: image {image_id} was made by {made_by}; see '
                f'{self._service.log}'
            )
        return made_by
