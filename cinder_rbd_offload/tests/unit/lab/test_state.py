# SPDX-License-Identifier: Apache-2.0
"""A lab remembers what it chose, and keeps its keys to itself."""

import pathlib
import socket
import stat

import fixtures
from oslotest import base

from lab import state


class StateTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.state = state.State(self.root / 'lab')

    def again(self):
        return state.State(self.root / 'lab')

    def test_names_ports_and_passwords_are_kept(self):
        def chosen(one):
            return one.name, one.port('a'), one.port('b'), one.password('a')

        first = chosen(self.state)
        self.assertEqual(first, chosen(self.again()))
        self.assertNotEqual(first[1], first[2])
        self.assertNotEqual(first, chosen(state.State(self.root / 'another')))

    def test_a_port_in_use_is_not_chosen(self):
        with socket.socket() as busy:
            port = self.state.port('first')
            busy.bind(('127.0.0.1', port))
            self.patch(state, 'PORTS', range(port, port + 2))
            other = state.State(self.root / 'another')
            self.assertEqual(port + 1, other.port('first'))

    def test_only_the_owner_can_read_it(self):
        self.state.password('a')
        for path in (self.root / 'lab', self.root / 'lab' / 'lab.json'):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(0, mode & 0o077, oct(mode))

    def test_one_command_at_a_time(self):
        self.state.lock()
        self.assertRaises(SystemExit, self.again().lock)

    def test_a_template_with_a_value_missing_is_refused(self):
        target = self.root / 'ceph.conf'
        self.assertRaises(KeyError, self.state.write, target, 'ceph.conf')
        self.assertFalse(target.exists())
