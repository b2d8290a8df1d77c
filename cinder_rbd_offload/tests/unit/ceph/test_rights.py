# SPDX-License-Identifier: Apache-2.0
"""Each right is tried for itself, and nothing stays of it."""

import ddt
from oslotest import base as test_base

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import rights
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests import fake_doctor
from cinder_rbd_offload.tests import fake_glance


@ddt.ddt
class RightsTestCase(test_base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.start_over()

    def start_over(self):
        self.cluster = fake_doctor.Cluster(pools=('volumes', 'images', 'ec'))
        self.clock = fake_glance.Clock()
        self.cluster.pools['volumes']['volume-1'] = fake_ceph.Stored(8)
        self.before = self.cluster.state()
        handle = self.cluster.rados.Rados('cinder', 'ceph', '')
        handle.connect()
        self.handle = handle
        self.client = ceph.Client(self.cluster.rados, self.cluster.rbd, handle)

    def run_it(self, source='volumes', target='images', **options):
        return rights.try_all(
            self.client,
            source,
            target,
            **options,
            now=self.clock.now,
            sleep=self.clock.sleep,
        )

    def failed(self, found):
        return {(one.daemon, one.pool): one for one in found.done if one.error}

    def assert_clean(self):
        self.assertEqual(self.before, self.cluster.state())
        self.assertEqual([], self.cluster.tasks)
        self.assertFalse(any(self.cluster.objects.values()))
        self.assertEqual([self.handle], self.cluster.opened)

    @ddt.data(True, False)
    def test_all_is_permitted(self, clone_v2):
        self.cluster.clone_v2 = clone_v2
        found = self.run_it()
        self.assertEqual({}, self.failed(found))
        self.assertEqual([], found.left)
        self.assertEqual('images', found.data_pool)
        self.assertEqual(
            {
                *(('mon', ''), ('mgr', ''), ('mgr', 'images')),
                *(('osd', 'volumes'), ('osd', 'images')),
            },
            {(one.daemon, one.pool) for one in found.done},
        )
        self.assert_clean()

    def test_one_pool_for_both(self):
        found = self.run_it(target='volumes')
        self.assertEqual({}, self.failed(found))
        self.assert_clean()

    @ddt.data(
        ('volumes', ('osd', 'volumes')),
        ('images', ('osd', 'images')),
        ('mon', ('mon', '')),
        ('mgr', ('mgr', '')),
        ('mgr images', ('mgr', 'images')),
    )
    @ddt.unpack
    def test_what_is_refused_is_found(self, denied, where):
        self.cluster.denied.add(denied)
        found = self.run_it()
        failed = self.failed(found)
        self.assertEqual({where}, set(failed))
        self.assertTrue(failed[where].refused)
        self.assertEqual([], found.left)
        self.assert_clean()

    def test_everything_that_is_refused_is_found_at_once(self):
        self.cluster.denied |= {'volumes', 'images', 'mon', 'mgr'}
        self.assertEqual(
            {
                *(('mon', ''), ('mgr', '')),
                *(('osd', 'volumes'), ('osd', 'images')),
            },
            set(self.failed(self.run_it())),
        )

    def test_the_data_pool_that_is_refused_is_named(self):
        self.cluster.data_pools['images'] = 'ec'
        self.cluster.denied.add('ec')
        found = self.run_it()
        self.assertEqual({('osd', 'ec')}, set(self.failed(found)))
        self.assertEqual('ec', found.data_pool)
        self.assert_clean()

    def test_a_data_pool_that_is_given(self):
        found = self.run_it(data_pool='ec')
        self.assertEqual('ec', found.data_pool)
        self.assertEqual({}, self.failed(found))

    def test_no_such_pool(self):
        self.assertRaises(exceptions.CephError, self.run_it, target='none')
        self.assert_clean()

    def test_nothing_stays_wherever_it_fails(self):
        """Any operation fails, for another reason than a right."""
        for operation in (
            *('create', 'write', 'read', 'clone', 'flatten', 'rename'),
            *('create_snap', 'protect_snap', 'unprotect_snap', 'remove'),
            *('remove_snap', 'list_snaps', 'open', 'remove_object'),
            *('rbd task list', 'rbd task add flatten'),
        ):
            for when in ('before', 'after'):
                for skip in range(4):
                    self.start_over()
                    self.cluster.fail(
                        operation,
                        self.cluster.rbd.ImageBusy('for a moment'),
                        when=when,
                        skip=skip,
                        times=1,
                    )
                    found = self.run_it()
                    self.assertEqual([], found.left)
                    self.assert_clean()

    def test_nothing_stays_when_it_is_interrupted(self):
        for operation in ('create', 'write', 'clone', 'flatten', 'rename'):
            for when in ('before', 'after'):
                self.start_over()
                self.cluster.fail(
                    operation, KeyboardInterrupt(), when=when, times=1
                )
                if (operation, when) == ('rename', 'after'):
                    continue
                self.assertRaises(KeyboardInterrupt, self.run_it)
                self.assert_clean()

    def test_a_manager_that_never_comes_to_it(self):
        self.cluster.idle = True
        found = self.run_it()
        failed = self.failed(found)[('mgr', 'images')]
        self.assertFalse(failed.refused)
        self.assertIn('within 15 s', failed.error)
        self.assertEqual([], found.left)
        self.assert_clean()

    def test_what_cannot_be_removed_is_told(self):
        self.cluster.fail(
            'remove', self.cluster.rbd.ImageBusy('busy'), when='before'
        )
        found = self.run_it()
        for what in ('images/', 'volumes/'):
            self.assertTrue(
                [one for one in found.left if one.startswith(what)]
            )
        self.assertNotIn('volume-1', str(found.left))
        self.assertIn('volume-1', self.cluster.pools['volumes'])
