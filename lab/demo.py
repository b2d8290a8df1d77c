# SPDX-License-Identifier: Apache-2.0
"""The demonstration: one filesystem, uploaded by both drivers, compared."""

from collections.abc import Callable
import os
import pathlib
import shutil
import subprocess
import time

from lab import ceph
from lab import client
from lab import demo_report
from lab import lab as lab_lab
from lab import rbd
from lab import service
from lab import traffic

GIB = demo_report.GIB
VOLUME_GIB = 4
# The volume types, and so the drivers: Cinder's, ours as it comes, and ours
# where no data passes through a host of Cinder's.
COMPARED = ('upstream', 'offload', 'instant')
FILES_BYTES = GIB
# Where real files are found on any machine.
SOURCES = ('/usr/share', '/usr/lib', '/usr/bin')
UPLOAD_SECONDS = 600


def run(
    lab: lab_lab.Lab,
    say: Callable[[str], None],
    readme: pathlib.Path | None = None,
) -> bool:
    """Run the demonstration in a running lab; return whether all was equal.

    :param readme: where to write the results, too
    """
    files = demo_report.amount(FILES_BYTES)
    say(f'a {VOLUME_GIB} GiB ext4 filesystem with {files} of files')
    disk = _filesystem(lab.state.folder('demo'))
    results = []
    for name in COMPARED:
        if name == 'instant':
            # The deployment guides do not give it; the method needs it.
            say("instant: letting Glance's Ceph user read the volumes")
            ceph.Monitor(lab.state).let_glance_read_volumes()
        results.append(_upload(lab, name, disk, say))
    title = (
        f'A volume of {VOLUME_GIB} GiB holding {files} of files becomes an '
        'image'
    )
    demo_report.show(title, results)
    if readme is not None:
        demo_report.write_readme(readme, title, results)
    return all(result.same for result in results)


def _filesystem(folder: pathlib.Path) -> pathlib.Path:
    """Make a filesystem image with files of this machine's."""
    disk = folder / 'disk.raw'
    files = folder / 'files'
    shutil.rmtree(files, ignore_errors=True)
    _copy_some(files, FILES_BYTES)
    disk.unlink(missing_ok=True)
    subprocess.run(
        ['/sbin/mke2fs', '-q', '-q', '-t', 'ext4']
        + ['-d', str(files), str(disk), f'{VOLUME_GIB}G'],
        check=True,
    )
    shutil.rmtree(files)
    return disk


def _copy_some(target: pathlib.Path, budget: int) -> None:
    """Copy regular files of this machine's until they make so many bytes."""
    for source in SOURCES:
        for folder, folders, names in os.walk(source):
            folders.sort()
            for name in sorted(names):
                file = pathlib.Path(folder, name)
                if file.is_symlink() or not os.access(file, os.R_OK):
                    continue
                copy = target / file.relative_to('/')
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, copy)
                budget -= copy.stat().st_size
                if budget <= 0:
                    return


def _upload(
    lab: lab_lab.Lab,
    driver: str,
    disk: pathlib.Path,
    say: Callable[[str], None],
) -> demo_report.Result:
    """Put the filesystem on a volume, upload it, download the image."""
    state = lab.state
    tenant = client.connect(state, 'tenant')
    storage, images = tenant.block_storage, tenant.image
    say(f'{driver}: making the volume')
    volume = storage.create_volume(
        name=f'demo-{driver}', size=VOLUME_GIB, volume_type=driver
    )
    storage.wait_for_status(volume, 'available', interval=0.5, wait=60)
    with rbd.pool(state, 'volumes') as pool:
        rbd.fill(pool, f'volume-{volume.id}', disk)
        expected = rbd.sha512(pool, f'volume-{volume.id}')

    say(f'{driver}: uploading it')
    volume_service = lab.services['cinder-volume']
    with traffic.Traffic(volume_service.process) as counted:
        started = time.monotonic()
        image_id = storage.upload_volume_to_image(
            volume,
            f'demo-{driver}',
            disk_format='raw',
            container_format='bare',
        )['image_id']

        def active() -> bool:
            return str(images.get_image(image_id).status) == 'active'

        try:
            service.wait(f'image {image_id}', active, UPLOAD_SECONDS)
        except service.Failed as exc:
            raise service.Failed(f'{exc}; see {volume_service.log}') from None
        seconds = time.monotonic() - started

    independent = seconds
    if _reads_the_volume(lab, image_id):
        say(f'{driver}: the image is active, and becomes independent')
        service.wait(
            f'the end of the flattening of {image_id}',
            lambda: not _reads_the_volume(lab, image_id),
            UPLOAD_SECONDS,
        )
        independent = time.monotonic() - started
    say(f'{driver}: downloading the image')
    found = client.image_sha512(images, image_id)
    with rbd.pool(state, 'images') as pool:
        occupied = rbd.used(pool, image_id)
    return demo_report.Result(
        driver,
        seconds,
        independent,
        occupied,
        counted.total,
        same=found == expected,
    )


def _reads_the_volume(lab: lab_lab.Lab, image_id: str) -> bool:
    with rbd.pool(lab.state, 'images') as pool:
        return rbd.has_parent(pool, image_id)
