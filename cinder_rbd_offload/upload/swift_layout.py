# SPDX-License-Identifier: Apache-2.0
"""Which parts of an image are objects in Swift, and how they make it whole.

The image is a static large object: a manifest that lists segments, or ranges
of them. Data is put into segments of bounded size, one piece after the other
without the zeros between, so that there are few of them, and a fault costs no
more than one. Zeros are not sent: one object of zeros stands for all of them,
as often and as much of it as is needed.

Swift delivers segments of less than 1 MiB at one a second (its option
``rate_limit_under_size``), so nothing here is smaller than a cell of 1 MiB but
the end of the image. A manifest lists at most 1000 segments (its option
``max_manifest_segments``); a larger one lists manifests. And a large object
can be deleted in one request only if it has fewer than ten times as many lines
in all, or Swift leaves them behind without a word that Glance would hear
(``StaticLargeObject.get_segments_to_delete_iter``). So the more pieces an
image would have, the longer zeros must be to count, and segments be.

All of this is a pure function of the data: no I/O, no clock.
"""

from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import hashlib
import json

MIB = 1 << 20

# The grain of all cuts, in bytes.
CELL = MIB

# For each line that one manifest may have: the lines of a whole image, at
# most; how many of them are data and what is between, before zeros must be
# longer to count; and how many segments there are before they get larger.
LINES = 9.5
PIECES = 5
SEGMENTS = 4

# The object of zeros has at most this share of the bytes of the data, unless
# there would be too many references to it.
ZEROS_SHARE = 32

