# SPDX-License-Identifier: Apache-2.0
"""What becomes of an upload that is broken: the table of faults.

Each row is a fault, in the fault proxy's words, and what it comes to for each
who uploads: a column. :mod:`test_fault_matrix` runs the rows.
"""

from collections.abc import Mapping
import dataclasses
import enum

from cinder_rbd_offload.tests.fault_proxy import rules

# Bytes of a segment: Glance's smallest.
SEGMENT = 1024 * 1000


class Outcome(enum.Enum):
    """What a user has in the end."""

    WHOLE = 'whole'
    # Whole, and the user is told that it failed.
    DENIED = 'whole, said to have failed'
    # No image, or one that waits for its data, and nothing in the store.
    FAILS = 'fails'
    # As above, but there are objects in the store that nobody knows of.
    ORPHANS = 'fails, leaves segments'
    # Active, with other data than the volume's.
    WRONG = 'WRONG IMAGE'
    HANGS = 'hangs'


WHOLE, DENIED, FAILS, ORPHANS, WRONG, HANGS = Outcome


@dataclasses.dataclass(frozen=True)
class Row:
    """One fault.

    :param name: the row's, for a person
    :param fault: as in a rule, after its path; '' is none
    :param outcomes: what it comes to, by column
    :param where: which requests it breaks: ``image`` is the PUT of the whole
        image or of its manifest, ``segment`` that of the second segment
    :param size: bytes of the image, where the row is to choose
    :param known: whether the store is told the size beforehand
    """

    name: str
    fault: str
    outcomes: Mapping[str, Outcome]
    where: str = 'segment'
    size: int = 5 * SEGMENT // 2
    known: bool = False

    @property
    def __name__(self) -> str:
        """What the row's test is called by."""
        return self.name

    def rules(self, paths: Mapping[str, str]) -> tuple[rules.Rule, ...]:
        """Return the proxy's rules.

        :param paths: a regular expression for each ``where``
        """
        if not self.fault:
            return ()
        return (rules.Rule.parse(f'PUT {paths[self.where]} {self.fault}'),)


def column(table: tuple[Row, ...], name: str) -> tuple[Row, ...]:
    """Return the rows that have something in a column."""
    return tuple(row for row in table if name in row.outcomes)


def _row(name: str, fault: str, cells: str, **settings: object) -> Row:
    """Make a row of Glance's way to Swift."""
    columns = zip(('chunks', 'buffered', 'ours'), cells.split(), strict=True)
    outcomes = {k: Outcome[v] for k, v in columns if v != '-'}
    return Row(name, fault, outcomes, **settings)


# From Glance to Swift. The columns: glance_store's reader by default, its
# BufferedReader, and ours.
TO_SWIFT = (
    _row('nothing', '', 'WHOLE WHOLE WHOLE'),
    _row('reset', 'reset after=500000', 'FAILS WHOLE WHOLE'),
    _row('closed', 'close after=500000', 'FAILS WHOLE WHOLE'),
    _row('answer lost', 'lost', 'ORPHANS WHOLE WHOLE'),
    _row('stall', 'stall after=500000 seconds=60', 'HANGS HANGS WHOLE'),
    _row('slow', 'slow rate=500000', 'WHOLE WHOLE WHOLE'),
    _row('401', '401', 'ORPHANS ORPHANS WHOLE'),
    _row('408', '408', 'FAILS WHOLE WHOLE'),
    _row('413', '413', 'FAILS FAILS FAILS'),
    _row('429', '429 retry_after=1', 'FAILS WHOLE WHOLE'),
    _row('498', '498', 'FAILS WHOLE WHOLE'),
    _row('503 before the body', '503', 'FAILS WHOLE WHOLE'),
    _row('503 after the body', '503 late=1', 'FAILS WHOLE WHOLE'),
    _row('503 six times', '503 count=6', '- FAILS -'),
    _row('503 for ever', '503 count=1000', '- - FAILS'),
    _row('507', '507', 'FAILS WHOLE WHOLE'),
    _row('manifest: 503', '503', '- WHOLE WHOLE', where='image'),
    _row(
        'manifest: 503 for ever',
        '503 count=1000',
        '- ORPHANS FAILS',
        where='image',
    ),
    _row('manifest: answer lost', 'lost', '- WHOLE WHOLE', where='image'),
    _row(
        'one object: reset',
        'reset after=300000',
        'FAILS FAILS WHOLE',
        where='image',
        size=SEGMENT // 2,
        known=True,
    ),
    _row(
        'one object: 503 after the body',
        '503 late=1',
        'FAILS FAILS WHOLE',
        where='image',
        size=SEGMENT // 2,
        known=True,
    ),
    _row('size known: nothing', '', 'FAILS - WHOLE', known=True),
    _row('size known: reset', 'reset after=500000', '- - WHOLE', known=True),
)

# From Cinder to Glance, a raw image of 1 GiB to a store on files. The
# columns: Cinder's own driver, and ours.
TO_GLANCE = tuple(
    Row(name, fault, {'upstream': stock, 'ours': ours}, where='image')
    for name, fault, stock, ours in (
        ('nothing', '', WHOLE, WHOLE),
        ('reset', 'reset after=300000000', WRONG, WHOLE),
        ('closed', 'close after=300000000', WRONG, WHOLE),
        ('reset twice', 'reset after=300000000 count=2', WRONG, WHOLE),
        ('answer lost', 'lost', DENIED, WHOLE),
        ('stall', 'stall after=300000000 seconds=60', HANGS, WHOLE),
        ('401', '401', WRONG, WHOLE),
        ('408', '408', FAILS, WHOLE),
        ('413', '413', FAILS, FAILS),
        ('429', '429 retry_after=1', FAILS, WHOLE),
        ('503 before the body', '503', WRONG, WHOLE),
        ('503 after the body', '503 late=1', WRONG, WHOLE),
        ('503 for ever', '503 count=1000', FAILS, FAILS),
    )
)


TITLES = {
    'chunks': 'glance_store',
    'buffered': 'its BufferedReader',
    'upstream': "Cinder's driver",
    'ours': 'ours',
}


def render(title: str, table: tuple[Row, ...]) -> str:
    """Return a table for the documents.

    :param title: what stands above it
    """
    columns = [
        name for name in TITLES if any(name in row.outcomes for row in table)
    ]
    lines = [['fault', *(TITLES[name] for name in columns)]]
    for row in table:
        cells = [row.outcomes.get(name) for name in columns]
        lines.append(
            [row.name, *(cell.value if cell else '' for cell in cells)]
        )
    text = f'.. list-table:: {title}\n   :header-rows: 1\n\n'
    for line in lines:
        first, *rest = line
        text += f'   * - {first}\n'
        text += ''.join(f'     - {cell}'.rstrip() + '\n' for cell in rest)
    return text


def document() -> str:
    """Return what the documents include."""
    return '\n'.join(
        (
            render('From Cinder to Glance', TO_GLANCE),
            render('From Glance to Swift', TO_SWIFT),
        )
    )


if __name__ == '__main__':
    print(document(), end='')
