# SPDX-License-Identifier: Apache-2.0
"""Many uploads through the store for Glance, with faults at random.

Each ends whole, or with its cause and nothing left.
"""

import random

import ddt
import glance_store

from cinder_rbd_offload.tests import fake_swift
from cinder_rbd_offload.tests.unit.upload import glance_store_case

IMAGE = glance_store_case.IMAGE
SEGMENT = glance_store_case.SEGMENT
UPLOADS = 40

HOWS = ('reset', 'lost', 'corrupt', *(401, 408, 413, 429, 498, 499))
STATUSES = (500, 502, 503, 504, 507)
WHERES = ('-0000[1-4]', IMAGE, f'{IMAGE}.*')


@ddt.ddt
class RandomFaultsTestCase(glance_store_case.StoreTestCase):
    @ddt.data(1, 2, 3)
    def test(self, seed):
        chance = random.Random(seed)
        store = self.store()
        ends = {True: 0, False: 0}
        for _ in range(UPLOADS):
            ends[self.upload(store, chance)] += 1
            self.assert_buffer_empty()
            self.swift.objects.clear()
            self.swift.manifests.clear()
        self.assertGreater(ends[True], UPLOADS / 2)
        self.assertGreater(ends[False], 0)

    def upload(self, store, chance):
        """Upload an image of some kind; return whether it was stored."""
        size = chance.choice((1, 70000, chance.randrange(1, 4 * SEGMENT)))
        data = chance.randbytes(size)
        known = chance.random() < 0.6
        store.large_object_size = chance.choice((SEGMENT, 1 << 30))
        self.swift.faults = [
            self.fault(chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))
        ]
        try:
            answer = self.add(store, data, size if known else 0)
        except glance_store.StorageFull:
            self.assertIn(413, [fault.how for fault in self.swift.faults])
        except glance_store.BackendException as error:
            self.assertIn('Got error from Swift', str(error))
        else:
            self.assert_stored(answer, store, data)
            return True
        self.assertEqual({}, self.swift.objects)
        return False

    def fault(self, chance):
        how = chance.choice(HOWS + STATUSES)
        return fake_swift.Fault(
            how=how,
            where=chance.choice(WHERES),
            times=chance.choice((1, 1, 1, 2, 7)),
            early=isinstance(how, int) and chance.random() < 0.3,
            headers=(('Retry-After', '0'),) if how == 429 else (),
        )
