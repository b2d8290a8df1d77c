# SPDX-License-Identifier: Apache-2.0
"""No more is asked than a plan needs, and no answer is no failure."""

import dataclasses
from unittest import mock

import ddt
from glanceclient import exc

from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import probe
from cinder_rbd_offload.tests.unit import base


ASKED = plan.Facts('raw', 'bare', 'fast')


@ddt.ddt
class ProbeTestCase(base.TestCase):
    def gather(self, look=lambda: ('a-fsid', True)):
        return probe.gather(ASKED, self.api(), look)

    def test_all_facts(self):
        self.assertEqual(
            dataclasses.replace(
                ASKED,
                stores=(
                    glance.Store('web', 'http'),
                    glance.Store('ceph', 'rbd', True, 'images', 'a-fsid'),
                ),
                fsid='a-fsid',
                is_clone=True,
            ),
            self.gather(),
        )

    @ddt.data(
        plan.Facts('qcow2', 'bare'), plan.Facts('raw', 'bare', method='off')
    )
    def test_nothing_is_asked_where_the_answer_is_known(self, facts):
        api = mock.create_autospec(glance.Glance, instance=True)
        api.stores.side_effect = AssertionError
        self.assertEqual(facts, probe.gather(facts, api, self.unasked))

    @ddt.data(
        (exc.HTTPForbidden('no role'), 'no role'),
        (exc.HTTPNotFound('no multistore'), 'no multistore'),
        (exc.CommunicationError('refused'), 'refused'),
        (KeyError('stores'), 'stores'),
    )
    @ddt.unpack
    def test_why_glance_did_not_say(self, error, reason):
        self.glance.fail('get_stores_info_detail', error)
        facts = self.gather(self.unasked)
        self.assertIsNone(facts.stores)
        self.assertIn(reason, facts.stores_error)

    def test_an_error_of_the_cluster_is_not_hidden(self):
        def look():
            raise self.cluster.rados.TimedOut('no answer')

        self.assertRaises(self.cluster.rados.TimedOut, self.gather, look)

    def unasked(self):
        self.fail('nobody needs to look at the cluster')
