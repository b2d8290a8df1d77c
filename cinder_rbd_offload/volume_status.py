# SPDX-License-Identifier: Apache-2.0
"""Gives volumes back the status that an upload took from them."""

# Before the rest: as in driver.py.
from cinder.volume.drivers import rbd as _rbd  # noqa: F401

from cinder import context as cinder_context
from cinder import exception as cinder_exception
from cinder import objects


def free(volume_id: str) -> None:
    """Give a volume the status back that an upload took from it.

    Cinder itself does so where an upload ends, but not after a crash.
    """
    context = cinder_context.get_admin_context()
    try:
        volume = objects.Volume.get_by_id(context, volume_id)
    except cinder_exception.VolumeNotFound:
        return
    attached = any(
        one.attach_status == 'attached' for one in volume.volume_attachment
    )
    status = 'in-use' if attached else 'available'
    volume.conditional_update({'status': status}, {'status': 'uploading'})
