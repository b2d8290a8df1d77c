# SPDX-License-Identifier: Apache-2.0
"""One upload inside the cluster: from where to where."""

import dataclasses

from cinder_rbd_offload import ceph

# How the snapshot of a volume begins that an image is made from.
SNAPSHOT_PREFIX = 'offload-'


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What every step of an upload needs to know.

    :param source: the volume's pool
    :param volume: the volume's RBD image
    :param target: Glance's pool
    :param image_id: the Glance image, whose id names the new RBD image
    """

    source: ceph.Pool
    volume: str
    target: ceph.Pool
    image_id: str

    @property
    def snapshot(self) -> str:
        """The snapshot of the volume that the image is made from."""
        return f'{SNAPSHOT_PREFIX}{self.image_id}'
