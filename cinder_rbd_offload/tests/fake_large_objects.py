# SPDX-License-Identifier: Apache-2.0
"""A Swift of one process, with a Keystone, that does wrong when told to.

It knows what the sink asks of it: objects, listings, static large objects with
the checks of the real ones, and the deletion of those.
"""

import collections
import contextlib
import dataclasses
import hashlib
from http import server
import json
import socket
import socketserver
import struct
import threading
import urllib.parse

# How a request is spoilt: before its body was read, in the middle of it, or
# after what it asks for was done.
BEFORE, MIDDLE, AFTER = 'before', 'middle', 'after'

PATH = '/v1/AUTH_images'


@dataclasses.dataclass
class Wrong:
    """What goes wrong with a request.

    :param status: what is answered; 0 breaks the connection
    :param stall: say nothing for so many seconds, and break it then
    """

    when: str = MIDDLE
    status: int = 0
    headers: dict = dataclasses.field(default_factory=dict)
    stall: float = 0.0


@dataclasses.dataclass
class Object:
    """What is stored under a name; ``lines`` are those of a manifest."""

    data: bytes = b''
    etag: str = ''
    lines: list | None = None
    size: int = 0


class Swift:
    """The server.

    :ivar objects: what is stored, by name
    :ivar requests: the (method, name) of all requests
    :ivar received: the bytes of the bodies of PUTs of objects, as they came
    :ivar wrong: a function of method and name that tells what goes wrong, or
        None
    :ivar corrupt: names whose next content arrives with a bit turned
    """

    container = 'glance'
    password = 'a-key-that-nobody-may-see'

    def __init__(self):
        self.objects = {}
        self.requests = []
        self.received = 0
        self.wrong = lambda method, name: None
        self.corrupt = set()
        self.info = {'swift': {}, 'slo': {'max_manifest_segments': 1000}}
        self.heartbeat_status = None
        self.tokens = 0
        self.expired = set()
        self.page = 10000
        self.unlisted = set()
        self.lock = threading.Lock()
        self.stop = threading.Event()
        outer = self

        class Handler(_Handler):
            swift = outer

        self._server = _Server(('127.0.0.1', 0), Handler)
        port = self._server.server_address[1]
        # Where it listens.
        self.url = f'http://127.0.0.1:{port}'
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def close(self):
        """End it."""
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def count(self, method):
        """Count the requests, by name."""
        return collections.Counter(
            name for one, name in self.requests if one == method
        )

    def read(self, name):
        """Return what a client would get."""
        found = self.objects[name]
        if found.lines is None:
            return found.data
        return b''.join(
            self.read(line['path'].split('/', 2)[2])[_slice(line)]
            for line in found.lines
        )

    def leaves(self, name):
        """List the lines of a manifest, and of those that it lists."""
        for line in self.objects[name].lines:
            inner = line['path'].split('/', 2)[2]
            if self.objects[inner].lines is None:
                yield line
            else:
                yield from self.leaves(inner)


def _slice(line):
    first, _dash, last = line.get('range', '').partition('-')
    return slice(int(first), int(last) + 1) if first else slice(None)


class _Server(socketserver.ThreadingTCPServer):
    """Serves on native threads.

    The servers of http.server do not, where eventlet was imported before: it
    leaves a copy of that module that has greenthreads.
    """

    daemon_threads = True


