# SPDX-License-Identifier: Apache-2.0
"""What a user and an operator are told of an upload, in a running cloud."""

from collections.abc import Callable
import pathlib
from typing import Any

import rbd as librbd

from cinder_rbd_offload.metrics import exposition
from cinder_rbd_offload.tests.functional import base
from lab import service

METHODS = ('copy', 'clone_flatten', 'instant')


class MetricsTest(base.FunctionalTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = self.state.folder('metrics')
        self.option = (
            f'backend_defaults.rbd_offload_metrics_directory={self.folder}'
        )
        self.configure('cinder-volume', self.option)

    def path(self, backend: str) -> pathlib.Path:
        return self.folder / f'cinder_rbd_offload.lab@{backend}.prom'

    def uploads(self, backend: str, method: str, outcome: str) -> float:
        counters = exposition.from_text(self.path(backend).read_text())
        labels = {'host': 'lab', 'backend': backend}
        labels |= {'method': method, 'outcome': outcome}
        return counters[exposition.sample(exposition.UPLOADS, labels)]

    def await_counted(self, before: float, *labels: str) -> None:
        """The volume is free before the upload has quite ended."""

        def counted() -> bool:
            return self.uploads(*labels) == before + 1

        service.wait(f'the counter of {labels}', counted, base.SECONDS)

    def messages(self, volume: Any) -> list[str]:
        """Return what the user reads of a volume, the first one first."""
        answer = self.storage.get(
            '/messages?sort=created_at:asc', microversion='3.5'
        ).json()
        return [
            one['user_message'].partition(':')[2]
            for one in answer['messages']
            if one['resource_uuid'] == volume.id
        ]

    def change(
        self, volume: Any, change: Callable[[librbd.Image], None]
    ) -> None:
        """Change a volume's RBD image."""
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as image:
                change(image)

    def test_each_method_counts(self) -> None:
        self.cluster.forget()
        with self.cluster.glance_reads_volumes():
            for method in METHODS:
                before = self.uploads(method, method, 'success')
                volume = self.make_filled_volume(method)
                image = self.upload(volume)
                self.await_counted(before, method, method, 'success')
                (line,) = [
                    line
                    for line in self.log_of(image.id).splitlines()
                    if 'Upload ended: ' in line
                ]
                self.assertIn(f'method={method} outcome=success', line)
                self.assertIn(f'volume={volume.id} backend={method} ', line)
                self.assertEqual(
                    0o644, self.path(method).stat().st_mode & 0o777
                )
            service.wait(
                f'the flattening of {image.id}',
                lambda: not self.cluster.parent(image.id),
                base.SECONDS,
            )

        # All of them after a restart.
        self.configure('cinder-volume', self.option)
        self.assertEqual(before + 1, self.uploads(method, method, 'success'))

    def test_a_snapshot_that_cannot_be_taken(self) -> None:
        before = self.uploads('offload', 'stream', 'failure')
        volume = self.make_filled_volume()
        self.addCleanup(self.change, volume, lambda it: it.remove_snap('one'))
        self.change(volume, lambda it: it.create_snap('one'))
        # 0 would be no limit at all.
        self.change(volume, lambda it: it.set_snap_limit(1))
        image_id = self.start_upload(volume)
        self.await_volume(volume)
        self.await_counted(before, 'offload', 'stream', 'failure')
        self.assertIsNone(self.images.find_image(image_id))
        self.assertEqual(
            {
                'Snapshot failed to create.',
                'Failed to upload volume to image at backend.',
            },
            set(self.messages(volume)),
        )
        self.assertIn('error=SnapshotFailed', self.log_of(image_id))
