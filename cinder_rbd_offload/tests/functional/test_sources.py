# SPDX-License-Identifier: Apache-2.0
"""Volumes of every kind: each gives an image with just its bytes."""

from typing import Any

import rbd as librbd

from cinder_rbd_offload.tests.functional import base

# Features as rbd_default_features has them.
USUAL = (
    librbd.RBD_FEATURE_LAYERING
    | librbd.RBD_FEATURE_EXCLUSIVE_LOCK
    | librbd.RBD_FEATURE_OBJECT_MAP
    | librbd.RBD_FEATURE_FAST_DIFF
    | librbd.RBD_FEATURE_DEEP_FLATTEN
)
# Forms that RBD images of volumes have in the field.
FORMS: dict[str, dict[str, Any]] = {
    'small objects': {'order': 18},
    'large objects': {'order': 25},
    'stripes': {'stripe_unit': 1 << 16, 'stripe_count': 4},
    'no object map': {'features': librbd.RBD_FEATURE_LAYERING},
    'a journal': {'features': USUAL | librbd.RBD_FEATURE_JOURNALING},
}
METHODS = ('copy', 'clone_flatten')


class SourcesTest(base.FunctionalTestCase):
    """Uploads of volumes that are not plain new ones, by each method."""

    def check(self, volumes: dict[str, Any]) -> dict[str, Any]:
        """Upload volumes at the same time, and check their images."""
        started = {
            name: self.start_upload(volume) for name, volume in volumes.items()
        }
        images = {}
        for name, image_id in started.items():
            images[name] = self.await_active(image_id)
            self.await_volume(volumes[name])
        # Only now nothing may be left of any of them.
        for name, image in images.items():
            self.assert_made_inside(image, volumes[name])
            self.assertEqual('', self.cluster.parent(image.id), name)
            with self.image(f'volume-{volumes[name].id}', 'volumes') as handle:
                # An encrypted one has its header beside what Cinder counts.
                self.assertEqual(handle.size(), image.size, name)
                self.assertGreaterEqual(image.size, base.GIB)
        return images

    def write(self, volume: Any, offset: int, data: bytes) -> None:
        """Write to a volume."""
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as handle:
                handle.write(data, offset)

    def test_other_forms_of_rbd_images(self) -> None:
        volumes = {}
        for kind in METHODS:
            for name, form in FORMS.items():
                volume = self.make_volume(kind)
                with self.pool('volumes') as pool:
                    known = f'volume-{volume.id}'
                    librbd.RBD().remove(pool, known)
                    librbd.RBD().create(
                        pool,
                        known,
                        base.GIB,
                        **{'features': USUAL, 'old_format': False} | form,
                    )
                # Across the ends of objects and stripes, and at the very end.
                self.fill(volume, range(4000, 40 * base.MIB, 5 << 20), 70000)
                self.write(volume, base.GIB - 5, b'ended')
                volumes[f'{name}, {kind}'] = volume
        for image in self.check(volumes).values():
            with self.image(image.id) as handle:
                self.assertEqual(23, handle.stat()['order'])
                self.assertEqual(USUAL, handle.features())

    def test_clones_and_volumes_with_snapshots(self) -> None:
        """The parent's data counts, and what a snapshot keeps does not."""
        volumes = {}
        for kind in METHODS:
            first = self.make_volume(kind)
            self.fill(first, range(0, 24 * base.MIB, base.MIB), 4096)
            image = self.upload(first)
            from_image = self.make_volume(kind, image_id=image.id)
            self.assertEqual(
                f'images/{image.id}',
                self.cluster.parent(f'volume-{from_image.id}', 'volumes'),
            )
            snapshot = self.storage.create_snapshot(volume_id=first.id)
            self.addCleanup(self.delete_snapshot, snapshot)
            self.storage.wait_for_status(snapshot, 'available', interval=0.3)
            # After the snapshot: the volume has it, its clone has not.
            self.write(first, 4 * base.MIB, b'later')
            from_snapshot = self.make_volume(kind, snapshot_id=snapshot.id)
            from_volume = self.make_volume(kind, source_volume_id=first.id)
            for clone in (from_image, from_snapshot, from_volume):
                self.write(clone, 8 * base.MIB, b'changed')
            volumes |= {
                f'from an image, {kind}': from_image,
                f'from a snapshot, {kind}': from_snapshot,
                f'from a volume, {kind}': from_volume,
                f'with a snapshot, {kind}': first,
            }
        self.check(volumes)

    def test_types_for_several_hosts(self) -> None:
        """They have no object map; the image has what new images have."""
        volumes = {}
        for kind in METHODS:
            several = self.make_type(kind, multiattach='<is> True')
            volumes[kind] = self.make_filled_volume(several)
            with self.image(f'volume-{volumes[kind].id}', 'volumes') as handle:
                self.assertFalse(handle.features() & USUAL & ~33)
        for image in self.check(volumes).values():
            with self.image(image.id) as handle:
                self.assertEqual(USUAL, handle.features())

    def test_an_encrypted_volume(self) -> None:
        """Its image is the ciphertext, and says which key opens it."""
        volumes = {}
        for kind in METHODS:
            encrypted = self.make_type(kind)
            storage = self.admin.block_storage
            storage.create_type_encryption(
                storage.find_type(encrypted),
                provider='luks',
                cipher='aes-xts-plain64',
                key_size=256,
                control_location='front-end',
            )
            volumes[kind] = self.make_volume(encrypted)
            # Beyond the header, as a host writes that has it open.
            self.fill(volumes[kind], range(16 << 20, 20 << 20, 1 << 20), 4096)
        for kind, image in self.check(volumes).items():
            self.assertTrue(image.properties['cinder_encryption_key_id'])
            self.assertEqual(
                'on_image_deletion',
                image.properties['cinder_encryption_key_deletion_policy'],
            )
            with self.image(image.id) as handle:
                self.assertEqual(b'LUKS', handle.read(0, 4))
            kind = str(volumes[kind].volume_type)
            # The header counts, so that one GiB does not hold it all.
            clone = self.make_volume(kind, 2, image_id=image.id)
            self.assertTrue(clone.is_encrypted)

    def delete_snapshot(self, snapshot: Any) -> None:
        self.storage.delete_snapshot(snapshot)
        self.storage.wait_for_delete(snapshot, interval=0.3, wait=base.SECONDS)
