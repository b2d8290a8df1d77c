# SPDX-License-Identifier: Apache-2.0
"""Boundaries between steps, inside the process that is to be killed.

Every public method of the classes that the driver acts through, and every
public function beside them, is wrapped: entering and leaving it are two
boundaries. Each that is passed is appended to a trace. A boundary that an
order names gets the process the signal that the order says.

The steps run on native threads beside eventlet's green ones, so nothing here
takes a lock, logs, or calls what eventlet has patched.
"""

from collections.abc import Callable
from collections.abc import Iterator
import functools
import inspect
import json
import pathlib
import posix
import sys
import time
import types
from typing import Any
import uuid

from faults import orders

# Characters of an argument in the trace; an entry of the journal has fewer.
LONGEST = 2000

# Taken before eventlet puts its own in their place.
_clock = time.time


class Recorder:
    """Writes the trace of this process, and carries out orders.

    :param folder: holds the trace and the orders
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._orders = orders.Orders(folder)
        self._trace = posix.open(
            str(folder / orders.TRACE),
            posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_CLOEXEC,
            0o600,
        )
        # What this process serves; '' in the parent of all.
        self.host = self.backend = ''
        self._order: orders.Order | None = None
        self._seen = 0

    def begin(self, service: str) -> None:
        """Say what this process serves from now on: ``host@backend``."""
        self.host, _at, self.backend = service.partition('@')
        self.note('start')

    def note(self, event: str, **about: Any) -> None:
        """Append an event to the trace."""
        line = {
            'time': _clock(),
            'pid': posix.getpid(),
            'host': self.host,
            'backend': self.backend,
            'event': event,
        }
        posix.write(self._trace, (json.dumps(line | about) + '\n').encode())

    def passing(self, when: str, name: str, arguments: list[str]) -> None:
        """Pass a boundary: write it down, then do what is ordered there.

        :param when: ``before`` or ``after``
        """
        self.note(when, name=name, arguments=arguments)
        order = self._orders.given(self.backend)
        if order is None:
            return
        if order != self._order:
            self._order, self._seen = order, 0
        if not order.names(when, name):
            return
        self._seen += 1
        # Of several threads here at once, one takes the order.
        if self._seen >= order.nth and self._orders.take(self.backend):
            self.note('fired', order=order.label)
            if order.then:
                self._orders.give(self.backend, order.then)
            posix.kill(posix.getpid(), order.signal)

    def wrap(self, function: Callable[..., Any], name: str) -> Any:
        """Return a function that passes a boundary before and after."""

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            given = [*args, *kwargs.values()]
            said = [text for text in map(_tell, given) if text]
            self.passing('before', name, said)
            try:
                return function(*args, **kwargs)
            finally:
                self.passing('after', name, said)

        return wrapper


def instrument(
    recorder: Recorder, modules: list[types.ModuleType]
) -> list[str]:
    """Wrap what the modules define; return the names of what was wrapped."""
    names = []
    for module in modules:
        for owner, name, function in list(_steps(module)):
            label = f'{owner.__name__.rpartition(".")[2]}.{name}'
            setattr(owner, name, recorder.wrap(function, label))
            names.append(label)
    return names


def _steps(module: types.ModuleType) -> Iterator[tuple[Any, str, Any]]:
    """Find the public functions of a module and of its classes."""
    owners = [module] + [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and value.__module__ == module.__name__
        and not issubclass(value, BaseException)
        and not getattr(value, '_is_protocol', False)
    ]
    for owner in owners:
        for name, value in vars(owner).items():
            if (
                inspect.isfunction(value)
                and value.__module__ == module.__name__
                and not name.startswith('_')
            ):
                yield owner, name, value


def _tell(argument: Any) -> str:
    """Tell of an argument what says which upload it is."""
    if isinstance(argument, str | uuid.UUID):
        return str(argument)[:LONGEST]
    return ''


def modules_below(package: str) -> list[types.ModuleType]:
    """List the imported modules that are a package or stand below it."""
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name == package or name.startswith(f'{package}.')
    ]
