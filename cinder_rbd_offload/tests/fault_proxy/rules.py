# SPDX-License-Identifier: Apache-2.0
"""What the fault proxy does to which requests, and what it has seen."""

import dataclasses

# Faults that end a connection after some bytes of a request's body.
BREAKS = ('reset', 'close', 'stall')
FAULTS = (*BREAKS, 'lost', 'slow')


@dataclasses.dataclass(frozen=True)
class Rule:
    """Which requests are broken, and how.

    The faults: ``reset`` ends the connection on both sides; with ``close``
    the server sees an orderly end instead, as behind a load balancer;
    ``stall`` is silent first. All three come in the middle of a request's
    body. ``lost`` lets the request land, and resets instead of the answer.
    ``slow`` passes the body on at a rate. A number is the status of an answer
    that the proxy gives, of a request that the server never sees.

    :param method: the method of the requests
    :param path: a regular expression that is found in their path and query
    :param fault: one of FAULTS, or a status
    :param nth: the first to break of the requests that match, from 1
    :param count: how many are broken, one after another
    :param after: bytes of the body that pass before it is broken off; a
        shorter body passes whole, but for its end
    :param late: give the answer after the body, and not before
    :param seconds: the longest that a ``stall`` lasts; it ends when the
        client is seen to hang up, which it is not while there is more on its
        way than the proxy's socket takes
    :param rate: bytes a second that a ``slow`` body passes at
    :param retry_after: seconds, for the answer's header of that name
    """

    method: str
    path: str
    fault: str
    nth: int = 1
    count: int = 1
    after: int = 0
    late: bool = False
    seconds: int = 3600
    rate: int = 1 << 20
    retry_after: int | None = None

    def __post_init__(self) -> None:
        if self.fault not in FAULTS and not self.fault.isdigit():
            raise ValueError(f'{self.fault}: no fault and no status')

    @classmethod
    def parse(cls, text: str) -> 'Rule':
        """Read ``METHOD PATH FAULT [NAME=NUMBER]...``, as a person writes it.

        :raises ValueError: when the fault is none
        :raises TypeError: when there is no such setting
        """
        method, path, fault, *settings = text.split()
        pairs = (setting.partition('=') for setting in settings)
        numbers = {name: int(number) for name, _equals, number in pairs}
        return cls(method, path, fault, **numbers)


@dataclasses.dataclass
class Exchange:
    """A request that came by, and what became of it.

    :param rule: the rule that it was broken by
    :param received: bytes of its body that the client has sent
    :param status: what the client was answered, if anything
    """

    method: str
    path: str
    rule: Rule | None = None
    received: int = 0
    status: int | None = None

    def __str__(self) -> str:
        end = self.status or 'no answer'
        fault = f' ({self.rule.fault})' if self.rule else ''
        return (
            f'{self.method} {self.path}: {self.received} bytes, {end}{fault}'
        )
