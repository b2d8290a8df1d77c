# SPDX-License-Identifier: Apache-2.0
"""Images by every method are full members of Glance, under its usual key."""

import hashlib

from cinder_rbd_offload.tests.functional import base
from lab import rbd
from lab import service

METHODS = ('offload', 'copy', 'clone_flatten', 'instant')


class FirstClassTest(base.FunctionalTestCase):
    """What Glance does with any image it does with ours."""

    def test_get_hash_second_store_clone_and_delete(self) -> None:
        self.addCleanup(self.cluster.forget)
        before = self.cluster.contents()
        hashes, images, volumes = {}, {}, []
        for kind in METHODS:
            volume = self.make_volume(kind)
            self.fill(volume, range(0, base.GIB, 64 * base.MIB), base.MIB)
            image = images[kind] = self.upload(volume)
            self.assert_made_inside(image, volume)
            with self.pool('volumes') as pool:
                hashes[kind] = rbd.sha512(pool, f'volume-{volume.id}')
            volumes.append(volume)
        for kind, image in images.items():
            images[kind] = image = self.await_hash(image.id)
            self.assertEqual('sha512', image.hash_algo)
            self.assertEqual(hashes[kind], image.hash_value, kind)
            self.assertEqual(base.GIB, image.size)
            self.assertEqual({'ceph'}, self._stores(image))
        # Through Glance's front door; its own hash has read the others.
        self.assert_same_bytes(images['instant'], volumes[-1])
        # As administrator: that is Glance's default policy.
        for image in images.values():
            self.admin.image.import_image(
                image, method='copy-image', stores=[{'id': 'files'}]
            )
        files = self.state.root / 'glance' / 'files'
        for kind, image in images.items():
            service.wait(
                f'the copy of {image.id}',
                lambda image=image: self._stores(image) == {'ceph', 'files'},
                base.SECONDS,
            )
            with (files / image.id).open('rb') as copy:
                self.assertEqual(
                    hashes[kind],
                    hashlib.file_digest(copy, 'sha512').hexdigest(),
                    kind,
                )
        for kind, image in images.items():
            clone = self.make_volume(kind, image_id=image.id)
            volumes.append(clone)
            self.assert_same_data(image, clone)
            self.assertEqual(
                f'images/{image.id}',
                self.cluster.parent(f'volume-{clone.id}', 'volumes'),
            )
            self.delete_volume(clone)
            self.delete_image(image.id)
            self.assertFalse((files / image.id).exists())
        for volume in volumes:
            self.delete_volume(volume)
        self.assertEqual(before, self.cluster.contents())

    def _stores(self, image: base.Any) -> set[str]:
        return set(
            self.images.get_image(image.id).properties['stores'].split(',')
        )
