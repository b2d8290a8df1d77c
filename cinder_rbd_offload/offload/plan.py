# SPDX-License-Identifier: Apache-2.0
"""From the facts to the way an upload goes. No I/O, no clock."""

from collections.abc import Iterable
import dataclasses
import enum

from cinder_rbd_offload import glance


# A volume that has objects for no more than this part of its size is copied. A
# flatten takes 8 microseconds for each object that a volume could have (2 s
# for 1 TiB, on the lab), and in that time a copy moves a 1024th of an object:
# so the copy is faster even where each object that it moves has one write.
EMPTINESS = 1024


class Method(enum.Enum):
    """How the image's data comes to its place, by its name as an option."""

    COPY = 'copy'
    CLONE_FLATTEN = 'clone_flatten'
    INSTANT = 'instant'


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What the choice rests on.

    :param disk_format: the image's, as the user asked for it
    :param container_format: likewise
    :param store_id: the Glance store that the volume type names, if any
    :param stores: Glance's stores; None where Glance did not say
    :param stores_error: why Glance did not say
    :param fsid: the id of the volume's Ceph cluster
    :param is_clone: whether the volume gets data from a parent
    :param size: the volume's, in bytes
    :param used: the bytes of its objects; None where that is not known
    :param clone_v2: whether the cluster makes clones of format 2
    :param reads_through: whether Glance, at an earlier upload, could read an
        image of this store that was a clone; None where that is not known
    :param method: the option ``rbd_offload_method``
    """

    disk_format: str
    container_format: str
    store_id: str | None = None
    stores: tuple[glance.Store, ...] | None = None
    stores_error: str = ''
    fsid: str = ''
    is_clone: bool = False
    size: int = 0
    used: int | None = None
    clone_v2: bool = True
    reads_through: bool | None = None
    method: str = 'auto'


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The choice, and the one line that explains it.

    :param store: a Glance store in the volume's own cluster, to make the data
        in; None where there is none
    :param methods: what to try, in this order, before the data leaves the
        cluster
    """

    reason: str
    store: glance.Store | None = None
    methods: tuple[Method, ...] = ()


def eligible(facts: Facts) -> bool:
    """Tell, without asking anybody, whether an offload comes into question.

    It does for an image that is the volume's bytes, just as they are.
    """
    formats = (facts.disk_format, facts.container_format)
    return formats == ('raw', 'bare') and facts.method != 'off'


def choose_store(facts: Facts) -> glance.Store | str:
    """Find the store in the volume's own cluster; or say why there is none."""
    if facts.method == 'off':
        return 'rbd_offload_method is off'
    if not eligible(facts):
        return (
            f'the image is {facts.disk_format}/{facts.container_format}, '
            'and only raw/bare has the bytes of the volume'
        )
    if facts.stores is None:
        return (
            f'Glance did not name its stores: {facts.stores_error}. It tells '
            'them to the role service or admin: see [service_user] in '
            'cinder.conf'
        )
    store = find_store(facts.stores, facts.store_id)
    if isinstance(store, str):
        return store
    if store.type != 'rbd':
        return f'the Glance store {store.id} is of type {store.type}, not rbd'
    if not store.fsid or not store.pool:
        return (
            f'Glance does not tell the cluster of its store {store.id}; it '
            'does from 2025.1 on'
        )
    if store.fsid != facts.fsid:
        return (
            f'the Glance store {store.id} is in another Ceph cluster: '
            f'{store.fsid}, not {facts.fsid}'
        )
    return store


def find_store(
    stores: Iterable[glance.Store], store_id: str | None
) -> glance.Store | str:
    """Find the store that an image goes to; or say why there is none.

    :param store_id: the one that the volume's type names; None for Glance's
        default
    """
    if store_id is None:
        store = next((one for one in stores if one.default), None)
        return store or 'Glance names no default store'
    store = next((one for one in stores if one.id == store_id), None)
    return store or (
        f'Glance has no store {store_id}, which the volume type names as '
        'image_service:store_id'
    )


def decide(facts: Facts) -> Plan:
    """Choose how an image's data comes to its place."""
    store = choose_store(facts)
    if isinstance(store, str):
        return Plan(store)
    methods, why = _methods(facts)
    return Plan(
        f'the Glance store {store.id} is pool {store.pool} of the '
        f"volume's own cluster; {methods[0].value}, since {why}",
        store,
        methods,
    )


def _methods(facts: Facts) -> tuple[tuple[Method, ...], str]:
    """Order the methods for a volume; say why the first is first.

    To clone and flatten moves the bytes in use; to copy moves whole objects
    for the least of writes, and on a full volume as much (both measured). No
    look at the object map tells the two cases apart. But a flatten looks at
    every object that there could be, which a copy does not.
    """
    copy, clone, instant = Method.COPY, Method.CLONE_FLATTEN, Method.INSTANT
    safe = (clone,) if facts.is_clone else (clone, copy)
    why = {
        True: 'Glance was seen to read through clones of this store',
        None: 'rbd_offload_method says so',
        False: 'Glance was seen not to read through clones of this store',
    }[facts.reads_through]
    if facts.clone_v2:
        if facts.method == instant.value and facts.reads_through is False:
            return safe, why
        if facts.method == instant.value or (
            facts.method == 'auto' and facts.reads_through
        ):
            return (instant, *safe), why
    if facts.method == clone.value:
        return safe, 'rbd_offload_method says so'
    if facts.is_clone:
        return safe, 'the volume is a clone'
    if facts.method == copy.value:
        return (copy, clone), 'rbd_offload_method says so'
    if not facts.clone_v2:
        return (copy, clone), (
            'clones of format 1, which this cluster makes, need a protected '
            'snapshot'
        )
    if facts.used is not None and facts.used * EMPTINESS <= facts.size:
        return (copy, clone), 'next to nothing of the volume is in use'
    return safe, 'that moves the bytes in use, and no more'
