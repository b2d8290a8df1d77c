# SPDX-License-Identifier: Apache-2.0
"""What Ceph's processes count, as their admin sockets tell it.

A client of librados, too, counts what its messenger sends and receives, and
says so for as long as its connection is open.
"""

from collections.abc import Iterator
import contextlib
import json
import pathlib
import socket
import struct
import tempfile
from typing import Any

import rados

# Seconds for an answer on the admin socket.
ANSWER_SECONDS = 10
WORKER = 'AsyncMessenger::Worker'


def ask(path: pathlib.Path, command: str) -> dict[str, Any]:
    """Give a command on an admin socket; the answer is a length, and JSON."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(ANSWER_SECONDS)
        link.connect(str(path))
        link.sendall(json.dumps({'prefix': command}).encode() + b'\0')
        with link.makefile('rb') as answer:
            (length,) = struct.unpack('>I', answer.read(4))
            return dict(json.loads(answer.read(length)))


class Client:
    """An open connection.

    :param cluster: the rados.Rados
    :param folder: where its admin socket is
    """

    def __init__(self, cluster: Any, folder: pathlib.Path) -> None:
        self.cluster = cluster
        self._folder = folder

    def sent(self) -> int:
        """Return the bytes that the messenger says it has sent so far.

        That of Ceph 16 leaves out what it could not send at the first try,
        because a socket was full.
        """
        (path,) = self._folder.iterdir()
        return sum(
            counts['msgr_send_bytes']
            for name, counts in ask(path, 'perf dump').items()
            if name.startswith(WORKER)
        )


@contextlib.contextmanager
def connect(conf: str, user: str) -> Iterator[Client]:
    """Connect to a cluster with an admin socket of the connection's own.

    :param conf: the path of ceph.conf
    :param user: the cephx user, without ``client.``
    """
    with tempfile.TemporaryDirectory() as folder:
        cluster = rados.Rados(conffile=conf, rados_id=user)
        cluster.conf_set('admin_socket', f'{folder}/$pid.$cctid.asok')
        with cluster:
            yield Client(cluster, pathlib.Path(folder))
