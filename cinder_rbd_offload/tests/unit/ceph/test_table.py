# SPDX-License-Identifier: Apache-2.0
"""Records are read whole, and changed by one at a time."""

import errno
from unittest import mock

import ddt

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import table
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base


@ddt.ddt
class TableTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        ioctx = fake_ceph.Ioctx(self.cluster, 'volumes')
        self.addCleanup(ioctx.close)
        self.table = ceph.Table(self.cluster.rados, ioctx)

    def test_at_first_there_is_no_object(self):
        self.assertEqual({}, self.table.read())
        self.assertEqual({}, self.cluster.omap['volumes'])

    def test_create(self):
        self.assertTrue(self.table.swap('key', '', 'first'))
        self.assertEqual({'key': 'first'}, self.table.read())

    def test_change(self):
        self.table.swap('other', '', 'kept')
        self.table.swap('key', '', 'first')
        self.assertTrue(self.table.swap('key', 'first', 'second'))
        self.assertEqual({'key': 'second', 'other': 'kept'}, self.table.read())

    def test_remove(self):
        self.table.swap('other', '', 'kept')
        self.table.swap('key', '', 'first')
        self.assertTrue(self.table.swap('key', 'first', ''))
        self.assertEqual({'other': 'kept'}, self.table.read())

    @ddt.data(
        ({}, 'first', 'second'),
        ({}, 'first', ''),
        ({'key': 'theirs'}, '', 'ours'),
        ({'key': 'theirs'}, 'first', 'ours'),
        ({'key': 'theirs'}, 'first', ''),
    )
    @ddt.unpack
    def test_a_race_that_is_lost(self, there, old, new):
        for key, value in there.items():
            self.table.swap(key, '', value)
        self.assertFalse(self.table.swap('key', old, new))
        self.assertEqual(there, self.table.read())

    def test_the_comparison_and_the_change_are_one(self):
        """Whoever comes just before it is not overwritten."""
        other = ceph.Table(self.cluster.rados, self.pool('volumes').ioctx)
        self.cluster.on(
            'operate_write_op',
            lambda: other.swap('key', '', 'theirs'),
            times=1,
        )
        self.assertFalse(self.table.swap('key', '', 'ours'))
        self.assertEqual({'key': 'theirs'}, self.table.read())

    @ddt.data(1, 2, 3, 6, 7, 1000)
    def test_all_pages_are_read(self, page):
        records = {f'key-{number}': str(number) for number in range(6)}
        for key, value in records.items():
            self.table.swap(key, '', value)
        with mock.patch.object(table, '_PAGE', page):
            self.assertEqual(records, self.table.read())
        reads = self.cluster.reached.count(('operate_read_op', 'before'))
        self.assertEqual(-(-6 // page) + 1, reads)

    def test_text_of_any_language(self):
        self.table.swap('key', '', 'Größe')
        self.assertTrue(self.table.swap('key', 'Größe', 'größer'))
        self.assertEqual({'key': 'größer'}, self.table.read())

    @ddt.data(
        ('operate_read_op', 'reading', 'read', ()),
        ('operate_write_op', 'writing', 'swap', ('key', '', 'new')),
    )
    @ddt.unpack
    def test_errors_are_named(self, operation, doing, method, args):
        call = getattr(self.table, method)
        self.cluster.fail(
            operation, self.cluster.rados.TimedOut('no answer'), times=1
        )
        error = self.assertRaises(exceptions.CephError, call, *args)
        self.assertIn(f'{doing} volumes/rbd_offload.journal', str(error))
        self.assertIn('TimedOut: no answer', str(error))
        self.assertEqual({}, self.table.read())

    @ddt.data('PermissionError', 'PermissionDeniedError')
    def test_a_missing_capability(self, name):
        for operation in ('operate_read_op', 'operate_write_op'):
            self.cluster.fail(operation, getattr(self.cluster.rados, name)())
        for call in (
            self.table.read,
            lambda: self.table.swap('key', '', 'new'),
        ):
            error = self.assertRaises(exceptions.CephNotPermitted, call)
            self.assertIn('profile rbd pool=volumes', str(error))

    @ddt.data(errno.EIO, None)
    def test_another_error_is_no_lost_race(self, number):
        cause = self.cluster.rados.OSError('disk')
        if number is not None:
            cause.errno = number
        self.cluster.fail('operate_write_op', cause)
        self.assertRaises(
            exceptions.CephError, self.table.swap, 'key', '', 'new'
        )
