# SPDX-License-Identifier: Apache-2.0
"""Counters in a file that node_exporter's textfile collector reads.

The file is all there is: each change reads it, adds, and puts a new file in
its place. So the counters outlive the process, and two processes of one back
end, as there are while a service is restarted, both count.
"""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import fcntl
import os
import pathlib
import time
from urllib import parse

from oslo_log import log as logging

from cinder_rbd_offload.metrics import exposition

LOG = logging.getLogger(__name__)

# Seconds to wait for another process that writes, and between two looks.
PATIENCE = 5.0
_NAP = 0.01

# Neither the lock nor the draft may be a link that somebody has put there.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class Textfile:
    """The counters of one back end of one host.

    The collector takes files whose names end in ``.prom``; the lock and the
    draft beside it have other names.

    :param directory: the one that the collector reads
    :param host: the host and back end, which nobody else has
    """

    def __init__(self, directory: str, host: str) -> None:
        folder = pathlib.Path(directory)
        # Two hosts never share a name, whatever characters are in theirs.
        name = f'cinder_rbd_offload.{parse.quote(host, safe="@")}'
        self.path = folder / f'{name}.prom'
        self._draft = folder / f'.{name}.draft'
        self._lock = folder / f'.{name}.lock'

    def add(self, increments: Mapping[str, float]) -> None:
        """Add to counters; a new one begins at zero.

        :raises OSError: when the file cannot be written, or another process
            holds it for longer than :data:`PATIENCE`
        """
        with self._locked():
            counters = self._read()
            for one, increment in increments.items():
                counters[one] = counters.get(one, 0) + increment
            self._write(exposition.to_text(counters))

    def _read(self) -> dict[str, float]:
        try:
            return exposition.from_text(self.path.read_text('utf-8'))
        except FileNotFoundError:
            return {}
        # Prometheus takes counters that begin anew for a restart.
        except ValueError as exc:
            LOG.warning(
                'The counters of %(path)s cannot be read, and begin anew: '
                '%(error)s',
                {'path': self.path, 'error': exc},
            )
            return {}

    def _write(self, text: str) -> None:
        """Put a whole file in place of the last; nobody sees a part of it."""
        draft = os.open(self._draft, _FLAGS | os.O_TRUNC, 0o644)
        with open(draft, 'w', encoding='utf-8') as file:
            # Whatever the umask of the service is, the collector reads it.
            os.fchmod(file.fileno(), 0o644)
            file.write(text)
        os.replace(self._draft, self.path)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from the file: greenthreads, threads and processes."""
        deadline = time.monotonic() + PATIENCE
        lock = os.open(self._lock, _FLAGS, 0o600)
        try:
            # To wait in flock itself would stop all greenthreads.
            while not _flock(lock):
                if time.monotonic() > deadline:
                    raise TimeoutError(f'{self._lock} is held by another')
                time.sleep(_NAP)
            yield
        finally:
            os.close(lock)


def _flock(descriptor: int) -> bool:
    """Try to get a lock; it ends when the descriptor is closed."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
