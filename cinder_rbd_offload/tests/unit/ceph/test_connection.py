# SPDX-License-Identifier: Apache-2.0
"""A connection opens what is asked for, and closes what it has opened."""

import ddt

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

SHAPE = ceph.Shape(1, 4096, 'data')


@ddt.ddt
class ConnectionTestCase(base.TestCase):
    def test_what_it_has(self):
        with self.connection() as connection:
            self.assertEqual('a-fsid', connection.cluster.fsid())
            self.assertEqual('volumes', connection.source.name)
            self.assertEqual(base.FEATURES, connection.source.shape.features)
            self.assertEqual(
                ceph.Shape(base.FEATURES), connection.source.shape
            )
            connection.table.swap('key', '', 'value')
            self.assertEqual({'key': 'value'}, connection.table.read())
        self.assertEqual(
            ['rbd_offload.journal'], list(self.cluster.omap['volumes'])
        )

    def test_open_pool(self):
        with self.connection() as connection:
            with connection.open_pool('images', SHAPE) as pool:
                self.assertEqual('images', pool.name)
                self.assertEqual(SHAPE, pool.shape)
                self.assertEqual(3, len(self.cluster.opened))
            self.assertEqual(2, len(self.cluster.opened))
            self.assertRaises(
                self.cluster.rados.NotConnected, lambda: pool.ioctx.images
            )

    @ddt.data(ValueError, KeyboardInterrupt)
    def test_the_pool_is_closed_after_an_error(self, error):
        def fail():
            with connection.open_pool('images', SHAPE):
                raise error

        with self.connection() as connection:
            self.assertRaises(error, fail)
            self.assertEqual(2, len(self.cluster.opened))

    def test_an_unknown_pool(self):
        with self.connection() as connection:
            error = self.assertRaises(
                exceptions.PoolMissing,
                connection.open_pool('gone', SHAPE).__enter__,
            )
        self.assertIn('there is no pool gone', str(error))

    def test_a_pool_that_is_not_ours(self):
        self.cluster.fail(
            'open_ioctx', self.cluster.rados.PermissionDeniedError(), skip=1
        )
        with self.connection() as connection:
            error = self.assertRaises(
                exceptions.CephNotPermitted,
                connection.open_pool('images', SHAPE).__enter__,
            )
        self.assertIn('profile rbd pool=images', str(error))

    def test_whatever_blocks_is_wrapped(self):
        """Where the process has greenthreads, no call may stop them all."""
        wrapped = []

        def wrap(thing):
            wrapped.append(type(thing))
            return thing

        handle = self.cluster.rados.Rados('cinder', 'ceph', 'ceph.conf')
        handle.connect()
        ioctx = fake_ceph.Ioctx(self.cluster, 'volumes')
        connection = ceph.Connection(
            self.cluster.rados,
            self.cluster.rbd,
            handle,
            ioctx,
            base.FEATURES,
            wrap,
        )
        with connection.open_pool('images', SHAPE):
            self.assertEqual(
                [ceph.Cluster, ceph.Pool, ceph.Table, ceph.Pool], wrapped
            )
        ioctx.close()
        handle.shutdown()
