# SPDX-License-Identifier: Apache-2.0
"""One connection of a client's, and for each request one to the server."""

import contextlib
import http.client
import http.server
import threading
import time
from typing import Any
from typing import Protocol

from cinder_rbd_offload.tests.fault_proxy import body
from cinder_rbd_offload.tests.fault_proxy import rules
from cinder_rbd_offload.tests.fault_proxy import sockets

# Seconds of silence after which a client that has its answer sends no more.
DRAIN_SECONDS = 1
# What a header says of one connection, it does not say of the next.
OF_A_CONNECTION = ('connection', 'expect', 'keep-alive')


class Observer(Protocol):
    """Who says what is to be done, and hears what was done."""

    target: tuple[str, int]
    stopped: threading.Event

    def meet(self, method: str, path: str) -> rules.Exchange:
        """Note a request, and with it the rule that it is broken by."""

    def done(self, exchange: rules.Exchange) -> None:
        """Hear of the end of an exchange."""


class Server(http.server.ThreadingHTTPServer):
    """Listens on a port of 127.0.0.1, with a thread for each connection."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, observer: Observer) -> None:
        super().__init__(('127.0.0.1', port), Handler)
        self.observer = observer

    def shutdown_request(self, request: Any) -> None:
        """Close it, and no more: a socket knows whether that is a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Be silent about clients that hang up between two requests."""


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes each request to the server, or to its end."""

    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    # No buffer, so that a socket tells whether there is more to read.
    rbufsize = 0
    server: Server

    def log_message(self, *_args: Any) -> None:
        """Be silent: the observer has heard it all."""

    def _exchange(self) -> None:
        observer = self.server.observer
        self.exchange = observer.meet(self.command, self.path)
        self.rule = self.exchange.rule
        self.body = body.Body(self.exchange, self.headers, self.rfile)
        self.link = http.client.HTTPConnection(*observer.target)
        try:
            if self.rule and self.rule.fault.isdigit():
                self._answer(self.rule)
            else:
                self._pass_on()
        except (OSError, http.client.HTTPException, body.Broken):
            self.exchange.status = None
            self.close_connection = True
            sockets.reset_on_close(self.connection)
            if self.link.sock and not self._fault('close'):
                sockets.reset_on_close(self.link.sock)
        finally:
            self.link.close()
            observer.done(self.exchange)
            self.close_connection |= observer.stopped.is_set()

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _exchange
    do_COPY = do_OPTIONS = _exchange

    def _fault(self, *names: str) -> bool:
        return self.rule is not None and self.rule.fault in names

    def _answer(self, rule: rules.Rule) -> None:
        """Answer in the server's place, before or after the body."""
        if rule.late:
            self.body.drain()
        text = b'' if self.command == 'HEAD' else b'The fault proxy.\n'
        self.close_connection = True
        self.exchange.status = int(rule.fault)
        self.send_response_only(int(rule.fault), 'Fault')
        self.send_header('Content-Type', 'text/plain')
        self.send_header('Content-Length', str(len(text)))
        self.send_header('Connection', 'close')
        if rule.retry_after is not None:
            self.send_header('Retry-After', str(rule.retry_after))
        self.end_headers()
        self.wfile.write(text)
        self._drain()

    def _pass_on(self) -> None:
        """Take the request to the server and its answer back."""
        self.link.putrequest(
            self.command, self.path, skip_host=True, skip_accept_encoding=True
        )
        for name, value in self.headers.items():
            if name.lower() not in OF_A_CONNECTION:
                self.link.putheader(name, value)
        self.link.putheader('Connection', 'close')
        self.link.endheaders()
        # A server that has answered need not take the rest of the body.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pass_body()
        answer = self.link.getresponse()
        if self._fault('lost'):
            raise body.Broken
        self._return(answer)
        self._drain()

    def _drain(self) -> None:
        """Let the client send what it is sending, and then see the answer."""
        if not self.body.ended:
            self.connection.settimeout(DRAIN_SECONDS)
            with contextlib.suppress(TimeoutError):
                self.body.drain()

    def _pass_body(self) -> None:
        """Send the body on, until a fault's time has come."""
        passed = 0
        while not self.body.ended:
            server = self.link.sock
            if sockets.first(self.connection, server) is server:
                # An answer that does not wait for the rest of the body.
                return
            piece = next(self.body, b'')
            room = self._room(passed)
            ends = len(piece) >= room
            piece = piece[:room] if ends else piece
            if piece:
                self.link.send(self.body.frame(piece))
            if ends:
                break
            passed += len(piece)
            if self._fault('slow'):
                time.sleep(len(piece) / self.rule.rate)
        if self._fault(*rules.BREAKS):
            self._break(self.rule)
        if self.body.chunked:
            self.link.send(body.END)

    def _room(self, passed: int) -> float:
        """Return how many bytes may still pass."""
        if self._fault(*rules.BREAKS):
            return self.rule.after - passed
        return float('inf')

    def _break(self, rule: rules.Rule) -> None:
        deadline = time.monotonic() + rule.seconds
        while rule.fault == 'stall' and time.monotonic() < deadline:
            if sockets.hung_up(self.connection):
                break
            if self.server.observer.stopped.wait(0.05):
                break
        raise body.Broken

    def _return(self, answer: http.client.HTTPResponse) -> None:
        """Give the client the server's answer."""
        self.exchange.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in OF_A_CONNECTION:
                self.send_header(name, value)
        if not answer.chunked and answer.length is None:
            # Its end is the end of the connection.
            self.close_connection = True
        if not self.body.ended:
            self.close_connection = True
        if self.close_connection:
            self.send_header('Connection', 'close')
        self.end_headers()
        while piece := answer.read(body.PIECE):
            self.wfile.write(body.chunk(piece) if answer.chunked else piece)
        if answer.chunked and self.command != 'HEAD':
            self.wfile.write(body.END)
