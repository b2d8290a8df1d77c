# SPDX-License-Identifier: Apache-2.0
"""Many small uploads with faults between client and server, drawn by lot.

    python -m faults.storm --state .lab/storm --rounds 1000

Each round sends a small image by one of three ways, through the fault proxy,
to the real services::

    glance     what streams a volume to Glance, and Glance
    straight   what sends a volume straight to Swift, and Swift
    store      a client, Glance with the store swift_resumable, and Swift

A round is bad if the image is not what was sent; if it failed without a cause,
or after faults that another attempt mends; if it is still being saved when
that is over; if objects are left in Swift, or anything is in Glance's buffer;
or if a fault cost more than one segment there. The ways run beside one
another. Returns 1 if any round was bad.
"""

import abc
import argparse
import collections
from collections.abc import Callable
import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import os
import pathlib
import random
import signal
import sys
import threading
import time
from typing import Any
import urllib.parse

import glanceclient
from keystoneauth1.identity import v3
from keystoneauth1 import session as ks_session
from openstack import exceptions as sdk_exceptions
import requests
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.tests.fault_proxy import proxy as proxy_
from cinder_rbd_offload.tests.fault_proxy import rules
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import sink
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_reference
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


class ToGlance(Way):
    """What streams a volume to Glance."""

    name = 'glance'
    methods = ('PUT', 'PUT', 'GET')
    path = '/v2/images/'
    counts = False

    def __init__(self, lab: lab_lab.Lab) -> None:
        super().__init__(lab, lab.state.port('glance'))
        words: dict[str, Any] = {**client.credentials(lab.state, 'tenant')}
        self._session = ks_session.Session(
            v3.Password(**words), timeout=SILENCE
        )
        images = glanceclient.Client(
            '2', session=self._session, endpoint_override=self.proxy.url
        )

        def call(
            method: str,
            *args: Any,
            controller: str = 'images',
            **changes: Any,
        ) -> Any:
            ask = getattr(getattr(images, controller), method)
            return ask(*args, **changes)

        self._glance = glance_api.Glance(
            call, call, functools.partial(call, 'add_image_location')
        )

    def send(self, image_id: str, data: bytes, chance: random.Random) -> None:
        """Send it as a volume is sent."""
        body = body_.Body(
            lambda: contextlib.nullcontext(io.BytesIO(data)),
            len(data),
            _nothing,
            lambda _read: None,
            lambda thing: thing,
        )
        with contextlib.closing(body):
            sink.GlanceSink(
                self._put,
                self._glance,
                image_id,
                {'x-image-meta-store': 'files'},
                patience.Patience(PATIENCE),
                _nothing,
            ).send(body)

    def _put(self, image_id: str, body: Any, headers: Any) -> Any:
        return self._session.put(
            f'{self.proxy.url}/v2/images/{image_id}/file',
            headers={'Content-Type': 'application/octet-stream', **headers},
            data=body,
            raise_exc=False,
        )


class Straight(Way):
    """What sends a volume straight to Swift; Glance is not asked."""

    name = 'straight'
    methods = ('PUT', 'PUT', 'PUT', 'HEAD', 'DELETE', 'GET')
    path = f'/{CONTAINER}/'

    def __init__(self, lab: lab_lab.Lab) -> None:
        super().__init__(lab, lab.state.port('swift'))
        self._account = swift_reference.read(
            str(lab_swift.accounts(lab.state)), lab_swift.REFERENCE
        )
        url = urllib.parse.urlsplit(self.swift.get_auth()[0])
        self._access = swift_reference.Access(
            endpoint=f'{self.proxy.url}{url.path}'
        )

    def send(self, image_id: str, data: bytes, chance: random.Random) -> None:
        """Send it, and remove what there is of it if that fails.

        What hinders the removal does not do so at the next look.
        """
        self._sink = swift.SwiftSink(
            self._account,
            self._access,
            CONTAINER,
            image_id,
            swift.Settings(2, SEGMENT, PATIENCE, SILENCE),
        )
        try:
            self._sink.send(_Source(data))
        except exceptions.OffloadError:
            try:
                self._sink.remove()
            except exceptions.OffloadError:
                self._sink.remove()
            raise

    def content(self, image_id: str) -> bytes:
        """Return the object, and remove it, as Glance would."""
        found = bytes(self.swift.get_object(CONTAINER, f'{image_id}.image')[1])
        self._sink.remove()
        return found


