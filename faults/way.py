# SPDX-License-Identifier: Apache-2.0
"""A way that images go in the storm, and what is seen of each of them."""

import abc
import dataclasses
import random
import time
from typing import Any

from openstack import exceptions as sdk_exceptions
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests.fault_proxy import proxy as proxy_
from cinder_rbd_offload.tests.fault_proxy import rules
from lab import client
from lab import lab as lab_lab
from lab import swift as lab_swift

MIB = 1 << 20
CONTAINER = 'glance'
SEGMENT = MIB
# Seconds that a server may be silent, and that faults are borne.
SILENCE, PATIENCE = 3, 30
# Faults on the way to a server; a number is a status.
PASSING = (
    *('reset', 'close', 'stall', 'lost', 'slow'),
    *('401', '408', '429', '498', '500', '502', '503', '504', '507'),
)
# Those that another attempt does not mend.
FINAL = ('403', '413')
# Seconds for Glance to see that a request is over, or to answer at all.
SETTLING = 30

# For what is asked beside the proxy: on a busy machine Keystone may be silent
# for longer than Glance, or its store, waits here.
_again = tenacity.retry(
    stop=tenacity.stop_after_delay(SETTLING),
    wait=tenacity.wait_fixed(0.2),
    reraise=True,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What came of a round.

    :param end: ``whole``, or ``failed``
    :param cause: of a failure
    :param bad: what is wrong with it; '' for nothing
    :param seen: the requests that passed the proxy, one in a line
    """

    way: str
    number: int
    end: str
    cause: str = ''
    bad: str = ''
    seen: str = ''


class Way(abc.ABC):
    """One way, with a proxy of its own.

    :param port: of the server that the proxy stands in front of
    :ivar path: a regular expression for the requests that have faults
    """

    name = ''
    methods: tuple[str, ...] = ('PUT',)
    path = ''
    # Whether what was sent again is counted.
    counts = True

    def __init__(self, lab: lab_lab.Lab, port: int) -> None:
        self.state = lab.state
        self.images = client.connect(lab.state, 'tenant').image
        # Glance may close an idle connection just when it is used.
        self.images.connect_retries = 3
        self.swift = lab_swift.account(lab.state)
        self.proxy = proxy_.FaultProxy('127.0.0.1', port)

    def run(self, seed: int, number: int) -> Found:
        """Send an image, with up to two faults."""
        chance = random.Random(f'{seed} {number}')
        data = _data(chance)
        image_id = self._image()
        self.proxy.obey(
            *(self._rule(chance) for _ in range(chance.choice((0, 1, 1, 2))))
        )
        cause, bad = '', ''
        try:
            self.send(image_id, data, chance)
        except (exceptions.OffloadError, Refused) as exc:
            cause = str(exc) or 'NO CAUSE'
        except Exception as exc:
            cause, bad = repr(exc), 'an error that nobody foresaw'
        seen = list(self.proxy.seen)
        self.proxy.obey()
        met = {one.rule.fault for one in seen if one.rule}
        if cause and not met & {*FINAL}:
            bad = bad or 'it failed, and nothing was final'
        bad = bad or self._look(image_id, data, cause)
        if self.counts and not bad:
            bad = self._count(seen, len(data))
        self._delete(image_id)
        if not bad and (left := self.left(image_id)):
            bad = f'left: {left}'
        end = 'failed' if cause else 'whole'
        return Found(
            self.name,
            number,
            end,
            cause,
            bad,
            seen='\n'.join(map(str, seen)),
        )

    @abc.abstractmethod
    def send(self, image_id: str, data: bytes, chance: random.Random) -> None:
        """Send it, and see that it arrived."""

    @_again
    def _image(self) -> str:
        record = {
            'name': 'storm',
            'disk_format': 'raw',
            'container_format': 'bare',
        }
        answer = self.images.post('/images', json=record)
        sdk_exceptions.raise_from_response(answer)
        return str(answer.json()['id'])

    def _rule(self, chance: random.Random) -> rules.Rule:
        return rules.Rule(
            chance.choice(self.methods),
            self.path,
            chance.choice(PASSING + FINAL),
            nth=chance.randint(1, 3),
            count=chance.choice((1, 1, 1, 2)),
            after=chance.randint(0, MIB),
            late=chance.random() < 0.5,
            # The proxy may not see that the client has hung up.
            seconds=2 * SILENCE,
            retry_after=chance.choice((None, None, 0, 1)),
        )

    @_again
    def _delete(self, image_id: str) -> None:
        self.images.delete_image(image_id, ignore_missing=True)

    def _look(self, image_id: str, data: bytes, cause: str) -> str:
        """Say what is wrong with what there is of an image."""
        status = self._status(image_id)
        if status in ('saving', 'importing'):
            return f'it is {status} when all is over'
        if not cause and data != self.content(image_id):
            return 'it is not what was sent'
        if cause == 'NO CAUSE':
            return 'it failed without a cause'
        # The answer that told so may have been what was lost.
        if cause and status == 'active' and data != self.content(image_id):
            return 'it failed, and is active with something else'
        return ''

    def _status(self, image_id: str) -> str:
        """Return the status that an image settles at."""
        until = time.monotonic() + SETTLING
        while True:
            image = self._find(image_id)
            status = str(image.status) if image else 'deleted'
            if status != 'saving' or time.monotonic() > until:
                return status
            time.sleep(0.1)

    @_again
    def _find(self, image_id: str) -> Any:
        return self.images.find_image(image_id)

    def content(self, image_id: str) -> bytes:
        """Return what there is."""
        return self._download(image_id)

    @_again
    def _download(self, image_id: str) -> bytes:
        answer = self.images.get(f'/images/{image_id}/file')
        sdk_exceptions.raise_from_response(answer)
        return bytes(answer.content)

    def _count(self, seen: list[rules.Exchange], size: int) -> str:
        """Say whether more than a segment was sent again for each fault."""
        sent = sum(one.received for one in seen if 'manifest=' not in one.path)
        faults = sum(1 for one in seen if one.rule)
        if sent > size + MIB + faults * SEGMENT:
            return f'{sent} bytes of {size} were sent, for {faults} faults'
        return ''

    def left(self, image_id: str) -> list[str]:
        """List what is there of an image that was removed."""
        listing = self.swift.get_container(CONTAINER, prefix=image_id)[1]
        return [one['name'] for one in listing]


class Refused(Exception):
    """Glance did not take an image."""


def _data(chance: random.Random) -> bytes:
    """Return up to 4 MiB, not a byte of which repeats itself."""
    return chance.randbytes(chance.randint(1, 4 * MIB))
