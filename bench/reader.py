# SPDX-License-Identifier: Apache-2.0
"""The readers of uploads to Swift, between a source and a sink of one speed.

Both are sockets, as in Glance: data goes on coming while some is sent. A
reader that sends while it reads takes as long as the slower of the two; one
that first fills a segment and then sends it takes as long as both together.
What there is to reach is measured, too: the same without any reader.
"""

from collections.abc import Callable
import contextlib
import functools
import hashlib
import socket
import tempfile
import threading
import time
from typing import Any

import glance_store
from glance_store._drivers.swift import buffered
from oslo_config import cfg

from bench import cases
from bench import results as bench_results
from cinder_rbd_offload.upload import glance_store as ours
from cinder_rbd_offload.upload import spool

NONE, STOCK, OURS = 'none', 'glance_store', 'BufferedReader'
# Bytes in a second, of a segment, and in all.
RATE = 50 * cases.MIB
SEGMENT = 16 * cases.MIB
SIZE = 8 * SEGMENT
PIECE = 64 * cases.KIB
# Seconds that may be made up for.
_LATE = 0.01


def run(results: bench_results.Results, say: Callable[[str], None]) -> None:
    """Measure both readers in turns."""
    say(f'readers: {SIZE >> 20} MiB, source and sink of {RATE >> 20} MiB/s')
    with tempfile.TemporaryDirectory() as folder:
        conf = cfg.CONF
        glance_store.register_opts(conf)
        conf.set_override('swift_upload_buffer_dir', folder, 'glance_store')
        readers = {
            NONE: _Bare,
            STOCK: buffered.BufferedReader,
            OURS: functools.partial(
                ours.BufferedReader, spool=spool.Spool(folder, 2 * SEGMENT)
            ),
        }
        for number in range(results.rounds):
            for name in cases.rotated(readers, number):
                seconds, first = _measure(readers[name])
                results.samples.append(
                    bench_results.Sample(
                        kind=bench_results.READER,
                        case='',
                        method=name,
                        round=number,
                        seconds=seconds,
                        sent=SIZE,
                        received=SIZE,
                        occupied=first,
                        detached=seconds,
                        made_by=name,
                    )
                )
                say(f'  {name}, round {number + 1}: {seconds:.2f} s')


class _Pace:
    """Lets through so many bytes a second; what is not used is lost."""

    def __init__(self) -> None:
        self._due = time.monotonic()

    def wait(self, size: int) -> None:
        now = time.monotonic()
        # The system wakes nobody in time.
        self._due = max(self._due, now - _LATE) + size / RATE
        time.sleep(max(self._due - now, 0))


class _Bare:
    """No reader: as much of a stream as a segment has."""

    def __init__(self, fd: Any, *_digests: Any) -> None:
        self._fd, self._left = fd, SEGMENT

    def __enter__(self) -> '_Bare':
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        data: bytes = self._fd.read(min(size, self._left))
        self._left -= len(data)
        return data


def _measure(reader: Callable[..., Any]) -> tuple[float, int]:
    """Send an image; return the seconds, and what came before any left.

    :returns: the bytes that the source had given when the first byte left
    """
    given = 0
    first = -1

    def give(link: socket.socket) -> None:
        nonlocal given
        with link:
            pace = _Pace()
            for _number in range(SIZE // PIECE):
                pace.wait(PIECE)
                given += PIECE
                link.sendall(bytes(PIECE))

    def take(link: socket.socket) -> None:
        nonlocal first
        pace = _Pace()
        while data := link.recv(PIECE):
            if first < 0:
                first = given
            pace.wait(len(data))

    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(2)]
        (out, source), (sink, into) = (
            tuple(map(stack.enter_context, pair)) for pair in pairs
        )
        for link in (out, source, sink, into):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
        threads = [
            threading.Thread(target=give, args=(out,)),
            threading.Thread(target=take, args=(into,)),
        ]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        file = stack.enter_context(source.makefile('rb', buffering=0))
        for _number in range(SIZE // SEGMENT):
            digests = (hashlib.md5(usedforsecurity=False), hashlib.sha512())
            with reader(file, *digests, SEGMENT) as segment:
                while data := segment.read(PIECE):
                    sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
        for thread in threads:
            thread.join()
    return time.monotonic() - started, first
