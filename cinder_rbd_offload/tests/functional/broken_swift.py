# SPDX-License-Identifier: Apache-2.0
"""Images that a client gives Glance for Swift, with faults between these."""

from collections.abc import Iterator
import random
from typing import Any
from typing import ClassVar
import urllib.parse

import requests

from cinder_rbd_offload.tests.functional import broken
from cinder_rbd_offload.tests.functional import fault_table
from lab import service
from lab import swift

PIECE = 1 << 16
CONTAINER = 'glance'


class ToSwiftTest(broken.BrokenUploadTest):
    """Runs a column of TO_SWIFT."""

    paths: ClassVar = {
        'segment': f'/{CONTAINER}/[0-9a-f-]{{36}}-00002$',
        'image': f'/{CONTAINER}/[0-9a-f-]{{36}}$',
    }

    account: ClassVar[Any]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        state = cls.class_state()
        cls.account = swift.account(state)
        url = urllib.parse.urlsplit(cls.account.get_auth()[0])
        assert url.port is not None
        cls.stand_before(url.port)
        cls.configure_class(
            'glance',
            f'swift.swift_store_endpoint={cls.proxy.url}{url.path}',
            'swift.swift_store_large_object_size=1',
            'swift.swift_store_large_object_chunk_size=1',
        )

    def outcome(self, row: fault_table.Row) -> fault_table.Outcome:
        """Upload with a row's fault and say what came of it."""
        data = random.Random(row.name).randbytes(row.size)
        image_id = self.make_image()
        hangs = self.put(image_id, data, row.known)
        service.wait(f'the end of {image_id}', lambda: self.ended(image_id))
        status = str(self.images.get_image(image_id).status)
        left = self.left(image_id)
        whole = status == 'active' and data == self.read(image_id)
        self.delete_image(image_id)
        orphans = self.left(image_id)
        for name in orphans:
            self.account.delete_object(CONTAINER, name)
        if hangs:
            return fault_table.Outcome.HANGS
        if orphans:
            return fault_table.Outcome.ORPHANS
        if status != 'active':
            self.assertEqual([], left)
            return fault_table.Outcome.FAILS
        outcomes = fault_table.Outcome
        return outcomes.WHOLE if whole else outcomes.WRONG

    def put(self, image_id: str, data: bytes, known: bool) -> bool:
        """Give Glance an image's data; return whether it is still at it."""
        try:
            requests.put(
                f'{self.glance}/v2/images/{image_id}/file',
                data=data if known else _pieces(data),
                headers={
                    'Content-Type': 'application/octet-stream',
                    'X-Auth-Token': self.images.session.get_token(),
                    'X-Image-Meta-Store': 'swift',
                },
                timeout=broken.HANGS_SECONDS,
            )
        except requests.Timeout:
            return True
        except requests.ConnectionError:
            # Who refuses a body need not wait for it.
            return False
        return False

    @property
    def glance(self) -> str:
        """Glance's URL."""
        return f'http://127.0.0.1:{self.state.port("glance")}'

    def ended(self, image_id: str) -> bool:
        """Tell whether Glance is done with an image's data."""
        return str(self.images.get_image(image_id).status) != 'saving'

    def read(self, image_id: str) -> bytes:
        """Download an image."""
        return bytes(self.images.download_image(image_id).content)

    def left(self, image_id: str) -> list[str]:
        """List the objects that belong to an image."""
        listing = self.account.get_container(
            CONTAINER, prefix=image_id, full_listing=True
        )[1]
        return [one['name'] for one in listing]


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), PIECE):
        yield data[start : start + PIECE]
