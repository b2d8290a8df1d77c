# SPDX-License-Identifier: Apache-2.0
"""What the proxy asks of sockets past their streams."""

import select
import socket
import struct


def first(client: socket.socket, server: socket.socket) -> socket.socket:
    """Wait until there is something to read, and return where it is.

    Where both have something, the server goes first.
    """
    poll = select.poll()
    for end in (client, server):
        poll.register(end, select.POLLIN)
    ready = [number for number, _events in poll.poll()]
    return server if server.fileno() in ready else client


def hung_up(client: socket.socket) -> bool:
    """Tell whether a client has ended its side of a connection."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    return bool(poll.poll(0))


def reset_on_close(end: socket.socket) -> None:
    """Have a socket end in a reset, and not in order."""
    end.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)
    )
