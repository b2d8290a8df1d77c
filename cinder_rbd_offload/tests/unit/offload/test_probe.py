# SPDX-License-Identifier: Apache-2.0
"""No more is asked than a plan needs, and no answer is no failure."""

import dataclasses
from unittest import mock

import ddt
from glanceclient import exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import findings
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import probe
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

ASKED = plan.Facts('raw', 'bare', 'ceph')
STORES = (
    glance.Store('web', 'http'),
    glance.Store('ceph', 'rbd', True, 'images', 'a-fsid', 8 << 20),
)
DAY = 24 * 60 * 60


@ddt.ddt
class ProbeTestCase(base.TestCase):
    def gather(self, facts=ASKED):
        with self.connection() as connection:
            book = journal.Journal(connection.table, 'here', 'first')
            return probe.gather(
                facts, self.api(), connection, book, base.VOLUME
            )

    def test_all_facts(self):
        self.assertEqual(
            dataclasses.replace(
                ASKED,
                stores=STORES,
                fsid='a-fsid',
                size=base.SIZE,
                used=2 * fake_ceph.BLOCK,
            ),
            self.gather(),
        )

    def test_a_clone(self):
        self.inherit()
        self.assertTrue(self.gather().is_clone)

    def test_clones_of_format_1(self):
        self.cluster.clone_v2 = False
        self.assertFalse(self.gather().clone_v2)

    @ddt.data(
        plan.Facts('qcow2', 'bare'), plan.Facts('raw', 'bare', method='off')
    )
    def test_nothing_is_asked_where_the_answer_is_known(self, facts):
        api = mock.create_autospec(glance.Glance, instance=True)
        api.stores.side_effect = AssertionError
        self.assertEqual(
            facts, probe.gather(facts, api, None, None, base.VOLUME)
        )

    @ddt.data(
        (exc.HTTPForbidden('no role'), 'no role'),
        (exc.HTTPNotFound('no multistore'), 'no multistore'),
        (exc.CommunicationError('refused'), 'refused'),
        (KeyError('stores'), 'stores'),
    )
    @ddt.unpack
    def test_why_glance_did_not_say(self, error, reason):
        self.glance.fail('get_stores_info_detail', error)
        facts = self.gather()
        self.assertIsNone(facts.stores)
        self.assertIn(reason, facts.stores_error)
        self.assertNotIn(('get_fsid', 'before'), self.cluster.reached)

    @ddt.data('web', 'none')
    def test_the_volume_is_not_looked_at_for_another_store(self, store_id):
        facts = dataclasses.replace(ASKED, store_id=store_id)
        self.assertEqual(
            dataclasses.replace(facts, stores=STORES, fsid='a-fsid'),
            self.gather(facts),
        )
        for operation in ('parent_info', 'mon_command', 'operate_read_op'):
            self.assertNotIn((operation, 'before'), self.cluster.reached)

    @ddt.data('get_fsid', 'mon_command', 'operate_read_op')
    def test_an_error_of_the_cluster_is_not_hidden(self, operation):
        self.cluster.fail(operation, self.cluster.rados.TimedOut('no answer'))
        error = self.assertRaises(exceptions.CephError, self.gather)
        self.assertIn('TimedOut: no answer', str(error))


@ddt.ddt
class RememberTestCase(base.TestCase):
    """What an instant upload has found out of Glance helps later ones."""

    def remember(self, reads_through, store=STORES[1], at=0.0):
        with self.connection() as connection:
            book = journal.Journal(connection.table, 'here', 'first')
            findings.remember(
                book,
                findings.clones(store),
                reads_through,
                now=lambda: at,
            )

    def recall(self, at=0.0, host='there'):
        with self.connection() as connection:
            book = journal.Journal(connection.table, host, 'second')
            return probe.gather(
                ASKED,
                self.api(),
                connection,
                book,
                base.VOLUME,
                now=lambda: at,
            ).reads_through

    def test_at_first_nothing_is_known(self):
        self.assertIsNone(self.recall())

    @ddt.data(True, False)
    def test_every_host_knows(self, reads_through):
        self.remember(reads_through)
        self.assertIs(reads_through, self.recall())

    def test_the_last_finding_counts(self):
        self.remember(False)
        self.remember(True)
        self.assertIs(True, self.recall())

    def test_what_was_not_possible_may_be_so_after_a_day(self):
        self.remember(False, at=1000.0)
        self.assertIs(False, self.recall(1000.0 + DAY))
        self.assertIsNone(self.recall(1001.0 + DAY))

    def test_what_was_possible_stays_so(self):
        self.remember(True, at=1000.0)
        self.assertIs(True, self.recall(1001.0 + DAY))

    def test_of_another_pool_nothing_is_known(self):
        self.remember(True, dataclasses.replace(STORES[1], pool='other'))
        self.assertIsNone(self.recall())

    def test_it_is_no_entry_of_the_journal(self):
        self.remember(True)
        self.assertEqual({}, self.cluster.entries())

    @ddt.data('no JSON', '[]', '{}', '{"does": false, "at": null}')
    def test_what_cannot_be_read_is_not_known(self, text):
        """Or no upload would stay in the cluster any more."""
        with self.connection() as connection:
            book = journal.Journal(connection.table, 'here', 'first')
            book.remember('clones in images', text)
        self.assertIsNone(self.recall())
        self.remember(True)
        self.assertIs(True, self.recall())
