# SPDX-License-Identifier: Apache-2.0
"""The APIs of Cinder and Glance in memory, as Tempest's clients show them.

Volumes and images are bytes. What a cloud could do wrong it does when told:
see :attr:`Cloud.wrong`.
"""

import hashlib
import types

from tempest.lib import exceptions as lib_exc


class Cloud:
    """A cloud.

    :ivar wrong: what it does wrong, by the names of the places below
    :ivar gib: the bytes of a GiB; few will do
    :ivar uploads: the parameters of each upload
    :ivar deleted: what was deleted, in its order
    """

    def __init__(self, gib):
        self.gib = gib
        self.volumes, self.images = {}, {}
        self.wrong = set()
        self.uploads = []
        self.deleted = []
        self.volumes_client = Volumes(self)
        self.images_client = Images(self)

    def spoil(self, data):
        """Change one byte in the midst of some data."""
        middle = len(data) // 2
        return data[:middle] + b'\xff' + data[middle + 1 :]


class Client:
    """What both have in common."""

    build_interval = 0
    build_timeout = 5

    def __init__(self, cloud):
        self._cloud = cloud
        self._count = 0

    def new_id(self, what):
        self._count += 1
        return f'{what}-{self._count}'


class Volumes(Client):
    """The client of Cinder."""

    resource_type = 'volume'

    def create_volume(self, size, imageRef=None, volume_type='', **_more):
        image = self._cloud.images[imageRef]
        data = image['data'].ljust(size * self._cloud.gib, b'\0')
        if 'volume from image' in self._cloud.wrong:
            data = self._cloud.spoil(data)
        volume = {
            'id': self.new_id('volume'),
            'status': 'available',
            'type': volume_type,
            'data': data,
            'image': imageRef,
        }
        self._cloud.volumes[volume['id']] = volume
        return {'volume': dict(volume)}

    def show_volume(self, volume_id):
        if volume_id not in self._cloud.volumes:
            raise lib_exc.NotFound
        return {'volume': dict(self._cloud.volumes[volume_id])}

    def attach_volume(self, volume_id, host_name, mountpoint):
        self._cloud.volumes[volume_id]['status'] = 'in-use'

    def detach_volume(self, volume_id):
        self._cloud.volumes[volume_id]['status'] = 'available'

    def upload_volume(self, volume_id, disk_format, force=False, **_more):
        cloud = self._cloud
        volume = cloud.volumes[volume_id]
        if volume['status'] == 'in-use' and not force:
            raise lib_exc.BadRequest
        data = volume['data']
        if 'upload' in cloud.wrong:
            data = cloud.spoil(data)
        cloud.uploads.append((volume['type'], disk_format))
        image_id = cloud.images_client.create_image(disk_format)['id']
        cloud.images_client.fill(image_id, data, volume)
        return {'os-volume_upload_image': {'image_id': image_id}}

    def delete_volume(self, volume_id):
        self.show_volume(volume_id)
        self._cloud.deleted.append(volume_id)
        del self._cloud.volumes[volume_id]
        if 'delete' in self._cloud.wrong:
            # The data of what depends on it goes as well.
            for image in self._cloud.images.values():
                if image.get('volume') == volume_id:
                    image['data'] = bytes(len(image['data']))

    def wait_for_resource_deletion(self, volume_id):
        if volume_id in self._cloud.volumes:
            raise lib_exc.TimeoutException


class Images(Client):
    """The client of Glance.

    :ivar busy: how often a deletion is refused first
    :ivar headers: those of the last data that was sent
    """

    def __init__(self, cloud):
        super().__init__(cloud)
        self.busy = 0
        self.headers = {}

    def create_image(self, disk_format, **_more):
        image = {
            'id': self.new_id('image'),
            'status': 'queued',
            'disk_format': disk_format,
            'min_disk': 0,
        }
        self._cloud.images[image['id']] = image
        return dict(image)

    def request(self, method, url, headers, body, chunked):
        self.headers = headers
        self.fill(url.split('/')[1], b''.join(body))
        return types.SimpleNamespace(status=204), b''

    @staticmethod
    def expected_success(wanted, status):
        if wanted != status:
            raise lib_exc.InvalidHttpSuccessCode

    def fill(self, image_id, data, volume=None):
        """Give an image its data; its hash comes at a later look."""
        kind = volume['type'] if volume else ''
        store = kind.partition('-to-')[2]
        if 'store' in self._cloud.wrong:
            store = 'another'
        self._cloud.images[image_id] |= {
            'status': 'active',
            'data': data,
            'size': len(data),
            'stores': store,
            'os_hash_algo': 'sha512',
            'os_hash_value': None,
            'volume': volume['id'] if volume else None,
        }

    def show_image(self, image_id):
        if image_id not in self._cloud.images:
            raise lib_exc.NotFound
        image = self._cloud.images[image_id]
        shown = dict(image)
        if image['status'] == 'active' and 'hash' not in self._cloud.wrong:
            image['os_hash_value'] = hashlib.sha512(image['data']).hexdigest()
        return shown

    def delete_image(self, image_id):
        self.show_image(image_id)
        if self.busy:
            self.busy -= 1
            raise lib_exc.Conflict
        self._cloud.deleted.append(image_id)
        del self._cloud.images[image_id]

    def wait_for_resource_deletion(self, image_id):
        if image_id in self._cloud.images:
            raise lib_exc.TimeoutException
