# SPDX-License-Identifier: Apache-2.0
"""The fault proxy over real sockets: what passes, what breaks, what counts."""

import hashlib
import http.client
import http.server
import socket
import threading
import time

import ddt
from oslotest import base

from cinder_rbd_offload.tests.fault_proxy import proxy
from cinder_rbd_offload.tests.fault_proxy import rules

BODY = bytes(range(256)) * 4096
HALF = len(BODY) // 2
SECONDS = 20


class Receiver(http.server.BaseHTTPRequestHandler):
    """A server that says what it has received, and notes it."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *_args):
        pass

    def receive(self):
        self.server.begun.append(self.path)
        data = self.read()
        self.server.received[self.path] = data
        self.server.hosts.append(self.headers['Host'])
        text = hashlib.sha256(data).hexdigest().encode()
        self.send_response(201)
        self.send_header('X-Path', self.path)
        if 'chunked' in self.path:
            self.send_header('Transfer-Encoding', 'chunked')
            text = b'40\r\n' + text + b'\r\n0\r\n\r\n'
        else:
            self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text if self.command != 'HEAD' else b'')

    do_GET = do_PUT = do_HEAD = receive

    def read(self):
        if 'early' in self.path:
            self.close_connection = True
            return b''
        if self.headers.get('Transfer-Encoding') != 'chunked':
            return self.rfile.read(int(self.headers.get('Content-Length', 0)))
        data = b''
        try:
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        except (ConnectionError, ValueError) as exc:
            self.server.broken.append((self.path, type(exc), len(data)))
            raise ConnectionError from exc
        return data


class Server(http.server.ThreadingHTTPServer):
    """Its connections end with their client's."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


