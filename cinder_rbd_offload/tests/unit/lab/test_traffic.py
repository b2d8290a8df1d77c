# SPDX-License-Identifier: Apache-2.0
"""Bytes over TCP are counted, whole, and for the right processes."""

import os
import socket
import subprocess
import sys

from oslotest import base

from lab import traffic

SENT = 20 << 20
RECEIVED = 10 << 20
# Connects to a port, waits for a line, then sends and receives at once and
# ends: its last bytes move after the last look at it.
CLIENT = f"""
import socket, sys
with socket.create_connection(('127.0.0.1', int(sys.argv[1]))) as link:
    input()
    link.sendall(bytes({SENT}))
    link.shutdown(socket.SHUT_WR)
    while link.recv(1 << 20):
        pass
"""


class Pids:
    """Processes that are watched."""

    def __init__(self, *pids):
        self._pids = list(pids)

    def members(self):
        return self._pids


class TrafficTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(self.server.close)
        self.client = subprocess.Popen(
            [sys.executable, '-c', CLIENT, str(self.server.getsockname()[1])],
            stdin=subprocess.PIPE,
        )
        self.addCleanup(self.client.communicate)
        self.addCleanup(self.client.kill)

    def exchange(self, link):
        """Have the client move all its data, and end."""
        self.client.stdin.write(b'\n')
        self.client.stdin.flush()
        while link.recv(1 << 20):
            pass
        link.sendall(bytes(RECEIVED))
        link.close()
        self.client.wait(30)

    def test_a_connection_that_ends_is_counted_to_its_last_byte(self):
        link, _address = self.server.accept()
        with traffic.Traffic(Pids(self.client.pid)) as counted:
            self.exchange(link)
        # A busy machine may have to send a little of it again.
        self.assertLessEqual(SENT, counted.sent)
        self.assertLess(counted.sent, 1.1 * SENT)
        # The kernel may count the end of the stream as a byte.
        self.assertIn(counted.received - RECEIVED, (0, 1))
        self.assertEqual(counted.sent + counted.received, counted.total)

    def test_what_moved_before_does_not_count(self):
        link, _address = self.server.accept()
        self.exchange(link)
        with traffic.Traffic(Pids(self.client.pid)) as counted:
            pass
        self.assertEqual(0, counted.total)

    def test_strangers_do_not_count(self):
        link, _address = self.server.accept()
        with traffic.Traffic(Pids(os.getppid())) as counted:
            self.exchange(link)
        self.assertEqual(0, counted.total)
