# SPDX-License-Identifier: Apache-2.0
"""Conversions with the real programs, and with ones that fail."""

import gzip
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
from unittest import mock

import ddt
import fixtures
from oslo_utils import units
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import open_files
from cinder_rbd_offload.upload import convert

SIZE = 8 * units.Mi
# A program in the place of qemu-img: it notes how it was called.
NOTES = """#!/bin/sh
for word in "$@"; do echo "$word" >> {folder}/words; done
echo "$CEPH_KEYRING" > {folder}/keyring
for target in "$@"; do :; done
echo $$ > {folder}/pid
"""
# What a service does that is killed in the middle of a conversion.
KILLED = """
import sys
from cinder_rbd_offload.upload import convert
snapshot = convert.Snapshot('volumes', 'a', 'b', 1, 1)
with convert.converted(snapshot, 'qcow2', convert.Settings(sys.argv[1])):
    pass
"""


def snapshot(**changes):
    given = {
        'pool': 'volumes',
        'image': 'volume-1',
        'name': 'snap',
        'size': SIZE,
        'used': SIZE // 2,
    }
    return convert.Snapshot(**(given | changes))


class TestCase(base.BaseTestCase):
    """Has a folder for conversions, which is empty in the end."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.directory = self.folder / 'conversion'
        self.directory.mkdir()
        self.settings = convert.Settings(str(self.directory))
        self.logs = self.useFixture(fixtures.FakeLogger())
        # Pipes of other tests may end meanwhile.
        before = open_files.found('pipe:')
        self.addCleanup(lambda: self.assertEqual(set(), self.open() - before))
        self.addCleanup(lambda: self.assertEqual([], self.files()))

    def files(self):
        return os.listdir(self.directory)

    def open(self):
        return open_files.found('pipe:', str(self.folder))

    def fake(self, script=''):
        """Have a program of ours be found as qemu-img."""
        program = self.folder / 'qemu-img'
        program.write_text(NOTES.format(folder=self.folder) + script)
        program.chmod(0o700)
        path = f'{self.folder}:{os.environ["PATH"]}'
        self.useFixture(fixtures.EnvironmentVariable('PATH', path))

    def words(self):
        return (self.folder / 'words').read_text().splitlines()

    def convert(self, *args, disk_format='qcow2', **changes):
        with convert.converted(
            snapshot(**changes), disk_format, self.settings, *args
        ) as file:
            return file.read()

    def failure(self, *args, error=exceptions.ConversionFailed, **changes):
        return self.assertRaises(error, self.convert, *args, **changes)

    def await_file(self, name):
        deadline = time.monotonic() + 10
        while not (path := self.folder / name).exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        return path


@ddt.ddt
class RealProgramsTestCase(TestCase):
    """qemu-img reads a file in the place of an RBD snapshot."""

    def setUp(self):
        super().setUp()
        self.volume = self.folder / 'volume'
        self.data = bytearray(SIZE)
        self.data[units.Mi : 2 * units.Mi] = random.randbytes(units.Mi)
        self.data[-5:] = b'12345'
        self.write()
        options = {
            'driver': 'raw',
            'file': {'driver': 'file', 'filename': str(self.volume)},
        }
        self.useFixture(
            fixtures.MockPatchObject(
                convert.Snapshot,
                'options',
                lambda _self: 'json:' + json.dumps(options),
            )
        )

    def write(self):
        self.volume.write_bytes(self.data)

    def restore(self, image, disk_format):
        """Convert an image back."""
        file = self.folder / 'image'
        file.write_bytes(image)
        back = self.folder / 'back'
        subprocess.run(
            *[
                ['qemu-img', 'convert', '-f', disk_format, '-O', 'raw']
                + [str(file), str(back)]
            ],
            check=True,
        )
        return back.read_bytes()

    @ddt.data(
        ('ploop', 'parallels'),
        ('qcow2', 'qcow2'),
        ('vdi', 'vdi'),
        ('vhd', 'vpc'),
        ('vhdx', 'vhdx'),
        ('vmdk', 'vmdk'),
    )
    @ddt.unpack
    def test_formats(self, disk_format, name):
        image = self.convert(disk_format=disk_format)
        self.assertEqual(self.data, self.restore(image, name))
        self.assertIn(
            f'volumes/volume-1@snap was converted to {disk_format}: '
            f'{len(image) // units.Mi} MiB in ',
            self.logs.output,
        )

    def test_the_file_has_a_size_and_no_name(self):
        with convert.converted(snapshot(), 'qcow2', self.settings) as file:
            self.assertEqual([], self.files())
            self.assertEqual(0, file.tell())
            size = file.seek(0, os.SEEK_END)
            self.assertEqual(os.fstat(file.fileno()).st_size, size)
            file.seek(0)
            self.assertEqual(size, len(file.read()))
        self.assertTrue(file.closed)

    def test_compressed_clusters(self):
        self.data[:] = b'text' * (SIZE // 4)
        self.write()
        small = self.convert()
        self.settings = convert.Settings(str(self.directory), compress=False)
        large = self.convert()
        self.assertLess(10 * len(small), len(large))
        self.assertEqual(self.data, self.restore(small, 'qcow2'))
        self.assertEqual(self.data, self.restore(large, 'qcow2'))

    def test_the_header_of_another_format_is_data(self):
        secret = self.folder / 'secret'
        secret.write_bytes(b'secret' * 1000)
        header = self.folder / 'header'
        subprocess.run(
            ['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw']
            + ['-b', str(secret), str(header)],
            check=True,
        )
        content = header.read_bytes()
        self.data[: len(content)] = content
        self.write()
        self.assertEqual(self.data, self.restore(self.convert(), 'qcow2'))

    def test_compressed_container(self):
        with convert.converted(snapshot(), 'vdi', self.settings) as file:
            plain = file.read()
            seen = []
            for attempt in range(2):
                file.seek(0)
                os.utime(file.fileno(), (attempt, attempt))
                with convert.compressed(file, self.settings, 'a') as pipe:
                    # The first attempt breaks off.
                    seen.append(pipe.read(-1 if seen else 100))
        self.assertEqual(plain, gzip.decompress(seen[1]))
        self.assertEqual(seen[0], seen[1][: len(seen[0])])
        self.assertNotEqual(b'', seen[0])

    def test_compressed_raw(self):
        with self.volume.open('rb', buffering=0) as file:
            source = mock.Mock(spec=['read'])
            source.read = file.read
            seen = []
            for _attempt in range(2):
                file.seek(0)
                with convert.compressed(source, self.settings, 'a') as pipe:
                    seen.append(pipe.read())
        self.assertEqual(self.data, gzip.decompress(seen[0]))
        self.assertEqual(seen[0], seen[1])


@ddt.ddt
class ConvertTestCase(TestCase):
    """qemu-img is a program of ours."""

    def free(self, free):
        """Have the directory's file system seem to have free bytes."""
        fixture = fixtures.MockPatch(
            'shutil.disk_usage', mock.Mock(return_value=mock.Mock(free=free))
        )
        return self.useFixture(fixture).mock

    def test_command(self):
        self.fake('printf image > $target')
        self.assertEqual(b'image', self.convert())
        *command, source, target = self.words()
        self.assertEqual('convert -p -O qcow2 -c'.split(), command)
        self.assertTrue(target.startswith('/proc/self/fd/'))
        self.assertEqual(snapshot().options(), source)
        self.assertEqual(
            {
                'driver': 'raw',
                'file': {
                    'driver': 'rbd',
                    'pool': 'volumes',
                    'image': 'volume-1',
                    'snapshot': 'snap',
                },
            },
            json.loads(source.removeprefix('json:')),
        )

    def test_how_to_reach_the_cluster(self):
        self.fake()
        self.convert(user='cinder', conf='/a/conf', keyring='/a/key,/b/key')
        options = json.loads(self.words()[-2].removeprefix('json:'))['file']
        self.assertEqual('cinder', options['user'])
        self.assertEqual('/a/conf', options['conf'])
        keyring = (self.folder / 'keyring').read_text()
        self.assertEqual('/a/key,/b/key\n', keyring)

    @ddt.data('a:b@c/d,e', 'a"b', 'a\\b', '%d', 'ä', '\U0001f4a9', '-f', '{}')
    def test_names_are_only_names(self, name):
        options = snapshot(pool=name, image=name, name=name).options()
        self.assertTrue(options.isascii())
        read = json.loads(options.removeprefix('json:'))
        self.assertEqual({'driver', 'file'}, set(read))
        self.assertEqual(
            {'driver': 'rbd'}
            | dict.fromkeys(('pool', 'image', 'snapshot'), name),
            read['file'],
        )

    def test_a_format_that_cannot_be_written(self):
        error = self.failure(disk_format='ami')
        self.assertIn('snap to ami failed: qemu-img writes ploop', str(error))

    def test_failure(self):
        self.fake('printf half > $target; echo the cause >&2; exit 3')
        self.assertIn(
            'converting volumes/volume-1@snap to qcow2 failed: qemu-img '
            'ended with exit code 3: the cause. Check',
            str(self.failure()),
        )

    def test_qemu_img_is_not_there(self):
        empty = str(self.folder / 'conversion')
        self.useFixture(fixtures.EnvironmentVariable('PATH', empty))
        self.assertIn('qemu-img cannot be started', str(self.failure()))

    def test_qemu_img_is_killed(self):
        self.fake('printf half > $target; kill -9 $$')
        self.assertIn('was ended by SIGKILL', str(self.failure()))

    def test_progress(self):
        self.fake(
            r"""
            printf '    (1.00/100%%)\r'
            sleep 0.1
            printf '    (50.5'
            sleep 0.1
            printf '0/100%%)\r    (100.00/100%%)\r\n'
            """
        )
        seen = []
        self.convert(seen.append)
        self.assertEqual((0.01, 1.0), (seen[0], seen[-1]))
        self.assertEqual(sorted(seen), seen)

    def test_look_while_nothing_moves(self):
        self.fake(
            'printf half > $target; sleep 0.2; echo "(7.00/100%)"; '
            'exec sleep 60'
        )
        seen = []

        def look(done):
            seen.append(done)
            if seen.count(0.07) == 3:
                raise LookupError

        self.useFixture(fixtures.MockPatchObject(convert, '_GRACE', 0.01))
        with mock.patch.object(convert.pipe, '_LOOK', 0.01):
            self.failure(look, error=LookupError)
        self.assertEqual([0, 0.07], sorted(set(seen)))
        pid = (self.folder / 'pid').read_text().strip()
        self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def test_an_error_in_the_body(self):
        self.fake()

        def use():
            with convert.converted(snapshot(), 'qcow2', self.settings):
                raise LookupError

        self.assertRaises(LookupError, use)

    def test_a_service_that_is_killed(self):
        self.fake(f'printf half > $target; : > {self.folder}/half; sleep 2')
        process = subprocess.Popen(
            [sys.executable, '-c', KILLED, str(self.directory)]
        )
        try:
            self.await_file('half')
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.assertEqual([], self.files())

    def test_too_little_space(self):
        self.fake()
        free = 4 * units.Mi + SIZE // 4096 + 8 * units.Mi
        asked = self.free(free - 1)
        error = self.failure(error=exceptions.NoSpace)
        asked.assert_called_once_with(str(self.directory))
        self.assertFalse((self.folder / 'words').exists())
        self.assertIn(
            f'it needs up to {free} bytes in {self.directory}, where '
            f'{free - 1} bytes are free. Free some',
            str(error),
        )
        self.free(free)
        self.convert()

    def test_too_little_space_for_what_is_taken_ahead(self):
        self.fake()
        self.free(128 * units.Mi)
        self.failure(error=exceptions.NoSpace, disk_format='ploop')
        self.convert(disk_format='qcow2')

    def test_a_bound_that_was_too_low(self):
        self.fake('echo "No space left on device" >&2; exit 1')
        self.free(77 * units.Gi)
        error = self.failure(error=exceptions.NoSpace)
        self.assertIn(f'up to {77 * units.Gi + 1} bytes in', str(error))

    def test_bytes_in_use_that_nobody_knows(self):
        self.fake()
        self.free(0)
        self.convert(used=None)

    @ddt.data('No space left on device', 'Disk quota exceeded')
    def test_a_file_system_that_becomes_full(self, text):
        self.fake(
            'head -c 1048576 /dev/zero > $target; '
            f'echo "error while writing: {text}" >&2; exit 1'
        )
        self.free(3)
        error = self.failure(error=exceptions.NoSpace, used=None)
        needed = SIZE + SIZE // 4096 + 8 * units.Mi
        self.assertIn(f'up to {needed} bytes in', str(error))
        # What the failed conversion has taken is free again.
        free = re.search(r'where (\d+) bytes are free', str(error))[1]
        self.assertGreaterEqual(int(free), units.Mi + 3)
        self.assertIn(text, str(error.__cause__))

    @ddt.data('missing', 'file')
    def test_a_directory_that_is_none(self, name):
        self.fake()
        (self.folder / 'file').touch()
        self.settings = convert.Settings(str(self.folder / name))
        for used in (1, None):
            error = self.failure(used=used)
            self.assertIn(f'{self.folder / name}, which is', str(error))
            self.assertIn('image_conversion_dir in cinder.conf', str(error))

    def test_a_compression_that_nobody_knows(self):
        settings = convert.Settings(str(self.directory), compression='xz')
        error = self.assertRaises(
            exceptions.ConversionFailed,
            convert.compressed,
            mock.sentinel.file,
            settings,
            'image 1',
        )
        self.assertIn(
            "compressing image 1 failed: compression_format is 'xz'",
            str(error),
        )
