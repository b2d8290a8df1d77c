# SPDX-License-Identifier: Apache-2.0
"""Says which way an upload goes, and why, as the driver would choose it."""

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import swift
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.upload import swift_choice

Finding = finding.Finding

# What an image may be that is not the volume's bytes.
_OTHER_FORMATS = (('qcow2', 'bare'), ('raw', 'compressed'))


def facts(
    backend: config.Backend,
    fsid: str,
    stores: tuple[glance.Store, ...],
    store_id: str | None,
    clone_v2: bool,
    volume: survey.ImageSeen | None,
) -> plan.Facts:
    """Gather what the choice rests on, for a raw image.

    :param store_id: what the volume type names, if anything
    :param clone_v2: whether the cluster makes clones of format 2
    :param volume: the volume; None for one without a parent
    """
    return plan.Facts(
        disk_format='raw',
        container_format='bare',
        store_id=store_id,
        stores=stores,
        fsid=fsid,
        is_clone=bool(volume and volume.is_clone),
        clone_v2=clone_v2,
        size=volume.size if volume else 0,
        used=volume.used if volume else None,
        method=backend.options['rbd_offload_method'],
    )


def check(
    given: plan.Facts,
    known: Mapping[str, bool | None],
    options: swift_choice.Options | None = None,
) -> Iterator[Finding]:
    """Say where an upload goes, and what would go another way.

    :param known: whether Glance reads through clones, by store
    :param options: what goes straight to Swift; None for nothing
    """
    stores = given.stores or ()
    choice = _decide(given, known)
    others = {
        store.id: _decide(dataclasses.replace(given, store_id=store.id), known)
        for store in stores
        if store.id != given.store_id
        and not (given.store_id is None and store.default)
    }
    straight = swift.store(given, options)
    yield _judge(choice, others, given, straight)
    for store_id, other in others.items():
        way = 'is streamed'
        if other.store:
            way = 'stays in the cluster'
        elif swift.store(
            dataclasses.replace(given, store_id=store_id), options
        ):
            way = 'goes straight to Swift'
        yield finding.ok(
            'route',
            f'With image_service:store_id = {store_id} in the volume type an '
            f'upload {way}: {other.reason}',
        )
    if choice.store is None and not straight:
        return
    for disk, container in _OTHER_FORMATS:
        other = plan.decide(
            dataclasses.replace(
                given, disk_format=disk, container_format=container
            )
        )
        yield finding.ok(
            'route',
            f'An upload as {disk}/{container} is streamed: {other.reason}',
        )


def _decide(given: plan.Facts, known: Mapping[str, bool | None]) -> plan.Plan:
    store = plan.choose_store(given)
    if not isinstance(store, str):
        given = dataclasses.replace(given, reads_through=known.get(store.id))
    return plan.decide(given)


def volume(
    seen: survey.ImageSeen | None, pool: str, image: str
) -> Iterator[Finding]:
    """Judge a volume's data."""
    if seen is None:
        yield finding.error(
            'volume',
            f'There is no image {image} in pool {pool}',
            'Check the id and --backend. A volume that was migrated keeps the '
            'name of its image: give the id that is in that name',
        )
        return
    parent = 'is a clone' if seen.is_clone else 'has no parent'
    text = f'The volume {image} in pool {pool} {parent}'
    if doubt := inspection.doubt(seen.head):
        yield finding.warning(
            'volume',
            f'{text}. Its upload is streamed, and Glance may refuse it: '
            f'{doubt}',
            'Upload it in the format that it has, if that is what it is to be',
        )
    else:
        yield finding.ok('volume', f'{text}, and its data is plainly raw')


def _judge(
    choice: plan.Plan,
    others: dict[str, plan.Plan],
    given: plan.Facts,
    straight: str,
) -> Finding:
    """Judge the way of a raw upload.

    :param straight: the store that it goes straight to Swift for, if it does
    """
    if choice.store:
        return finding.ok(
            'route', f'A raw upload stays in the cluster: {choice.reason}'
        )
    if straight:
        return finding.ok(
            'route', f'A raw upload goes straight to Swift: {choice.reason}'
        )
    text = f'A raw upload is streamed: {choice.reason}'
    if given.method == 'off':
        return finding.warning(
            'route', text, 'Set rbd_offload_method = auto in cinder.conf'
        )
    inside = [name for name, other in others.items() if other.store]
    if inside:
        return finding.warning(
            'route',
            text,
            'Set image_service:store_id in the volume type to one of: '
            f'{", ".join(inside)}; or make it the default store of Glance',
        )
    return finding.error(
        'route',
        text,
        'Give Glance a store of type rbd in the cluster '
        f'{given.fsid}, and see the findings on Glance',
    )
