# SPDX-License-Identifier: Apache-2.0
"""From the facts to the way an upload goes. No I/O, no clock."""

import dataclasses

from cinder_rbd_offload import glance


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the choice rests on.

    :param disk_format: the image's, as the user asked for it
    :param container_format: likewise
    :param store_id: the Glance store that the volume type names, if any
    :param stores: Glance's stores; None where Glance did not say
    :param stores_error: why Glance did not say
    :param fsid: the id of the volume's Ceph cluster
    """

    disk_format: str
    container_format: str
    store_id: str | None = None
    stores: tuple[glance.Store, ...] | None = None
    stores_error: str = ''
    fsid: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The choice, and the one line that explains it.

    :param store: a Glance store in the volume's own cluster, to copy the data
        to; None to stream it
    """

    reason: str
    store: glance.Store | None = None


def raw_and_bare(facts: Facts) -> bool:
    """Tell whether the image is to be the volume's bytes, just as they are."""
    return (facts.disk_format, facts.container_format) == ('raw', 'bare')


def decide(facts: Facts) -> Plan:
    """Choose how an image's data comes to its place."""
    if not raw_and_bare(facts):
        return Plan(
            f'the image is {facts.disk_format}/{facts.container_format}, '
            'and only raw/bare has the bytes of the volume'
        )
    if facts.stores is None:
        return Plan(
            f'Glance did not name its stores: {facts.stores_error}. It tells '
            'them to the role service or admin: see [service_user] in '
            'cinder.conf'
        )
    if facts.store_id is None:
        store = next((s for s in facts.stores if s.default), None)
        if store is None:
            return Plan('Glance names no default store')
    else:
        store = next((s for s in facts.stores if s.id == facts.store_id), None)
        if store is None:
            return Plan(
                f'Glance has no store {facts.store_id}, which the volume '
                'type names as image_service:store_id'
            )
    if store.type != 'rbd':
        return Plan(
            f'the Glance store {store.id} is of type {store.type}, not rbd'
        )
    if not store.fsid or not store.pool:
        return Plan(
            f'Glance does not tell the cluster of its store {store.id}; it '
            'does from 2025.1 on'
        )
    if store.fsid != facts.fsid:
        return Plan(
            f'the Glance store {store.id} is in another Ceph cluster: '
            f'{store.fsid}, not {facts.fsid}'
        )
    return Plan(
        f'the Glance store {store.id} is pool {store.pool} of the '
        "volume's own cluster",
        store,
    )
