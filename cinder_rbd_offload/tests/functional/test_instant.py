# SPDX-License-Identifier: Apache-2.0
"""Images that are clones of their volumes until the manager flattens them."""

import json
import threading
from typing import Any
import uuid

import rbd as librbd

from cinder_rbd_offload import ceph
from cinder_rbd_offload.tests.functional import base
from lab import service

# What rbd_default_features gives new images.
FEATURES = 61


class InstantTest(base.FunctionalTestCase):
    """The method ``instant``, where Glance can read through and where not."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster.forget()
        self.addCleanup(self.cluster.forget)
        self.before = self.cluster.contents()

    def method_of(self, image: Any) -> str:
        """Return the method that the log names."""
        return (
            self.log_of(image.id).partition('the cluster by ')[2].split(':')[0]
        )

    def await_flattened(self, image: Any) -> None:
        """Wait until an image depends on nothing, and nobody works on it."""

        def done() -> bool:
            return (
                not self.cluster.parent(image.id)
                and image.id not in json.dumps(self.cluster.tasks())
                and image.id not in self.cluster.journal()
            )

        service.wait(f'the flattening of {image.id}', done, base.SECONDS)

    def assert_all_gone(self, *volumes: Any) -> None:
        """Delete what a test made, and check that nothing is left of it."""
        for image in self.images.images():
            self.delete_image(image.id)
        for volume in volumes:
            self.delete_volume(volume)
        service.wait(
            f'only {self.before}',
            lambda: self.cluster.contents() <= self.before,
            base.SECONDS,
        )

    def test_a_large_image_gets_its_object_map_though_it_is_deleted(
        self,
    ) -> None:
        """Each delete asks for the lock; librbd would begin again."""
        unmapped = FEATURES & ~(
            librbd.RBD_FEATURE_OBJECT_MAP | librbd.RBD_FEATURE_FAST_DIFF
        )
        name = str(uuid.uuid4())
        with self.pool('images') as one, self.pool('images') as other:
            librbd.RBD().create(
                one,
                name,
                256 * base.GIB,
                old_format=False,
                features=unmapped,
            )
            with librbd.Image(one, name) as handle:
                handle.create_snap('snap')
                handle.protect_snap('snap')
            images = ceph.Pool(librbd, one, ceph.Shape(FEATURES))
            sealed = threading.Thread(target=images.seal, args=(name,))
            sealed.start()
            glance = ceph.Pool(librbd, other, ceph.Shape(0))

            def deleted() -> bool:
                glance.remove(name)
                return True

            service.wait(f'the end of {name}', deleted, 60)
            sealed.join()
            self.assertNotIn(name, librbd.RBD().list(one))

    def test_under_glances_usual_key_it_is_tried_once(self) -> None:
        """Flattened here, the same image gets its data; and that is kept."""
        volume = self.make_filled_volume('instant')
        image = self.upload(volume)
        self.assert_made_inside(image, volume)
        self.assertEqual('instant', self.method_of(image))
        self.assertIn('flattened before Glance gets it', self.log_of(image.id))
        self.assertEqual('', self.cluster.parent(image.id))
        self.assertEqual({}, self.cluster.journal())

        image = self.upload(volume)
        self.assert_made_inside(image, volume)
        self.assertEqual('clone_flatten', self.method_of(image))
        self.assertIn('seen not to read through', self.log_of(image.id))

        # Nor does the choice that is ours try what nobody asked for.
        volume = self.make_filled_volume('offload')
        image = self.upload(volume)
        self.assertEqual('clone_flatten', self.method_of(image))

    def test_auto_uses_it_where_it_was_seen_to_work(self) -> None:
        volume = self.make_filled_volume('offload')
        with self.cluster.glance_reads_volumes():
            self.assertEqual(
                'clone_flatten', self.method_of(self.upload(volume))
            )
            tried = self.make_filled_volume('instant')
            self.assertEqual('instant', self.method_of(self.upload(tried)))
            image = self.upload(volume)
            self.assertEqual('instant', self.method_of(image))
            self.await_flattened(image)
        # From here on Glance has its usual key, and what is flattened stays.
        self.assert_same_bytes(image, volume)
        self.assert_all_gone(volume, tried)

    def test_what_the_manager_forgets_is_found_again(self) -> None:
        """A task that is lost is given again; the image is good all along."""
        volume = self.make_filled_volume('instant')
        with self.cluster.glance_reads_volumes():
            with self.cluster.failing_flattens():
                image = self.upload(volume)
                self.assertTrue(self.cluster.parent(image.id))
                with self.image(f'volume-{volume.id}', 'volumes') as handle:
                    (left,) = (one['name'] for one in handle.list_snaps())
                # Ceph has renamed it.
                self.assertNotIn(image.id, left)
                self.assertNotIn(left, self.manageable_snapshots(volume))
                for _ in range(2):
                    service.wait(
                        'a flatten task',
                        lambda: image.id in json.dumps(self.cluster.tasks()),
                        base.SECONDS,
                    )
                    self.assertIn(image.id, self.cluster.journal())
                    self.assert_same_bytes(image, volume)
                    self.cluster.cancel(image.id)
            self.await_flattened(image)
        self.assert_made_inside(image, volume)
        self.assert_all_gone(volume)

    def test_without_a_manager_the_host_flattens(self) -> None:
        """So it does where its user has no right to ask the manager."""
        volume = self.make_filled_volume('instant')
        with self.cluster.glance_reads_volumes():
            with self.cluster.caps('cinder', mgr=''):
                image = self.upload(volume)
                self.await_flattened(image)
            self.assertIn('flattened by this host', self.log_of(image.id))
            self.assert_made_inside(image, volume)
            self.delete_image(image.id)
            self.addCleanup(self.run_lab, 'up')
            self.assertEqual(0, self.run_lab('down', 'ceph-mgr').returncode)
            image = self.upload(volume)
            self.assertEqual('', self.cluster.parent(image.id))
            self.assertIn('flattened by this host', self.log_of(image.id))
            self.assert_same_data(image, volume)
            self.assertEqual(0, self.run_lab('up').returncode)
            self.await_flattened(image)
        self.assert_all_gone(volume)
