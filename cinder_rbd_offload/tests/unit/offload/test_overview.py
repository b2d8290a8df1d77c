# SPDX-License-Identifier: Apache-2.0
"""What is under way, in numbers that a person can read."""

import dataclasses

from oslotest import base

from cinder_rbd_offload import ceph
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import overview

ENTRY = journal.Entry(
    image_id='an-image',
    volume='volume-1',
    volume_id='1',
    host='here@fast',
    run='first',
    started=100.0,
    method='clone_flatten',
    pool='images',
    reason='it is so',
    bytes=1000,
)


def show(tasks=(), now=130.0, **changes):
    entry = dataclasses.replace(ENTRY, **changes)
    (upload,) = overview.uploads([entry], tasks, now)
    return upload


class OverviewTestCase(base.BaseTestCase):
    def test_an_upload(self):
        self.assertEqual(
            overview.Upload(
                *('fast', 'an-image', '1', 'here', 'making'),
                *('clone_flatten', 25, 250, 1000, 30, 'it is so'),
            ),
            show(stage=journal.Stage.MAKING, done=1, total=4),
        )

    def test_one_that_has_ended(self):
        ended = dataclasses.replace(ENTRY, stage=journal.Stage.ENDED)
        self.assertEqual([], overview.uploads([ended], (), 130.0))

    def test_one_whose_progress_nobody_knows(self):
        self.assertIsNone(show().percent)
        self.assertEqual(0, show().moved)

    def test_more_is_done_than_was_expected(self):
        self.assertEqual(100, show(done=5, total=4).percent)

    def test_the_manager_flattens(self):
        task = ceph.Task('images', 'an-image', 0.5)
        others = (
            ceph.Task('other', 'an-image', 0.1),
            ceph.Task('images', 'another', 0.2),
        )
        found = show((*others, task), stage=journal.Stage.PUBLISHED)
        self.assertEqual(('flattening', 50), (found.stage, found.percent))

    def test_the_manager_has_not_begun(self):
        found = show(stage=journal.Stage.PUBLISHED, done=4, total=4)
        self.assertEqual(('flattening', None), (found.stage, found.percent))

    def test_clocks_that_differ(self):
        self.assertEqual(0, show(now=90.0).seconds)

    def test_the_oldest_is_first(self):
        entries = [
            dataclasses.replace(ENTRY, image_id=name, started=started)
            for name, started in (('new', 9.0), ('old', 1.0))
        ]
        self.assertEqual(
            ['old', 'new'],
            [one.image for one in overview.uploads(entries, (), 10.0)],
        )
