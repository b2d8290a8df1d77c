# SPDX-License-Identifier: Apache-2.0
"""A budget of bytes that all processes of a host share, and none can leak.

The budget of a directory is a row of slots, of 64 KiB each. A slot is taken
by locking one byte of the directory's ledger, a file that stays empty: byte 7
locked means that slot 7 is taken. That is all there is to it. There are only
as many slots as the budget has, so it cannot be exceeded, and nothing is
written down that could outlive whoever wrote it.

The locks belong to an open file (F_OFD_SETLK), not to a process, for three
reasons. Two uploads of one process exclude each other as those of two do.
Closing a file lets go of its own slots, and of no others. And the kernel
drops a lock when the last descriptor of its open file is gone, as it frees an
unlinked temporary file at that same moment: a share lives as long as the data
that it stands for, through a fork as through a ``kill -9``.

Each share begins at a random slot, so that neighbours rarely meet: slots that
lie side by side are one lock to the kernel.
"""

import errno
import fcntl
import os
import secrets
import struct

from oslo_utils import units

# Bytes that one slot stands for.
SLOT = 64 * units.Ki

# The ledger's name in its directory.
LEDGER = '.budget'

# Linux's struct flock: type, whence, start, length, process.
_FLOCK = struct.Struct('@hhqqi4x')


class Share:
    """The slots that one open file has taken.

    :param directory: the one whose budget it is
    :param budget: bytes; what is left over of whole slots is not used
    :raises OSError: when the ledger cannot be opened
    """

    def __init__(self, directory: str, budget: int) -> None:
        self._total = budget // SLOT
        self._mine: set[int] = set()
        self._next = secrets.randbelow(self._total) if self._total else 0
        # A file, and no bare descriptor: a share that is forgotten is closed.
        self._file = open(
            os.path.join(directory, LEDGER),
            'r+b',
            buffering=0,
            opener=_open,
        )

    def take(self) -> bool:
        """Take one more slot; False when all are taken.

        :raises OSError: when the file system has no such locks
        """
        for slot, end in ((self._next, self._total), (0, self._next)):
            while slot < end:
                if slot in self._mine:
                    slot += 1
                elif self._lock(slot):
                    self._mine.add(slot)
                    self._next = slot + 1
                    return True
                else:
                    slot = self._after(slot)
        return False

    def close(self) -> None:
        """Give all slots back."""
        self._file.close()

    def _lock(self, slot: int) -> bool:
        """Lock a slot; False when it is somebody else's."""
        flock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, flock)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def _after(self, slot: int) -> int:
        """Return the slot after the lock that a taken slot is part of."""
        flock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, slot, 1, 0)
        answer = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, flock)
        kind, _whence, start, length, _process = _FLOCK.unpack(answer)
        if kind == fcntl.F_UNLCK:
            # It has become free meanwhile.
            return slot
        return start + length if length else self._total


def _open(path: str, _flags: int) -> int:
    """Open a ledger, which is made if it is not there."""
    return os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660
    )
