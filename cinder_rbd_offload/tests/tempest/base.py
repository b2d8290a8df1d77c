# SPDX-License-Identifier: Apache-2.0
"""Volumes of a known content, and images that are to have the same.

The content comes from an image: data, zeros, data; a volume made from it goes
on with zeros to its end. So what the hash of an image of the volume has to be
is known, and Glance, which reads the image to hash it, says what it is.
"""

import hashlib
import os
import time

from tempest.common import waiters
from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils
from tempest.lib import exceptions as lib_exc
from tempest import test

CONF = config.CONF

MIB = 1 << 20
GIB = 1 << 30


class BaseUploadTest(test.BaseTestCase):
    """Uploads volumes, and looks at the images.

    :cvar data_size: the option that has the MiB of data
    """

    credentials = ('primary',)
    data_size = 'data_size'

    @classmethod
    def skip_checks(cls):
        super().skip_checks()
        for service in ('cinder', 'glance'):
            if not CONF.service_available[service]:
                raise cls.skipException(f'{service} is not available')
        if not CONF.image_feature_enabled.do_secure_hash:
            raise cls.skipException('Glance hashes no images by location')

    @classmethod
    def setup_credentials(cls):
        # No project needs a network.
        cls.set_network_resources()
        super().setup_credentials()

    @classmethod
    def setup_clients(cls):
        super().setup_clients()
        cls.images_client = cls.os_primary.image_client_v2
        cls.volumes_client = cls.os_primary.volumes_client_latest

    @classmethod
    def resource_setup(cls):
        super().resource_setup()
        # In MiB.
        cls.length = getattr(CONF.rbd_offload, cls.data_size)
        cls.volume_size = max(
            CONF.volume.volume_size, -(-cls.length * MIB // GIB)
        )
        cls.block = os.urandom(MIB)
        cls.source_id = cls._create_source()
        cls._digests = {}

    @classmethod
    def _create_source(cls):
        """Make the image that volumes get their content from."""
        image_id = cls.images_client.create_image(
            name=cls._name('source'),
            disk_format='raw',
            container_format='bare',
            visibility='private',
        )['id']
        cls.addClassResourceCleanup(cls.delete_image, image_id)
        headers = {'Content-Type': 'application/octet-stream'}
        if CONF.rbd_offload.source_store:
            headers['X-Image-Meta-Store'] = CONF.rbd_offload.source_store
        response, _body = cls.images_client.request(
            *('PUT', f'images/{image_id}/file'),
            headers=headers,
            body=cls._pieces(),
            chunked=True,
        )
        cls.images_client.expected_success(204, response.status)
        waiters.wait_for_image_status(cls.images_client, image_id, 'active')
        return image_id

    @classmethod
    def _pieces(cls):
        """Make the data, 1 MiB at a time; no two are alike."""
        for number in range(cls.length):
            if number == cls.length // 2:
                # Zeros that are no hole.
                yield bytes(MIB)
            else:
                yield number.to_bytes(8) + cls.block[8:]

    @classmethod
    def _name(cls, what):
        return data_utils.rand_name(
            prefix=CONF.resource_name_prefix, name=f'{cls.__name__}-{what}'
        )

    def type_of(self, method):
        """Return the volume type whose uploads take a method.

        :param method: the method, or '' for the type of Tempest's volumes
        """
        if not method:
            return CONF.volume.volume_type
        kind = CONF.rbd_offload.method_types.get(method)
        if not kind:
            raise self.skipException(
                f'[rbd-offload] method_types has no type for {method}'
            )
        return kind

    def make_volume(self, kind, image_id=None):
        """Make a volume from an image, and wait until it is available.

        :param kind: its type; '' for the default one
        :param image_id: None for the image with the known content
        """
        wanted = {'volume_type': kind} if kind else {}
        client = self.volumes_client
        volume = client.create_volume(
            name=self._name('volume'),
            size=self.volume_size,
            imageRef=image_id or self.source_id,
            **wanted,
        )['volume']
        self.addCleanup(client.wait_for_resource_deletion, volume['id'])
        self.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            client.delete_volume,
            volume['id'],
        )
        waiters.wait_for_volume_resource_status(
            client, volume['id'], 'available'
        )
        return volume

    def start_upload(self, volume, disk_format='raw', **more):
        """Have a volume uploaded; return the image's id."""
        answer = self.volumes_client.upload_volume(
            volume['id'],
            image_name=self._name('image'),
            disk_format=disk_format,
            container_format='bare',
            **more,
        )
        image_id = answer['os-volume_upload_image']['image_id']
        self.addCleanup(self.delete_image, image_id)
        return image_id

    def upload(self, volume, status='available', **more):
        """Upload a volume, and wait for the image; return its id.

        :param status: what the volume has before and after that
        """
        image_id = self.start_upload(volume, **more)
        waiters.wait_for_image_status(self.images_client, image_id, 'active')
        waiters.wait_for_volume_resource_status(
            self.volumes_client, volume['id'], status
        )
        return image_id

    @classmethod
    def delete_image(cls, image_id):
        """Delete an image, if it is there, and wait until it is gone."""
        cls.begin_to_delete_image(image_id)
        cls.images_client.wait_for_resource_deletion(image_id)

    @classmethod
    def begin_to_delete_image(cls, image_id):
        """Have Glance accept the deletion of an image, if it is there.

        A user tries again too: Glance says 409 while the image is open, and
        500 where it has its hash just then.
        """
        client = cls.images_client
        deadline = time.monotonic() + client.build_timeout
        while True:
            try:
                client.delete_image(image_id)
                return
            except lib_exc.NotFound:
                return
            except (lib_exc.Conflict, lib_exc.ServerFault):
                if time.monotonic() > deadline:
                    raise
            time.sleep(client.build_interval)

    def assert_content(self, image_id):
        """Require that Glance has hashed the known content; return the image.

        Glance hashes an image that it got by its location once that is active.
        """
        client = self.images_client
        self.assertTrue(
            test_utils.call_until_true(
                lambda: client.show_image(image_id).get('os_hash_value'),
                client.build_timeout,
                client.build_interval,
            ),
            f'Glance has no hash of image {image_id}',
        )
        image = client.show_image(image_id)
        self.assertEqual('active', image['status'])
        self.assertEqual(self.volume_size * GIB, image['size'])
        self.assertEqual(
            self._digest(image['os_hash_algo']), image['os_hash_value']
        )
        return image

    def _digest(self, algorithm):
        """Return the hash of the known content, zeros to the end included."""
        if algorithm not in self._digests:
            digest = hashlib.new(algorithm)
            for piece in self._pieces():
                digest.update(piece)
            zeros = bytes(MIB)
            for _mib in range(self.volume_size * GIB // MIB - self.length):
                digest.update(zeros)
            self._digests[algorithm] = digest.hexdigest()
        return self._digests[algorithm]

    def assert_content_through_a_volume(self, kind, image_id):
        """Require that a volume made from an image has the known content."""
        volume = self.make_volume(kind, image_id)
        self.assert_content(self.upload(volume))
