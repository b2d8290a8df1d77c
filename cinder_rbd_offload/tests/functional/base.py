# SPDX-License-Identifier: Apache-2.0
"""Volumes and images of a running lab, through the real APIs.

The lab is the one that LAB_STATE names; ``make test`` brings it up. A test
asserts on what a tenant and an operator see: the APIs, the pools, the log.
"""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
from typing import Any
import uuid

import openstack.exceptions
import rbd as librbd
import testtools
from testtools import content

from cinder_rbd_offload.tests.functional import cluster
from lab import client
from lab import lab as lab_lab
from lab import rbd
from lab import service

SECONDS = 180
MIB = 1 << 20
GIB = 1 << 30

INSIDE = 'was made of volume'
LEAVES = 'does not stay in the cluster'

SLOW = {
    # One object after the other, and each read no faster than this.
    'conf_rbd_concurrent_management_ops': '1',
    'conf_rbd_qos_bps_limit': str(24 * MIB),
}
# From the delete of an image to a volume that is free again, on a busy
# machine.
SOON = 15

# The text, without the ids of request, user and project before it.
COMPLAINT = re.compile(r' (?:WARNING|ERROR|CRITICAL) \S+ \[.*?\] (.{,200})')
# As many of its last ones a failure shows.
COMPLAINTS = 5


