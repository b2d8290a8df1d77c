# SPDX-License-Identifier: Apache-2.0
"""Uploads whose Glance store is in the volume's own cluster."""

import threading

import rbd as librbd

from cinder_rbd_offload.tests.functional import base
from lab import traffic


class SameClusterTest(base.FunctionalTestCase):
    """The data stays in the cluster, and the image is the volume."""

    def test_a_thin_volume_gives_a_thin_image(self) -> None:
        volume = self.make_volume()
        self.fill(volume, range(0, base.GIB, 64 * base.MIB), 4 * base.MIB)
        before = self.cluster.settled()
        image = self.upload(volume)
        taken = self.cluster.settled() - before
        self.assertLess(abs(taken - 64 * base.MIB), base.MIB)
        self.assert_made_inside(image, volume)
        self.assertIn('by clone_flatten', self.log_of(image.id))

    def test_a_full_volume(self) -> None:
        volume = self.make_volume()
        self.fill(volume, range(0, base.GIB, 16 * base.MIB), 16 * base.MIB)
        image = self.upload(volume)
        self.assert_made_inside(image, volume)
        self.assertEqual(base.GIB, image.size)

    def test_a_write_of_4_kib_in_each_object(self) -> None:
        """Only what was written is moved: a copy would move objects whole."""
        volume = self.make_volume()
        self.fill(volume, range(0, base.GIB, 4 * base.MIB), 4096)
        before = self.cluster.settled()
        watched = self.lab.services['cinder-volume'].process
        with traffic.Traffic(watched) as counted:
            image = self.upload(volume)
            self.await_volume(volume)
        self.assertLess(counted.total, 32 * base.MIB)
        self.assertLess(self.cluster.settled() - before, 4 * base.MIB)
        self.assert_made_inside(image, volume)

    def test_a_volume_in_use_gives_one_instant(self) -> None:
        """While somebody writes, the image is what was there at one time.

        The writer puts a number into one block and then into another, far
        away: at no time do they differ by more than one.
        """
        volume = self.make_volume()
        attached = self._attach(volume)
        stop = threading.Event()
        # Data enough for the copy to take a while.
        self.fill(
            volume,
            range(4 * base.MIB, 512 * base.MIB, 4 * base.MIB),
            4 * base.MIB,
        )
        writer = threading.Thread(target=self._write, args=(volume, stop))
        writer.start()
        try:
            image = self.upload(attached, force=True)
        finally:
            stop.set()
            writer.join()
        self.assert_nothing_left(attached)
        self.assertIn(base.INSIDE, self.log_of(image.id))
        with self.pool('images') as pool:
            with librbd.Image(pool, image.id, snapshot='snap') as made:
                first = int.from_bytes(made.read(0, 8), 'big')
                last = int.from_bytes(made.read(base.GIB - 4096, 8), 'big')
        self.assertGreater(last, 0)
        self.assertIn(first - last, (0, 1))

    def test_several_uploads_at_once(self) -> None:
        volumes = [self.make_filled_volume() for _ in range(3)]
        started = [self.start_upload(volume) for volume in volumes]
        for image_id, volume in zip(started, volumes, strict=True):
            image = self.await_active(image_id)
            self.await_volume(volume)
            self.assert_made_inside(image, volume)

    def test_the_store_that_the_volume_type_names(self) -> None:
        kind = self.make_type(**{'image_service:store_id': 'ceph'})
        volume = self.make_volume(kind)
        self.assert_made_inside(self.upload(volume), volume)

    def test_a_user_who_deletes_the_image_gets_his_volume_back(self) -> None:
        """Whenever the delete comes, nothing of the image remains."""
        volume = self.make_volume()
        image_id = self.storage.upload_volume_to_image(
            volume, self.id(), disk_format='raw', container_format='bare'
        )['image_id']
        self.images.delete_image(image_id)
        self.await_volume(volume)
        self.assert_nothing_left(volume)

    def _attach(self, volume: base.Any) -> base.Any:
        """Attach a volume to a host, as bare-metal services do."""
        self.storage.attach_volume(volume, '/dev/vdb', host_name='lab')
        attached = self.await_volume(volume, 'in-use')
        self.addCleanup(
            self.storage.detach_volume,
            volume,
            attached.attachments[0]['attachment_id'],
        )
        return attached

    def _write(self, volume: base.Any, stop: threading.Event) -> None:
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as handle:
                number = 0
                while not stop.is_set():
                    number += 1
                    data = number.to_bytes(8, 'big')
                    handle.write(data, 0)
                    handle.write(data, base.GIB - 4096)
