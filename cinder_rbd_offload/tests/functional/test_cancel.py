# SPDX-License-Identifier: Apache-2.0
"""What goes on while images are made: an end to it, progress, and turns."""

import json
import re
import time
from typing import Any

import ddt
import rbd as librbd

from cinder_rbd_offload.tests.functional import base
from lab import client
from lab import rbd
from lab import service

METHODS = ('copy', 'clone_flatten')
PROGRESS = re.compile(
    r'(\d+) % done, about (\d+) of (\d+) MiB, at (\d+) MiB/s'
)


@ddt.ddt
class CancelTest(base.FunctionalTestCase):
    """Full volumes, so that there is time while they are uploaded."""

    def assert_made_inside(self, image: Any, volume: Any) -> None:
        """Check an image, with the volume as fast as others again."""
        with self.pool('volumes') as pool:
            with librbd.Image(pool, f'volume-{volume.id}') as handle:
                for key in base.SLOW:
                    handle.metadata_remove(key)
        super().assert_made_inside(image, volume)

    def entry(self, image_id: str) -> dict[str, Any]:
        """Return an upload's entry in the journal."""
        return dict(json.loads(self.cluster.journal().get(image_id, '{}')))

    def await_work(self, image_id: str) -> None:
        """Wait until some of an image's data is there."""
        service.wait(
            f'the work on {image_id}',
            lambda: self.entry(image_id).get('done', 0) > 0,
            base.SECONDS,
        )

    def await_cancelled(self, image_id: str) -> None:
        """The volume is free before the upload has quite ended."""
        service.wait(
            f'the end of {image_id}',
            lambda: 'outcome=cancelled' in self.log_of(image_id),
            base.SECONDS,
        )

    def test_a_delete_ends_the_work_within_seconds(self) -> None:
        for kind in METHODS:
            volume = self.make_slow_volume(kind, 400)
            before = self.cluster.contents()
            space = self.cluster.settled()
            image_id = self.start_upload(volume)
            self.await_work(image_id)
            self.images.delete_image(image_id)
            started = time.monotonic()
            self.await_volume(volume)
            self.assertLess(time.monotonic() - started, base.SOON, kind)
            self.assertIn('was deleted in Glance', self.log_of(image_id))
            self.assertNotIn(base.INSIDE, self.log_of(image_id))
            self.assertNotIn(base.LEAVES, self.log_of(image_id))
            self.await_cancelled(image_id)
            self.assertEqual(before, self.cluster.contents())
            # Not a part of the copy remains.
            self.assertLess(self.cluster.settled() - space, base.MIB)
            self.delete_volume(volume)

    @ddt.data(*METHODS)
    def test_a_volume_deleted_by_force_leaves_its_image_and_no_snapshot(
        self, method: str
    ) -> None:
        """Cinder moves it to the trash when it had a snapshot for long."""
        volume = self.make_volume(method)
        # So much that a copy takes longer than Cinder tries to delete it.
        objects = range(0, 700 * base.MIB, 4 * base.MIB)
        self.fill(volume, objects, 4 * base.MIB)
        name = f'volume-{volume.id}'
        with self.pool('volumes') as pool:
            expected = rbd.sha512(pool, name)
        self.slow_down(volume)
        image_id = self.start_upload(volume)
        self.await_work(image_id)
        self.admin.block_storage.delete_volume(volume, force=True)
        self.storage.wait_for_delete(volume, wait=base.SECONDS)
        image = self.await_active(image_id)
        service.wait(
            f'the end of {image_id}',
            lambda: not self.entry(image_id),
            base.SECONDS,
        )
        self.assertIn(base.INSIDE, self.log_of(image_id))
        self.assertEqual(expected, client.image_sha512(self.images, image))
        with self.pool('volumes') as pool:
            self.assertNotIn(name, rbd.contents(pool))
            trash = librbd.RBD().trash_list(pool)
            found = [one['id'] for one in trash if one['name'] == name]
            # Cinder flattens a clone, and then may need no trash.
            if method == 'copy':
                self.assertTrue(found)
            for rbd_id in found:
                # Refused where there is a snapshot.
                librbd.RBD().trash_remove(pool, rbd_id)

    def test_other_data_of_the_same_size_goes_to_another_store(self) -> None:
        """Sent to the same image, by its owner, while ours is made."""
        volume = self.make_slow_volume('clone_flatten', 400)
        before = self.cluster.contents()
        image_id = self.start_upload(volume)
        self.await_work(image_id)
        self.images.put(
            f'/images/{image_id}/file',
            data=(bytes(base.MIB) for _ in range(volume.size << 10)),
            headers={
                'Content-Type': 'application/octet-stream',
                'X-Image-Meta-Store': 'files',
            },
        )
        self.await_active(image_id)
        self.await_volume(volume)
        shown = self.images.get(f'/images/{image_id}').json()
        self.assertEqual('files', shown['stores'])
        self.assertIn('data from elsewhere', self.log_of(image_id))
        self.assertEqual(before, self.cluster.contents())

    def test_progress_is_in_the_log_and_the_snapshot_is_not_in_the_way(
        self,
    ) -> None:
        volume = self.make_slow_volume('copy', 400)
        image_id = self.start_upload(volume)
        self.await_work(image_id)
        with self.image(f'volume-{volume.id}', 'volumes') as handle:
            (snapshot,) = (one['name'] for one in handle.list_snaps())
        self.assertIn(image_id, snapshot)
        # What Cinder knows of, and would let an administrator manage.
        self.assertNotIn(snapshot, self.manageable_snapshots(volume))
        image = self.await_active(image_id)
        self.await_volume(volume)
        self.assert_made_inside(image, volume)
        lines = PROGRESS.findall(self.log_of(image_id))
        self.assertTrue(lines, self.log_of(image_id))
        percents = [int(percent) for percent, *_rest in lines]
        self.assertEqual(sorted(percents), percents)
        for _percent, moved, whole, rate in lines:
            self.assertEqual(400, int(whole))
            self.assertLessEqual(int(moved), 400)
            self.assertLess(int(rate), 100)

    def test_no_more_uploads_at_a_time_than_the_option_allows(self) -> None:
        """Three, as it comes; the others wait, and are made in the end."""
        volumes = [self.make_slow_volume('copy', 48) for _ in range(5)]
        started = [self.start_upload(volume) for volume in volumes]
        most = 0

        def all_active() -> bool:
            nonlocal most
            entries = self.cluster.journal().values()
            stages = [json.loads(text)['stage'] for text in entries]
            most = max(most, stages.count('making'))
            return most > 0 and not entries

        service.wait('all uploads', all_active, base.SECONDS)
        self.assertEqual(3, most)
        waited = [
            image_id
            for image_id in started
            if 'waits for its turn' in self.log_of(image_id)
        ]
        self.assertEqual(2, len(waited))
        for image_id, volume in zip(started, volumes, strict=True):
            self.await_volume(volume)
            image = self.await_active(image_id)
            self.assert_made_inside(image, volume)
