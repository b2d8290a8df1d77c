# SPDX-License-Identifier: Apache-2.0
"""Whole uploads through the real APIs, from the request to ``active``.

Every method has a volume of its own, with as much data in the same places,
that stays for all rounds. After each upload its image is deleted, and the
next begins when the OSD has its space back, and then at a random moment: that
space came back in step with the monitor, which makes a snapshot once a second.
"""

import contextlib
import random
import re
import time
from typing import Any

from bench import cases
from bench import results as bench_results
from bench import uploads
from lab import cinder
from lab import service
from lab import traffic

INSIDE = re.compile(r'inside the cluster by (\w+)')
STREAM = 'stream'
# Between two rounds of the monitor's work (Ceph's paxos_propose_interval).
MONITOR_SECONDS = 1


class EndToEnd(uploads.Uploads):
    """Uploads to a store in the volume's own cluster."""

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
        self.say(f'filling volumes: {"; ".join(c.title for c in group)}')
        volumes = dict(zip(pairs, self.volumes(pairs), strict=True))
        for number, case, method in cases.schedule(
            group, methods, results.rounds
        ):
            sample = self._measure(volumes[case, method], number, case, method)
            results.samples.append(sample)
            self.say(
                f'  {case.title}: {method}, round {number + 1}: '
                f'{sample.seconds:.2f} s'
            )
        self.delete_volumes(volumes.values())

    def _measure(
        self, volume: Any, number: int, case: cases.Case, method: str
    ) -> bench_results.Sample:
        with contextlib.ExitStack() as stack:
            if method == 'instant':
                stack.enter_context(self.cluster.glance_reads_volumes())
            self.cluster.forget_glance()
            before = self.cluster.settled()
            time.sleep(random.uniform(0, MONITOR_SECONDS))
            with traffic.Traffic(self.service.process) as counted:
                started = time.monotonic()
                image_id = self.upload(volume)
                seconds = time.monotonic() - started
                self.await_volume(volume)
            detached = seconds
            if method == 'instant':
                flattened = self.cluster.await_flattened(image_id)
                detached = max(seconds, flattened - started)
                self.cluster.await_idle_manager()
            after = self.cluster.settled()
            self.cluster.check(f'volume-{volume.id}', image_id, case)
            made_by = self._made_by(image_id, method)
            self.delete(image_id)
            self.cluster.settled(limit=before)
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

    def _made_by(self, image_id: str, method: str) -> str:
        """Look up in the log what made an image.

        :raises Failed: when it was not what the method says, so that the
            figure would stand under a wrong name
        """
        found = INSIDE.search(self.log_of(image_id))
        if method == cases.UPSTREAM:
            return STREAM
        made_by = found[1] if found else STREAM
        wrong = made_by != method and method in cinder.METHODS
        if wrong or made_by == STREAM:
            raise service.Failed(
                f'{method}: image {image_id} was made by {made_by}; see '
                f'{self.service.log}'
            )
        return made_by
