# SPDX-License-Identifier: Apache-2.0
"""What a crash has left is settled by one host, once, and none too early."""

from glanceclient import exc

from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests.unit import base as unit_base
from cinder_rbd_offload.tests.unit.offload import base

IMAGE, VOLUME = unit_base.IMAGE, unit_base.VOLUME
# Sorts before the other.
FIRST = '00000000-9dad-11d1-80b4-00c04fd430c8'
THERE = 'there@ceph'
Stage = journal.Stage


class TurnTestCase(base.RecoverTestCase):
    """Who looks after whose entry, and when."""

    def test_an_entry_of_this_host_is_taken_at_once(self):
        self.leave(Stage.STARTED)
        self.recover()
        self.assertUndone()

    def test_an_entry_of_another_machine_of_this_name_has_its_lease(self):
        self.leave(Stage.STARTED)
        recovery = self.recovery()
        self.recover(recovery=recovery, node='another')
        self.assertStays(Stage.STARTED)
        self.clock.sleep(journal.LEASE + 1)
        self.recover(recovery=recovery, node='another')
        self.assertUndone()

    def test_what_this_process_works_on_is_left_alone(self):
        self.leave(Stage.STARTED)
        before = self.entry()
        for _look in range(3):
            self.recover(active={IMAGE})
            self.clock.sleep(100)
        self.assertEqual(before, self.entry())

    def test_an_entry_of_another_host_is_taken_when_it_is_dead(self):
        self.leave(Stage.STARTED, host=THERE)
        recovery = self.recovery()
        self.recover(recovery=recovery)
        self.clock.sleep(journal.LEASE)
        self.recover(recovery=recovery)
        self.assertStays(Stage.STARTED)
        self.clock.sleep(1)
        self.recover(recovery=recovery)
        self.assertUndone()

    def test_an_entry_that_changes_is_left_alone(self):
        recovery = self.recovery()
        with self.connection() as connection:
            book = journal.Journal(connection.table, THERE, 'first')
            owner = book.begin(IMAGE, VOLUME, 'volume-id', 'dead', 'one-day')
            for _look in range(5):
                self.recover(recovery=recovery)
                self.clock.sleep(journal.LEASE)
                owner.update()
        self.assertEqual(THERE, self.entry().host)

    def test_each_change_prolongs_the_lease(self):
        recovery = self.recovery()
        with self.connection() as connection:
            book = journal.Journal(connection.table, THERE, 'first')
            owner = book.begin(IMAGE, VOLUME, 'volume-id', 'dead', 'one-day')
            owner.update(trust='a-trust')
            self.recover(recovery=recovery)
            self.clock.sleep(journal.LEASE + 1)
            owner.update()
        self.recover(recovery=recovery)
        self.clock.sleep(journal.LEASE)
        self.recover(recovery=recovery)
        self.assertStays(Stage.STARTED)
        self.clock.sleep(1)
        self.recover(recovery=recovery)
        self.assertUndone()

    def test_a_later_entry_of_the_image_has_a_lease_of_its_own(self):
        recovery = self.recovery()
        self.leave(Stage.STARTED, host=THERE)
        self.recover(recovery=recovery)
        self.cluster.omap['volumes'].clear()
        self.recover(recovery=recovery)
        self.clock.sleep(journal.LEASE + 1)
        self.leave(Stage.STARTED, host=THERE)
        self.recover(recovery=recovery)
        self.assertStays(Stage.STARTED)

    def test_two_hosts_at_once(self):
        """The one is just about to take it when the other does it all."""
        self.leave(Stage.STARTED, host='dead@ceph')
        one, other = self.recovery(), self.recovery()
        self.recover('one', recovery=one)
        self.recover('other', recovery=other)
        self.clock.sleep(journal.LEASE + 1)
        done = []

        def recover():
            self.recover('other', recovery=other)
            done.append(list(self.released))

        self.cluster.on(
            'operate_write_op',
            recover,
            skip=self.cluster.reached.count(('operate_write_op', 'before')),
            times=1,
        )
        self.recover('one', recovery=one)
        self.assertEqual([['a-trust']], done)
        self.assertUndone()

    def test_a_recovery_that_stands_still_is_shut_out_as_well(self):
        self.leave(Stage.MAKING, host='dead@ceph', pool='images')
        one, other = self.recovery(), self.recovery()
        self.recover('one', recovery=one)
        self.recover('other', recovery=other)
        self.clock.sleep(journal.LEASE + 1)
        clients = []

        def take_over():
            clients.extend(self.entry().clients)
            self.recover('other', recovery=other)
            self.clock.sleep(journal.LEASE + 1)
            self.recover('other', recovery=other)
            self.cluster.refusal = self.timeout()

        self.cluster.on('remove', take_over, times=1)
        self.recover('one', recovery=one)
        self.assertEqual('dead', self.cluster.shut_out[0])
        self.assertEqual(['dead', *clients], self.cluster.shut_out)
        self.assertUndone()

    def test_an_entry_that_is_not_settled_names_nobody(self):
        """It would be shut out for nothing at each look."""
        self.leave(Stage.MAKING, pool='images')
        self.cluster.fail('remove', self.timeout())
        recovery = self.recovery()
        for _look in range(3):
            self.recover(recovery=recovery)
        self.assertEqual(['dead'], self.cluster.shut_out)

    def test_nor_does_one_that_glance_keeps_from_being_settled(self):
        """It would end what is done by then for another entry."""
        self.leave(Stage.MAKING, pool='images')
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.recover()
        self.assertStays(Stage.MAKING)
        self.assertEqual((), self.entry().clients)

    def test_what_ceph_may_still_do_is_shut_out(self):
        self.leave(Stage.MAKING, pool='images')
        self.cluster.fail('remove', self.timeout())
        self.recover()
        self.assertEqual(1, len(self.entry().clients))

    def test_one_that_cannot_be_settled_does_not_keep_the_others(self):
        self.glance.create(FIRST)
        self.leave(Stage.MAKING, FIRST, pool='images', volume_id='other')
        self.leave(Stage.STARTED)
        self.cluster.fail('remove', self.timeout(), times=1)
        recovery = self.recovery()
        self.recover(recovery=recovery)
        self.assertUndone()
        self.assertIn(FIRST, self.glance.images)
        self.assertIn(
            f'WARNING The upload of image {FIRST}, which was left at stage '
            f'making, is not settled yet: removing images/offload-{FIRST} ',
            self.logs.output,
        )
        self.recover(recovery=recovery)
        self.assertEqual({}, self.cluster.entries())
        self.assertEqual(['volume-id', 'other'], self.freed)

    def test_a_volume_that_a_later_upload_uses_stays_as_it_is(self):
        self.glance.create(FIRST)
        self.leave(Stage.STARTED, FIRST)
        self.leave(Stage.STARTED)
        self.recover(active={FIRST})
        self.assertIsNone(self.entry())
        self.assertEqual([], self.freed)
        self.recover()
        self.assertEqual(['volume-id'], self.freed)

    def test_another_volume_s_upload_does_not_matter(self):
        self.leave(Stage.STARTED, FIRST, volume_id='other')
        self.leave(Stage.STARTED)
        self.recover(active={FIRST})
        self.assertDone()

    def test_a_volume_is_freed_once(self):
        """Later it may be in use for something else."""
        self.leave_data(Stage.PUBLISHED, clone=True, method='instant')
        recovery = self.recovery()
        for _look in range(3):
            self.recover(recovery=recovery)
        self.assertEqual(['volume-id'], self.freed)
        self.cluster.run_tasks()
        self.recover(recovery=recovery)
        self.assertDone()

    def test_a_volume_is_freed_when_what_hinders_it_is_over(self):
        self.leave(Stage.MAKING, pool='images')
        recovery = self.recovery()
        self.cluster.fail('remove', self.timeout(), times=1)
        self.recover(recovery=recovery)
        self.assertEqual([], self.freed)
        self.recover(recovery=recovery)
        self.assertDone()

    def test_a_volume_is_freed_by_one_host(self):
        """Whatever keeps the entry from being settled after that."""
        self.leave(Stage.STARTED)
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.recover()
        self.assertTrue(self.entry().freed)
        self.clock.sleep(journal.LEASE + 1)
        other = self.recovery()
        for _look in range(2):
            self.recover(THERE, recovery=other)
            self.clock.sleep(journal.LEASE + 1)
        self.assertEqual(THERE, self.entry().host)
        self.assertEqual(['volume-id'], self.freed)

    def test_a_volume_is_not_freed_by_who_came_too_late(self):
        self.leave(Stage.STARTED, host='dead@ceph')
        self.glance.fail('get', exc.CommunicationError('refused'))
        one, other = self.recovery(), self.recovery()
        self.recover('one', recovery=one)
        self.recover('other', recovery=other)
        self.clock.sleep(journal.LEASE + 1)
        self.cluster.on(
            'operate_write_op',
            lambda: self.recover('other', recovery=other),
            skip=self.cluster.reached.count(('operate_write_op', 'before')),
            times=1,
        )
        for _look in range(3):
            self.recover('one', recovery=one)
            self.clock.sleep(journal.LEASE + 1)
        self.assertEqual('one', self.entry().host)
        self.assertEqual(['volume-id'], self.freed)

    def test_a_volume_that_its_own_process_has_freed(self):
        self.method = 'instant'
        self.upload()
        with self.connection() as connection:
            book = journal.Journal(connection.table, base.HOST, 'first')
            for _look in range(3):
                self.recovery().run(connection, book, ())
                self.cluster.run_tasks()
        self.assertIsNone(self.entry())
        self.assertEqual([], self.freed)
