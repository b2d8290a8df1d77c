# SPDX-License-Identifier: Apache-2.0
"""The file of counters: never half written, never overwritten."""

import concurrent.futures
import fcntl
import logging
import os
import pathlib
import stat
import subprocess
import sys
from unittest import mock

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload.metrics import exposition
from cinder_rbd_offload.metrics import textfile

ONE = exposition.sample(exposition.UPLOADS, {'method': 'copy'})
OTHER = exposition.sample(exposition.UPLOADS, {'method': 'instant'})

# Adds one, a number of times, to the counters of a back end.
ADDER = """
import sys
from cinder_rbd_offload.metrics import textfile
directory, one, times = sys.argv[1:]
file = textfile.Textfile(directory, 'h@b')
for _time in range(int(times)):
    file.add({one: 1})
"""


@ddt.ddt
class TextfileTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.logs = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.file = self.textfile()

    def textfile(self, host='h@b'):
        return textfile.Textfile(str(self.folder), host)

    def counters(self, file=None):
        text = (file or self.file).path.read_text()
        return exposition.from_text(text)

    def test_counters_add_up(self):
        self.file.add({ONE: 1})
        self.file.add({ONE: 2, OTHER: 0})
        self.assertEqual({ONE: 3, OTHER: 0}, self.counters())

    def test_they_outlive_the_process(self):
        self.file.add({ONE: 1})
        self.textfile().add({ONE: 1})
        self.assertEqual({ONE: 2}, self.counters())

    def test_each_back_end_of_each_host_has_its_own(self):
        hosts = ('h@b', 'h@c', 'g@b', 'h/g@b', 'h%2Fg@b', 'h g@b')
        for number, host in enumerate(hosts):
            self.textfile(host).add({ONE: number})
        for number, host in enumerate(hosts):
            self.assertEqual({ONE: number}, self.counters(self.textfile(host)))

    def test_the_collector_finds_one_file(self):
        self.file.add({ONE: 1})
        self.assertEqual([self.file.path], list(self.folder.glob('*.prom')))
        self.assertEqual('cinder_rbd_offload.h@b.prom', self.file.path.name)

    def test_everybody_may_read_it(self):
        self.addCleanup(os.umask, os.umask(0o077))
        for _time in range(2):
            self.file.add({ONE: 1})
            mode = stat.S_IMODE(self.file.path.stat().st_mode)
            self.assertEqual(0o644, mode)

    def test_who_reads_meanwhile_sees_the_last_whole(self):
        self.file.add({ONE: 1})
        before = self.file.path.read_text()
        seen = []
        replace = os.replace

        def look(source, target):
            seen.append(self.file.path.read_text())
            replace(source, target)

        with mock.patch.object(os, 'replace', autospec=True) as replaced:
            replaced.side_effect = look
            self.file.add({ONE: 1})
        self.assertEqual([before], seen)
        self.assertEqual({ONE: 2}, self.counters())

    def test_a_crash_while_it_is_written(self):
        self.file.add({ONE: 1})
        with mock.patch.object(
            os, 'replace', autospec=True, side_effect=KeyboardInterrupt
        ):
            self.assertRaises(KeyboardInterrupt, self.file.add, {ONE: 1})
        self.assertEqual({ONE: 1}, self.counters())
        self.file.add({ONE: 1})
        self.assertEqual({ONE: 2}, self.counters())

    @ddt.data(b'half a li', b'\0\0\0\0', b'\xff\xfe')
    def test_a_file_that_cannot_be_read_begins_anew(self, content):
        self.file.path.write_bytes(content)
        self.file.add({ONE: 1})
        self.assertEqual({ONE: 1}, self.counters())
        self.assertIn('cannot be read, and begin anew', self.logs.output)

    def test_many_processes_at_once(self):
        path = pathlib.Path(textfile.__file__).parents[2]
        command = [sys.executable, '-c', ADDER, str(self.folder), ONE, '50']
        running = [
            subprocess.Popen(command, env={'PYTHONPATH': str(path)})
            for _process in range(3)
        ]
        self.assertEqual([0, 0, 0], [one.wait(60) for one in running])
        self.assertEqual({ONE: 150}, self.counters())

    def test_many_threads_at_once(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _time: self.file.add({ONE: 1}), range(100)))
        self.assertEqual({ONE: 100}, self.counters())

    def test_a_lock_that_is_held_for_too_long(self):
        self.file.add({ONE: 1})
        (lock,) = self.folder.glob('.*.lock')
        with open(lock) as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with mock.patch.object(textfile, 'PATIENCE', 0.05):
                self.assertRaises(TimeoutError, self.file.add, {ONE: 1})
        self.file.add({ONE: 1})
        self.assertEqual({ONE: 2}, self.counters())

    @ddt.data('draft', 'lock')
    def test_a_link_that_somebody_has_put_there(self, kind):
        target = self.folder / 'precious'
        target.write_text('this')
        (self.folder / f'.cinder_rbd_offload.h@b.{kind}').symlink_to(target)
        self.assertRaises(OSError, self.file.add, {ONE: 1})
        self.assertEqual('this', target.read_text())

    def test_without_the_directory(self):
        file = textfile.Textfile(str(self.folder / 'none'), 'h@b')
        self.assertRaises(FileNotFoundError, file.add, {ONE: 1})
