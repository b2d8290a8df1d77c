# SPDX-License-Identifier: Apache-2.0
"""The lab itself: one lab however often, on one address, beside others."""

import os
import pathlib
import signal
import subprocess

import fixtures

from cinder_rbd_offload.tests.functional import base
from lab import mariadb
from lab import state


class LabTest(base.FunctionalTestCase):
    """What a person does with a lab."""

    def pids(self) -> dict[str, int | None]:
        return {
            name: one.process.pid for name, one in self.lab.services.items()
        }

    def test_up_again_changes_nothing(self) -> None:
        before = self.pids()
        self.assertEqual(0, self.run_lab('up').returncode)
        self.assertEqual(before, self.pids())

    def test_a_service_that_died_is_told_and_brought_back(self) -> None:
        self.assertEqual(0, self.run_lab('status').returncode)
        before = self.pids()
        pid = before['cinder-scheduler']
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        status = self.run_lab('status')
        self.assertEqual(1, status.returncode)
        self.assertRegex(status.stdout, r'cinder-scheduler +died\n +\S')
        self.assertEqual(0, self.run_lab('up').returncode)
        self.assertEqual(0, self.run_lab('status').returncode)
        changed = {
            name for name, pid in self.pids().items() if pid != before[name]
        }
        self.assertEqual({'cinder-scheduler'}, changed)

    def test_everything_listens_on_the_loopback_only(self) -> None:
        ours = {
            pid
            for one in self.lab.services.values()
            for pid in one.process.members()
        }
        lines = subprocess.run(
            ['ss', '-tlnpHO'], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        addresses = {
            line.split()[3].rpartition(':')[0]
            for line in lines
            if any(f'pid={pid},' in line for pid in ours)
        }
        self.assertTrue(addresses)
        self.assertLessEqual(addresses, {'127.0.0.1', '[::1]'})

    def test_nothing_but_a_link_is_written_to_etc(self) -> None:
        """All that changed there since the lab was first brought up."""
        since = self.state.folder('epmd') / 'prepared'
        changed = subprocess.run(
            ['find', '/etc', '-newer', since, '!', '-type', 'd'],
            capture_output=True,
            text=True,
        ).stdout.split()
        link = self.lab.services['brick-keyring'].link
        # The tests run in labs side by side, each with a link of its own.
        links = link.parent.glob('*.client.cinder.keyring')
        allowed = {str(path) for path in links if path.is_symlink()}
        self.assertIn(str(link), changed)
        self.assertEqual(set(), set(changed) - allowed)

    def test_env_is_what_a_client_needs(self) -> None:
        done = subprocess.run(
            ['sh', '-c', 'eval "$1"; openstack token issue -f value -c id']
            + ['sh', self.run_lab('env').stdout],
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
        )
        self.assertEqual(0, done.returncode, done.stderr)

    def test_a_service_of_another_lab_beside_this_one(self) -> None:
        folder = self.useFixture(fixtures.TempDir()).path
        other = mariadb.MariaDB(state.State(pathlib.Path(folder)))
        self.addCleanup(other.down)
        other.up()
        self.assertEqual('', other.problem())
        other.down()
        self.assertEqual('not running', other.problem())
        self.assertEqual('', self.lab.services['mariadb'].problem())
