# SPDX-License-Identifier: Apache-2.0
"""Admin sockets are asked in their own tongue."""

import json
import pathlib
import socket
import struct
import threading

import fixtures
from oslotest import base

from bench import counters

DUMP = {
    'AsyncMessenger::Worker-0': {'msgr_send_bytes': 5, 'msgr_recv_bytes': 1},
    'AsyncMessenger::Worker-1': {'msgr_send_bytes': 7, 'msgr_recv_bytes': 1},
    'objecter': {'op': 3},
}


class CountersTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = self.folder / '1.2.asok'
        self.server = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.server.close)
        self.server.bind(str(self.path))
        self.server.listen()
        self.asked = []

    def answer(self, text):
        """Have one command answered by another thread."""

        def serve():
            link, _address = self.server.accept()
            with link:
                self.asked.append(link.recv(1024))
                link.sendall(struct.pack('>I', len(text)) + text)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join, 10)

    def test_a_command_and_its_answer(self):
        self.answer(json.dumps(DUMP).encode())
        self.assertEqual(DUMP, counters.ask(self.path, 'perf dump'))
        self.assertEqual([b'{"prefix": "perf dump"}\0'], self.asked)

    def test_the_bytes_of_all_workers_count(self):
        self.answer(json.dumps(DUMP).encode())
        client = counters.Client(cluster=None, folder=self.folder)
        self.assertEqual(12, client.sent())

    def test_silence_is_an_error(self):
        self.patch(counters, 'ANSWER_SECONDS', 0.1)
        self.assertRaises(TimeoutError, counters.ask, self.path, 'perf dump')
