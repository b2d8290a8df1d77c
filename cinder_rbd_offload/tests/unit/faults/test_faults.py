# SPDX-License-Identifier: Apache-2.0
"""A process that stops itself is let go on, however late it does."""

import pathlib
import signal
import types

import fixtures
from oslotest import base

from faults import faults
from faults import orders
from faults import stage as stage_
from faults import trace

ORDER = orders.Order('after', 'Pool.rename', 1, signal.SIGSTOP)
FIRED = trace.Event(
    time=1.0, pid=7, host='lab', backend='offload', event='fired'
)


class FreezeTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.orders = orders.Orders(folder)
        self.orders.give('offload', ORDER)
        self.events = []
        stage = types.SimpleNamespace(
            folder=folder,
            trace=types.SimpleNamespace(since=lambda _mark: self.events),
        )
        plan = types.SimpleNamespace(
            kind='freeze', orders={'offload': ORDER}, away=0
        )
        self.cause = faults.Cause(stage, plan, 0, ())
        self.useFixture(fixtures.MockPatchObject(faults, 'PATIENCE', new=0.1))
        self.sent = self.useFixture(
            fixtures.MockPatchObject(stage_, 'send', autospec=True)
        ).mock

    def test_it_is_let_go_on(self):
        self.events.append(FIRED)
        self.assertEqual(1, len(self.cause.run()))
        self.sent.assert_called_once_with(7, signal.SIGCONT)

    def test_it_comes_there_too_late(self):
        """It finds no order any more."""
        self.assertEqual([], self.cause.run())
        self.sent.assert_not_called()
        self.assertFalse(self.orders.take('offload'))

    def test_it_comes_there_just_when_nobody_waits_any_more(self):
        take = self.orders.take

        def taken(backend):
            take(backend)
            self.events.append(FIRED)
            return False

        self.cause._orders.take = taken
        self.assertEqual(1, len(self.cause.run()))
        self.sent.assert_called_once_with(7, signal.SIGCONT)
