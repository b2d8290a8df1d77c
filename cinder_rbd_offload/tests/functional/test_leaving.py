# SPDX-License-Identifier: Apache-2.0
"""Uploads that leave the cluster, from the start or after a fault."""

import struct
from typing import Any

import rbd as librbd

from cinder_rbd_offload.tests.functional import base
from lab import rbd


class LeavingTest(base.FunctionalTestCase):
    """What does not qualify, or fails, is uploaded all the same."""

    def test_another_format(self) -> None:
        volume = self.make_filled_volume()
        image = self.upload(volume, disk_format='qcow2')
        self.assert_left_the_cluster(image, volume, 'qcow2/bare')
        self.assertEqual('qcow2', image.disk_format)

    def test_a_store_on_files(self) -> None:
        kind = self.make_type(**{'image_service:store_id': 'files'})
        volume = self.make_filled_volume(kind)
        image = self.upload(volume)
        self.assert_left_the_cluster(image, volume, 'of type file')
        self.assert_same_bytes(image, volume)

    def test_a_store_in_another_cluster(self) -> None:
        kind = self.make_type(**{'image_service:store_id': 'ceph2'})
        volume = self.make_filled_volume(kind)
        image = self.upload(volume)
        self.assert_left_the_cluster(image, volume, 'another Ceph')
        self.assert_same_bytes(image, volume)
        with self.pool('images', 'ceph2') as pool:
            self.assertIn(image.id, rbd.contents(pool))

    def test_a_user_without_the_right_to_write_images(self) -> None:
        """The caps of the deployment guides: the log has the remedy."""
        volume = self.make_filled_volume()
        osd = 'profile rbd pool=volumes, profile rbd-read-only pool=images'
        with self.cluster.caps('cinder', osd=osd):
            image = self.upload(volume)
        self.assert_left_the_cluster(
            image, volume, "'profile rbd pool=images'"
        )
        self.assert_same_bytes(image, volume)

    def test_without_a_service_token(self) -> None:
        """Nobody has chosen that the image leaves, so the log warns."""
        self.configure(
            'cinder-volume', 'service_user.send_service_user_token=false'
        )
        volume = self.make_filled_volume()
        image = self.upload(volume)
        self.assert_left_the_cluster(
            image, volume, 'Glance did not name its stores'
        )
        self.assert_same_bytes(image, volume)
        log = self.log_of(image.id).splitlines()
        (line,) = (line for line in log if base.LEAVES in line)
        self.assertIn(' WARNING ', line)

    def test_the_header_of_another_format_gets_glances_verdict(self) -> None:
        """A qcow2 that names a file of the host: refused, on both drivers."""
        for kind in ('upstream', 'offload'):
            self.fail_to_upload(kind)
        # Upstream's upload, when it fails, leaves the volume open, and so not
        # to be deleted, until the process ends.
        self.addCleanup(self.run_lab, 'up')
        self.addCleanup(self.run_lab, 'down', 'cinder-volume')

    def test_a_failure_of_cinders_own_code_leaves_no_volume_open(self) -> None:
        """Ours calls it as the last resort; then the volume is deleted."""
        self.configure(
            'cinder-volume',
            'offload.rbd_offload_method=off',
            'offload.image_upload_method=stock',
        )
        self.delete_volume(self.fail_to_upload('offload'))

    def fail_to_upload(self, kind: str) -> Any:
        """Upload a volume that Glance refuses; return it."""
        header = struct.pack(
            '>4sIQIIQIIQQIIQQQQII',
            b'QFI\xfb',
            3,
            512,
            11,
            16,
            base.GIB,
            0,
            1,
            65536,
            131072,
            1,
            0,
            0,
            0,
            0,
            0,
            4,
            104,
        )
        volume = self.make_volume(kind)
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as disk:
                disk.write(header, 0)
                disk.write(b'/etc/passwd', 512)
        image_id = self.start_upload(volume)
        self.await_volume(volume)
        image = self.images.find_image(image_id)
        self.assertIsNone(image, f'{kind}: {image}')
        self.assert_nothing_left(volume)
        return volume
