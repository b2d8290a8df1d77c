# SPDX-License-Identifier: Apache-2.0
"""What tests of uploads through the fault proxy have in common.

A class of tests starts a service anew once, so that its requests pass the
proxy, and runs its column of the fault table.
"""

import os
import pathlib
from typing import ClassVar

from cinder_rbd_offload.tests.fault_proxy import proxy
from cinder_rbd_offload.tests.functional import base
from cinder_rbd_offload.tests.functional import fault_table
from lab import state as lab_state

# Seconds after which an upload is taken to be without end. The slowest that
# ends takes 31 s, for the client of Swift waits between its attempts.
HANGS_SECONDS = 45


class BrokenUploadTest(base.FunctionalTestCase):
    """Tests that share one proxy, and the service that goes through it."""

    column: ClassVar[str]
    # A regular expression for each kind of request that a row may break.
    paths: ClassVar[dict[str, str]]
    # What the service that is tested gets beside the proxy.
    options: tuple[str, ...] = ()
    proxy: ClassVar[proxy.FaultProxy]

    @staticmethod
    def class_state() -> lab_state.State:
        """Return the lab's state, for what a class has for all its tests."""
        return lab_state.State(pathlib.Path(os.environ['LAB_STATE']))

    @classmethod
    def stand_before(cls, port: int) -> None:
        """Have a proxy before a port of this machine."""
        cls.proxy = cls.enterClassContext(proxy.FaultProxy('127.0.0.1', port))

    @classmethod
    def configure_class(cls, name: str, *options: str) -> None:
        """Give a service options until the tests of this class are done."""

        def configure(*wanted: str) -> None:
            done = cls.run_lab('configure', name, *wanted)
            assert done.returncode == 0, done.stderr

        cls.addClassCleanup(configure)
        configure(*options, *cls.options)

    def check(self, row: fault_table.Row) -> None:
        """Run a row and compare what comes of it."""
        self.proxy.obey(*row.rules(self.paths))
        found = self.outcome(row)
        seen = '\n'.join(map(str, self.proxy.seen))
        self.assertEqual(row.outcomes[self.column], found, seen)

    def outcome(self, row: fault_table.Row) -> fault_table.Outcome:
        """Upload with a row's fault and say what came of it."""
        raise NotImplementedError
