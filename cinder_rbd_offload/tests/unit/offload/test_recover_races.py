# SPDX-License-Identifier: Apache-2.0
"""What comes late, or is half done, costs no data and holds nothing up."""

import errno

from glanceclient import exc as glance_exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base as unit_base
from cinder_rbd_offload.tests.unit.offload import base

FIRST = '00000000-9dad-11d1-80b4-00c04fd430c8'
IMAGE = unit_base.IMAGE
Stage = journal.Stage


class Sent:
    """What an upload past Glance has sent."""

    def __init__(self, whole):
        self.whole = lambda: whole
        self.removed = 0

    def remove(self):
        self.removed += 1


class StaleTestCase(base.RecoverTestCase):
    """An entry has changed since recovery has read it."""

    def end_meanwhile(self, record):
        """Have an upload end well while recovery looks at another entry."""
        active = {IMAGE}

        def act_for(_trust):
            if active:
                record.update(stage=Stage.ENDED)
                active.clear()
            return self.api()

        self.act_for = act_for
        self.glance.create(FIRST)
        self.leave(Stage.STARTED, FIRST, volume_id='other')
        with self.connection() as connection:
            book = journal.Journal(connection.table, base.HOST, 'first')
            self.recovery().run(connection, book, active)
        self.assertEqual(set(), active)

    def assertEnded(self):
        text = self.cluster.entries()[IMAGE].decode()
        self.assertEqual(Stage.ENDED, journal.Entry.from_text(text).stage)

    def test_an_upload_of_the_same_process_has_ended(self):
        """Its data is in Glance by now, although the entry was read before."""
        self.leave_data(Stage.MAKING)
        self.publish()
        with self.connection() as connection:
            book = journal.Journal(connection.table, base.HOST, 'first')
            self.end_meanwhile(book.records()[IMAGE])
        self.assertComplete()
        self.assertEnded()

    def test_an_upload_straight_to_swift_has_ended(self):
        sent = Sent(whole=True)
        self.reach = lambda _entry: sent
        self.leave(Stage.SENDING, store='objects', container='glance')
        with self.connection() as connection:
            book = journal.Journal(connection.table, base.HOST, 'first')
            self.end_meanwhile(book.records()[IMAGE])
        self.assertEqual(0, sent.removed)
        self.assertEnded()


class LateOfferTestCase(base.RecoverTestCase):
    """A location that was refused arrives once more, late.

    The image is flattened and sealed by then, so Glance takes it.
    """

    def setUp(self):
        super().setUp()
        self.method = 'instant'
        api = self.api
        self.api = lambda: api(add_location=self.refuse)

    def refuse(self, *_args):
        raise glance_exc.HTTPBadGateway('504')

    def arrive(self, then):
        """Have it arrive when the image is sealed for the second time."""

        def arrive():
            stored = self.images.get(IMAGE)
            if stored and stored.parent is None:
                self.glance.call(
                    'add_image_location',
                    IMAGE,
                    unit_base.URL,
                    {},
                    privileged_user=True,
                )
                self.clock.sleep(1)
                then()

        self.cluster.on('protect_snap', arrive, when='after')

    def kill(self):
        self.cluster.dead = base.Killed()

    def fail(self):
        raise self.timeout()

    def test_the_process_is_killed_then(self):
        self.arrive(self.kill)
        self.assertRaises(base.Killed, self.upload)
        self.cluster.dead = None
        self.cluster.opened.clear()
        self.settle()
        self.assertComplete()

    def test_the_sealing_fails_then(self):
        self.arrive(self.fail)
        self.assertRaises(exceptions.LocationUnknown, self.upload)
        self.settle()
        self.assertComplete()


class HalfTestCase(base.RecoverTestCase):
    """A client was killed within one operation of librbd's."""

    def killed_in(self, operation, skip=0):
        def die():
            self.cluster.dead = base.Killed()

        self.cluster.on(operation, die, when='half', skip=skip, times=1)
        self.assertRaises(base.Killed, self.recover)
        self.cluster.dead = None
        self.cluster.opened.clear()

    def test_a_snapshot_is_neither_protected_nor_not(self):
        self.leave_data(Stage.MAKING, base.DRAFT)
        self.killed_in('unprotect_snap')
        self.recover()
        self.assertUndone()

    def test_of_an_image_only_the_name_is_left(self):
        self.glance.blind = True
        self.leave_data(Stage.PUBLISHING)
        self.killed_in('remove')
        self.recover()
        self.assertUndone()

    def test_a_foreign_image_that_is_half_removed(self):
        """It has the name, but not the id."""
        self.leave_data(Stage.MAKING, rbd_id='another')
        self.images[IMAGE].headless = True
        self.recover()
        self.assertIn(IMAGE, self.images)


