# SPDX-License-Identifier: Apache-2.0
"""The ways that images go in the storm; :mod:`faults.storm` names them."""

import contextlib
import functools
import io
import os
import pathlib
import random
from typing import Any
import urllib.parse

import glanceclient
from keystoneauth1.identity import v3
from keystoneauth1 import session as ks_session
import requests

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import sink
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_reference
from faults import way
from lab import client
from lab import lab as lab_lab
from lab import swift as lab_swift


class ToGlance(way.Way):
    """What streams a volume to Glance."""

    name = 'glance'
    methods = ('PUT', 'PUT', 'GET')
    path = '/v2/images/'
    counts = False

    def __init__(self, lab: lab_lab.Lab) -> None:
        super().__init__(lab, lab.state.port('glance'))
        words: dict[str, Any] = {**client.credentials(lab.state, 'tenant')}
        self._session = ks_session.Session(
            v3.Password(**words), timeout=way.SILENCE
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
                patience.Patience(way.PATIENCE),
                _nothing,
            ).send(body)

    def _put(self, image_id: str, body: Any, headers: Any) -> Any:
        return self._session.put(
            f'{self.proxy.url}/v2/images/{image_id}/file',
            headers={'Content-Type': 'application/octet-stream', **headers},
            data=body,
            raise_exc=False,
        )


class Straight(way.Way):
    """What sends a volume straight to Swift; Glance is not asked."""

    name = 'straight'
    methods = ('PUT', 'PUT', 'PUT', 'HEAD', 'DELETE', 'GET')
    path = f'/{way.CONTAINER}/'

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
            way.CONTAINER,
            image_id,
            swift.Settings(2, way.SEGMENT, way.PATIENCE, way.SILENCE),
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
        found = bytes(
            self.swift.get_object(way.CONTAINER, f'{image_id}.image')[1]
        )
        self._sink.remove()
        return found


class Store(way.Way):
    """A client of Glance, whose store is ours."""

    name = 'store'
    methods = ('PUT', 'PUT', 'PUT', 'HEAD', 'DELETE')
    path = f'/{way.CONTAINER}/'

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
            'swift_store_timeout': way.SILENCE,
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
            raise way.Refused(f'{answer.status_code} {answer.text}')

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


def _nothing() -> None:
    pass
