# SPDX-License-Identifier: Apache-2.0
"""A Swift of one account, over HTTP, with faults on order.

It knows what glance_store asks of Swift: containers, objects, Dynamic Large
Objects and listings. A fault is ordered for requests of a method whose path
has an ending, and happens to as many of them as it is ordered for.
"""

import dataclasses
import hashlib
import http
import importlib
import json
import re
import socket
import struct
import threading
import urllib.parse

import fixtures

# eventlet, which Cinder imports, leaves its own as an attribute of http; the
# server is to run on threads. tests/__init__.py imports it before Cinder.
server = importlib.import_module('http.server')


@dataclasses.dataclass
class Fault:
    """One way in which a request goes wrong.

    :param how: a status of HTTP; or ``reset`` in the middle of the body,
        ``lost`` for an answer that never arrives, ``stall`` for silence,
        ``corrupt`` for a byte that is stored wrong
    :param where: a regular expression that the path has to match at its end
    :param times: how many requests it happens to
    :param early: whether a status comes before the body was read
    """

    how: int | str
    where: str = ''
    times: int = 1
    method: str = 'PUT'
    early: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class FakeSwift(fixtures.Fixture):
    """The server.

    :ivar objects: of all containers, by ``container/name``
    :ivar requests: those that came, as methods and paths
    :ivar received: bytes of bodies
    :ivar page: names that one answer lists, at most
    :ivar patience: seconds that it waits for a client; None for ever
    """

    def _setUp(self):
        self.objects = {}
        self.manifests = {}
        self.containers = set()
        self.faults = []
        self.requests = []
        self.tokens = {'token-0'}
        self.received = 0
        self.page = 10000
        self.patience = None
        self.idle = threading.Event()
        self._server = server.ThreadingHTTPServer(('127.0.0.1', 0), _Handler)
        self._server.daemon_threads = True
        self._server.swift = self
        thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,)
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self._server.server_close)
        self.addCleanup(self._server.shutdown)
        self.addCleanup(self.idle.set)
        self.url = f'http://127.0.0.1:{self._server.server_port}/v1/AUTH_a'

    def fault(self, method, path):
        """Return the fault that is due, if any."""
        for fault in self.faults:
            if (
                fault.times
                and fault.method == method
                and re.search(f'{fault.where}$', path)
            ):
                fault.times -= 1
                return fault
        return None

    def image(self, path):
        """Return the data of an object, put together if it is in segments."""
        if path in self.manifests:
            prefix = self.manifests[path]
            return b''.join(
                data
                for name, data in sorted(self.objects.items())
                if name.startswith(prefix)
            )
        return self.objects[path]


class _Handler(server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def setup(self):
        self.timeout = self.server.swift.patience
        super().setup()

    def log_message(self, *_args):
        """Keep the tests' output clean."""

    def do_PUT(self):
        self._serve()

    do_HEAD = do_GET = do_DELETE = do_PUT

    def _serve(self):
        try:
            self._respond()
        except ConnectionError:
            self._drop()
        except TimeoutError:
            self.close_connection = True
            self._answer(408)

    def _respond(self):
        swift = self.server.swift
        url = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(url.path).removeprefix('/v1/AUTH_a/')
        swift.requests.append((self.command, path))
        fault = swift.fault(self.command, path)
        if fault and fault.early:
            self.close_connection = True
            return self._answer(fault.how, headers=fault.headers)
        body = self._body(fault)
        if body is None:
            return None
        if fault and fault.how == 'stall':
            swift.idle.wait(30)
            return self._drop()
        if fault and isinstance(fault.how, int):
            return self._answer(fault.how, headers=fault.headers)
        if self.headers.get('X-Auth-Token') not in swift.tokens:
            return self._answer(401)
        status, data, headers = self._act(path, body, url.query)
        if fault and fault.how == 'lost':
            return self._drop()
        if fault and fault.how == 'corrupt':
            swift.objects[path] = body[:-1] + b'?'
            headers = {'ETag': _md5(swift.objects[path])}
        return self._answer(status, data, headers.items())

    def _act(self, path, body, query):
        """Carry a request out: return status, data, headers."""
        swift = self.server.swift
        container, _slash, name = path.partition('/')
        missing = container not in swift.containers
        if not name:
            if self.command == 'PUT':
                swift.containers.add(container)
                return 201, b'', {}
            if self.command == 'GET':
                asked = dict(urllib.parse.parse_qsl(query))
                start = f'{container}/{asked.get("prefix", "")}'
                after = f'{container}/{asked.get("marker", "")}'
                found = [
                    {'name': each.removeprefix(f'{container}/')}
                    for each in sorted(swift.objects)
                    if each.startswith(start) and each > after
                ]
                listed = json.dumps(found[: swift.page]).encode()
                return 200, listed, {'Content-Type': 'application/json'}
            if self.command == 'DELETE' and not missing:
                if any(each.startswith(path) for each in swift.objects):
                    return 409, b'', {}
                swift.containers.remove(container)
            return (404 if missing else 204), b'', {}
        if self.command == 'PUT':
            if missing:
                return 404, b'', {}
            manifest = self.headers.get('X-Object-Manifest')
            if manifest:
                swift.manifests[path] = manifest
            swift.objects[path] = body
            return 201, b'', {'ETag': _md5(body)}
        if path not in swift.objects:
            return 404, b'', {}
        if self.command == 'DELETE':
            del swift.objects[path]
            swift.manifests.pop(path, None)
            return 204, b'', {}
        headers = {}
        if path in swift.manifests:
            headers['X-Object-Manifest'] = swift.manifests[path]
        return 200, swift.image(path), headers

    def _body(self, fault):
        """Read the body; None when the connection was reset instead."""
        body = b''
        for piece in self._pieces():
            body += piece
            self.server.swift.received += len(piece)
            if fault and fault.how == 'reset':
                break
        if fault and fault.how == 'reset':
            self._drop()
            return None
        return body

    def _pieces(self):
        if self.headers.get('Transfer-Encoding') == 'chunked':
            while size := int(self._line(), 16):
                yield self.rfile.read(size)
                self._line()
            self._line()
        else:
            left = int(self.headers.get('Content-Length') or 0)
            while left and (piece := self.rfile.read(min(left, 65536))):
                left -= len(piece)
                yield piece
            if left:
                raise ConnectionError('the body ended early')

    def _line(self):
        line = self.rfile.readline()
        if not line:
            raise ConnectionError('the body ended early')
        return line

    def _answer(self, status, data=b'', headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != http.HTTPStatus.NO_CONTENT:
            self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(data)

    def _drop(self):
        """Reset the connection."""
        self.close_connection = True
        linger = struct.pack('ii', 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()


def _md5(data):
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