class OvertakenTestCase(base.RecoverTestCase):
    def test_nothing_is_undone_that_another_host_has_taken_over(self):
        """This one stood still for so long that it is let in again."""
        self.glance.blind = True
        other = self.recovery()
        stood = []

        def stand_still():
            entry = self.entry()
            stored = self.images.get(IMAGE)
            if stood or not stored or stored.snapshots:
                return
            if entry.stage is not Stage.PUBLISHING:
                return
            stood.append(entry)
            self.glance.heal()
            for _look in range(2):
                self.recover('there@ceph', recovery=other)
                self.clock.sleep(journal.LEASE + 1)

        # The decision that the location is refused has been made by then.
        self.cluster.on('operate_write_op', stand_still)
        self.assertRaises(exceptions.TakenOver, self.upload)
        self.assertEqual(1, len(stood))
        self.assertComplete()


class StateTestCase(base.RecoverTestCase):
    def test_glance_still_works_on_what_swift_does_not_show(self):
        sent = Sent(whole=False)
        self.reach = lambda _entry: sent
        self.leave(
            Stage.REGISTERING,
            store='objects',
            container='glance',
            location='swift+reference://',
            size=unit_base.SIZE,
        )
        self.glance.images[IMAGE]['os_glance_import_task'] = 'a task'
        self.recover()
        self.assertEqual(0, sent.removed)
        self.assertStays(Stage.REGISTERING)

    def test_glance_s_pool_is_no_more(self):
        self.pool('volumes').snapshot(unit_base.VOLUME, base.DRAFT)
        self.leave(Stage.MAKING, pool='gone')
        self.recover()
        self.assertUndone()

    def test_an_entry_of_other_bytes_than_text(self):
        self.leave(Stage.STARTED)
        self.cluster.omap['volumes']['rbd_offload.journal'][FIRST] = b'\xff'
        self.recover()
        self.assertNotIn(IMAGE, self.cluster.entries())

    def test_an_entry_whose_fields_are_of_other_types(self):
        self.leave(Stage.STARTED)
        self.leave(Stage.STARTED, FIRST, volume_id='other')
        entries = self.cluster.omap['volumes']['rbd_offload.journal']
        entries[FIRST] = entries[FIRST].replace(b'"beat": 1', b'"beat": "x"')
        self.recover()
        self.assertEqual([FIRST], list(self.cluster.entries()))

    def test_a_flatten_comes_after_what_a_crash_has_left(self):
        self.leave_data(Stage.PUBLISHED, clone=True, method='instant')
        self.publish()
        self.glance.create(FIRST)
        self.leave(Stage.STARTED, FIRST, volume_id='other')
        left = []
        self.cluster.on(
            'mgr_command', lambda: left.append(list(self.cluster.entries()))
        )
        self.recover()
        self.assertEqual([IMAGE], left[0])

    def test_a_volume_is_not_freed_once_its_host_has_looked(self):
        """Another host goes on flattening, when the owner is busy."""
        self.method = 'instant'
        self.upload()
        with self.connection() as connection:
            book = journal.Journal(connection.table, base.HOST, 'first')
            self.recovery().run(connection, book, ())
        other = self.recovery()
        for _look in range(2):
            self.recover('there@ceph', recovery=other)
            self.clock.sleep(journal.LEASE + 1)
        self.assertEqual('there@ceph', self.entry().host)
        self.assertEqual([], self.freed)


class FullTestCase(base.RecoverTestCase):
    def test_operations_fail_in_a_full_pool_and_do_not_wait(self):
        tries = []

        def look():
            tries.extend(
                one.full_try
                for one in self.cluster.opened
                if isinstance(one, fake_ceph.Ioctx)
            )

        self.cluster.on('flatten', look)
        self.upload()
        self.assertEqual([True, True], tries)

    def test_the_pool_becomes_full(self):
        error = self.cluster.rbd.NoSpace('full')
        error.errno = errno.ENOSPC
        self.cluster.fail('flatten', error)
        raised = self.assertRaises(exceptions.PoolFull, self.upload)
        self.assertIn('pool images, or the pool of its data', str(raised))
        self.assertNothingLeft()
