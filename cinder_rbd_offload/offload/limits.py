# SPDX-License-Identifier: Apache-2.0
"""Refuses what Glance would refuse, before any data is moved.

Glance applies none of its limits before it takes a location, and some not
even then. An image that would not get through if it were sent must not get
through here, nor be copied first.
"""

from oslo_utils import units

from cinder_rbd_offload import exceptions


def check(
    image_id: str,
    size: int,
    used: int | None,
    size_cap: int,
    quota: int | None,
    free: int,
    pool: str,
) -> None:
    """Refuse an image that exceeds a limit. All numbers are bytes.

    :param size: the size of the image
    :param used: what it may come to occupy; None where nobody knows
    :param size_cap: Glance's option ``image_size_cap``
    :param quota: what the owner's quota still has; None for no quota
    :param free: what Glance's pool still takes
    :param pool: the name of that pool
    :raises NoRoom: when it does; PoolFull where the pool is what lacks room
    """
    if size > size_cap:
        raise exceptions.NoRoom(
            image_id,
            size,
            f'Glance takes up to {size_cap}: where its image_size_cap is '
            'another, set rbd_offload_image_size_cap to the same',
        )
    # Glance counts a quota in whole MiB (glance/quota/keystone.py).
    if quota is not None and size // units.Mi > quota // units.Mi:
        raise exceptions.NoRoom(
            image_id,
            size,
            f"the project's quota image_size_total has {quota} left: delete "
            'images, or have it raised',
        )
    if used is not None and used > free:
        raise exceptions.PoolFull(
            image_id,
            size,
            f'{used} of them are in use, while pool {pool} has room for '
            f'{free}: free some, or add to it',
        )
