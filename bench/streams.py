# SPDX-License-Identifier: Apache-2.0
"""Uploads that leave the cluster: to files and to Swift, from end to end."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time
from typing import Any

from bench import cases
from bench import results as bench_results
from bench import uploads
from bench import ways
from lab import client
from lab import lab as lab_lab
from lab import service
from lab import traffic

# How the log of cinder-volume tells that an image went straight to Swift.
STRAIGHT = 'is in Swift: '
BACKENDS = {
    ways.UPSTREAM: 'upstream',
    ways.STREAM: 'offload',
    ways.STRAIGHT: 'offload',
}


class Streams(uploads.Uploads):
    """Uploads to other stores than that of the volume's cluster."""

    def __init__(self, lab: lab_lab.Lab, say: Callable[[str], None]) -> None:
        super().__init__(lab, say)
        self._admin = client.connect(lab.state, 'admin').block_storage

    def run(
        self, case: cases.Case, way: ways.Way, results: bench_results.Results
    ) -> None:
        """Measure all who go one way; each sample is added as it is there.

        :raises Failed: when anything does not go as it should
        """
        self.say(f'filling volumes: {case.title}')
        with contextlib.ExitStack() as stack:
            types = [
                stack.enter_context(self._type(BACKENDS[who], store))
                for who, store in way.stores.items()
            ]
            made = self.volumes([(case, kind) for kind in types])
            volumes = dict(zip(way.stores, made, strict=True))
            stack.callback(self.delete_volumes, made)
            stack.enter_context(self.cluster.latency(way.latency))
            rounds = min(results.rounds, ways.ROUNDS)
            for number in range(rounds):
                for who in cases.rotated(way.stores, number):
                    sample = self._measure(
                        volumes[who], number, case, way, who
                    )
                    results.samples.append(sample)
                    self.say(
                        f'  {case.title} {way.title}: {who}, round '
                        f'{number + 1}: {sample.seconds:.2f} s'
                    )

    @contextlib.contextmanager
    def _type(self, backend: str, store: str) -> Iterator[str]:
        """Have a volume type whose images go to a store."""
        made = self._admin.create_type(
            name=f'bench-{backend}-{store}',
            extra_specs={
                'volume_backend_name': backend,
                'image_service:store_id': store,
            },
        )
        try:
            yield str(made.name)
        finally:
            self._admin.delete_type(made)

    def _measure(
        self,
        volume: Any,
        number: int,
        case: cases.Case,
        way: ways.Way,
        who: str,
    ) -> bench_results.Sample:
        self.cluster.settled()
        with traffic.Traffic(self.service.process) as counted:
            started = time.monotonic()
            image_id = self.upload(volume, way.disk_format)
            seconds = time.monotonic() - started
            self.await_volume(volume)
        self._check(image_id, case, way, who)
        self.delete(image_id)
        return bench_results.Sample(
            kind=bench_results.STREAM,
            case=case.key,
            method=way.method(who),
            round=number,
            seconds=seconds,
            sent=counted.sent,
            received=counted.received,
            occupied=0,
            detached=seconds,
            made_by=who,
        )

    def _check(
        self, image_id: str, case: cases.Case, way: ways.Way, who: str
    ) -> None:
        """Require that the figure stands under the right name.

        :raises Failed: when it does not
        """
        image = self.images.get_image(image_id)
        if way.disk_format == 'raw' and image.size != case.size:
            raise service.Failed(f'image {image_id} has {image.size} bytes')
        went = STRAIGHT in self.log_of(image_id)
        if went != (who == ways.STRAIGHT):
            raise service.Failed(
                f'image {image_id} of {who} went '
                f'{"past" if went else "through"} Glance; see '
                f'{self.service.log}'
            )
