# SPDX-License-Identifier: Apache-2.0
"""Volumes that cinder-volume sends straight to Swift, bypassing Glance."""

import time

from lab import rbd as lab_rbd
from lab import service
from lab import swift as lab_swift

from cinder_rbd_offload.tests.functional import base

CONTAINER = 'glance'


class SwiftUploadTest(base.FunctionalTestCase):
    """Our driver, and a Glance store that it reaches by itself."""

    def setUp(self) -> None:
        super().setUp()
        self.kind = self.make_type(
            **{'image_service:store_id': lab_swift.DIRECT}
        )
        self.swift = lab_swift.account(self.state)
        self.swift.put_container(CONTAINER)

    def objects(self, image_id: str) -> dict[str, int]:
        """Return the bytes of each object of an image, by their names."""
        listing = self.swift.get_container(
            CONTAINER, prefix=image_id, full_listing=True
        )[1]
        return {one['name']: one['bytes'] for one in listing}

    def await_data(self, image_id: str) -> None:
        """Wait until some of an image's data is in Swift."""
        service.wait(
            f'data of {image_id}', lambda: self.objects(image_id), base.SECONDS
        )

    def test_an_image_like_glances_own(self) -> None:
        volume = self.make_filled_volume(self.kind)
        with self.pool('volumes') as pool:
            used = lab_rbd.used(pool, f'volume-{volume.id}')
        image = self.upload(volume)
        found = self.images.get(f'/images/{image.id}').json()
        self.assertEqual(lab_swift.DIRECT, found['stores'])
        self.assert_same_bytes(image, volume)
        self.assertIn('is in Swift', self.log_of(image.id))
        key = self.state.password(lab_swift.OWNER)
        for name in ('cinder-volume', 'glance'):
            self.assertNotIn(key, self.lab.services[name].log.read_text())
        self.assertNotIn(key, self.images.get(f'/images/{image.id}').text)
        sent = sum(
            size
            for name, size in self.objects(image.id).items()
            if name.startswith((f'{image.id}.data', f'{image.id}.zeros'))
        )
        self.assertLessEqual(sent, used * 1.1)
        self.assert_nothing_left(volume)
        self.assertNotIn(image.id, self.cluster.journal())
        again = self.storage.create_volume(
            size=volume.size, image_id=image.id, volume_type=self.kind
        )
        self.addCleanup(self.delete_volume, again)
        self.await_volume(again)
        self.assert_same_bytes(image, again)
        self.delete_image(image.id)
        self.assertEqual({}, self.objects(image.id))

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
        self.assertEqual({}, self.objects(image_id))
        self.assertNotIn(image_id, self.cluster.journal())

    def test_a_crash_leaves_nothing(self) -> None:
        volume = self.make_slow_volume(self.kind)
        image_id = self.start_upload(volume)
        self.await_data(image_id)
        self.crash()
        # The volume waits neither for the image nor for Swift.
        self.await_volume(volume)
        service.wait(
            f'the deletion of {image_id}',
            lambda: self.images.find_image(image_id) is None,
            base.SECONDS,
        )
        self.assert_nothing_left(volume)
        service.wait(
            f'the end of {image_id}',
            lambda: not self.objects(image_id),
            base.SECONDS,
        )
        # For an hour it is looked for what Swift may list late.
        self.assertIn('sweeping', self.cluster.journal()[image_id])
        self.cluster.strike(image_id)
