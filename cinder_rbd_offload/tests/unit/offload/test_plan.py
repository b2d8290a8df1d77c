# SPDX-License-Identifier: Apache-2.0
"""The table of facts, and the way that each of them leads to."""

import dataclasses
import itertools

import ddt
from oslotest import base

from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import plan

OURS = glance.Store('ceph', 'rbd', True, 'images', 'a-fsid')
SECOND = glance.Store('fast', 'rbd', False, 'nvme', 'a-fsid')
FAR = glance.Store('far', 'rbd', False, 'images', 'b-fsid')
OLD = glance.Store('old', 'rbd', False, 'images', None)
NO_POOL = glance.Store('nop', 'rbd', False, None, 'a-fsid')
WEB = glance.Store('web', 'http')
STORES = (WEB, OLD, NO_POOL, FAR, OURS, SECOND)
GOOD = plan.Facts('raw', 'bare', None, STORES, '', 'a-fsid')
COPY, CLONE = plan.Method.COPY, plan.Method.CLONE_FLATTEN
INSTANT = plan.Method.INSTANT
CHILD = {'is_clone': True}
KNOWN, UNREAD = {'reads_through': True}, {'reads_through': False}
V1 = {'clone_v2': False}
EMPTY = {'size': 1 << 40, 'used': 1 << 30}


def facts(**changes):
    return dataclasses.replace(GOOD, **changes)


@ddt.ddt
class PlanTestCase(base.BaseTestCase):
    @ddt.data(
        (facts(), OURS, 'store ceph is pool images'),
        (facts(store_id='fast'), SECOND, 'store fast is pool nvme'),
        (facts(disk_format='qcow2'), None, 'the image is qcow2/bare'),
        (facts(container_format='ova'), None, 'the image is raw/ova'),
        (facts(disk_format='qcow2', stores=None), None, 'is qcow2/bare'),
        (facts(stores=None, stores_error='HTTP 403'), None, 'HTTP 403'),
        (facts(stores=None), None, 'the role service'),
        (facts(stores=()), None, 'no default store'),
        (facts(stores=(SECOND,)), None, 'no default store'),
        (facts(store_id='none'), None, 'Glance has no store none'),
        (facts(store_id='web'), None, 'web is of type http, not rbd'),
        (facts(store_id='old'), None, 'cluster of its store old'),
        (facts(store_id='nop'), None, 'cluster of its store nop'),
        (facts(store_id='far'), None, 'b-fsid, not a-fsid'),
        (facts(fsid='c-fsid'), None, 'a-fsid, not c-fsid'),
        (facts(method='off'), None, 'rbd_offload_method is off'),
    )
    @ddt.unpack
    def test_decide(self, given, store, reason):
        choice = plan.decide(given)
        self.assertEqual(store, choice.store)
        self.assertIn(reason, choice.reason)

    @ddt.data(
        ('auto', {}, (CLONE, COPY), 'moves the bytes in use'),
        ('auto', KNOWN, (INSTANT, CLONE, COPY), 'seen to read through'),
        ('auto', UNREAD, (CLONE, COPY), 'moves the bytes in use'),
        ('clone_flatten', {}, (CLONE, COPY), 'rbd_offload_method says so'),
        ('clone_flatten', KNOWN, (CLONE, COPY), 'rbd_offload_method says so'),
        ('copy', {}, (COPY, CLONE), 'rbd_offload_method says so'),
        ('copy', KNOWN, (COPY, CLONE), 'rbd_offload_method says so'),
        ('instant', {}, (INSTANT, CLONE, COPY), 'rbd_offload_method says so'),
        ('instant', KNOWN, (INSTANT, CLONE, COPY), 'seen to read through'),
        ('instant', UNREAD, (CLONE, COPY), 'not to read through'),
        # One object less, or more, of 1 TiB.
        ('auto', EMPTY, (COPY, CLONE), 'next to nothing'),
        ('auto', EMPTY | {'used': (1 << 30) + 1}, (CLONE, COPY), 'in use'),
        ('auto', EMPTY | {'used': None}, (CLONE, COPY), 'in use'),
        ('auto', EMPTY | KNOWN, (INSTANT, CLONE, COPY), 'seen to read'),
        ('auto', EMPTY | CHILD, (CLONE,), 'is a clone'),
        ('clone_flatten', EMPTY, (CLONE, COPY), 'says so'),
        # A clone is never copied, whoever asks for it.
        ('auto', CHILD, (CLONE,), 'is a clone'),
        ('auto', CHILD | KNOWN, (INSTANT, CLONE), 'seen to read through'),
        ('copy', CHILD, (CLONE,), 'is a clone'),
        ('clone_flatten', CHILD, (CLONE,), 'rbd_offload_method says so'),
        ('instant', CHILD, (INSTANT, CLONE), 'rbd_offload_method says so'),
        ('instant', CHILD | UNREAD, (CLONE,), 'not to read through'),
        ('copy', CHILD | V1, (CLONE,), 'is a clone'),
        ('instant', CHILD | V1, (CLONE,), 'is a clone'),
        # Of clones of format 1 there are none that last.
        ('auto', V1, (COPY, CLONE), 'clones of format 1'),
        ('auto', V1 | KNOWN, (COPY, CLONE), 'clones of format 1'),
        ('instant', V1, (COPY, CLONE), 'clones of format 1'),
        ('instant', V1 | UNREAD, (COPY, CLONE), 'clones of format 1'),
        ('clone_flatten', V1, (CLONE, COPY), 'rbd_offload_method says so'),
    )
    @ddt.unpack
    def test_methods(self, method, changes, order, reason):
        choice = plan.decide(facts(method=method, **changes))
        self.assertEqual(order, choice.methods)
        self.assertIn(f'{order[0].value}, since', choice.reason)
        self.assertIn(reason, choice.reason)

    @ddt.data(
        *itertools.product(
            ('auto', 'copy', 'clone_flatten', 'instant'),
            (False, True),
            (False, True),
            (None, False, True),
        )
    )
    @ddt.unpack
    def test_no_clone_is_copied(self, method, is_clone, clone_v2, reads):
        methods = plan.decide(
            facts(
                method=method,
                is_clone=is_clone,
                clone_v2=clone_v2,
                reads_through=reads,
            )
        ).methods
        self.assertIn(CLONE, methods)
        self.assertEqual(not is_clone, COPY in methods)
        self.assertFalse(INSTANT in methods and not clone_v2)

    def test_nothing_is_made_where_nothing_is_to_be_offloaded(self):
        self.assertEqual((), plan.decide(facts(disk_format='qcow2')).methods)
