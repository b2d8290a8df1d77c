# SPDX-License-Identifier: Apache-2.0
"""No more is asked than a plan needs, and no answer is no failure."""

from unittest import mock

import ddt
from glanceclient import exc

from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import probe
from cinder_rbd_offload.tests.unit import base


@ddt.ddt
class ProbeTestCase(base.TestCase):
    def gather(self, disk_format='raw', fsid=lambda: 'a-fsid'):
        return probe.gather(disk_format, 'bare', 'fast', self.api(), fsid)

    def test_all_facts(self):
        self.assertEqual(
            plan.Facts(
                disk_format='raw',
                container_format='bare',
                store_id='fast',
                stores=(
                    glance.Store('web', 'http'),
                    glance.Store('ceph', 'rbd', True, 'images', 'a-fsid'),
                ),
                fsid='a-fsid',
            ),
            self.gather(),
        )

    def test_nothing_is_asked_for_another_format(self):
        api = mock.create_autospec(glance.Glance, instance=True)
        api.stores.side_effect = AssertionError
        facts = probe.gather('qcow2', 'bare', None, api, self.unasked)
        self.assertEqual(plan.Facts('qcow2', 'bare'), facts)

    @ddt.data(
        (exc.HTTPForbidden('no role'), 'no role'),
        (exc.HTTPNotFound('no multistore'), 'no multistore'),
        (exc.CommunicationError('refused'), 'refused'),
        (KeyError('stores'), 'stores'),
    )
    @ddt.unpack
    def test_why_glance_did_not_say(self, error, reason):
        self.glance.fail('get_stores_info_detail', error)
        facts = self.gather(fsid=self.unasked)
        self.assertIsNone(facts.stores)
        self.assertIn(reason, facts.stores_error)

    def test_an_error_of_the_cluster_is_not_hidden(self):
        def fsid():
            raise self.cluster.rados.TimedOut('no answer')

        self.assertRaises(self.cluster.rados.TimedOut, self.gather, fsid=fsid)

    def unasked(self):
        self.fail('nobody needs the id of the cluster')
