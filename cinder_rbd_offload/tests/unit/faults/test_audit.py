# SPDX-License-Identifier: Apache-2.0
"""Each thing that a fault can leave is complained of, and nothing else."""

import dataclasses

import ddt
from oslotest import base

from faults import audit

SNAP = audit.Snapshot('snap', protected=True)
WHOLE = audit.Disk('i', 5, (SNAP,))
GOOD = audit.Observation(
    expected={'v': 'available'},
    volumes={'v': 'available'},
    images=(audit.Image('i', 'active', 5),),
    image_pool=(WHOLE,),
    volume_pool=(audit.Disk('volume-v', 9),),
)


def image(**changes):
    return {
        'images': (dataclasses.replace(GOOD.images[0], **changes),),
    }


def in_pool(**changes):
    return {'image_pool': (dataclasses.replace(WHOLE, **changes),)}


def of_volume(**changes):
    disk = dataclasses.replace(GOOD.volume_pool[0], **changes)
    return {'volume_pool': (disk,)}


@ddt.ddt
class AuditTestCase(base.BaseTestCase):
    def test_a_good_lab_has_no_complaint(self):
        self.assertEqual([], audit.complaints(GOOD))

    @ddt.data(
        (image(status='queued'), 'image i is queued in Glance'),
        (image(status='saving'), 'image i is saving in Glance'),
        (image(lock='task'), 'image i has an import lock'),
        (image(size=4), 'images/i has 5 bytes, and in Glance 4'),
        ({'images': ()}, 'images/i belongs to no active image'),
        ({'image_pool': ()}, 'image i is active without data'),
        (in_pool(snapshots=()), 'images/i lacks the snapshot snap'),
        (
            in_pool(snapshots=(audit.Snapshot('snap'),)),
            'images/i@snap is not protected',
        ),
        (
            in_pool(snapshots=(SNAP, audit.Snapshot('offload-i'))),
            'images/i has the snapshot offload-i',
        ),
        (in_pool(parent='volumes/v@s'), 'images/i depends on volumes/v@s'),
        (
            {'image_pool': (WHOLE, audit.Disk('offload-j', 5))},
            'images/offload-j belongs to no active image',
        ),
        (
            of_volume(snapshots=(audit.Snapshot('offload-i'),)),
            'volumes/volume-v has the snapshot offload-i',
        ),
        (
            of_volume(snapshots=(audit.Snapshot('uuid', trashed=True),)),
            'volumes/volume-v has the snapshot uuid in the trash namespace',
        ),
        (of_volume(watchers=('127.0.0.1',)), 'volumes/volume-v is open at'),
        ({'volume_pool': ()}, 'volumes/volume-v is missing'),
        (
            {'volume_pool': (*GOOD.volume_pool, audit.Disk('x', 1))},
            'volumes/x is no volume',
        ),
        ({'trash': ('images/i',)}, 'images/i lies in the trash'),
        ({'tasks': ('Flattening i',)}, 'has the task: Flattening i'),
        ({'journal': ('i',)}, 'the journal has an entry for i'),
        ({'files': ('cinder/tmp/x',)}, 'the temporary file cinder/tmp/x'),
        ({'trusts': ('t',)}, 'the trust t is left in Keystone'),
        ({'volumes': {'v': 'error'}}, 'volume v is error, not available'),
        ({'volumes': {}}, 'volume v is gone, not available'),
        (
            {'volumes': {'v': 'available', 'w': 'error'}},
            'volume w (error) was not made by this run',
        ),
    )
    @ddt.unpack
    def test_what_is_left_is_complained_of(self, changes, complaint):
        found = audit.complaints(dataclasses.replace(GOOD, **changes))
        self.assertIn(complaint, '\n'.join(found))

    def test_only_locks_of_active_images_are_forgiven(self):
        seen = dataclasses.replace(
            GOOD,
            images=(
                audit.Image('i', 'active', 5, lock='task'),
                audit.Image('j', 'queued', lock='task'),
            ),
        )
        self.assertEqual(
            [
                'image j is queued in Glance',
                'image j has an import lock in Glance',
            ],
            audit.complaints(audit.without_hashes(seen)),
        )
