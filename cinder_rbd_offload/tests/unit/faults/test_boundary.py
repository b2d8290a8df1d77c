# SPDX-License-Identifier: Apache-2.0
"""What is public is wrapped, and an order is carried out once."""

import pathlib
import signal
import types

import fixtures
from oslotest import base

from faults import boundary
from faults import orders
from faults import trace

SOURCE = """
import functools
import json

class Pool:
    def clone(self, name):
        return f'clone of {name}'

    def fail(self):
        raise ValueError

    def _open(self):
        pass

class Refused(Exception):
    def cause(self):
        pass

def locate(name):
    return name

def _hidden():
    pass
"""


def made_module():
    module = types.ModuleType('house.ceph')
    exec(SOURCE, vars(module))
    return module


class BoundaryTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.recorder = boundary.Recorder(self.folder)
        self.recorder.begin('lab@copy')
        self.orders = orders.Orders(self.folder)
        self.module = made_module()
        self.names = boundary.instrument(self.recorder, [self.module])
        self.signals = []
        self.patch(
            boundary.posix, 'kill', lambda pid, s: self.signals.append(s)
        )

    def passed(self):
        return [
            (event.event, event.name, event.arguments)
            for event in trace.Trace(self.folder).since(0)
            if event.event in ('before', 'after')
        ]

    def test_what_is_public_and_of_the_module_is_wrapped(self):
        self.assertEqual(
            ['Pool.clone', 'Pool.fail', 'ceph.locate'], sorted(self.names)
        )

    def test_a_step_is_two_boundaries_and_does_what_it_did(self):
        self.assertEqual('clone of a', self.module.Pool().clone(name='a'))
        self.assertEqual(
            [
                ('before', 'Pool.clone', ('a',)),
                ('after', 'Pool.clone', ('a',)),
            ],
            self.passed(),
        )

    def test_a_step_that_fails_is_left_too(self):
        self.assertRaises(ValueError, self.module.Pool().fail)
        self.assertEqual(
            ['before', 'after'], [event for event, *_ in self.passed()]
        )

    def order(self, *where, then=None):
        order = orders.Order(*where, int(signal.SIGKILL), then)
        self.orders.give('copy', order)
        return order

    def test_an_order_is_carried_out_once(self):
        self.order('after', 'Pool.clone', 1)
        for _ in range(2):
            self.module.Pool().clone('a')
        self.assertEqual([signal.SIGKILL], self.signals)
        self.assertIsNone(self.orders.given('copy'))

    def test_an_order_counts_the_passings(self):
        self.order('before', 'Pool.clone', 2)
        self.module.Pool().clone('a')
        self.assertEqual([], self.signals)
        self.module.Pool().clone('b')
        self.assertEqual([signal.SIGKILL], self.signals)

    def test_an_order_for_any_boundary_counts_all(self):
        self.order('', orders.ANY, 3)
        self.module.Pool().clone('a')
        self.assertEqual([], self.signals)
        self.module.locate('b')
        self.assertEqual([signal.SIGKILL], self.signals)
        fired = [
            event
            for event in trace.Trace(self.folder).since(0)
            if event.event == 'fired'
        ]
        self.assertEqual('boundary #3', fired[0].order)

    def test_an_order_of_another_back_end_is_left_alone(self):
        order = orders.Order('after', 'Pool.clone', 1, int(signal.SIGKILL))
        self.orders.give('instant', order)
        self.module.Pool().clone('a')
        self.assertEqual([], self.signals)
        self.assertEqual(order, self.orders.given('instant'))

    def test_an_order_is_followed_by_the_next(self):
        then = orders.Order('', orders.ANY, 7, int(signal.SIGKILL))
        self.order('before', 'Pool.clone', 1, then=then)
        self.module.Pool().clone('a')
        self.assertEqual(then, self.orders.given('copy'))