class _Handler(server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    timeout = 20
    disable_nagle_algorithm = True

    def log_message(self, *args):
        """Say nothing."""

    def handle(self):
        with contextlib.suppress(ConnectionError, TimeoutError):
            super().handle()

    def _break(self):
        """Have the other side see a reset."""
        self.connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
        )
        self.close_connection = True
        raise ConnectionResetError

    def _answer(self, status, body=b'', **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        if 'Content_Length' not in headers:
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def _wrong(self, fault):
        if fault.stall:
            self.swift.stop.wait(fault.stall)
        if not fault.status:
            self._break()
        self.close_connection = True
        self._answer(
            fault.status, b'as told', Connection='close', **fault.headers
        )

    def _pieces(self):
        """Read the body."""
        if 'chunked' not in self.headers.get('Transfer-Encoding', ''):
            yield self.rfile.read(int(self.headers.get('Content-Length', 0)))
            return
        while True:
            line = self.rfile.readline()
            if not line:
                raise ConnectionResetError
            length = int(line, 16)
            piece = self.rfile.read(length)
            self.rfile.readline()
            if not length:
                return
            if len(piece) != length:
                raise ConnectionResetError
            yield piece

    def _handle(self):
        split = urllib.parse.urlsplit(self.path)
        path = urllib.parse.unquote(split.path)
        query = dict(urllib.parse.parse_qsl(split.query))
        if path == '/v3/auth/tokens':
            return self._token()
        if path == '/info':
            return self._answer(200, json.dumps(self.swift.info).encode())
        container, _slash, name = path.removeprefix(f'{PATH}/').partition('/')
        with self.swift.lock:
            self.swift.requests.append((self.command, name))
            fault = self.swift.wrong(self.command, name)
        if fault and fault.when == BEFORE:
            return self._wrong(fault)
        token = self.headers.get('X-Auth-Token', '')
        if not token.startswith('token-') or token in self.swift.expired:
            self.close_connection = True
            return self._answer(401, b'no such token', Connection='close')
        body = []
        for piece in self._pieces():
            body.append(piece)
            if self.command == 'PUT' and not query:
                with self.swift.lock:
                    self.swift.received += len(piece)
            if fault and fault.when == MIDDLE:
                return self._wrong(fault)
        if container != self.swift.container:
            return self._answer(404, b'no such container')
        with self.swift.lock:
            answer = getattr(self, f'_{self.command.lower()}')(
                name, query, b''.join(body)
            )
        if fault:
            return self._wrong(fault)
        status, body, headers = answer
        return self._answer(status, body, **headers)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _handle

    def _token(self):
        asked = json.loads(b''.join(self._pieces()))['auth']
        user = asked['identity']['password']['user']
        if user['password'] != self.swift.password:
            return self._answer(401, b'{}')
        self.swift.tokens += 1
        endpoint = {
            'interface': 'public',
            'region': 'here',
            'region_id': 'here',
            'url': self.swift.url + PATH,
            'id': 'e',
        }
        token = {
            'expires_at': '2999-01-01T00:00:00.000000Z',
            'issued_at': '2026-01-01T00:00:00.000000Z',
            'methods': ['password'],
            'user': {'id': 'u', 'name': user['name'], 'domain': {'id': 'd'}},
            'catalog': [
                {'type': 'object-store', 'id': 's', 'endpoints': [endpoint]}
            ],
        }
        return self._answer(
            201,
            json.dumps({'token': token}).encode(),
            X_Subject_Token=f'token-{self.swift.tokens}',
        )

    def _put(self, name, query, body):
        if query.get('multipart-manifest') == 'put':
            return self._put_manifest(name, query, json.loads(body))
        etag = hashlib.md5(body).hexdigest()
        if name in self.swift.corrupt:
            self.swift.corrupt.discard(name)
            body = body[:-1] + bytes([body[-1] ^ 1])
            etag = hashlib.md5(body).hexdigest()
        self.swift.objects[name] = Object(body, etag, None, len(body))
        return 201, b'', {'Etag': f'"{etag}"'}

    def _put_manifest(self, name, query, lines):
        errors, digest, size = [], hashlib.md5(), 0
        for line in lines:
            found = self.swift.objects.get(line['path'].split('/', 2)[2])
            if found is None:
                errors.append([line['path'], '404 Not Found'])
                continue
            if line['etag'] != found.etag:
                errors.append([line['path'], 'Etag Mismatch'])
            if line['size_bytes'] != found.size:
                errors.append([line['path'], 'Size Mismatch'])
            asked = line.get('range')
            digest.update(
                (f'{found.etag}:{asked};' if asked else found.etag).encode()
            )
            size += len(range(*_slice(line).indices(found.size)))
        status, etag = '201 Created', digest.hexdigest()
        most = self.swift.info['slo']['max_manifest_segments']
        if errors:
            status = '400 Bad Request'
        elif len(lines) > most:
            return 413, b'too many segments', {}
        elif self.headers.get('Etag', etag).strip('"') != etag:
            status = '422 Unprocessable Entity'
        if self.swift.heartbeat_status:
            status, errors = self.swift.heartbeat_status.pop(0)
        if status[0] == '2':
            self.swift.objects[name] = Object(b'', etag, lines, size)
        final = {'Response Status': status, 'Errors': errors, 'Etag': etag}
        text = b'  \r\n\r\n' + json.dumps(final).encode()
        if query.get('heartbeat') == 'on':
            return 202, text, {}
        return int(status[:3]), text, {'Etag': f'"{etag}"'}

    def _get(self, name, query, _body):
        if name:
            found = self.swift.objects.get(name)
            if found is None:
                return 404, b'', {}
            if query.get('multipart-manifest') == 'get':
                return 200, json.dumps(found.lines).encode(), {}
            return 200, self.swift.read(name), {}
        shown = sorted(
            one
            for one in self.swift.objects
            if one.startswith(query.get('prefix', ''))
            and one > query.get('marker', '')
            and one not in self.swift.unlisted
        )
        page = [
            {
                'name': one,
                'bytes': self.swift.objects[one].size,
                'hash': self.swift.objects[one].etag,
            }
            for one in shown[: self.swift.page]
        ]
        return 200, json.dumps(page).encode(), {}

    def _head(self, name, _query, _body):
        if name not in self.swift.objects:
            return 404, b'', {}
        found = self.swift.objects[name]
        slo = {} if found.lines is None else {'X_Static_Large_Object': 'True'}
        told = {'Content_Length': str(found.size), 'Etag': f'"{found.etag}"'}
        return 200, b'', told | slo

    def _delete(self, name, _query, _body):
        if self.swift.objects.pop(name, None) is None:
            return 404, b'', {}
        return 204, b'', {}