class Store(Way):
    """A client of Glance, whose store is ours."""

    name = 'store'
    methods = ('PUT', 'PUT', 'PUT', 'HEAD', 'DELETE')
    path = f'/{CONTAINER}/'

    def __init__(self, lab: lab_lab.Lab) -> None:
        super().__init__(lab, lab.state.port('swift'))
        self._glance = lab.services['glance']
        url = urllib.parse.urlsplit(self.swift.get_auth()[0])
        options = {
            'swift_store_endpoint': f'{self.proxy.url}{url.path}',
            'swift_store_large_object_size': 1,
            'swift_store_large_object_chunk_size': 1,
            'swift_buffer_on_upload': True,
            'swift_upload_buffer_dir': lab.state.folder('glance/buffer'),
            'swift_store_timeout': SILENCE,
        }
        lab.configure(
            'glance',
            [
                f'{lab_swift.DIRECT}.{key}={value}'
                for key, value in options.items()
            ],
        )

    def send(self, image_id: str, data: bytes, chance: random.Random) -> None:
        """Give it to Glance, with its size known or not."""
        known = chance.random() < 0.5
        answer = requests.put(
            f'http://127.0.0.1:{self.state.port("glance")}'
            f'/v2/images/{image_id}/file',
            data=data if known else iter([data]),
            headers={
                'Content-Type': 'application/octet-stream',
                'X-Auth-Token': self.images.session.get_token(),
                'X-Image-Meta-Store': lab_swift.DIRECT,
            },
            timeout=300,
        )
        if not answer.ok:
            raise Refused(f'{answer.status_code} {answer.text}')

    def left(self, image_id: str) -> list[str]:
        """List objects, and what Glance has in its buffer."""
        return super().left(image_id) + self._buffered()

    def _buffered(self) -> list[str]:
        """List the files of the buffer that Glance has open.

        They have no names any more; the ledger beside them has.
        """
        folder = str(self.state.folder('glance/buffer'))
        found = []
        for pid in self._glance.process.members():
            for link in pathlib.Path(f'/proc/{pid}/fd').iterdir():
                with contextlib.suppress(FileNotFoundError):
                    name = os.readlink(link)
                    if name.startswith(folder) and 'deleted' in name:
                        found.append(name)
        return found


class _Source:
    """A volume in memory, all of it data."""

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def extents(self) -> list[tuple[int, int]]:
        return [(0, self.size)]

    def pread(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


def _data(chance: random.Random) -> bytes:
    """Return up to 4 MiB, not a byte of which repeats itself."""
    return chance.randbytes(chance.randint(1, 4 * MIB))


def _nothing() -> None:
    pass


def main() -> int:
    """Read the command line; return 0, or 1 for a bad round."""
    parser = argparse.ArgumentParser(
        prog='python -m faults.storm',
        description='Small uploads with faults on the way, drawn by lot.',
    )
    parser.add_argument('--state', type=pathlib.Path, required=True)
    parser.add_argument('--rounds', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    # So that whoever ends it, also by a time limit, has its services ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = lab_lab.Lab(args.state, say=print)
    try:
        lab.up(swift=True)
        bad = _storm(lab, args.rounds, args.seed)
    finally:
        lab.down()
    print(f'{bad} of {args.rounds} bad')
    return int(bad > 0)


def _storm(lab: lab_lab.Lab, rounds: int, seed: int) -> int:
    """Run the rounds, the ways beside one another; return how many are bad."""
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    bad = 0
    lock = threading.Lock()
    over = threading.Event()

    # Each way has numbers of its own, so that one round can be run again.
    def work(way: Way, numbers: range) -> None:
        nonlocal bad
        with way.proxy:
            for number in numbers:
                if over.is_set():
                    return
                found = way.run(seed, number)
                with lock:
                    ends[found.way, found.end] += 1
                    if found.bad:
                        bad += 1
                        print(f'BAD {found.way} {number}: {found.bad}')
                        print(f'{found.cause}\n{found.seen}', flush=True)
                    elif number % 50 == 0:
                        print(f'{way.name}: round {number}', flush=True)

    makers: tuple[Callable[[lab_lab.Lab], Way], ...]
    makers = (ToGlance, Straight, Store)
    ways = [make(lab) for make in makers]
    shares = [range(first, rounds, len(ways)) for first in range(len(ways))]
    lab_swift.account(lab.state).put_container(CONTAINER)
    with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
        working = [
            pool.submit(work, way, share)
            for way, share in zip(ways, shares, strict=True)
        ]
        try:
            for one in concurrent.futures.as_completed(working):
                one.result()
        finally:
            # An error in one way, or Ctrl-C, ends the others after a round.
            over.set()
    for (way, end), count in sorted(ends.items()):
        print(f'{way:10} {end:8} {count}')
    return bad


if __name__ == '__main__':
    sys.exit(main())