# Swift's own default (its option max_manifest_segments).
MAX_ENTRIES = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """What is to be read, and how.

    :param packs: for each segment the (start, end) of what may hold data, all
        in order; all else is zeros
    :param hole: the bytes of zeros that end a piece
    """

    packs: tuple[tuple[tuple[int, int], ...], ...]
    hole: int


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """A part of the image without long zeros, in a segment.

    :param offset: where in the image it begins, in bytes
    :param segment: the whole segment
    :param start: where in the segment it begins
    """

    offset: int
    length: int
    segment: 'Entry'
    start: int = 0

    @property
    def end(self) -> int:
        """Where in the image it ends."""
        return self.offset + self.length


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One line of a manifest.

    :param name: the object
    :param etag: the object's
    :param size: the bytes of the whole object
    :param length: how many of them are meant
    :param start: from which on
    """

    name: str
    etag: str
    size: int
    length: int
    start: int = 0

    @property
    def range(self) -> str:
        """The range that is meant; '' for all of it."""
        if self.length == self.size:
            return ''
        return f'{self.start}-{self.start + self.length - 1}'


def layout(
    size: int,
    extents: Iterable[tuple[int, int]],
    segment: int,
    most: int = MAX_ENTRIES,
) -> Layout:
    """Say what to read of an image.

    :param size: its bytes
    :param extents: the (offset, length) of what may hold data, in order
    :param segment: the most bytes of a segment; more where there would be very
        many of them
    :param most: the lines that one manifest may have
    """
    runs = _merge(_cells(size, extents), CELL)
    total = sum(end - start for start, end in runs)
    hole = CELL
    while 2 * len(runs) + total // hole > PIECES * most:
        hole *= 2
        runs = _merge(runs, hole)
        total = sum(end - start for start, end in runs)
    segment = max(
        _up(segment, CELL),
        _up(-(-total // (SEGMENTS * most)), CELL),
        # Else the cuts between segments would be pieces too many.
        hole,
    )
    return Layout(tuple(_packs(runs, segment)), hole)


def zeros(size: int, pieces: Sequence[Piece], most: int = MAX_ENTRIES) -> int:
    """Return the bytes that the object of zeros has to have; 0 for none.

    :param size: the bytes of the image
    :param pieces: its data, in order
    :param most: the lines that one manifest may have
    """
    gaps = [length for _offset, length in _gaps(size, pieces)]
    if not gaps:
        return 0
    data = sum(piece.length for piece in pieces)
    wanted = min(max(gaps), data // ZEROS_SHARE)
    # Beside the last line of each gap, which may be shorter.
    left = max(int(LINES * most) - len(pieces) - len(gaps), 1)
    return max(_up(wanted, CELL), _up(-(-sum(gaps) // left), CELL), CELL)


def entries(
    size: int, pieces: Sequence[Piece], zero: Entry | None
) -> list[Entry]:
    """List what makes an image, in order.

    :param size: the bytes of the image
    :param pieces: its data, in order
    :param zero: the whole object of zeros; None where there are none
    """
    parts: list[tuple[int, list[Entry]]] = [
        (
            piece.offset,
            [
                dataclasses.replace(
                    piece.segment, length=piece.length, start=piece.start
                )
            ],
        )
        for piece in pieces
    ]
    for offset, length in _gaps(size, pieces):
        assert zero is not None
        whole, rest = divmod(length, zero.size)
        some = [dataclasses.replace(zero, length=rest)] if rest else []
        parts.append((offset, [zero] * whole + some))
    parts.sort(key=lambda part: part[0])
    return [entry for _offset, group in parts for entry in group]


def manifest(container: str, lines: Iterable[Entry]) -> bytes:
    """Write a manifest, which Swift checks against the objects."""
    return json.dumps(
        [
            {
                'path': f'/{container}/{line.name}',
                'etag': line.etag,
                'size_bytes': line.size,
            }
            | ({'range': line.range} if line.range else {})
            for line in lines
        ]
    ).encode()


def read_manifest(text: bytes) -> list[Entry]:
    """Read the lines of a manifest, as Swift gives them in its form ``raw``.

    :raises ValueError: when it is none
    """
    lines = []
    try:
        for one in json.loads(text):
            size = int(one['size_bytes'])
            first, _to, last = one.get('range', f'0-{size - 1}').partition('-')
            lines.append(
                Entry(
                    one['path'].split('/', 2)[2],
                    one['etag'],
                    size,
                    length=int(last) + 1 - int(first),
                    start=int(first),
                )
            )
    except (AttributeError, IndexError, KeyError, TypeError) as exc:
        raise ValueError(f'it is no manifest: {exc!r}') from exc
    return lines


def etag(lines: Iterable[Entry]) -> str:
    """Return the ETag that Swift gives a manifest."""
    digest = hashlib.md5(usedforsecurity=False)
    for line in lines:
        text = f'{line.etag}:{line.range};' if line.range else line.etag
        digest.update(text.encode())
    return digest.hexdigest()


def nest(
    lines: Sequence[Entry], image_id: str, most: int
) -> tuple[list[tuple[Entry, Sequence[Entry]]], Sequence[Entry]]:
    """Spread the lines over manifests that are short enough.

    :param most: how many lines one may have
    :returns: the manifests to write first, each with the line that stands for
        it, and the lines of the image's own
    """
    inner: list[tuple[Entry, Sequence[Entry]]] = []
    while len(lines) > most:
        outer = []
        for first in range(0, len(lines), most):
            group = lines[first : first + most]
            length = sum(line.length for line in group)
            name = part_name(image_id, len(inner))
            outer.append(Entry(name, etag(group), length, length))
            inner.append((outer[-1], group))
        lines = outer
    return inner, lines


def prefix(image_id: str) -> str:
    """Return how the names of all objects of an image begin.

    Glance calls its own ``<image>`` and ``<image>-00001`` and so on, and makes
    of an image whatever begins with ``<image>-``.
    """
    return f'{image_id}.'


def image_name(image_id: str) -> str:
    """Name the object that is the image."""
    return f'{prefix(image_id)}image'


def aside_name(image_id: str) -> str:
    """Name what the image is called while it is withdrawn."""
    return f'{prefix(image_id)}aside'


def data_name(image_id: str, offset: int) -> str:
    """Name the segment whose data begins at an offset of the image."""
    return f'{prefix(image_id)}data-{offset // CELL:09d}'


def zeros_name(image_id: str) -> str:
    """Name the object of zeros."""
    return f'{prefix(image_id)}zeros'


def part_name(image_id: str, number: int) -> str:
    """Name a manifest of a part of the image."""
    return f'{prefix(image_id)}part-{number:04d}'


def _up(number: int, unit: int) -> int:
    return -(-number // unit) * unit


def _cells(
    size: int, extents: Iterable[tuple[int, int]]
) -> Iterable[tuple[int, int]]:
    """Round extents to whole cells."""
    for offset, length in extents:
        end = min(_up(offset + length, CELL), size)
        if length > 0 and offset < size:
            yield offset // CELL * CELL, end


def _merge(
    runs: Iterable[tuple[int, int]], hole: int
) -> list[tuple[int, int]]:
    """Join runs that are less than a hole apart."""
    merged: list[tuple[int, int]] = []
    for start, end in runs:
        if merged and start - merged[-1][1] < hole:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _packs(
    runs: Iterable[tuple[int, int]], segment: int
) -> Iterable[tuple[tuple[int, int], ...]]:
    """Group runs, or parts of them, until a segment is full."""
    pack: list[tuple[int, int]] = []
    room = segment
    for start, end in runs:
        while start < end:
            stop = min(end, start + room)
            pack.append((start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield tuple(pack)
                pack, room = [], segment
    if pack:
        yield tuple(pack)


def _gaps(size: int, pieces: Sequence[Piece]) -> Iterable[tuple[int, int]]:
    """List the (offset, length) of what is in no piece."""
    position = 0
    for piece in pieces:
        if piece.offset > position:
            yield position, piece.offset - position
        position = piece.end
    if position < size:
        yield position, size - position
