# SPDX-License-Identifier: Apache-2.0
"""Orders: at which boundary a process gets a signal.

An order is a file named after the back end whose process is meant. The
process that carries it out removes it first, so that it is done once, also
where that process is started again.
"""

import contextlib
import dataclasses
import json
import pathlib
import posix
from typing import Any

TRACE = 'trace.jsonl'
ANY = '*'


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """A signal at a boundary.

    :param when: ``before`` or ``after``
    :param name: a step, as the trace names it; ``*`` is any boundary at all
    :param nth: at which passing of it, counted from 1
    :param signal: the number of the signal
    :param then: the order that comes after this one
    """

    when: str
    name: str
    nth: int
    signal: int
    then: 'Order | None' = None

    @classmethod
    def read(cls, fields: dict[str, Any]) -> 'Order':
        """Make an order of what was written."""
        then = fields['then'] and cls.read(fields['then'])
        return cls(**fields | {'then': then})

    @property
    def label(self) -> str:
        """The order in words."""
        where = f'{self.when} {self.name} #{self.nth}'
        if self.name == ANY:
            where = f'boundary #{self.nth}'
        return f'{where}, then {self.then.label}' if self.then else where

    def names(self, when: str, name: str) -> bool:
        """Tell whether a boundary is one that the order counts."""
        return self.name == ANY or (self.when, self.name) == (when, name)


class Orders:
    """The orders in a folder.

    Reading uses nothing that eventlet patches: see
    :mod:`faults.boundary`.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def _path(self, backend: str) -> str:
        return str(self._folder / f'order-{backend}.json')

    def give(self, backend: str, order: Order) -> None:
        """Give an order to the process of a back end."""
        draft = f'{self._path(backend)}.new'
        file = posix.open(
            draft, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC, 0o600
        )
        posix.write(file, json.dumps(dataclasses.asdict(order)).encode())
        posix.close(file)
        posix.rename(draft, self._path(backend))

    def given(self, backend: str) -> Order | None:
        """Return the order of a back end, if there is one."""
        try:
            file = posix.open(
                self._path(backend), posix.O_RDONLY | posix.O_CLOEXEC
            )
        except FileNotFoundError:
            return None
        try:
            return Order.read(json.loads(posix.read(file, 4096)))
        finally:
            posix.close(file)

    def take(self, backend: str) -> bool:
        """Take an order back; True for the one who did."""
        with contextlib.suppress(FileNotFoundError):
            posix.unlink(self._path(backend))
            return True
        return False
