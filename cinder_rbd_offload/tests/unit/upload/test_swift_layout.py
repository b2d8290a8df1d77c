# SPDX-License-Identifier: Apache-2.0
"""Which segments an image has."""

import hashlib
import itertools
import json
import random
from unittest import mock

import ddt
from oslotest import base
from swift.common.middleware import slo
from swift.common import swob

from cinder_rbd_offload.upload import swift_layout

MIB = swift_layout.MIB
GIB = 1024 * MIB
IMAGE = 'an-image'


def piece(offset, length, segment=None, start=0):
    segment = segment or swift_layout.Entry(
        swift_layout.data_name(IMAGE, offset * MIB),
        *('e', length * MIB, length * MIB),
    )
    return swift_layout.Piece(offset * MIB, length * MIB, segment, start * MIB)


def zero(size):
    return swift_layout.Entry(f'{IMAGE}.zeros', 'z', size * MIB, size * MIB)


@ddt.ddt
class LayoutTestCase(base.BaseTestCase):
    @ddt.data(
        # Nothing, a byte, all of it.
        (10, [], 4, []),
        (10, [(0, 1)], 4, [[(0, 1)]]),
        (10, [(0, 10 * MIB)], 4, [[(0, 4)], [(4, 8)], [(8, 10)]]),
        # Extents are rounded to cells, and neighbours joined.
        (10, [(MIB - 1, 2)], 4, [[(0, 2)]]),
        (10, [(0, 5), (20, MIB), (2 * MIB, 1)], 4, [[(0, 3)]]),
        # What holds data is put together until a segment is full.
        (10, [(0, MIB), (2 * MIB, MIB)], 4, [[(0, 1), (2, 3)]]),
        (
            10,
            [(0, 3 * MIB), (5 * MIB, 3 * MIB), (9 * MIB, 1)],
            4,
            [[(0, 3), (5, 6)], [(6, 8), (9, 10)]],
        ),
        # What lies behind the end, or has no length, is nothing.
        (10, [(MIB, 0), (10 * MIB, MIB)], 4, []),
        (10, [(9 * MIB, 5 * MIB)], 4, [[(9, 10)]]),
    )
    @ddt.unpack
    def test_packs(self, size, extents, segment, expected):
        found = swift_layout.layout(size * MIB, extents, segment * MIB)
        self.assertEqual(
            expected,
            [[(a // MIB, b // MIB) for a, b in pack] for pack in found.packs],
        )
        self.assertEqual(MIB, found.hole)

    def test_the_end_of_the_image_is_the_end(self):
        found = swift_layout.layout(2 * MIB + 7, [(MIB, MIB + 7)], 64 * MIB)
        self.assertEqual((((MIB, 2 * MIB + 7),),), found.packs)

    @ddt.data(1, 3, 8, 64)
    def test_many_pieces_get_fewer(self, step):
        """A disk of 1 TiB with a cell in use now and then."""
        size = 1024 * GIB
        used = [(at * MIB, 1) for at in range(0, MIB, step)]
        found = swift_layout.layout(size, used, 64 * MIB)
        stretches = list(itertools.chain(*found.packs))
        total = sum(end - start for start, end in stretches)
        runs = 1 + sum(a[1] != b[0] for a, b in itertools.pairwise(stretches))
        self.assertLessEqual(
            2 * runs + total // found.hole, 1000 * swift_layout.PIECES
        )
        self.assertLessEqual(
            len(found.packs), 1000 * swift_layout.SEGMENTS + 1
        )
        for start, end in stretches:
            self.assertEqual((0, 0), (start % MIB, end % MIB))


@ddt.ddt
class ZerosTestCase(base.BaseTestCase):
    @ddt.data(
        # No zeros, hardly any, nothing but.
        (4, [piece(0, 4)], 0),
        (5, [piece(0, 4)], 1),
        (1024, [], 1),
        # A share of the data, and no more than the longest gap.
        (4096, [piece(0, 1024)], 32),
        (1030, [piece(0, 1024)], 6),
        # A disk of 1 TiB with little in it: not too many references.
        (1024 * 1024, [piece(0, 64)], 111),
    )
    @ddt.unpack
    def test_length(self, size, pieces, expected):
        self.assertEqual(
            expected * MIB, swift_layout.zeros(size * MIB, pieces)
        )

    def test_the_lead_case(self):
        """4 GiB, of which each fourth object is in use."""
        pieces = [piece(at, 4) for at in range(0, 4096, 16)]
        length = swift_layout.zeros(4 * GIB, pieces)
        self.assertEqual(12 * MIB, length)
        entry = zero(12)
        lines = swift_layout.entries(4 * GIB, pieces, entry)
        self.assertEqual(512, len(lines))


@ddt.ddt
class EntriesTestCase(base.BaseTestCase):
    def lines(self, size, pieces, entry):
        found = swift_layout.entries(size, pieces, entry)
        return [(line.name.removeprefix(IMAGE), line.range) for line in found]

    def test_data_alone(self):
        self.assertEqual(
            [('.data-000000000', ''), ('.data-000000004', '')],
            self.lines(6 * MIB, [piece(0, 4), piece(4, 2)], None),
        )

    def test_a_segment_of_several_pieces(self):
        segment = swift_layout.Entry('s', 'e', 3 * MIB, 3 * MIB)
        pieces = [piece(0, 1, segment), piece(4, 2, segment, 1)]
        self.assertEqual(
            [
                ('s', f'0-{MIB - 1}'),
                ('.zeros', ''),
                ('s', f'{MIB}-{3 * MIB - 1}'),
            ],
            self.lines(6 * MIB, pieces, zero(3)),
        )

    def test_zeros_in_front_between_and_behind(self):
        self.assertEqual(
            [
                ('.zeros', f'0-{MIB - 1}'),
                ('.data-000000001', ''),
                ('.zeros', ''),
                ('.zeros', f'0-{MIB - 1}'),
                ('.data-000000005', ''),
                ('.zeros', ''),
            ],
            self.lines(8 * MIB, [piece(1, 1), piece(5, 1)], zero(2)),
        )

    def test_only_the_last_is_short(self):
        size = 5 * MIB + 10
        found = swift_layout.entries(size, [piece(1, 1)], zero(3))
        self.assertEqual(
            [MIB, MIB, 3 * MIB, 10], [line.length for line in found]
        )

    def test_manifest(self):
        lines = swift_layout.entries(3 * MIB, [piece(0, 1)], zero(4))
        text = json.loads(swift_layout.manifest('glance', lines))
        self.assertEqual(
            [
                {
                    'path': '/glance/an-image.data-000000000',
                    'etag': 'e',
                    'size_bytes': MIB,
                },
                {
                    'path': '/glance/an-image.zeros',
                    'etag': 'z',
                    'size_bytes': 4 * MIB,
                    'range': f'0-{2 * MIB - 1}',
                },
            ],
            text,
        )
        expected = hashlib.md5(f'ez:0-{2 * MIB - 1};'.encode()).hexdigest()
        self.assertEqual(expected, swift_layout.etag(lines))


@ddt.ddt
class NestTestCase(base.BaseTestCase):
    def lines(self, count):
        return [zero(1)] * count

    @ddt.data(1, 9, 10)
    def test_few(self, count):
        lines = self.lines(count)
        self.assertEqual(([], lines), swift_layout.nest(lines, IMAGE, 10))

    @ddt.data(11, 20, 95)
    def test_many(self, count):
        lines = self.lines(count)
        inner, outer = swift_layout.nest(lines, IMAGE, 10)
        self.assertEqual(-(-count // 10), len(outer))
        self.assertEqual([entry for entry, _ in inner], outer)
        self.assertEqual(count * MIB, sum(line.length for line in outer))
        self.assertEqual(lines, [line for _, group in inner for line in group])
        for entry, group in inner:
            self.assertLessEqual(len(group), 10)
            self.assertEqual(swift_layout.etag(group), entry.etag)
            self.assertEqual('', entry.range)
        self.assertEqual('an-image.part-0000', outer[0].name)

    def test_very_many(self):
        inner, outer = swift_layout.nest(self.lines(101), IMAGE, 10)
        self.assertEqual(2, len(outer))
        self.assertEqual(101 * MIB, sum(line.length for line in outer))
        self.assertEqual(11 + 2, len({entry.name for entry, _ in inner}))
        # A manifest is written after those that it lists.
        written = set()
        for entry, group in inner:
            named = {one.name for one in group} - {f'{IMAGE}.zeros'}
            self.assertLessEqual(named, written)
            written.add(entry.name)


@ddt.ddt
class DeleteTestCase(base.BaseTestCase):
    """Swift itself says which images it deletes in one request."""

    def deleted(self, lines, most):
        """Return what Swift would delete of an image."""
        inner, outer = swift_layout.nest(lines, IMAGE, most)
        tree = {entry.name: group for entry, group in inner}
        tree[swift_layout.image_name(IMAGE)] = outer

        def segments(name, _request):
            return [
                {
                    'name': f'/glance/{line.name}',
                    'sub_slo': line.name in tree,
                    'hash': line.etag,
                }
                for line in tree[name.rpartition('/')[2]]
            ]

        middleware = mock.Mock(max_manifest_segments=most)
        middleware.get_slo_segments.side_effect = segments
        request = swob.Request.blank(
            f'/v1/account/glance/{swift_layout.image_name(IMAGE)}'
        )
        found = slo.StaticLargeObject.get_segments_to_delete_iter(
            middleware, request
        )
        return {one['name'].rpartition('/')[2] for one in found}

    def check(self, size, extents, most):
        found = swift_layout.layout(size, extents, 64 * MIB, most)
        pieces = [
            piece(start // MIB, (end - start) // MIB)
            for start, end in itertools.chain(*found.packs)
        ]
        length = swift_layout.zeros(size, pieces, most)
        zeros = swift_layout.Entry(f'{IMAGE}.zeros', 'z', length, length)
        lines = swift_layout.entries(size, pieces, zeros)
        self.assertLessEqual(
            {line.name for line in lines}, self.deleted(lines, most)
        )

    @ddt.data(
        (1024, 1000, 1),
        (16 * 1024, 1000, 1),
        (625, 1000, 1),
        (1024, 100, 1),
        (1024, 1000, 0),
        (100, 1000, 0.3),
        (500, 1000, 0.5),
        (200, 100, 0.5),
        (2048, 1000, 0.01),
    )
    @ddt.unpack
    def test_all_of_it(self, gib, most, share):
        """Volumes that are full, empty, or in use here and there."""
        chance = random.Random(gib)
        objects = gib * 256 if share < 1 else 0
        extents = [
            (number << 22, 1 << 22)
            for number in range(objects)
            if chance.random() < share
        ]
        self.check(gib * GIB, extents or [(0, share * gib * GIB)], most)

    def test_more_would_be_left_behind(self):
        """Which is why there is a bound at all."""
        lines = [zero(1)] * 9990
        self.assertRaises(swob.HTTPException, self.deleted, lines, 1000)


@ddt.ddt
class ManifestTestCase(base.BaseTestCase):
    def test_it_is_read_as_it_was_written(self):
        lines = [
            swift_layout.Entry(f'{IMAGE}.data-000000000', 'e', 7, 7),
            swift_layout.Entry(f'{IMAGE}.zeros', 'z', 2 * MIB, MIB),
        ]
        text = swift_layout.manifest('glance', lines)
        self.assertEqual(lines, swift_layout.read_manifest(text))

    @ddt.data(b'', b'7', b'[1]', b'[{"path": "/a/b"}]', b'nothing', b'null')
    def test_what_is_none(self, text):
        self.assertRaises(ValueError, swift_layout.read_manifest, text)


class NamesTestCase(base.BaseTestCase):
    def test_glance_takes_none_for_its_own(self):
        names = {
            swift_layout.image_name(IMAGE),
            swift_layout.aside_name(IMAGE),
            swift_layout.data_name(IMAGE, 5 * MIB),
            swift_layout.zeros_name(IMAGE),
            swift_layout.part_name(IMAGE, 3),
        }
        self.assertEqual(5, len(names))
        for name in names:
            self.assertTrue(name.startswith(swift_layout.prefix(IMAGE)))
            self.assertFalse(name.startswith(f'{IMAGE}-'))
