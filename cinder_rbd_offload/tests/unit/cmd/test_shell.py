# SPDX-License-Identifier: Apache-2.0
"""The program finds its commands, and its exit codes say how it went."""

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload.cmd import shell


@ddt.ddt
class ShellTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.stdout = self.useFixture(fixtures.StringStream('stdout')).stream
        self.stderr = self.useFixture(fixtures.StringStream('stderr')).stream
        self.useFixture(fixtures.MonkeyPatch('sys.stdout', self.stdout))
        self.useFixture(fixtures.MonkeyPatch('sys.stderr', self.stderr))
        self.useFixture(fixtures.FakeLogger())

    @ddt.data(
        [],
        ['--debug'],
        ['no-such-command'],
        ['--no-such-argument'],
        ['help', 'no-such-command'],
    )
    def test_unusable(self, argv):
        self.assertEqual(shell.UNUSABLE, shell.main(argv))

    @ddt.data(['--help'], ['--version'], ['help'])
    def test_fine(self, argv):
        self.assertEqual(0, shell.main(argv))
