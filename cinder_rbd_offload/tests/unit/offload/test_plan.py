# SPDX-License-Identifier: Apache-2.0
"""The table of facts, and the way that each of them leads to."""

import dataclasses

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
        ('auto', False, (CLONE, COPY), 'moves the bytes in use'),
        ('clone_flatten', False, (CLONE, COPY), 'moves the bytes in use'),
        ('copy', False, (COPY, CLONE), 'rbd_offload_method says so'),
        # A clone is never copied, whoever asks for it.
        ('auto', True, (CLONE,), 'is a clone'),
        ('copy', True, (CLONE,), 'is a clone'),
    )
    @ddt.unpack
    def test_methods(self, method, is_clone, order, reason):
        choice = plan.decide(facts(method=method, is_clone=is_clone))
        self.assertEqual(order, choice.methods)
        self.assertIn(f'{order[0].value}, since', choice.reason)
        self.assertIn(reason, choice.reason)

    def test_nothing_is_made_where_nothing_is_to_be_offloaded(self):
        self.assertEqual((), plan.decide(facts(disk_format='qcow2')).methods)
