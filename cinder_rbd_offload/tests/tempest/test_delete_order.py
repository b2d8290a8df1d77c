# SPDX-License-Identifier: Apache-2.0
"""A volume, its image, and a volume from that, deleted in every order.

The image is one that is flattened after it became active. Two of the three
are deleted at once while that goes on, and the third must not mind.
"""

from tempest.lib import decorators

from cinder_rbd_offload.tests.tempest import base


class DeleteOrderTest(base.BaseUploadTest):
    """Each order is a test of its own."""

    data_size = 'flatten_size'

    def _test_order(self, *order):
        self.kind = self.type_of('instant')
        self.volume = self.make_volume(self.kind)
        self.image_id = self.upload(self.volume)
        self.made = self.make_volume(self.kind, self.image_id)
        *first, last = order
        # All are asked for before any is waited for.
        for one in first:
            self._begin(one)
        for one in first:
            self._end(one)
        self._assert_whole(last)
        self._begin(last)
        self._end(last)

    def _begin(self, one):
        """Ask for the deletion of one of the three."""
        if one == 'image':
            self.begin_to_delete_image(self.image_id)
        else:
            self.volumes_client.delete_volume(getattr(self, one)['id'])

    def _end(self, one):
        """Wait until one of the three is gone."""
        if one == 'image':
            self.images_client.wait_for_resource_deletion(self.image_id)
        else:
            self.volumes_client.wait_for_resource_deletion(
                getattr(self, one)['id']
            )

    def _assert_whole(self, one):
        """Require that one of the three still has all of its data.

        It is read anew for that: a hash that Glance has may be from before.
        """
        if one == 'image':
            self.assert_content_through_a_volume(self.kind, self.image_id)
        else:
            self.assert_content(self.upload(getattr(self, one)))

    @decorators.idempotent_id('f0c2d7b5-3e86-4914-8ad6-7b1c9e4f2d01')
    def test_volume_image_made(self):
        """Delete the volume and its image, and keep the volume from that"""
        self._test_order('volume', 'image', 'made')

    @decorators.idempotent_id('4b97e1a8-5c03-4d6f-9e72-0d8f6c3b5a02')
    def test_image_volume_made(self):
        """Delete the image and its volume, and keep the volume from that"""
        self._test_order('image', 'volume', 'made')

    @decorators.idempotent_id('a83d5f6c-7219-4be0-b4c8-6e2a9d1f7c03')
    def test_volume_made_image(self):
        """Delete both volumes, the older one first, and keep the image"""
        self._test_order('volume', 'made', 'image')

    @decorators.idempotent_id('1e6c8b92-d4f7-43a5-8c0d-9f5b7a2e4d04')
    def test_made_volume_image(self):
        """Delete both volumes, the younger one first, and keep the image"""
        self._test_order('made', 'volume', 'image')

    @decorators.idempotent_id('6d0a7f3e-8b51-4c29-a5e6-2c4d8f9b1e05')
    def test_image_made_volume(self):
        """Delete the image and the volume from it, and keep the first one"""
        self._test_order('image', 'made', 'volume')

    @decorators.idempotent_id('93f4c2d6-0a7e-4185-bd39-5e1b6c8a7f06')
    def test_made_image_volume(self):
        """Delete the volume from the image and that, and keep the first one"""
        self._test_order('made', 'image', 'volume')
