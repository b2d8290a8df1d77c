# SPDX-License-Identifier: Apache-2.0
"""Volumes that Cinder uploads to Glance, with faults between these."""

from typing import ClassVar
import uuid

from cinder_rbd_offload.tests.functional import base
from cinder_rbd_offload.tests.functional import broken
from cinder_rbd_offload.tests.functional import fault_table
from lab import client
from lab import rbd
from lab import service
from lab import state as lab_state


class ToGlanceTest(broken.BrokenUploadTest):
    """Runs a column of TO_GLANCE, with the store on files."""

    paths: ClassVar = {'image': '/file$'}
    backend: ClassVar[str]
    volume: ClassVar[str]
    sha512: ClassVar[str]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        state = cls.class_state()
        cls.make_class_volume(state)
        cls.stand_before(state.port('glance'))
        # Upstream's driver leaves a volume open when an upload fails, until
        # its process ends: before the volume is deleted.
        cls.configure_class(
            'cinder-volume', f'DEFAULT.glance_api_servers={cls.proxy.url}'
        )

    @classmethod
    def make_class_volume(cls, state: lab_state.State) -> None:
        """Make a volume for all tests of this class."""
        admin = client.connect(state, 'admin').block_storage
        storage = client.connect(state, 'tenant').block_storage
        specs = {
            'volume_backend_name': cls.backend,
            'image_service:store_id': 'files',
        }
        kind = admin.create_type(name=f'{uuid.uuid4()}', extra_specs=specs)
        cls.addClassCleanup(admin.delete_type, kind)
        volume = storage.create_volume(
            name=cls.__name__, size=1, volume_type=kind.name
        )

        def delete() -> None:
            storage.delete_volume(volume)
            storage.wait_for_delete(volume, interval=0.3, wait=base.SECONDS)

        cls.addClassCleanup(delete)
        storage.wait_for_status(
            volume, 'available', interval=0.3, wait=base.SECONDS
        )
        cls.volume = str(volume.id)
        name = f'volume-{volume.id}'
        with rbd.pool(state, 'volumes') as pool:
            offsets = range(0, base.GIB, base.GIB // 16)
            rbd.write_random(pool, name, offsets, base.MIB)
            cls.sha512 = rbd.sha512(pool, name)

    def outcome(self, row: fault_table.Row) -> fault_table.Outcome:
        """Upload with a row's fault and say what came of it."""
        outcomes = fault_table.Outcome
        volume = self.storage.get_volume(self.volume)
        image_id = self.start_upload(volume)

        def ended() -> bool:
            return str(self.storage.get_volume(volume).status) == 'available'

        try:
            service.wait('the upload', ended, broken.HANGS_SECONDS)
        except service.Failed:
            service.wait('the upload', ended)
            return outcomes.HANGS
        image = self.images.find_image(image_id)
        if image is None:
            return outcomes.FAILS
        self.assertEqual('active', image.status)
        if image.size != base.GIB:
            return outcomes.WRONG
        found = client.image_sha512(self.images, image_id)
        return outcomes.WHOLE if found == self.sha512 else outcomes.WRONG
