# SPDX-License-Identifier: Apache-2.0
"""What librbd is told of an image that it makes, and tells while it works."""

import dataclasses
import errno
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """The form of images that are made in a pool.

    :param features: as bits
    :param object_size: in bytes, a power of two; 0 for that of the source
    :param data_pool: the pool of their data objects, where it is not the
        images' own, as for erasure coding; '' leaves it to ceph.conf and the
        pool's own configuration
    """

    features: int
    object_size: int = 0
    data_pool: str = ''

    def options(self) -> dict[str, Any]:
        """Return the arguments of librbd's copy and clone."""
        options: dict[str, Any] = {'features': self.features}
        if self.object_size:
            # A stripe of another unit than the object would make the image
            # one with the feature STRIPINGV2, which Glance's are not.
            options |= {
                'order': self.object_size.bit_length() - 1,
                'stripe_unit': self.object_size,
                'stripe_count': 1,
            }
        if self.data_pool:
            options['data_pool'] = self.data_pool
        return options


class Progress:
    """How far an operation has come, and whether it is to go on.

    librbd's own threads write and read it, so it has no lock, and nothing
    that greenthreads would have replaced.

    :ivar done: objects that are finished
    :ivar total: objects in all; 0 until it is known
    :ivar stopped: set it, and the operation fails soon
    """

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.stopped = False

    def report(self, done: int, total: int) -> int:
        """Take a report of librbd's; answer whether it is to go on."""
        self.done, self.total = done, total
        return -errno.ECANCELED if self.stopped else 0
