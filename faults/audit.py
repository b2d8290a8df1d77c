# SPDX-License-Identifier: Apache-2.0
"""What is wrong with what was seen: each check returns its complaints.

Nothing here asks a service: :mod:`faults.observe` has done so.
"""

from collections.abc import Callable
import dataclasses

SNAPSHOT = 'snap'
# The states of an image from which it has yet to come.
UNFINISHED = ('queued', 'saving', 'importing', 'uploading')


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of an RBD image.

    :param trashed: kept only for clones, in the trash namespace
    """

    name: str
    protected: bool = False
    trashed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Disk:
    """An RBD image.

    :param size: bytes, holes included
    :param parent: ``pool/image@snapshot`` that it gets data from, or ''
    :param watchers: the clients that have it open to write
    """

    name: str
    size: int
    snapshots: tuple[Snapshot, ...] = ()
    parent: str = ''
    watchers: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """An image of Glance's.

    :param size: bytes; None until it is known
    :param lock: the task of Glance's that holds it, or ''
    """

    id: str
    status: str
    size: int | None = None
    lock: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """Everything that a fault could have left something in.

    :param expected: the volumes that the run has made, with their statuses
    :param volumes: Cinder's volumes, with their statuses
    :param images: Glance's images
    :param image_pool: the RBD images of Glance's pool
    :param volume_pool: the RBD images of Cinder's pool
    :param trash: ``pool/name`` of what lies in either trash
    :param tasks: the manager's tasks
    :param journal: the images that the journal has entries for
    :param files: temporary files of cinder-volume
    :param trusts: Keystone's trusts that have not expired
    """

    expected: dict[str, str]
    volumes: dict[str, str]
    images: tuple[Image, ...] = ()
    image_pool: tuple[Disk, ...] = ()
    volume_pool: tuple[Disk, ...] = ()
    trash: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    journal: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    trusts: tuple[str, ...] = ()


def glance(seen: Observation) -> list[str]:
    """No image is short of a final state, or locked."""
    return [
        f'image {image.id} is {image.status} in Glance'
        for image in seen.images
        if image.status in UNFINISHED
    ] + [
        f'image {image.id} has an import lock in Glance'
        for image in seen.images
        if image.lock
    ]


def image_pool(seen: Observation) -> list[str]:
    """Active images and the images of the pool are the same, and whole."""
    active = {i.id: i.size for i in seen.images if i.status == 'active'}
    found = {disk.name for disk in seen.image_pool}
    bad = [
        f'image {name} is active without data in its pool'
        for name in sorted(active.keys() - found)
    ]
    for disk in seen.image_pool:
        if disk.name not in active:
            bad.append(f'images/{disk.name} belongs to no active image')
            continue
        if active[disk.name] != disk.size:
            bad.append(
                f'images/{disk.name} has {disk.size} bytes, and in Glance '
                f'{active[disk.name]}'
            )
        bad += _image_form(disk)
    return bad


def _image_form(disk: Disk) -> list[str]:
    """Check that an image has the form of those that Glance itself makes."""
    name = f'images/{disk.name}'
    bad = []
    snapshots = {snapshot.name: snapshot for snapshot in disk.snapshots}
    snap = snapshots.pop(SNAPSHOT, None)
    if snap is None:
        bad.append(f'{name} lacks the snapshot {SNAPSHOT}')
    elif not snap.protected:
        bad.append(f'{name}@{SNAPSHOT} is not protected')
    bad += [f'{name} has the snapshot {other}' for other in snapshots]
    if disk.parent:
        bad.append(f'{name} depends on {disk.parent}')
    return bad


def volume_pool(seen: Observation) -> list[str]:
    """The pool holds the volumes, and nothing beside or upon them."""
    wanted = {f'volume-{volume}' for volume in seen.expected}
    found = {disk.name for disk in seen.volume_pool}
    bad = [f'volumes/{name} is missing' for name in sorted(wanted - found)]
    bad += [f'volumes/{name} is no volume' for name in sorted(found - wanted)]
    for disk in seen.volume_pool:
        for snapshot in disk.snapshots:
            where = ' in the trash namespace' if snapshot.trashed else ''
            bad.append(
                f'volumes/{disk.name} has the snapshot {snapshot.name}{where}'
            )
        bad += [
            f'volumes/{disk.name} is open at {watcher}'
            for watcher in disk.watchers
        ]
    return bad


def leftovers(seen: Observation) -> list[str]:
    """Nothing waits, or was forgotten, anywhere else."""
    return (
        [f'{name} lies in the trash' for name in seen.trash]
        + [f'the manager still has the task: {task}' for task in seen.tasks]
        + [f'the journal has an entry for {entry}' for entry in seen.journal]
        + [f'the temporary file {name} is left' for name in seen.files]
        + [f'the trust {trust} is left in Keystone' for trust in seen.trusts]
    )


def cinder(seen: Observation) -> list[str]:
    """Every volume is as usable as it was."""
    wrong = [
        f'volume {volume} is {seen.volumes.get(volume, "gone")}, not {status}'
        for volume, status in seen.expected.items()
        if seen.volumes.get(volume) != status
    ]
    return wrong + [
        f'volume {volume} ({status}) was not made by this run'
        for volume, status in seen.volumes.items()
        if volume not in seen.expected
    ]


CHECKS: tuple[Callable[[Observation], list[str]], ...] = (
    glance,
    image_pool,
    volume_pool,
    leftovers,
    cinder,
)


def complaints(seen: Observation) -> list[str]:
    """Return everything that is wrong, or nothing."""
    return [bad for check in CHECKS for bad in check(seen)]


def without_hashes(seen: Observation) -> Observation:
    """Return what was seen without the locks of active images."""
    images = tuple(
        dataclasses.replace(image, lock='')
        if image.status == 'active'
        else image
        for image in seen.images
    )
    return dataclasses.replace(seen, images=images)
