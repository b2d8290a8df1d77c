# SPDX-License-Identifier: Apache-2.0
"""The table of limits: what is within all of them, and what each refuses."""

import ddt
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import limits

MIB = 1 << 20
GOOD = {
    'size': 4 * MIB,
    'used': 2 * MIB,
    'size_cap': 4 * MIB,
    'quota': None,
    'free': 2 * MIB,
}


def check(changes):
    limits.check('an-id', pool='images', **GOOD | changes)


@ddt.ddt
class LimitsTestCase(base.BaseTestCase):
    @ddt.data(
        {},
        {'used': 0, 'free': 0},
        {'quota': 4 * MIB},
        # Glance itself does not count what is below one MiB.
        {'size': 4 * MIB - 1, 'quota': 3 * MIB},
        {'size': MIB - 1, 'quota': 0},
        # Nobody knows; the pool itself refuses what it has no room for.
        {'used': None, 'free': 0},
    )
    def test_within(self, changes):
        check(changes)

    @ddt.data(
        ({'size_cap': 4 * MIB - 1}, 'set rbd_offload_image_size_cap'),
        ({'size_cap': 0}, 'Glance takes up to 0'),
        ({'quota': 4 * MIB - 1}, 'image_size_total has 4194303 left'),
        ({'quota': 0}, 'delete images, or have it raised'),
        ({'used': 2 * MIB + 1}, '2097153 of them are in use'),
        ({'free': 0}, 'pool images has room for 0'),
    )
    @ddt.unpack
    def test_beyond(self, changes, reason):
        error = self.assertRaises(exceptions.NoRoom, check, changes)
        self.assertIn(f'image an-id would have {4 * MIB} bytes', str(error))
        self.assertIn(reason, str(error))
        self.assertFalse(error.retriable)
        # What the operator has to see to, and not the user.
        self.assertEqual(
            'pool' in reason or 'in use' in reason,
            isinstance(error, exceptions.PoolFull),
        )
