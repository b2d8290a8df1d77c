# SPDX-License-Identifier: Apache-2.0
"""The volumes that are uploaded, round after round, and their images."""

from collections.abc import Callable
import dataclasses
from typing import Any

import rbd as librbd

from faults import audit
from faults import stage as stage_
from lab import client
from lab import rbd
from lab import service

MIB = 1 << 20
# Bytes of a volume, and of the data in it. Cinder's smallest volume has
# 1 GiB; its RBD image is made smaller, so that a round reads less.
SMALL = (32 * MIB, 16 * MIB)
LARGE = (320 * MIB, 288 * MIB)
PIECE = 4 * MIB
SECONDS = 60


@dataclasses.dataclass(frozen=True, slots=True)
class Volume:
    """A volume that nobody writes any more.

    :param sha512: of its whole content
    """

    id: str
    backend: str
    sha512: str
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was asked for.

    :param image: the id of the image
    """

    image: str
    volume: Volume


class Volumes:
    """Makes, uploads and deletes volumes as a tenant does.

    :param stage: the lab
    """

    def __init__(self, stage: stage_.Stage) -> None:
        self._stage = stage
        tenant = client.connect(stage.state, 'tenant')
        self._storage: Any = tenant.block_storage
        self._images: Any = tenant.image
        self.small: dict[str, Volume] = {}
        self.large: dict[str, Volume] = {}

    def make_all(self) -> None:
        """Make a small and a large volume on each back end."""
        for backend in stage_.BACKENDS:
            self.small[backend] = self._make(backend, *SMALL)
            self.large[backend] = self._make(backend, *LARGE)

    @property
    def expected(self) -> dict[str, str]:
        """The volumes that there should be, with their statuses."""
        every = [*self.small.values(), *self.large.values()]
        return {volume.id: 'available' for volume in every}

    def renew(self, backend: str) -> None:
        """Delete the small volume of a back end and make another.

        :raises Failed: when it cannot be deleted
        """
        self._delete(self.small[backend])
        self.small[backend] = self._make(backend, *SMALL)

    def delete_all(self) -> None:
        """Delete every volume.

        :raises Failed: when one cannot be deleted
        """
        for some in (self.small, self.large):
            for backend in list(some):
                self._delete(some[backend])
                del some[backend]

    def upload(self, volume: Volume, name: str) -> Upload:
        """Ask for an upload."""
        answer = self._storage.upload_volume_to_image(
            volume.id, name, disk_format='raw', container_format='bare'
        )
        return Upload(str(answer['image_id']), volume)

    def delete_image(self, image: str) -> None:
        """Delete an image, as its owner does."""
        self._images.delete_image(image, ignore_missing=True)

    def reset(self, volume: Volume) -> None:
        """Make a volume available, as an administrator does."""
        admin: Any = client.connect(self._stage.state, 'admin')
        admin.block_storage.reset_volume_status(volume.id, 'available')

    def wrong(self, upload: Upload) -> list[str]:
        """Compare the data of an image with the volume that it is of."""
        with rbd.pool(self._stage.state, 'images') as ioctx:
            with librbd.Image(
                ioctx, upload.image, audit.SNAPSHOT, read_only=True
            ) as image:
                size = image.size()
            found = rbd.sha512(ioctx, upload.image, audit.SNAPSHOT)
        if (size, found) == (upload.volume.size, upload.volume.sha512):
            return []
        return [
            f'image {upload.image} has other data than volume '
            f'{upload.volume.id} of {upload.volume.backend}'
        ]

    def _make(self, backend: str, size: int, data: int) -> Volume:
        made = self._storage.create_volume(
            name=backend, size=1, volume_type=backend
        )

        def available() -> bool:
            status = str(self._storage.get_volume(made.id).status)
            if status.startswith('error'):
                raise service.GivenUp(f'volume {made.id} is {status}')
            return status == 'available'

        _await(f'volume {made.id} of {backend}', available)
        name = f'volume-{made.id}'
        with rbd.pool(self._stage.state, 'volumes') as ioctx:
            with librbd.Image(ioctx, name) as image:
                image.resize(size)
            rbd.write_random(ioctx, name, range(0, data, PIECE), PIECE)
            sha512 = rbd.sha512(ioctx, name)
        return Volume(made.id, backend, sha512, size)

    def _delete(self, volume: Volume) -> None:
        self._storage.delete_volume(volume.id)

        def gone() -> bool:
            return not any(
                one.id == volume.id for one in self._storage.volumes()
            )

        _await(f'the deletion of volume {volume.id}', gone)


def _await(what: str, check: Callable[[], bool]) -> None:
    service.wait(what, check, SECONDS)
