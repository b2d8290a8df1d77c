# SPDX-License-Identifier: Apache-2.0
"""Uploads by every method: the image is the volume, and makes volumes."""

from tempest.common import waiters
from tempest import config
from tempest.lib import decorators

from cinder_rbd_offload.tests.tempest import base

CONF = config.CONF


class UploadTest(base.BaseUploadTest):
    """A volume, its image, a volume from that, and its image again."""

    def _test_method(self, method):
        """Compare the hashes of all three copies of the content."""
        kind = self.type_of(method)
        volume = self.make_volume(kind)
        image_id = self.upload(volume)
        self.assert_content(image_id)
        self.assert_content_through_a_volume(kind, image_id)

    @decorators.idempotent_id('d2b0c1de-6b39-4d0c-8d5a-2c8f6a0d8c11')
    def test_by_the_default(self):
        """Upload a volume of the type that all of Tempest uses"""
        self._test_method('')

    @decorators.idempotent_id('5d8e3c2f-94b7-4c1e-a1c4-7f0b8f5b9e22')
    def test_by_copy(self):
        """Upload a volume by a copy inside the cluster"""
        self._test_method('copy')

    @decorators.idempotent_id('8f1d6a73-2c5e-49fb-b0d7-1e9c4a6b7d33')
    def test_by_clone_and_flatten(self):
        """Upload a volume by a clone that is flattened first"""
        self._test_method('clone_flatten')

    @decorators.idempotent_id('31c7e9b4-7a0d-4f68-9c2b-5d4e8f1a6c44')
    def test_instant(self):
        """Upload a volume by a clone that is flattened later"""
        self._test_method('instant')

    @decorators.idempotent_id('b64f2d18-0e93-4a57-8b6c-9a3d7e5c1f55')
    def test_by_stream(self):
        """Upload a volume whose data is sent to Glance"""
        self._test_method('stream')

    @decorators.idempotent_id('0a9c5e7d-48f2-4b36-ad81-6c2e9f4b3d66')
    def test_straight_to_swift(self):
        """Upload a volume whose data is sent straight to Swift"""
        self._test_method('swift')

    @decorators.idempotent_id('c7e1f8a2-5b64-4d09-92e3-8d7a0c6f5b77')
    def test_in_use(self):
        """Upload a volume that is attached, and stays so"""
        if not CONF.rbd_offload.force_upload:
            raise self.skipException('[rbd-offload] force_upload is off')
        volume = self.make_volume(self.type_of(''))
        self.volumes_client.attach_volume(
            volume['id'], host_name='tempest', mountpoint='/dev/vdb'
        )
        self.addCleanup(
            waiters.wait_for_volume_resource_status,
            self.volumes_client,
            volume['id'],
            'available',
        )
        self.addCleanup(self.volumes_client.detach_volume, volume['id'])
        waiters.wait_for_volume_resource_status(
            self.volumes_client, volume['id'], 'in-use'
        )
        self.assert_content(self.upload(volume, 'in-use', force=True))

    @decorators.idempotent_id('e5a3b9c6-1d72-4e80-87f4-0b6c8d2e9f88')
    def test_again_and_again(self):
        """Upload one volume several times, each image independent"""
        volume = self.make_volume(self.type_of(''))
        first, second = self.upload(volume), self.upload(volume)
        self.delete_image(first)
        self.assert_content(second)
        self.assert_content(self.upload(volume))


class FallbackTest(base.BaseUploadTest):
    """What cannot stay in the cluster is uploaded all the same."""

    @decorators.idempotent_id('79d4c0e8-6f15-4b2a-b3a9-4e8d1c7f0a99')
    def test_another_format(self):
        """Upload a volume as qcow2, and find its content in a volume"""
        if 'qcow2' not in CONF.volume.disk_format:
            raise self.skipException('[volume] disk_format has no qcow2')
        kind = self.type_of('')
        image_id = self.upload(self.make_volume(kind), disk_format='qcow2')
        image = self.images_client.show_image(image_id)
        self.assertEqual('qcow2', image['disk_format'])
        self.assert_content_through_a_volume(kind, image_id)

    @decorators.idempotent_id('26b8f3d1-9c4e-4075-a6d2-3f5e7b9c8daa')
    def test_another_store(self):
        """Upload to each store that a volume type names"""
        if not CONF.rbd_offload.store_types:
            raise self.skipException('[rbd-offload] store_types is empty')
        for store, kind in CONF.rbd_offload.store_types.items():
            image_id = self.upload(self.make_volume(kind))
            image = self.assert_content(image_id)
            self.assertEqual([store], image['stores'].split(','))
            self.assert_content_through_a_volume(kind, image_id)
