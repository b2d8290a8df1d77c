# SPDX-License-Identifier: Apache-2.0
"""What a cluster looks like is judged, each fault with its remedy."""

import ddt
from oslotest import base

from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload.doctor import cluster
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import exceptions

OK, WARNING, ERROR = finding.Level
GIB = 1 << 30
MIB = 1 << 20


def images(*data_pools):
    return survey.PoolSeen('images', True, data_pools=frozenset(data_pools))


@ddt.ddt
class ClusterTestCase(base.BaseTestCase):
    def test_reached(self):
        self.assertIn('f-s-id', cluster.reached('f-s-id', None).text)

    @ddt.data(
        exceptions.CephUnreachable('cinder', '/c', TimeoutError('late')),
        exceptions.BindingsMissing(ImportError('no rbd')),
    )
    def test_unreachable(self, error):
        one = cluster.unreachable(error)
        self.assertEqual(ERROR, one.level)
        self.assertEqual(str(error), f'{one.text}. {one.remedy}')
        self.assertNotEqual('', one.remedy)

    def test_unanswered(self):
        one = cluster.unanswered('clones', TimeoutError('late'))
        self.assertEqual((ERROR, 'clones'), (one.level, one.check))
        self.assertIn('TimeoutError: late', one.text)

    def test_clone_format(self):
        self.assertEqual(OK, cluster.clone_format(True).level)
        self.assertEqual(WARNING, cluster.clone_format(False).level)

    @ddt.data(
        (survey.PoolSeen('p', False), ERROR, 'does not exist'),
        (survey.PoolSeen('p', True, free=0), WARNING, 'room for 0.0 GiB'),
        (survey.PoolSeen('p', True, 10 * GIB - 1), WARNING, 'GiB'),
        (survey.PoolSeen('p', True, free=10 * GIB), OK, '10.0 GiB'),
    )
    @ddt.unpack
    def test_pool(self, seen, level, text):
        one = cluster.pool(seen, 'volumes', 'rbd_pool')
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)
        self.assertEqual(level != OK, bool(one.remedy))

    @ddt.data(
        ((), OK),
        (('images',), OK),
        (('ec',), WARNING),
        (('ec', 'images'), WARNING),
    )
    @ddt.unpack
    def test_data_pool(self, theirs, level):
        one = cluster.data_pool(images(*theirs), 'images', 's')
        self.assertEqual(level, one.level)

    @ddt.data(
        ({4}, 4, 'have 4 MiB; those of images in store s have 4 MiB'),
        ({4}, 8, 'have 4 MiB; those of images in store s have 8'),
        ({4, 8}, 8, 'have 4 MiB or 8 MiB; those'),
        (set(), 0, 'have 4 MiB'),
        ({8}, 8, 'New volumes get 4 MiB'),
    )
    @ddt.unpack
    def test_object_size(self, usual, chunk, text):
        volumes = survey.PoolSeen(
            'volumes', True, object_sizes=frozenset(x * MIB for x in usual)
        )
        one = cluster.object_size(4 * MIB, chunk * MIB, volumes, 's')
        self.assertEqual(OK, one.level)
        self.assertIn(text, one.text)
