# SPDX-License-Identifier: Apache-2.0
"""Volumes that Cinder uploads to Glance, with faults between these."""

import time
from typing import Any
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
        told = len(self.messages())
        image_id = self.start_upload(volume)
        if not self.await_end(volume):
            service.wait('the upload', lambda: self.ended(volume))
            return outcomes.HANGS
        failed = len(self.messages()) > told
        image = self.images.find_image(image_id)
        if image is None:
            self.assertTrue(failed, 'the user is told nothing')
            return outcomes.FAILS
        self.assertEqual('active', image.status)
        if image.size != base.GIB:
            return outcomes.WRONG
        if self.sha512 != client.image_sha512(self.images, image_id):
            return outcomes.WRONG
        return outcomes.DENIED if failed else outcomes.WHOLE

    def messages(self) -> list[str]:
        """Return what the user has been told of the volume."""
        answer = self.storage.get('/messages', microversion='3.3').json()
        return [
            one['user_message']
            for one in answer['messages']
            if one['resource_uuid'] == self.volume
        ]

    def ended(self, volume: Any) -> bool:
        """Tell whether Cinder is done with a volume."""
        return str(self.storage.get_volume(volume).status) == 'available'

    def await_end(self, volume: Any) -> bool:
        """Wait until Cinder is done; False says that nothing moves."""
        moved_at, moved = time.monotonic(), 0
        while not self.ended(volume):
            now = sum(1 + one.received for one in tuple(self.proxy.seen))
            if now != moved:
                moved_at, moved = time.monotonic(), now
            if time.monotonic() - moved_at > broken.HANGS_SECONDS:
                return False
            time.sleep(0.5)
        return True
