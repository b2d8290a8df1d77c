# SPDX-License-Identifier: Apache-2.0
"""Where readers keep what they have read: unlinked files, within a budget.

A spool serves one upload. All spools of a directory, in whatever process of
the host, hold no more than its budget together: :mod:`budget` says how that
is kept. The files have no names, so that nothing is left of a process that
was killed.

The directory should be of a local file system, and not be cleaned by others:
an upload that finds the ledger removed begins a new one beside those that
still use the old.
"""

import contextlib
import errno
import os
import tempfile
import threading

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import budget as budget_

LOG = logging.getLogger(__name__)


class Spool:
    """Room on disk for one upload.

    :param directory: of a local file system; of its own for each user that
        services run as
    :param budget: bytes that all uploads of all processes that are given
        this directory may hold; counted in units of 64 KiB
    :param cap: bytes that this upload may hold; 0 for the budget alone
    """

    def __init__(self, directory: str, budget: int, cap: int = 0) -> None:
        self.directory = directory
        self.budget = budget
        self.cap = cap
        self._held = 0
        self._warned = False
        self._mutex = threading.Lock()

    @property
    def room(self) -> int:
        """Bytes that one file could hold if there were no other."""
        slots = self.budget // budget_.SLOT * budget_.SLOT
        return min(slots, self.cap or slots)

    def open(self) -> 'SpoolFile':
        """Return an empty file.

        :raises OSError: when the directory cannot be used
        """
        return SpoolFile(self)

    def hold(self, size: int) -> None:
        """Count bytes that a file is to hold, or has let go of (negative).

        :raises SpoolFull: when they would be more than the cap
        """
        with self._mutex:
            if size > 0 and self.cap and self._held + size > self.cap:
                raise exceptions.SpoolFull(
                    f'an upload may keep {self.cap} bytes of its data'
                )
            self._held += size

    def give_up(self, cause: Exception) -> None:
        """Tell the operator, once, that data is sent that is not kept."""
        with self._mutex:
            warned, self._warned = self._warned, True
        if not warned:
            LOG.warning(
                'An upload goes on without a buffer in %(directory)s, and '
                'can no longer be repeated after a fault: %(cause)s',
                {'directory': self.directory, 'cause': cause},
            )


class SpoolFile:
    """What was appended; read from any thread.

    Once :meth:`append` has failed, the file is of no more use.

    :ivar end: its size in bytes
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._share = budget_.Share(spool.directory, spool.budget)
        try:
            self._file = tempfile.TemporaryFile(
                dir=spool.directory, buffering=0
            )
        except OSError:
            self._share.close()
            raise
        self.end = 0
        # Bytes of the file that slots are taken for.
        self._reserved = 0

    def append(self, data: bytes) -> None:
        """Add bytes at the end.

        :raises SpoolFull: when there is no room left in the budget, or
            within the cap
        :raises OSError: when the disk is full, or fails
        """
        self._spool.hold(len(data))
        end = self.end + len(data)
        self.end = end
        while self._reserved < end:
            if not self._share.take():
                raise exceptions.SpoolFull(
                    f'all {self._spool.budget} bytes of its budget are in use'
                )
            # XFS gives a file that grows by writes far more than that.
            os.posix_fallocate(
                self._file.fileno(), self._reserved, budget_.SLOT
            )
            self._reserved += budget_.SLOT
        rest = memoryview(data)
        while rest:
            rest = rest[
                os.pwrite(self._file.fileno(), rest, end - len(rest)) :
            ]

    def read(self, position: int, size: int) -> bytes:
        """Return up to that many bytes from a position on.

        :raises OSError: when the disk fails
        """
        size = min(size, self.end - position)
        data = os.pread(self._file.fileno(), size, position)
        if len(data) != size:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    def close(self) -> None:
        """Let go of everything; nobody wants the data any more."""
        self._spool.hold(-self.end)
        # In this order, for room is given back when it is there. An error of
        # the disk's comes after the descriptor is gone, and tells of data that
        # is of no more use.
        with (
            contextlib.closing(self._share),
            contextlib.suppress(OSError),
        ):
            self._file.close()
