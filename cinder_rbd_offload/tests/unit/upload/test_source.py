# SPDX-License-Identifier: Apache-2.0
"""A source reads as a file with the same bytes does, and no hole of it."""

import io
import random
import zlib

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload.upload import source

# Instead of 4 MiB.
PIECE = 1000


class Reading:
    def __init__(self, snapshot, place):
        self._snapshot, self._place = snapshot, place

    def wait(self):
        offset, length = self._place
        self._snapshot.flying -= length
        return self._snapshot.data[offset : offset + length]


class Snapshot:
    """One in memory.

    :ivar asked: what was read, as offsets and lengths
    :ivar flying: bytes that were asked for, and not yet waited for
    :ivar most: the most that ever were
    """

    def __init__(self, size, extents, seed=0):
        self.size = size
        data = bytearray(size)
        dice = random.Random(seed)
        for offset, length in extents:
            data[offset : offset + length] = dice.randbytes(length)
        self.data = bytes(data)
        self._extents = extents
        self.asked = []
        self.flying = self.most = 0
        self.closed = False

    def extents(self):
        return self._extents

    def start(self, offset, length):
        assert offset + length <= self.size
        self.asked.append((offset, length))
        self.flying += length
        self.most = max(self.most, self.flying)
        return Reading(self, (offset, length))

    def close(self):
        self.closed = True


@ddt.ddt
class SourceTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(source, 'PIECE', PIECE))
        # A hole of two pieces, and an end within a piece.
        self.extents = [
            (0, PIECE),
            (3 * PIECE + 100, 50),
            (4 * PIECE, 2 * PIECE + 7),
        ]
        self.snapshot = Snapshot(7 * PIECE - 10, self.extents)
        self.source = source.Source(self.snapshot, 3 * PIECE)

    def assertSame(self, wanted, found):
        """Compare bytes, and do not print them."""
        self.assertEqual(
            *((len(some), zlib.crc32(some)) for some in (wanted, found))
        )

    def test_all_of_it(self):
        self.assertSame(self.snapshot.data, self.source.read())
        self.assertEqual(b'', self.source.read())
        self.assertEqual(self.snapshot.size, self.source.tell())

    @ddt.data(1, 100, PIECE - 1, PIECE, 3 * PIECE + 5)
    def test_in_parts(self, length):
        if length == 1:
            self.source.seek(self.snapshot.size - 5)
        start = self.source.tell()
        parts = []
        while part := self.source.read(length):
            parts.append(part)
        self.assertEqual({length}, {len(part) for part in parts[:-1]})
        self.assertSame(self.snapshot.data[start:], b''.join(parts))

    def test_holes_are_not_read(self):
        self.source.read()
        pieces = {offset // PIECE for offset, _length in self.snapshot.asked}
        self.assertEqual({0, 3, 4, 5, 6}, pieces)
        self.assertEqual(5, len(self.snapshot.asked))

    def test_no_more_memory_than_allowed(self):
        self.source.read()
        self.assertEqual(2 * PIECE, self.snapshot.most)

    def test_what_follows_is_on_its_way(self):
        self.source.read(1)
        self.assertEqual(
            [0, 3], [at // PIECE for at, _ in self.snapshot.asked]
        )

    def test_a_seek_costs_nothing(self):
        self.source.read(1)
        asked = len(self.snapshot.asked)
        self.source.seek(0, io.SEEK_END)
        self.source.seek(PIECE)
        self.source.seek(-10, io.SEEK_CUR)
        self.source.seek(1)
        self.source.read(10)
        self.assertEqual(asked, len(self.snapshot.asked))

    @ddt.data(*range(20))
    def test_as_a_file(self, seed):
        dice = random.Random(seed)
        file = io.BytesIO(self.snapshot.data)
        for _step in range(50):
            if dice.random() < 0.5:
                whence = dice.choice((io.SEEK_SET, io.SEEK_CUR, io.SEEK_END))
                reach = self.snapshot.size
                offset = dice.randrange(-reach, reach)
                try:
                    there = file.seek(offset, whence)
                except ValueError:
                    there = None
                if there is None or (
                    whence == io.SEEK_END and -offset > reach
                ):
                    self.assertRaises(
                        ValueError, self.source.seek, offset, whence
                    )
                    file.seek(self.source.tell())
                    continue
                # A file in memory goes to its start instead of before it.
                if there == 0 and offset:
                    file.seek(self.source.tell())
                    continue
                self.assertEqual(there, self.source.seek(offset, whence))
            length = dice.choice((1, 100, PIECE, 2 * PIECE + 3, -1))
            self.assertSame(file.read(length), self.source.read(length))
            self.assertEqual(file.tell(), self.source.tell())

    @ddt.data(
        (0, 100), (PIECE, 2 * PIECE), (3 * PIECE + 90, 50), (5 * PIECE, PIECE)
    )
    @ddt.unpack
    def test_pread(self, offset, length):
        self.source.seek(17)
        self.assertSame(
            self.snapshot.data[offset : offset + length],
            self.source.pread(offset, length),
        )
        self.assertEqual(17, self.source.tell())

    def test_pread_of_a_hole(self):
        self.source.pread(PIECE, PIECE)
        self.assertEqual([], self.snapshot.asked)

    def test_before_the_start(self):
        self.assertRaises(ValueError, self.source.seek, -1)
        self.assertEqual(0, self.source.tell())

    def test_one_without_any_data(self):
        empty = source.Source(Snapshot(10, []), PIECE)
        self.assertEqual(bytes(10), empty.read())
        self.assertEqual([], empty.extents())

    def test_one_without_bytes(self):
        self.assertEqual(b'', source.Source(Snapshot(0, []), PIECE).read())

    def test_the_least_memory(self):
        least = source.Source(self.snapshot, 1)
        self.assertSame(self.snapshot.data, least.read())
        self.assertEqual(PIECE, self.snapshot.most)

    def test_it_closes_the_snapshot(self):
        with self.source as same:
            self.assertIs(self.source, same)
            self.source.read(1)
        self.assertTrue(self.snapshot.closed)