class FunctionalTestCase(testtools.TestCase):
    """Has a lab, and leaves it as it was."""

    def setUp(self) -> None:
        super().setUp()
        self.lab = lab_lab.Lab(pathlib.Path(os.environ['LAB_STATE']))
        self.state = self.lab.state
        self.cluster = cluster.Cluster(self.state)
        self.admin = client.connect(self.state, 'admin')
        tenant = client.connect(self.state, 'tenant')
        self.storage = tenant.block_storage
        self.images = tenant.image
        self._log_begins = self.cinder_log.stat().st_size
        self.addOnException(self._keep_complaints)

    @property
    def cinder_log(self) -> pathlib.Path:
        """The log of cinder-volume."""
        return self.lab.services['cinder-volume'].log

    def _keep_complaints(self, _exc_info: Any) -> None:
        """Give a failure what cinder-volume complained of meanwhile."""
        with self.cinder_log.open(errors='replace') as log:
            log.seek(self._log_begins)
            found = COMPLAINT.findall(log.read())
        text = '\n'.join(found[-COMPLAINTS:])
        self.addDetail('complaints', content.text_content(text))

    @contextlib.contextmanager
    def image(self, name: str, pool: str = 'images') -> Iterator[Any]:
        """Open an RBD image read-only, as client.admin."""
        with self.pool(pool) as ioctx:
            with librbd.Image(ioctx, name, read_only=True) as handle:
                yield handle

    @staticmethod
    def run_lab(*words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the lab's, as a person does."""
        return subprocess.run(
            [sys.executable, '-m', 'lab', *words],
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def configure(self, service_name: str, *options: str) -> None:
        """Give a service options for the length of a test."""

        def configure(*wanted: str) -> None:
            done = self.run_lab('configure', service_name, *wanted)
            self.assertEqual(0, done.returncode, done.stderr)

        self.addCleanup(configure)
        configure(*options)

    def make_volume(
        self, volume_type: str = 'offload', gib: int = 1, **options: Any
    ) -> Any:
        """Make a volume and wait until it is available."""
        volume = self.storage.create_volume(
            name=self.id(), size=gib, volume_type=volume_type, **options
        )
        self.addCleanup(self.delete_volume, volume)
        return self.await_volume(volume)

    def make_filled_volume(self, volume_type: str = 'offload') -> Any:
        """Make a volume with 1 MiB of random data at its start."""
        volume = self.make_volume(volume_type)
        self.fill(volume, range(1), MIB)
        return volume

    def make_slow_volume(self, volume_type: str, megabytes: int = 400) -> Any:
        """Make a volume of so much data, which clients take time to move."""
        volume = self.make_volume(volume_type)
        self.fill(volume, range(0, megabytes << 20, 4 << 20), 4 * MIB)
        self.slow_down(volume)
        return volume

    def slow_down(self, volume: Any) -> None:
        """Have clients take time to move a volume's data."""
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as handle:
                for key, value in SLOW.items():
                    handle.metadata_set(key, value)

    def crash(self) -> None:
        """Kill cinder-volume, and bring it up again."""
        self.addCleanup(self.run_lab, 'up')
        for pid in self.lab.services['cinder-volume'].process.members():
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(0, self.run_lab('up').returncode)

    def fill(self, volume: Any, offsets: range, length: int) -> None:
        """Write random bytes at each of some offsets of a volume."""
        with self.pool('volumes') as pool:
            rbd.write_random(pool, f'volume-{volume.id}', offsets, length)

    def await_volume(self, volume: Any, status: str = 'available') -> Any:
        """Wait until a volume has a status, and return it."""

        self.storage.get_volume(volume.id)

        def has_status() -> bool:
            now = self.storage.get_volume(volume.id).status
            if now.startswith('error'):
                raise service.GivenUp(f'volume {volume.id} is {now}')
            return str(now) == status

        service.wait(f'volume {volume.id}', has_status, SECONDS)
        return self.storage.get_volume(volume.id)

    def make_type(self, backend: str = 'offload', **specs: str) -> str:
        """Make a volume type of a back end."""
        storage = self.admin.block_storage
        kind = storage.create_type(
            name=f'{backend}-{uuid.uuid4()}',
            extra_specs={'volume_backend_name': backend} | specs,
        )
        self.addCleanup(storage.delete_type, kind)
        return str(kind.name)

    def manageable_snapshots(self, volume: Any) -> str:
        """Return what Cinder lists on a volume's back end, as a text."""
        storage = self.admin.block_storage
        answer = storage.get(
            '/manageable_snapshots/detail',
            params={'host': storage.get_volume(volume.id).host},
            microversion='3.8',
        )
        self.assertTrue(answer.ok, answer.text)
        return json.dumps(answer.json())

    def upload(self, volume: Any, **options: Any) -> Any:
        """Upload a volume, wait for the end of that, return the image."""
        image = self.await_active(self.start_upload(volume, **options))
        self.await_volume(volume, volume.status)
        return image

    def start_upload(
        self, volume: Any, disk_format: str = 'raw', **options: Any
    ) -> str:
        """Start an upload and return the image's id."""
        answer = self.storage.upload_volume_to_image(
            volume,
            self.id(),
            disk_format=disk_format,
            **{'container_format': 'bare'} | options,
        )
        image_id = str(answer['image_id'])
        self.addCleanup(self.delete_image, image_id)
        return image_id

    def make_image(self) -> str:
        """Make an image that waits for its data, and return its id."""
        record = {
            'name': self.id(),
            'disk_format': 'raw',
            'container_format': 'bare',
        }
        image_id = str(self.images.post('/images', json=record).json()['id'])
        self.addCleanup(self.delete_image, image_id)
        return image_id

    def await_hash(self, image_id: str) -> Any:
        """Wait until Glance has hashed an image, and return it."""

        def hashed() -> bool:
            return bool(self.images.get_image(image_id).hash_value)

        service.wait(f'the hash of {image_id}', hashed, SECONDS)
        return self.images.get_image(image_id)

    def await_active(self, image_id: str) -> Any:
        """Wait until an image is active and return it."""

        def active() -> bool:
            return str(self.images.get_image(image_id).status) == 'active'

        service.wait(f'image {image_id}', active, SECONDS)
        return self.images.get_image(image_id)

    @contextlib.contextmanager
    def pool(self, name: str, cluster: str = 'ceph') -> Iterator[Any]:
        """Open a pool as client.admin."""
        with rbd.pool(self.state, name, cluster) as ioctx:
            yield ioctx

    def log_of(self, image_id: str) -> str:
        """Return what cinder-volume's log says of an image."""
        lines = self.cinder_log.read_text(errors='replace').splitlines()
        return '\n'.join(line for line in lines if image_id in line)

    def assert_same_bytes(self, image: Any, volume: Any) -> None:
        """Compare a raw image, as Glance gives it, with a volume."""
        found = client.image_sha512(self.images, image)
        with self.pool('volumes') as pool:
            expected = rbd.sha512(pool, f'volume-{volume.id}')
        self.assertEqual(expected, found)

    def assert_same_data(self, image: Any, volume: Any) -> None:
        """Compare a raw image, as it is in the pool, with a volume."""
        with self.pool('images') as images, self.pool('volumes') as volumes:
            self.assertTrue(
                rbd.same(
                    (images, image.id, 'snap'),
                    (volumes, f'volume-{volume.id}'),
                )
            )

    def assert_made_inside(self, image: Any, volume: Any) -> None:
        """Check an image that the offload made, and what it left: nothing."""
        self.assert_nothing_left(volume)
        self.assertIn(INSIDE, self.log_of(image.id))
        self.assertNotIn(LEAVES, self.log_of(image.id))
        self.assert_same_data(image, volume)
        with self.pool('images') as pool:
            self.assertEqual(['snap'], rbd.contents(pool)[image.id])

    def assert_left_the_cluster(
        self, image: Any, volume: Any, reason: str
    ) -> None:
        """Check that an image's data was sent to Glance, and why."""
        self.assert_nothing_left(volume)
        self.assertIn(LEAVES, self.log_of(image.id))
        self.assertIn(reason, self.log_of(image.id))
        self.assertNotIn(INSIDE, self.log_of(image.id))

    def assert_nothing_left(self, volume: Any) -> None:
        """Check that a volume is whole, free, and without our snapshots."""
        self.await_volume(volume, volume.status)
        with self.pool('volumes') as pool:
            snapshots = rbd.contents(pool)[f'volume-{volume.id}']
        self.assertEqual([], [s for s in snapshots if 'offload' in s])
        known = {image.id for image in self.images.images()}
        with self.pool('images') as pool:
            self.assertEqual(set(), set(rbd.contents(pool)) - known)

    def delete_volume(self, volume: Any) -> None:
        """Delete a volume, if it is still there."""
        try:
            self.await_volume(volume)
        except openstack.exceptions.NotFoundException:
            return
        self.storage.delete_volume(volume)
        self.storage.wait_for_delete(volume, interval=0.3, wait=SECONDS)

    def delete_image(self, image_id: str) -> None:
        """Delete an image, if it is still there.

        Glance 33 answers 500 where it has just finished the hash, and 409
        where somebody has the image open; then a user tries again.
        """

        def deleted() -> bool:
            self.images.delete_image(image_id, ignore_missing=True)
            return True

        service.wait(f'the end of image {image_id}', deleted, SECONDS)
        with self.pool('images') as pool:
            self.assertNotIn(image_id, rbd.contents(pool))
