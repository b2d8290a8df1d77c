# SPDX-License-Identifier: Apache-2.0
"""Images that are deleted while they are made; and what is seen meanwhile."""

import time
from typing import Any

from cinder_rbd_offload.tests.functional import base
from lab import service

MEGABYTES = 768
# Bytes a second at which the volume can be read, so that there is time.
RATE = str(24 * base.MIB)
# From the delete to a volume that is free again, on a busy machine.
SOON = 15


class CancelTest(base.FunctionalTestCase):
    """A full volume, uploaded by each method that moves data."""

    def make_slow_volume(self, kind: str, megabytes: int) -> Any:
        """Make a volume of some data that is read slowly."""
        volume = self.make_volume(kind)
        self.fill(volume, range(0, megabytes << 20, 4 << 20), 4 * base.MIB)
        return volume

    def done(self, image_id: str) -> int:
        """Return the part of an upload that the journal says is done."""
        import json

        entry = json.loads(self.cluster.journal().get(image_id, '{}'))
        return int(entry.get('done', 0))

    def test_a_delete_ends_the_work_within_seconds(self) -> None:
        for kind in ('copy', 'clone_flatten'):
            before = self.cluster.contents()
            volume = self.make_slow_volume(kind, MEGABYTES)
            whole = self.cluster.contents()
            space = self.cluster.settled()
            image_id = self.start_upload(volume)
            service.wait(
                f'the work on {image_id}',
                lambda image_id=image_id: self.done(image_id) > 0,
                base.SECONDS,
            )
            self.assertEqual(
                'queued', self.images.get_image(image_id).status, kind
            )
            self.images.delete_image(image_id)
            started = time.monotonic()
            self.await_volume(volume)
            self.assertLess(time.monotonic() - started, SOON, kind)
            self.assertIn('was deleted in Glance', self.log_of(image_id))
            self.assertNotIn(base.ORDINARY, self.log_of(image_id))
            self.assertEqual(whole, self.cluster.contents())
            # Not a part of the copy remains.
            self.assertLess(self.cluster.settled() - space, base.MIB)
            self.delete_volume(volume)
            self.assertEqual(before, self.cluster.contents())
