# SPDX-License-Identifier: Apache-2.0
"""Another format than the volume's: at most one temporary file.

qemu-img reads the snapshot straight from Ceph and writes its own file, which
has no name from the start: it goes with the last process that has it open, be
that by a crash. A compressor is a pipe. So an upload takes

=========== ========== ==================================================
Disk format Container  Way
=========== ========== ==================================================
raw         bare       none of this module's
raw         compressed the snapshot, piped through gzip
other       bare       qemu-img to a temporary file
other       compressed qemu-img to a temporary file, piped through gzip
=========== ========== ==================================================

The volume's data is always taken for raw. What a tenant has written there,
the header of another format, say, which names a file of this host, stays
data.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import tempfile
import time

from oslo_log import log as logging
from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import pipe

LOG = logging.getLogger(__name__)

# Glance's formats, as qemu-img is asked for them. Of its own accord it rounds
# the size of a VHD up, and the image would not fit into a volume of the size
# of the one that it is made of.
_FORMATS = {
    'ploop': ('parallels',),
    'qcow2': ('qcow2',),
    'vdi': ('vdi',),
    'vhd': ('vpc', '-o', 'force_size=on'),
    'vhdx': ('vhdx',),
    'vmdk': ('vmdk',),
}

# Those that qemu-img can compress inside.
_COMPRESSIBLE = ('qcow2',)

# The compressors by Cinder's names for what they write. Without a name and a
# time in its header, gzip writes the same for the same data every time.
_COMPRESSORS = {'gzip': ('gzip', '-n')}

# What the formats need beside the data: tables as long as the volume, with at
# most 16 bytes for each 64 KiB, and a few clusters at the start.
_TABLES = 4096
_HEADERS = 8 * units.Mi
# What qemu-img takes ahead of the data, and gives back in the end.
_AHEAD = {'ploop': 128 * units.Mi}

# How qemu-img says that a file system, or its quota, is full.
_FULL = ('No space left on device', 'Disk quota exceeded')

# Seconds for qemu-img to close the image when it is to end early. Where it was
# killed, the image counts as open, and cannot be deleted, for half a minute.
_GRACE = 5.0

_PERCENT = re.compile(rb'\((\d+\.\d+)/100%\)')


@dataclasses.dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot, and how another program reaches it.

    :param size: in bytes
    :param used: the bytes that are in use; None where that is not known
    :param user: the cephx user without ``client.``; None for librados' own
    :param conf: the path of ceph.conf; '' for those that librados looks for
    :param keyring: the path of the keyring, where ceph.conf does not lead to
        it, as with a cluster that is not called ``ceph``; librados takes more
        than one, with commas
    """

    pool: str
    image: str
    name: str
    size: int
    used: int | None
    user: str | None = None
    conf: str = ''
    keyring: str = ''

    def __str__(self) -> str:
        return f'{self.pool}/{self.image}@{self.name}'

    def options(self) -> str:
        """Return what qemu-img is to open, in a form that quotes all names."""
        ceph = {
            'driver': 'rbd',
            'pool': self.pool,
            'image': self.image,
            'snapshot': self.name,
            'user': self.user,
            'conf': self.conf,
        }
        given = {key: value for key, value in ceph.items() if value}
        return 'json:' + json.dumps({'driver': 'raw', 'file': given})

    def environment(self) -> dict[str, str]:
        """Return the variables that make librados find the keyring."""
        return {'CEPH_KEYRING': self.keyring} if self.keyring else {}


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What Cinder's options say of conversions.

    :param directory: where the temporary files are: ``image_conversion_dir``
    :param compress: whether qcow2 images are compressed inside:
        ``image_compress_on_upload``
    :param compression: what the container ``compressed`` is compressed with:
        ``compression_format``
    """

    directory: str
    compress: bool = True
    compression: str = 'gzip'


@contextlib.contextmanager
def converted(
    snapshot: Snapshot,
    disk_format: str,
    settings: Settings,
    look: Callable[[float], None] = lambda done: None,
) -> Iterator[io.FileIO]:
    """Have a snapshot in another format, as a file without a name.

    :param disk_format: Glance's name for it; not raw
    :param look: called about once a second with the share that is done, from
        0 to 1; what it raises ends the conversion
    :returns: a file at its start, which is gone when it is closed
    :raises NoSpace: when the directory has too little space, or had in the end
    :raises ConversionFailed: when qemu-img fails
    """
    doing = f'converting {snapshot} to {disk_format}'
    if disk_format not in _FORMATS:
        raise exceptions.ConversionFailed(
            doing, f'qemu-img writes {", ".join(_FORMATS)} only'
        )
    needed = _needed(snapshot, disk_format)
    free = _free(doing, settings)
    if snapshot.used is not None and free < needed:
        raise exceptions.NoSpace(doing, settings.directory, needed, free)
    with _temporary(doing, settings) as file:
        started = time.monotonic()
        try:
            _convert(doing, snapshot, disk_format, settings, file, look)
        except exceptions.ConversionFailed as exc:
            if any(text in exc.cause for text in _FULL):
                taken = os.fstat(file.fileno()).st_blocks * 512
                # What it has taken is free in a moment.
                free = _free(doing, settings) + taken
                raise exceptions.NoSpace(
                    doing, settings.directory, max(needed, free + 1), free
                ) from exc
            raise
        LOG.info(
            '%(snapshot)s was converted to %(format)s: %(bytes)d MiB in '
            '%(seconds).1f s',
            {
                'snapshot': snapshot,
                'format': disk_format,
                'bytes': os.fstat(file.fileno()).st_size // units.Mi,
                'seconds': time.monotonic() - started,
            },
        )
        yield file


def compressed(
    source: pipe.Source, settings: Settings, what: str
) -> pipe.Pipe:
    """Have a file compressed, from its position on, while it is read.

    The same data gives the same bytes every time. So to start over, go to the
    start of the source, and call this again.

    :param source: may be one that :func:`converted` has returned
    :param what: what the source is, for the errors
    :raises ConversionFailed: when the compressor cannot be started
    """
    doing = f'compressing {what}'
    command = _COMPRESSORS.get(settings.compression)
    if command is None:
        raise exceptions.ConversionFailed(
            doing,
            f"compression_format is '{settings.compression}' in cinder.conf; "
            f'known is {", ".join(_COMPRESSORS)}',
        )
    return pipe.Pipe(doing, command, source)


def _convert(
    doing: str,
    snapshot: Snapshot,
    disk_format: str,
    settings: Settings,
    file: io.FileIO,
    look: Callable[[float], None],
) -> None:
    command = ['qemu-img', 'convert', '-p', '-O', *_FORMATS[disk_format]]
    if settings.compress and disk_format in _COMPRESSIBLE:
        command.append('-c')
    # It opens files by their paths, and this one has no other.
    command += [snapshot.options(), f'/proc/self/fd/{file.fileno()}']
    done = 0.0
    with pipe.Pipe(
        doing,
        command,
        keep=[file.fileno()],
        look=lambda: look(done),
        environment=snapshot.environment(),
        grace=_GRACE,
    ) as progress:
        while said := progress.read(units.Ki):
            if percents := _PERCENT.findall(said):
                done = float(percents[-1]) / 100
            look(done)


def _needed(snapshot: Snapshot, disk_format: str) -> int:
    """Return the bytes that a conversion takes, at most."""
    used = snapshot.size if snapshot.used is None else snapshot.used
    tables = snapshot.size // _TABLES
    return used + tables + _HEADERS + _AHEAD.get(disk_format, 0)


def _free(doing: str, settings: Settings) -> int:
    with _directory(doing, settings):
        return shutil.disk_usage(settings.directory).free


@contextlib.contextmanager
def _temporary(doing: str, settings: Settings) -> Iterator[io.FileIO]:
    """Have a file without a name."""
    with _directory(doing, settings):
        file = tempfile.TemporaryFile(
            dir=settings.directory, prefix='offload-', buffering=0
        )
    with file:
        yield file


@contextlib.contextmanager
def _directory(doing: str, settings: Settings) -> Iterator[None]:
    """Name the directory in the errors of what is done there."""
    try:
        yield
    except OSError as exc:
        raise exceptions.ConversionFailed(
            doing,
            f'{settings.directory}, which is image_conversion_dir in '
            f'cinder.conf, cannot be used: {exc}',
        ) from exc
