# SPDX-License-Identifier: Apache-2.0
"""The form of the RBD images: that of Glance's own, with nothing foreign."""

from typing import Any

import rbd as librbd

from cinder_rbd_offload.tests.functional import base


class ShapeTest(base.FunctionalTestCase):
    """What our images look like, beside one that Glance's store made."""

    def shape(self, image_id: str, pool: str = 'images') -> dict[str, Any]:
        """Return all that Glance's store chooses when it makes an image."""
        with self.image(image_id, pool) as image:
            with self.pool(pool) as ioctx:
                data_pool = image.data_pool_id()
                own_pool = data_pool == ioctx.get_pool_id()
            return {
                'features': image.features(),
                'flags': image.flags(),
                'order': image.stat()['order'],
                'stripe_unit': image.stripe_unit(),
                'stripe_count': image.stripe_count(),
                'data in its own pool': own_pool,
                'metadata': list(image.metadata_list()),
                'snapshots': [
                    (one['name'], one['namespace'], one['size'])
                    for one in image.list_snaps()
                ],
                'protected': image.is_protected_snap('snap'),
                'operations': image.op_features(),
            }

    def test_every_method_makes_them_as_glance_does(self) -> None:
        volume = self.make_filled_volume('upstream')
        glances = self.shape(self.upload(volume).id)
        self.assertEqual(0, glances['features'] & _STRIPING)
        self.assertEqual(base.GIB, glances['snapshots'][0][2])
        for kind in ('offload', 'copy', 'clone_flatten', 'instant'):
            volume = self.make_filled_volume(kind)
            image = self.upload(volume)
            self.assert_made_inside(image, volume)
            self.assertEqual(glances, self.shape(image.id), kind)
            self.assertEqual(base.GIB, image.size)
            self.assertEqual('', self.cluster.parent(image.id))
        self.cluster.forget()

    def test_what_else_the_volume_carries_stays_with_it(self) -> None:
        """Clones of the image would inherit a QoS limit, or worse."""
        foreign = {
            'conf_rbd_qos_iops_limit': '12345',
            'conf_rbd_cache': 'false',
            'somebody.else': 'wrote this',
        }
        for kind in ('copy', 'clone_flatten'):
            volume = self.make_volume(kind)
            with self.pool('volumes') as pool:
                with librbd.Image(pool, f'volume-{volume.id}') as handle:
                    for key, value in foreign.items():
                        handle.metadata_set(key, value)
            image = self.upload(volume)
            self.assert_made_inside(image, volume)
            self.assertEqual([], self.shape(image.id)['metadata'], kind)
            with self.image(f'volume-{volume.id}', 'volumes') as handle:
                self.assertEqual(foreign, dict(handle.metadata_list()))


_STRIPING = librbd.RBD_FEATURE_STRIPINGV2
