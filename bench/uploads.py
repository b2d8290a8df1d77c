# SPDX-License-Identifier: Apache-2.0
"""What both kinds of whole uploads need: volumes, requests, images."""

from collections.abc import Callable
from collections.abc import Iterable
import concurrent.futures
import time
from typing import Any

from bench import cases
from bench import cluster as bench_cluster
from lab import client
from lab import lab as lab_lab
from lab import service

# Seconds for a volume to be made or deleted, or an image deleted.
CHANGE_SECONDS = 120
# Seconds for an upload.
UPLOAD_SECONDS = 600
# Seconds between two looks at an image on its way to ``active``.
LOOK_SECONDS = 0.1


class Uploads:
    """Uploads in a running lab, through the real APIs.

    :param say: takes a line of progress
    """

    def __init__(self, lab: lab_lab.Lab, say: Callable[[str], None]) -> None:
        self.cluster = bench_cluster.Cluster(lab.state)
        self.service = lab.services['cinder-volume']
        self.say = say
        tenant = client.connect(lab.state, 'tenant')
        self.storage, self.images = tenant.block_storage, tenant.image

    def volumes(self, wanted: Iterable[tuple[cases.Case, str]]) -> list[Any]:
        """Make volumes with the data of a case, each of a volume type."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda pair: self._volume(*pair), wanted))

    def _volume(self, case: cases.Case, kind: str) -> Any:
        volume = self.storage.create_volume(
            name=f'bench-{case.key}', size=case.gib, volume_type=kind
        )
        self.await_volume(volume)
        self.cluster.fill(f'volume-{volume.id}', case)
        return volume

    def await_volume(self, volume: Any) -> None:
        """Wait until a volume is available."""

        def available() -> bool:
            # What is known of it here may be of an earlier time.
            return str(self.storage.get_volume(volume.id).status) == (
                'available'
            )

        service.wait(f'volume {volume.id}', available, CHANGE_SECONDS)

    def upload(self, volume: Any, disk_format: str = 'raw') -> str:
        """Upload a volume; return the image's id when it is active."""
        image_id = str(
            self.storage.upload_volume_to_image(
                volume,
                volume.name,
                disk_format=disk_format,
                container_format='bare',
            )['image_id']
        )
        deadline = time.monotonic() + UPLOAD_SECONDS
        while time.monotonic() < deadline:
            if self.images.get_image(image_id).status == 'active':
                return image_id
            time.sleep(LOOK_SECONDS)
        raise service.Failed(
            f'image {image_id} was not active within {UPLOAD_SECONDS} s; see '
            f'{self.service.log}'
        )

    def log_of(self, image_id: str) -> str:
        """Return what cinder-volume's log says of an image."""
        log = self.service.log.read_text(errors='replace')
        return '\n'.join(line for line in log.splitlines() if image_id in line)

    def delete(self, image_id: str) -> None:
        """Delete an image.

        Glance refuses that where recovery has it open, as it has once more
        after the manager has flattened it; so it is tried again.
        """
        image = self.images.get_image(image_id)

        def delete() -> bool:
            self.images.delete_image(image)
            return True

        service.wait(f'deleting {image_id}', delete, CHANGE_SECONDS)

    def delete_volumes(self, volumes: Iterable[Any]) -> None:
        """Delete volumes, and wait until they are gone."""
        volumes = list(volumes)
        for volume in volumes:
            self.storage.delete_volume(volume)
        for volume in volumes:
            self.storage.wait_for_delete(
                volume, interval=0.5, wait=CHANGE_SECONDS
            )
