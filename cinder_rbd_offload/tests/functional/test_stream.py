# SPDX-License-Identifier: Apache-2.0
"""Streams to a store on files: what they send, and what they leave."""

import hashlib
import json
import pathlib
import subprocess
import tempfile
import threading
import time
from typing import Any
import zlib

from lab import rbd as lab_rbd
from lab import service
import rbd as librbd

from cinder_rbd_offload.tests.functional import base


class StreamTest(base.FunctionalTestCase):
    """Our driver, with images that Glance keeps in files."""

    def setUp(self) -> None:
        super().setUp()
        self.kind = self.make_type(**{'image_service:store_id': 'files'})

    def entry(self, image_id: str) -> dict[str, Any]:
        """Return an upload's entry in the journal."""
        return dict(json.loads(self.cluster.journal().get(image_id, '{}')))

    def await_data(self, image_id: str) -> None:
        """Wait until some of an image's data was sent."""

        def sent() -> bool:
            entry = self.entry(image_id)
            return entry.get('stage') == 'streaming' and entry['done'] > 0

        service.wait(f'data of {image_id}', sent, base.SECONDS)

    def content(self, image: Any) -> bytes:
        """Return an image's data, as Glance gives it."""
        return bytes(self.images.get(f'/images/{image.id}/file').content)

    def sha512(self, volume: Any) -> str:
        """Return the SHA-512 of a volume, in hex."""
        with self.pool('volumes') as pool:
            return lab_rbd.sha512(pool, f'volume-{volume.id}')

    def test_another_format(self) -> None:
        volume = self.make_filled_volume(self.kind)
        image = self.upload(volume, disk_format='qcow2')
        self.assert_left_the_cluster(image, volume, 'qcow2/bare')
        self.assertIn('was converted to qcow2', self.log())
        with tempfile.TemporaryDirectory() as folder:
            there = pathlib.Path(folder, 'image')
            back = pathlib.Path(folder, 'back')
            there.write_bytes(self.content(image))
            subprocess.run(
                [
                    *('qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw'),
                    *(str(there), str(back)),
                ],
                check=True,
            )
            with back.open('rb') as file:
                found = hashlib.file_digest(file, 'sha512').hexdigest()
        self.assertEqual(self.sha512(volume), found)

    def test_compressed(self) -> None:
        volume = self.make_filled_volume(self.kind)
        image = self.upload(volume, container_format='compressed')
        self.assert_left_the_cluster(image, volume, 'raw/compressed')
        data = zlib.decompress(self.content(image), wbits=zlib.MAX_WBITS | 16)
        self.assertEqual(self.sha512(volume), hashlib.sha512(data).hexdigest())

    def test_a_volume_that_is_written_meanwhile(self) -> None:
        """What is sent is one instant: block by block, in their order."""
        volume = self.make_filled_volume(self.kind)
        ended = threading.Event()
        name = f'volume-{volume.id}'

        def write() -> None:
            number = 0
            with self.pool('volumes') as pool, librbd.Image(pool, name) as one:
                while not ended.is_set():
                    number += 1
                    block = number.to_bytes(8, 'big') * 512
                    # The last block never is ahead of the first.
                    one.write(block, 0)
                    one.write(block, base.GIB - len(block))

        writer = threading.Thread(target=write)
        writer.start()
        try:
            image = self.upload(volume)
        finally:
            ended.set()
            writer.join()
        data = self.content(image)
        first, last = (
            int.from_bytes(data[at : at + 8], 'big')
            for at in (0, base.GIB - 4096)
        )
        self.assertGreater(first, 0)
        self.assertIn(first - last, (0, 1))

    def test_a_delete_ends_it_within_seconds(self) -> None:
        volume = self.make_slow_volume(self.kind)
        image_id = self.start_upload(volume)
        self.await_data(image_id)
        self.images.delete_image(image_id)
        started = time.monotonic()
        self.await_volume(volume)
        self.assertLess(time.monotonic() - started, base.SOON)
        self.assertIn('was deleted in Glance', self.log_of(image_id))
        self.assert_nothing_left(volume)
        self.assertEqual({}, self.cluster.journal())

    def test_a_crash_leaves_nothing(self) -> None:
        volume = self.make_slow_volume(self.kind)
        image_id = self.start_upload(volume)
        self.await_data(image_id)
        self.crash()
        self.await_volume(volume)
        service.wait(
            'the journal', lambda: not self.cluster.journal(), base.SECONDS
        )
        self.assertIsNone(self.images.find_image(image_id))
        self.assert_nothing_left(volume)

    def log(self) -> str:
        """Return the log of cinder-volume."""
        return self.cinder_log.read_text(errors='replace')
