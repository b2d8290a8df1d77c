# SPDX-License-Identifier: Apache-2.0
"""Swift in the lab: a store of Glance's like any other."""

import os
import pathlib

from cinder_rbd_offload.tests.functional import base
from lab import swift

SERVERS = ('swift-account', 'swift-container', 'swift-object', 'swift-proxy')
CONTAINER = 'glance'


class SwiftTest(base.FunctionalTestCase):
    """What Glance and a tenant have of it."""

    def objects(self) -> list[str]:
        """List what Glance's container holds."""
        listing = swift.account(self.state).get_container(
            CONTAINER, full_listing=True
        )[1]
        return [one['name'] for one in listing]

    def test_it_is_listed_beside_the_default_store(self) -> None:
        stores = self.images.get('/info/stores').json()['stores']
        names = {one['id']: one.get('default') for one in stores}
        self.assertIn('swift', names)
        self.assertEqual('true', str(names['ceph']).lower())
        self.assertIn('files', names)

    def test_an_image_is_read_and_deleted_whole(self) -> None:
        kind = self.make_type(
            'upstream', **{'image_service:store_id': 'swift'}
        )
        volume = self.make_filled_volume(kind)
        image = self.upload(volume)
        stored = self.images.get(f'/images/{image.id}').json()
        self.assertEqual('swift', stored['stores'])
        self.assert_same_bytes(image, volume)
        segments = [f'{image.id}-{number:05}' for number in range(1, 7)]
        ours = [one for one in self.objects() if one.startswith(image.id)]
        self.assertEqual([image.id, *segments], ours)
        self.delete_image(image.id)
        ours = [one for one in self.objects() if one.startswith(image.id)]
        self.assertEqual([], ours)

    def test_a_tenant_has_an_account(self) -> None:
        url = self.images.session.get_endpoint(service_type='object-store')
        project = self.images.session.get_project_id()
        self.assertEqual(f'AUTH_{project}', url.rpartition('/')[2])
        answer = self.images.session.get(url)
        self.assertIn(answer.status_code, (200, 204))

    def test_it_ends_without_a_trace_and_comes_back(self) -> None:
        data = os.urandom(base.MIB)
        image_id = self.make_image()
        headers = {
            'Content-Type': 'application/octet-stream',
            'X-Image-Meta-Store': 'swift',
        }
        self.images.put(f'/images/{image_id}/file', data=data, headers=headers)
        services = self.lab.services
        members = [
            pid for name in SERVERS for pid in services[name].process.members()
        ]
        # The servers of objects and the proxy have two processes for work.
        self.assertEqual(len(SERVERS) + 4, len(members))
        self.addCleanup(self.run_lab, 'up')
        down = self.run_lab('down', *SERVERS)
        self.assertEqual(0, down.returncode, down.stderr)
        self.assertEqual([], [pid for pid in members if command(pid)])
        self.assertIn('not running', self.run_lab('status').stdout)
        self.assertEqual(0, self.run_lab('up').returncode)
        self.assertEqual(0, self.run_lab('status').returncode)
        self.assertEqual(data, self.images.download_image(image_id).content)


def command(pid: int) -> str:
    """Return a process's command; one that has ended has none."""
    try:
        return pathlib.Path(f'/proc/{pid}/cmdline').read_text()
    except FileNotFoundError:
        return ''
