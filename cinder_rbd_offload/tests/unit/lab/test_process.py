# SPDX-License-Identifier: Apache-2.0
"""Processes of a lab are found again, and they alone are ended."""

import json
import os
import pathlib
import signal
import subprocess
import time

import fixtures
from oslotest import base

from lab import process

# A process with a child of its own that would outlive it.
FAMILY = ['sh', '-c', 'sleep 60 & echo child; sleep 60']


def eventually(check):
    deadline = time.monotonic() + 10
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError('it did not come to pass')
        time.sleep(0.01)


class ProcessTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.process = self.find()
        self.addCleanup(self.process.stop)

    def find(self):
        """Look the process up as another command would."""
        return process.Process(
            self.folder / 'process.json', self.folder / 'log'
        )

    def start(self):
        self.process.start(FAMILY, {}, self.folder)
        eventually(lambda: 'child' in self.process.log.read_text())
        eventually(lambda: len(self.process.members()) == 3)

    def test_it_is_found_again(self):
        self.assertIsNone(self.find().pid)
        self.start()
        self.assertEqual(self.process.pid, self.find().pid)
        self.assertFalse(self.find().died)

    def test_stop_ends_it_and_its_children(self):
        self.start()
        members = self.process.members()
        self.find().stop()
        for pid in members:
            eventually(lambda pid=pid: not alive(pid))
        self.assertFalse(self.process.died)

    def test_stop_ends_the_children_of_one_that_died(self):
        self.start()
        members = self.process.members()
        os.kill(self.process.pid, signal.SIGKILL)
        eventually(lambda: self.process.died)
        self.assertIsNone(self.process.pid)
        self.find().stop()
        for pid in members:
            eventually(lambda pid=pid: not alive(pid))
        self.assertFalse(self.find().died)

    def test_starting_again_ends_what_is_left(self):
        self.start()
        first = self.process.pid
        self.process.start(FAMILY, {}, self.folder)
        self.assertFalse(alive(first))
        self.assertNotEqual(first, self.process.pid)

    def test_a_stranger_with_its_pid_is_left_alone(self):
        stranger = subprocess.Popen(['sleep', '60'], start_new_session=True)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        self.start()
        record = self.folder / 'process.json'
        remembered = json.loads(record.read_text())
        self.find().stop()
        # As if the pid had gone to another process since.
        record.write_text(json.dumps(remembered | {'pid': stranger.pid}))
        self.assertIsNone(self.find().pid)
        self.assertTrue(self.find().died)

    def test_a_record_cut_short_counts_as_none(self):
        (self.folder / 'process.json').write_text('{"pid": 1')
        self.assertIsNone(self.find().pid)
        self.assertFalse(self.find().died)


def alive(pid):
    """Tell whether a process runs; one that nobody waited for does not."""
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat[stat.rindex(')') + 2] != 'Z'
