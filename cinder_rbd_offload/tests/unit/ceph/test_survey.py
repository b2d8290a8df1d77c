# SPDX-License-Identifier: Apache-2.0
"""A look at a cluster tells what is there, and changes nothing."""

import json

from oslotest import base as test_base

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import scratch
from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests import fake_doctor

SECRET = 'AQDsomekey=='


class SurveyTestCase(test_base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.cluster = fake_doctor.Cluster(pools=('volumes', 'images', 'ec'))
        self.images = self.cluster.pools['images']
        handle = self.cluster.rados.Rados('cinder', 'ceph', '')
        handle.connect()
        self.addCleanup(self.assertEqual, [handle], self.cluster.opened)
        self.client = ceph.Client(self.cluster.rados, self.cluster.rbd, handle)

    def add(self, name, data_pool='images', **options):
        self.images[name] = fake_ceph.Stored(8, **options)
        self.images[name].data_pool = data_pool

    def test_pool(self):
        self.add('one')
        self.add('two', data_pool='ec')
        seen = survey.pool(self.client, 'images')
        self.assertEqual({'images', 'ec'}, seen.data_pools)
        self.assertEqual({fake_ceph.BLOCK}, seen.object_sizes)
        self.assertEqual(100 << 30, seen.free)
        self.assertTrue(seen.exists)

    def test_no_pool(self):
        seen = survey.pool(self.client, 'none')
        self.assertEqual(survey.PoolSeen('none', False), seen)

    def test_what_the_doctor_made_is_not_looked_at(self):
        self.add(f'{scratch.PREFIX}x', data_pool='ec')
        self.assertEqual(
            frozenset(), survey.pool(self.client, 'images').data_pools
        )

    def test_not_every_image_is_looked_at(self):
        for number in range(100):
            self.add(f'image-{number}')
        survey.pool(self.client, 'images')
        self.assertLess(self.cluster.reached.count(('open', 'before')), 20)

    def test_an_image_that_goes_meanwhile(self):
        self.add('one')
        self.cluster.fail('open', self.cluster.rbd.ImageNotFound('gone'))
        self.assertEqual(
            frozenset(), survey.pool(self.client, 'images').data_pools
        )

    def test_images_that_cannot_be_read(self):
        self.add('one')
        self.cluster.fail('open', self.cluster.rbd.Timeout('late'))
        self.assertRaises(
            exceptions.CephError, survey.pool, self.client, 'images'
        )

    def test_image(self):
        self.add('one', blocks={0: b'abcdefgh'})
        self.assertEqual(
            survey.ImageSeen(8, False, b"abc", 8),
            survey.image(self.client, 'images', 'one', 3),
        )
        seen = survey.image(self.client, 'images', 'one', 100)
        self.assertEqual(b'abcdefgh', seen.head)

    def test_a_clone(self):
        parent = fake_ceph.Snapshot(id=1, size=8, blocks={})
        self.add('one', parent=parent)
        seen = survey.image(self.client, 'images', 'one', 3)
        self.assertTrue(seen.is_clone)

    def test_no_image(self):
        self.assertIsNone(survey.image(self.client, 'images', 'one', 3))

    def test_caps_without_the_key(self):
        caps = {'mon': 'profile rbd'}
        self.cluster.answers['auth get'] = json.dumps(
            [{'entity': 'client.cinder', 'key': SECRET, 'caps': caps}]
        )
        self.assertEqual(caps, survey.caps(self.client, 'cinder'))

    def test_caps_that_may_not_be_read(self):
        self.assertEqual({}, survey.caps(self.client, None))
