# SPDX-License-Identifier: Apache-2.0
"""A snapshot in memory, sparse, which counts what is read of it."""

import threading

from cinder_rbd_offload.upload import swift_layout

MIB = swift_layout.MIB


class Source:
    """An image of cells of 1 MiB.

    :param cells: a letter for each cell: ``.`` is a hole, ``0`` is allocated
        but zeros, any other is data of that letter
    :param tail: the bytes of a last, short cell of data
    :ivar read: the bytes that were read
    :ivar fail: what reading at these offsets raises
    """

    def __init__(self, cells, tail=0):
        self.size = len(cells) * MIB + tail
        self._cells = cells
        self._tail = tail
        self._lock = threading.Lock()
        self.read = 0
        self.fail = {}

    def extents(self):
        """List what is not a hole."""
        found = [
            (number * MIB, MIB)
            for number, cell in enumerate(self._cells)
            if cell != '.'
        ]
        return found + (
            [(self.size - self._tail, self._tail)] * bool(self._tail)
        )

    def pread(self, offset, length):
        """Read inside one cell."""
        with self._lock:
            self.read += length
        if offset in self.fail:
            raise self.fail[offset]
        return self._cell(offset // MIB)[:length]

    def content(self):
        """Return all of it."""
        return b''.join(
            self._cell(number) for number in range(-(-self.size // MIB))
        )

    def _cell(self, number):
        if number == len(self._cells):
            return b'!' * self._tail
        cell = self._cells[number]
        return (b'\0' if cell in '.0' else cell.encode()) * MIB
