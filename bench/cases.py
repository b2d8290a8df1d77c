# SPDX-License-Identifier: Apache-2.0
"""What is measured: sizes of volumes, patterns of data, who takes part."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
from typing import TypeVar

T = TypeVar('T')

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
# RBD's usual object: what is allocated, copied and looked up at once.
OBJECT = 4 * MIB

UPSTREAM = 'upstream'
# The volume types of the lab: upstream's driver, and ours as it comes and
# with each method.
METHODS = (UPSTREAM, 'offload', 'copy', 'clone_flatten', 'instant')
# What makes an image's data in the second kind of measurement.
RBD_CP = 'rbd cp'
STEPS = (RBD_CP, 'rbd.Image.copy', 'copy', 'clone_flatten')

# Upstream writes every byte of the volume's size to Glance's pool.
UPSTREAM_GIB = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """A volume and its data.

    :param key: its name on the command line and in the results
    :param gib: the size of the volume
    :param objects: how many objects hold data, evenly spread over the volume
    :param length: how many random bytes each of them has at its start
    :param rounds: the most rounds of a method that takes long
    :param times: how many times as many rounds as are asked for
    """

    key: str
    gib: int
    objects: int
    length: int = OBJECT
    rounds: Mapping[str, int] = dataclasses.field(
        default_factory=dict, hash=False
    )
    times: int = 1

    @property
    def size(self) -> int:
        """The size of the volume in bytes."""
        return self.gib * GIB

    @property
    def in_use(self) -> int:
        """The bytes that are not zero."""
        return self.objects * self.length

    @property
    def offsets(self) -> range:
        """Where data begins, in bytes."""
        total = self.size // OBJECT
        stride = total // self.objects
        return range(0, stride * self.objects * OBJECT, stride * OBJECT)

    @property
    def title(self) -> str:
        """The case in words."""
        size = (
            f'{self.gib >> 10} TiB' if self.gib >= KIB else f'{self.gib} GiB'
        )
        total = self.size // OBJECT
        if self.length < OBJECT:
            where = 'each' if self.objects == total else 'some'
            return f'{size}, {self.length // KIB} KiB in {where} object'
        if self.objects == total:
            return f'{size}, full'
        amount = self.in_use // MIB
        used = f'{amount >> 10} GiB' if amount >= KIB else f'{amount} MiB'
        return f'{size}, {used} in use'

    def turns(self, method: str, rounds: int) -> int:
        """Return in how many of some rounds a method takes part."""
        if self.left_out(method):
            return 0
        rounds *= self.times
        return min(rounds, self.rounds.get(method, rounds))

    def left_out(self, method: str) -> str:
        """Say why a method does not take part; '' where it does."""
        if method == UPSTREAM and self.gib > UPSTREAM_GIB:
            return (
                'upstream writes the whole size, zeros included, which the '
                "lab's OSD has no room for"
            )
        return ''


THIN_1 = Case('thin-1', 1, 64)
THIN_64 = Case('thin-64', 64, 64)
THIN_1024 = Case('thin-1024', 1024, 64, rounds={'copy': 2})
# Two snapshots wait for the monitor, which commits once a second, so the time
# goes in steps of that: a few rounds more, and the median tells something.
THIN_4 = Case('thin-4', 4, 256, times=2)
_FEWER = dict.fromkeys(METHODS + STEPS, 3)
DENSE_1 = Case('dense-1', 1, 256, rounds=_FEWER)
DENSE_4 = Case('dense-4', 4, 1024, rounds=_FEWER)
SPECKS = Case('specks', 2, 512, length=4 * KIB)

# The cases of a group take turns with each other, too: their volumes are
# there at the same time.
UPLOADS = (
    (THIN_1, THIN_64, THIN_1024),
    (THIN_4,),
    (SPECKS,),
    (DENSE_1,),
    (DENSE_4,),
)
MATERIALISED = ((THIN_4,), (THIN_64,), (SPECKS,), (DENSE_1,))
ALL = tuple(case for group in UPLOADS for case in group)


def rotated(those: Iterable[T], number: int) -> list[T]:
    """Return the order of a round.

    Each round begins one further on, so that none always comes after the
    same other.

    :param number: the round's, from 0
    """
    order = list(those)
    start = number % len(order)
    return order[start:] + order[:start]


def schedule(
    cases: tuple[Case, ...], methods: tuple[str, ...], rounds: int
) -> Iterator[tuple[int, Case, str]]:
    """Say who is measured when: a number of rounds in which all take turns."""
    pairs = [(case, method) for case in cases for method in methods]
    for number in range(rounds * max(case.times for case in cases)):
        for case, method in rotated(pairs, number):
            if number < case.turns(method, rounds):
                yield number, case, method


def chosen(
    groups: tuple[tuple[Case, ...], ...], keys: set[str]
) -> list[tuple[Case, ...]]:
    """Leave in some groups the cases of some keys."""
    left = (
        tuple(case for case in group if case.key in keys) for group in groups
    )
    return [group for group in left if group]


def room(cases: tuple[Case, ...], methods: tuple[str, ...]) -> int:
    """Return the bytes that a group takes at most, in the lab's OSD.

    Each method has a volume of its own in each case, and there is one image
    at a time.
    """
    volumes = sum(
        case.in_use
        for case in cases
        for method in methods
        if not case.left_out(method)
    )
    images = (
        case.in_use if case.left_out(UPSTREAM) else case.size for case in cases
    )
    return volumes + max(images)