@ddt.ddt
class FaultProxyTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.server = Server(('127.0.0.1', 0), Receiver)
        self.server.begun, self.server.received = [], {}
        self.server.broken, self.server.hosts = [], []
        threading.Thread(
            target=self.server.serve_forever, args=(0.02,), daemon=True
        ).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.proxy = proxy.FaultProxy(*self.server.server_address)
        self.proxy.__enter__()
        self.addCleanup(self.proxy.__exit__)
        self.link = self.connect()

    def connect(self):
        link = http.client.HTTPConnection(
            '127.0.0.1', self.proxy.port, timeout=SECONDS
        )
        self.addCleanup(link.close)
        return link

    def obey(self, fault, **settings):
        settings.setdefault('path', '/file$')
        self.proxy.obey(rules.Rule('PUT', fault=fault, **settings))

    def put(self, path='/file', chunked=True, data=BODY):
        """Send a body and return the answer, whole."""
        pieces = (data[at : at + 100000] for at in range(0, len(data), 100000))
        self.link.request(
            'PUT',
            path,
            body=pieces if chunked else data,
            encode_chunked=chunked,
            headers={'Transfer-Encoding': 'chunked'} if chunked else {},
        )
        answer = self.link.getresponse()
        return answer, answer.read()

    def assert_cut(self, *args, **kwargs):
        self.assertRaises(
            (ConnectionError, http.client.BadStatusLine),
            self.put,
            *args,
            **kwargs,
        )
        self.link.close()

    def eventually(self, check):
        deadline = time.monotonic() + SECONDS
        while not check():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    @ddt.data(True, False)
    def test_what_is_not_broken_passes_unchanged(self, chunked):
        for path in ('/file', '/chunked?a=b%20c', '/file'):
            answer, text = self.put(path, chunked)
            self.assertEqual(201, answer.status)
            self.assertEqual(path, answer.headers['X-Path'])
            self.assertEqual(BODY, self.server.received.pop(path))
            self.assertEqual(hashlib.sha256(BODY).hexdigest(), text.decode())
        seen = self.proxy.matching('PUT', '')
        self.assertEqual([len(BODY)] * 3, [one.received for one in seen])
        self.assertEqual([201] * 3, [one.status for one in seen])
        self.assertEqual(
            {f'127.0.0.1:{self.proxy.port}'}, set(self.server.hosts)
        )

    @ddt.data('GET', 'HEAD')
    def test_requests_without_a_body(self, method):
        for path in ('/file', '/chunked', '/file'):
            self.link.request(method, path)
            answer = self.link.getresponse()
            self.assertEqual(64 if method == 'GET' else 0, len(answer.read()))
        self.assertEqual(3, len(self.proxy.matching(method, '')))

    def test_an_answer_that_does_not_wait_for_the_body(self):
        answer, _text = self.put('/early', data=BODY * 16)
        self.assertEqual(201, answer.status)

    def test_an_answer_to_a_client_that_sends_no_more(self):
        """As Swift gives, when a body is shorter than its length."""
        self.link.putrequest('PUT', '/early')
        self.link.putheader('Content-Length', '1000')
        self.link.endheaders(b'no more')
        self.assertEqual(201, self.link.getresponse().status)

    def test_a_client_that_hangs_up_cuts_the_server_off(self):
        self.link.putrequest('PUT', '/file')
        self.link.putheader('Transfer-Encoding', 'chunked')
        self.link.endheaders(b'10000\r\n' + bytes(65536) + b'\r\n')
        self.eventually(lambda: self.server.begun)
        self.link.close()
        self.eventually(lambda: self.server.broken)
        self.assertEqual({}, self.server.received)

    def test_a_server_that_is_away(self):
        with socket.create_server(('127.0.0.1', 0)) as closed:
            self.proxy.target = closed.getsockname()
        self.assert_cut()

    @ddt.data((1 << 16, True), (HALF + 1, True), (HALF + 1, False), (0, True))
    @ddt.unpack
    def test_a_reset_comes_after_so_many_bytes(self, after, chunked):
        self.obey('reset', after=after)
        self.assert_cut(chunked=chunked)
        self.assertEqual({}, self.server.received)
        (seen,) = self.proxy.matching('PUT', '/file')
        self.assertIsNone(seen.status)
        self.assertLessEqual(after, seen.received)
        self.assertLess(seen.received, after + (1 << 17))
        if chunked:
            self.eventually(lambda: self.server.broken)
            path, _error, received = self.server.broken[0]
            self.assertEqual('/file', path)
            self.assertLessEqual(received, after)
        self.assertEqual(201, self.put(chunked=chunked)[0].status)

    def test_a_reset_of_a_shorter_body_comes_at_its_end(self):
        self.obey('reset', after=10 * len(BODY))
        self.assert_cut()
        self.assertEqual({}, self.server.received)
        self.assertEqual(len(BODY), self.proxy.seen[0].received)

    def test_close_is_an_end_in_order_for_the_server(self):
        self.obey('close', after=HALF)
        self.assert_cut()
        self.eventually(lambda: self.server.broken)
        self.assertEqual(
            [('/file', ValueError, HALF)], list(self.server.broken)
        )

    def test_of_a_lost_answer_the_request_has_landed(self):
        self.obey('lost')
        self.assert_cut()
        self.assertEqual(BODY, self.server.received['/file'])

    def test_a_stall_ends_when_the_client_hangs_up(self):
        self.obey('stall', after=1 << 16)
        self.link.timeout = 0.5
        self.assertRaises(TimeoutError, self.put, data=BODY[: 3 << 15])
        self.assertEqual([], self.server.broken)
        self.link.close()
        self.eventually(lambda: self.server.broken)
        self.assertEqual({}, self.server.received)

    def test_a_stall_ends_in_time(self):
        self.obey('stall', after=HALF, seconds=1)
        started = time.monotonic()
        self.assert_cut()
        self.assertGreaterEqual(time.monotonic() - started, 1)

    def test_a_stall_ends_with_the_proxy(self):
        self.obey('stall', after=HALF)
        threading.Timer(0.3, self.proxy.stopped.set).start()
        self.assert_cut()

    @ddt.data(True, False)
    def test_a_status_is_not_the_servers(self, late):
        self.obey('503', late=late)
        answer, _text = self.put(data=BODY * 16)
        self.assertEqual(503, answer.status)
        self.assertEqual([], self.server.begun)
        self.assertEqual(503, self.proxy.seen[0].status)
        self.eventually(lambda: self.proxy.seen[0].received == 16 * len(BODY))
        self.assertEqual(201, self.put()[0].status)

    def test_before_the_body_is_before_it(self):
        self.obey('413')
        self.link.putrequest('PUT', '/file')
        self.link.putheader('Content-Length', '1000')
        self.link.endheaders()
        self.assertEqual(413, self.link.getresponse().status)

    def test_retry_after(self):
        self.obey('429', retry_after=7)
        answer, _text = self.put()
        self.assertEqual('7', answer.headers['Retry-After'])

    def test_slow_is_a_rate(self):
        self.obey('slow', rate=2 * len(BODY))
        started = time.monotonic()
        self.assertEqual(201, self.put()[0].status)
        self.assertGreaterEqual(time.monotonic() - started, 0.5)
        self.assertEqual(BODY, self.server.received['/file'])

    def test_nth_and_count(self):
        self.obey('503', nth=2, count=2)
        statuses = [self.put()[0].status for _time in range(5)]
        self.assertEqual([201, 503, 503, 201, 201], statuses)

    def test_only_what_matches_is_broken(self):
        self.obey('503', count=9, path='^/v1/[^/]+/img-00002$')
        paths = ('/v1/glance/img-00001', '/v1/glance/img-00002', '/v1/glance')
        statuses = [self.put(path)[0].status for path in paths]
        self.assertEqual([201, 503, 201], statuses)
        self.assertEqual(1, len(self.proxy.matching('PUT', '2$')))
        self.assertEqual(0, len(self.proxy.matching('GET', '')))

    def test_new_rules_begin_anew(self):
        self.obey('503', nth=2)
        self.put()
        self.obey('503', nth=2)
        self.assertEqual([], self.proxy.seen)
        self.assertEqual(201, self.put()[0].status)
        self.assertEqual(503, self.put()[0].status)
