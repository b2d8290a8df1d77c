# SPDX-License-Identifier: Apache-2.0
"""Snapshots in Ceph in other formats: qemu-img and gzip as they are.

Only the lab's Ceph is needed.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import gzip
import os
import pathlib
import random
import signal
import struct
import subprocess
import tempfile
from typing import Any
import uuid

import ddt
from oslo_utils import units
import rbd as librbd
import testtools

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import convert
from lab import rbd
from lab import service
from lab import state as lab_state

SIZE = 64 * units.Mi
PATIENCE = 60

# Names as librbd takes them from others than the command line.
HOSTILE = (
    'volume-1@snap',
    'volume-1:conf=/nowhere',
    'volumes/volume-1',
    'a,driver=file,file.filename=/etc/passwd',
    'json:{"driver": "file"}',
    'ä "quoted" \\back %s',
)


class Reader:
    """A snapshot as something that is read; it has no descriptor."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._position = 0

    def read(self, length: int) -> bytes:
        length = min(length, self._handle.size() - self._position)
        self._position += length
        if not length:
            return b''
        return bytes(self._handle.read(self._position - length, length))


@ddt.ddt
class ConvertTest(testtools.TestCase):
    """Has a volume with data at its start, at its end, and a hole between."""

    def setUp(self) -> None:
        super().setUp()
        self.state = lab_state.State(pathlib.Path(os.environ['LAB_STATE']))
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        self.folder = pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory())
        )
        self.directory = self.folder / 'conversion'
        self.directory.mkdir()
        self.settings = convert.Settings(str(self.directory))
        self.pool = stack.enter_context(rbd.pool(self.state, 'volumes'))
        self.addCleanup(lambda: self.assertEqual([], self.files()))
        self.start = random.randbytes(5 * units.Mi)

    def files(self) -> list[str]:
        return os.listdir(self.directory)

    @property
    def conf(self) -> str:
        return str(self.state.root / 'ceph' / 'ceph.conf')

    def make(
        self,
        name: str = '',
        snapshot: str = 'snap',
        size: int = SIZE,
        **changes: Any,
    ) -> convert.Snapshot:
        """Make a volume, its snapshot, and write to the volume again."""
        name = name or f'volume-{uuid.uuid4()}'
        librbd.RBD().create(self.pool, name, size)
        self.addCleanup(self.remove, name, snapshot)
        with librbd.Image(self.pool, name) as image:
            image.write(self.start, 0)
            image.write(b'the end', size - 7)
            image.create_snap(snapshot)
            image.write(b'later', 0)
        given = {
            'pool': 'volumes',
            'image': name,
            'name': snapshot,
            'size': size,
            'used': 2 * len(self.start),
            'user': 'cinder',
            'conf': self.conf,
        }
        return convert.Snapshot(**(given | changes))

    def remove(self, name: str, snapshot: str) -> None:
        with librbd.Image(self.pool, name) as image:
            image.remove_snap(snapshot)

        def removed() -> bool:
            # It counts as open for a while where somebody died with it.
            librbd.RBD().remove(self.pool, name)
            return True

        service.wait(f'the removal of {name}', removed, PATIENCE)

    @contextlib.contextmanager
    def opened(self, snapshot: convert.Snapshot) -> Iterator[Any]:
        with librbd.Image(
            self.pool,
            snapshot.image,
            snapshot=snapshot.name,
            read_only=True,
        ) as handle:
            yield handle

    def content(self, snapshot: convert.Snapshot) -> bytes:
        with self.opened(snapshot) as handle:
            return bytes(handle.read(0, snapshot.size))

    def restore(self, image: bytes, name: str) -> bytes:
        """Convert an image back."""
        file = self.folder / 'image'
        file.write_bytes(image)
        back = self.folder / 'back'
        subprocess.run(
            ['qemu-img', 'convert', '-f', name, '-O', 'raw', file, back],
            check=True,
            timeout=PATIENCE,
        )
        return back.read_bytes()

    def image(
        self,
        snapshot: convert.Snapshot,
        disk_format: str = 'qcow2',
        look: Callable[[float], None] = lambda done: None,
    ) -> bytes:
        with convert.converted(
            snapshot, disk_format, self.settings, look
        ) as file:
            self.assertEqual([], self.files())
            return file.read()

    def compress(self, source: Any) -> bytes:
        with convert.compressed(source, self.settings, 'a volume') as pipe:
            return pipe.read()

    def assert_whole(self, data: bytes, snapshot: convert.Snapshot) -> None:
        content = self.content(snapshot)
        self.assertEqual(len(content), len(data))
        # A difference in a message would be as long as the volume.
        self.assertTrue(content == data, 'the data differs')
        self.assertTrue(data.startswith(self.start), 'it is not the snapshot')
        self.assertTrue(data.endswith(b'the end'), 'the end is missing')

    @ddt.data(
        ('ploop', 'parallels'),
        ('qcow2', 'qcow2'),
        ('vdi', 'vdi'),
        ('vhd', 'vpc'),
        ('vhdx', 'vhdx'),
        ('vmdk', 'vmdk'),
    )
    @ddt.unpack
    def test_formats(self, disk_format: str, name: str) -> None:
        snapshot = self.make()
        image = self.image(snapshot, disk_format)
        self.assert_whole(self.restore(image, name), snapshot)
        # The hole is none of the data.
        self.assertLess(len(image), SIZE)

    def test_raw_and_compressed(self) -> None:
        snapshot = self.make()
        with self.opened(snapshot) as handle:
            image = self.compress(Reader(handle))
        self.assert_whole(gzip.decompress(image), snapshot)

    def test_qcow2_and_compressed(self) -> None:
        snapshot = self.make()
        with convert.converted(snapshot, 'qcow2', self.settings) as file:
            image = gzip.decompress(self.compress(file))
        self.assert_whole(self.restore(image, 'qcow2'), snapshot)

    def test_the_header_of_another_format_is_data(self) -> None:
        """A qcow2 that names a file of the host as its backing file."""
        header = struct.pack(
            '>4sIQIIQIIQQIIQQQQII',
            b'QFI\xfb',
            3,
            512,
            11,
            16,
            SIZE,
            0,
            1,
            65536,
            131072,
            1,
            0,
            0,
            0,
            0,
            0,
            4,
            104,
        )
        name = b'/etc/passwd'
        self.start = header.ljust(512, b'\0') + name.ljust(5 * units.Mi, b'\0')
        snapshot = self.make()
        for disk_format in ('qcow2', 'vmdk'):
            image = self.image(snapshot, disk_format)
            self.assert_whole(self.restore(image, disk_format), snapshot)

    @ddt.data(*HOSTILE)
    def test_hostile_names(self, name: str) -> None:
        self.make('volume-1')
        wanted = self.start
        self.start = wanted[::-1]
        snapshot = self.make(name, name)
        image = self.image(snapshot)
        self.assert_whole(self.restore(image, 'qcow2'), snapshot)

    def test_a_keyring_that_the_conf_does_not_name(self) -> None:
        lines = pathlib.Path(self.conf).read_text().splitlines()
        conf = self.folder / 'ceph.conf'
        kept = [line for line in lines if not line.startswith('keyring')]
        self.assertLess(len(kept), len(lines))
        conf.write_text('\n'.join(kept) + '\n')
        keyring = self.state.root / 'ceph' / 'client.cinder.keyring'
        snapshot = self.make(conf=str(conf), keyring=str(keyring))
        image = self.image(snapshot)
        self.assert_whole(self.restore(image, 'qcow2'), snapshot)

    def test_a_cluster_that_does_not_know_the_user(self) -> None:
        snapshot = self.make(user='nobody')
        error = self.assertRaises(
            exceptions.ConversionFailed, self.image, snapshot
        )
        self.assertIn('qemu-img ended with exit code 1: ', str(error))
        self.assertIn('error connecting', str(error))

    def test_qemu_img_is_killed_while_it_works(self) -> None:
        snapshot = self.make_slow()
        command = environment = b''

        def kill(done: float) -> None:
            nonlocal command, environment
            # What was killed has no command line any more.
            if 0 < done < 1 and not command:
                process = working(snapshot)
                command = (process / 'cmdline').read_bytes()
                environment = (process / 'environ').read_bytes()
                os.kill(int(process.name), signal.SIGKILL)

        error = self.assertRaises(
            exceptions.ConversionFailed, self.image, snapshot, 'vdi', kill
        )
        self.assertIn('qemu-img was ended by SIGKILL', str(error))
        self.assertIn(f'converting {snapshot} to vdi', str(error))
        keyring = self.state.root / 'ceph' / 'client.cinder.keyring'
        key = keyring.read_text().partition('key = ')[2].split()[0].encode()
        self.assertNotIn(key, command + environment)

    def test_a_conversion_that_is_given_up(self) -> None:
        snapshot = self.make_slow()
        seen = []

        def give_up(done: float) -> None:
            if 0 < done < 1:
                seen.append(working(snapshot))
                raise LookupError

        self.assertRaises(LookupError, self.image, snapshot, 'qcow2', give_up)
        self.assertFalse(seen[0].exists())
        # It is not open any more, either: a user may delete the volume.
        with librbd.Image(self.pool, snapshot.image, read_only=True) as handle:
            self.assertEqual([], list(handle.watchers_list()))

    def make_slow(self) -> convert.Snapshot:
        """Make a volume that takes a quarter of a minute to read."""
        self.start = random.randbytes(32 * units.Mi)
        snapshot = self.make()
        with librbd.Image(self.pool, snapshot.image) as image:
            image.metadata_set('conf_rbd_qos_read_bps_limit', str(2 << 20))
        return snapshot


def working(snapshot: convert.Snapshot) -> pathlib.Path:
    """Find the process that reads a snapshot, as a folder of /proc."""
    children = pathlib.Path(f'/proc/{os.getpid()}/task').glob('*/children')
    pids = ' '.join(file.read_text() for file in children).split()
    for process in map(pathlib.Path, [f'/proc/{pid}' for pid in pids]):
        if snapshot.image.encode() in (process / 'cmdline').read_bytes():
            return process
    raise AssertionError(f'nothing reads {snapshot}')
