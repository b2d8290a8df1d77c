# SPDX-License-Identifier: Apache-2.0
"""What happens in a round, as a pure function of its seed.

Seeds that follow each other take turns in the kinds of faults, and rounds of
the kind ``boundary`` in the boundaries, so that a run of many rounds passes
all of them.
"""

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import random
import signal

from faults import orders

# A boundary's turn comes in every other round.
SLOTS = (
    'boundary',
    'glance',
    'boundary',
    'child',
    'boundary',
    'ceph-osd',
    'boundary',
    'relapse',
    'boundary',
    'rabbitmq',
    'boundary',
    'host',
    'boundary',
    'ceph-mgr',
    'boundary',
    'freeze',
)
KINDS = tuple(dict.fromkeys(SLOTS))
SERVICES = ('glance', 'ceph-osd', 'rabbitmq', 'ceph-mgr')

# Seconds after the first step of the uploads in which a random time lies;
# they take about as long.
SPAN = 4.0
# Seconds that a service is away, at least and at most, besides its start.
AWAY = (0.5, 4.0)
# Boundaries of a restarted process among which the second kill lies.
RELAPSE = 40

Boundary = tuple[str, str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """One round.

    :param kind: one of :data:`KINDS`, or ``none``
    :param orders: for each back end what its process is told
    :param delays: for each back end a random time, in seconds
    :param away: seconds for which a service is away or a process frozen
    :param large: the back end that also uploads a large volume
    :param fresh: the back end whose small volume is made anew first, or ''
    """

    seed: int
    kind: str
    orders: Mapping[str, orders.Order]
    delays: Mapping[str, float]
    away: float
    large: str
    fresh: str

    @property
    def label(self) -> str:
        """Where the fault comes."""
        if self.kind == 'none':
            return '-'
        if self.orders:
            return ', '.join(
                f'{backend}: {order.label}'
                for backend, order in self.orders.items()
            )
        return f'after {min(self.delays.values()):.2f} s'


def plan(
    seed: int,
    catalog: Mapping[str, Sequence[Boundary]],
    slots: Sequence[str] = SLOTS,
    freeze: float = 15.0,
    hosts: int = 1,
) -> Plan:
    """Say what happens in the round of a seed.

    :param catalog: for each back end the boundaries that an upload passes
    :param slots: the kinds of faults that take turns
    :param freeze: seconds for which a process is stopped, and with a second
        host also the first host is away
    """
    kind = slots[seed % len(slots)]
    # How many rounds of this kind have smaller seeds.
    turn = seed // len(slots) * slots.count(kind)
    turn += list(slots[: seed % len(slots)]).count(kind)
    chance = random.Random(seed)
    backends = list(catalog)
    delays = {backend: chance.uniform(0, SPAN) for backend in backends}
    given: dict[str, orders.Order] = {}
    if kind in ('boundary', 'relapse'):
        given = {
            backend: _order(some[turn % len(some)], signal.SIGKILL)
            for backend, some in catalog.items()
            if some
        }
    elif kind == 'freeze' or (kind in SERVICES and chance.random() < 0.5):
        backend = chance.choice(backends)
        given = {
            backend: _order(chance.choice(catalog[backend]), signal.SIGSTOP)
        }
    if kind == 'relapse':
        given = {
            backend: dataclasses.replace(
                order,
                then=_order(
                    ('', orders.ANY, chance.randint(1, RELAPSE)),
                    signal.SIGKILL,
                ),
            )
            for backend, order in given.items()
        }
    away = chance.uniform(*AWAY)
    if kind == 'freeze' or (kind == 'host' and hosts > 1):
        away = freeze
    return Plan(
        seed=seed,
        kind=kind,
        orders=given,
        delays=delays,
        away=away,
        large=chance.choice(backends) if kind != 'boundary' else '',
        fresh=chance.choice(backends) if chance.random() < 0.1 else '',
    )


def calm(seed: int, backends: Sequence[str]) -> Plan:
    """Plan the round without a fault in which the boundaries are recorded."""
    return Plan(seed, 'none', {}, dict.fromkeys(backends, 0.0), 0, '', '')


def _order(boundary: Boundary, number: signal.Signals) -> orders.Order:
    when, name, nth = boundary
    return orders.Order(when, name, nth, int(number))
