# SPDX-License-Identifier: Apache-2.0
"""Of all hosts one works on an upload, and each knows whether it is that."""

import dataclasses
import json
import logging

import ddt

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests.unit import base

FULL = journal.Entry(
    image_id=base.IMAGE,
    volume=base.VOLUME,
    volume_id='volume-id',
    host='here@ceph',
    run='first',
    node='one',
    clients=('me',),
    expires='one-day',
    trust='a-trust',
    started=1.5,
    beat=7,
    reason='since Größe matters',
    method='copy',
    pool='images',
    store='objects',
    container='glance',
    elsewhere=('web', 'files'),
    location=base.URL,
    rbd_id='1234',
    size=24,
    done=2,
    total=3,
    bytes=16,
    freed=True,
)


class JournalTestCase(base.TestCase):
    def journal(self, host='here@ceph', run='first', node='one'):
        """Return the journal as a host sees it."""
        ioctx = self.pool('volumes').ioctx
        return journal.Journal(
            ceph.Table(self.cluster.rados, ioctx), host, run, node
        )

    def begin(self, book=None, image_id=base.IMAGE):
        book = book or self.journal()
        return book.begin(
            image_id,
            base.VOLUME,
            'volume-id',
            'me',
            'one-day',
            clock=lambda: 1.5,
        )

    def stored(self):
        """Return the entry as it is in the cluster."""
        text = self.cluster.entries().get(base.IMAGE)
        return text and journal.Entry.from_text(text.decode())

    def write(self, text, key=base.IMAGE):
        omap = self.cluster.omap['volumes']
        omap.setdefault('rbd_offload.journal', {})[key] = text.encode()

    def fail_next(self, when, text='no answer'):
        """Have the next change fail, before or after it took effect."""
        point = ('operate_write_op', when)
        self.cluster.fail(
            'operate_write_op',
            self.cluster.rados.TimedOut(text),
            when=when,
            skip=self.cluster.reached.count(point),
            times=1,
        )


@ddt.ddt
class EntryTestCase(JournalTestCase):
    def test_every_field_is_looked_at_here(self):
        """None has the value by which it would be left out unseen."""
        for field in dataclasses.fields(journal.Entry):
            if field.name != 'stage':
                self.assertNotEqual(field.default, getattr(FULL, field.name))

    @ddt.data(*journal.Stage)
    def test_an_entry_is_read_as_it_was_written(self, stage):
        entry = dataclasses.replace(FULL, stage=stage)
        again = journal.Entry.from_text(entry.to_text())
        self.assertEqual(entry, again)
        self.assertIs(stage, again.stage)

    def test_the_same_entry_is_the_same_text(self):
        """The texts are compared, by a host that knows the entry only."""
        text = FULL.to_text()
        self.assertEqual(text, journal.Entry.from_text(text).to_text())

    def test_an_entry_of_a_later_version(self):
        later = json.loads(FULL.to_text()) | {'colour': 'green'}
        self.assertEqual(FULL, journal.Entry.from_text(json.dumps(later)))

    def test_an_entry_of_an_earlier_version(self):
        earlier = json.loads(FULL.to_text())
        del earlier['bytes']
        self.assertEqual(
            dataclasses.replace(FULL, bytes=0),
            journal.Entry.from_text(json.dumps(earlier)),
        )

    @ddt.data(
        'no JSON',
        '[]',
        '{}',
        'null',
        json.dumps(json.loads(FULL.to_text()) | {'stage': 'unheard of'}),
        json.dumps({'stage': 'making'}),
    )
    def test_what_cannot_be_read_is_left_alone(self, text):
        self.begin(image_id='other')
        self.write(text)
        self.assertEqual(['other'], list(self.journal().records()))
        (line,) = self.warnings()
        self.assertIn(f'an entry {base.IMAGE} that this version', line)
        self.assertEqual(text, self.cluster.entries()[base.IMAGE].decode())

    def warnings(self):
        name = logging.getLevelName(logging.WARNING)
        lines = self.logs.output.splitlines()
        return [line for line in lines if line.startswith(name)]


class RecordTestCase(JournalTestCase):
    """The one host whose entry it is."""

    def test_begin(self):
        record = self.begin()
        self.assertEqual(
            journal.Entry(
                base.IMAGE,
                base.VOLUME,
                'volume-id',
                'here@ceph',
                'first',
                node='one',
                clients=('me',),
                expires='one-day',
                started=1.5,
                stage=journal.Stage.STARTED,
            ),
            record.entry,
        )
        self.assertEqual(record.entry, self.stored())

    def test_there_is_one_already(self):
        first = self.begin()
        for host in ('here@ceph', 'there@ceph'):
            self.assertRaises(
                exceptions.TakenOver, self.begin, self.journal(host, 'second')
            )
        self.assertEqual(first.entry, self.stored())

    def test_a_beginning_that_fails_leaves_nothing(self):
        """Recovery would delete the image under the ordinary upload."""
        self.fail_next('after')
        self.assertRaises(exceptions.CephError, self.begin)
        self.assertEqual({}, self.cluster.entries())

    def test_a_beginning_that_is_not_permitted_wrote_nothing(self):
        self.cluster.fail(
            'operate_write_op', self.cluster.rados.PermissionDeniedError('no')
        )
        self.assertRaises(exceptions.CephNotPermitted, self.begin)

    def test_a_beginning_that_could_not_be_taken_back(self):
        """Recovery might find it, and says so to nobody."""
        self.fail_next('after', 'first')
        self.cluster.fail(
            'operate_write_op',
            self.cluster.rados.TimedOut('second'),
            skip=1,
            times=1,
        )
        error = self.assertRaises(exceptions.EntryUnknown, self.begin)
        self.assertIn('first', str(error))

    def test_update(self):
        record = self.begin()
        record.update(stage=journal.Stage.MAKING, pool='images')
        self.assertEqual('images', record.entry.pool)
        self.assertEqual(journal.Stage.MAKING, record.entry.stage)
        self.assertEqual(record.entry, self.stored())

    def test_every_update_is_a_sign_of_life(self):
        """Also one that changes nothing."""
        record = self.begin()
        for beat in (1, 2, 3):
            record.update()
            self.assertEqual(beat, self.stored().beat)

    def test_an_update_that_fails_changes_nothing(self):
        record = self.begin()
        before = record.entry
        self.fail_next('before')
        self.assertRaises(exceptions.CephError, record.update, done=1)
        self.assertEqual(before, record.entry)
        record.update(done=2)
        self.assertEqual((2, 1), (self.stored().done, self.stored().beat))

    def test_strike(self):
        record = self.begin()
        record.update()
        record.strike()
        self.assertEqual({}, self.cluster.entries())


@ddt.ddt
class LostAnswerTestCase(JournalTestCase):
    """A change took effect, and the host was told of an error instead."""

    def setUp(self):
        super().setUp()
        self.record = self.begin()
        self.fail_next('after')

    def test_the_same_change_is_recognised_as_ours(self):
        self.assertRaises(exceptions.CephError, self.record.strike)
        self.assertEqual({}, self.cluster.entries())
        self.record.strike()

    def test_another_change_follows(self):
        """The entry is as this host wrote it: nobody has taken it over."""
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        self.assertEqual(1, self.stored().done)
        self.record.update(done=2)
        self.assertEqual(2, self.stored().done)
        self.assertEqual(self.record.entry, self.stored())

    def test_the_end_follows(self):
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        self.record.strike()
        self.assertEqual({}, self.cluster.entries())

    def test_it_happens_again(self):
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        self.fail_next('before')
        self.assertRaises(exceptions.CephError, self.record.update, done=2)
        self.record.update(done=3)
        self.assertEqual(3, self.stored().done)

    def test_another_host_is_faster_while_it_is_found_out(self):
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        other = self.journal('there@ceph', 'second')
        record = other.records()[base.IMAGE]
        self.cluster.on(
            'operate_read_op',
            lambda: other.take(record, 'new'),
            when='after',
            skip=self.cluster.reached.count(('operate_read_op', 'after')) + 1,
            times=1,
        )
        self.assertRaises(exceptions.TakenOver, self.record.update, done=2)
        self.assertEqual('there@ceph', self.stored().host)

    def test_what_was_taken_out_stays_out(self):
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        self.record.strike()
        self.assertRaises(exceptions.TakenOver, self.record.update, done=2)
        self.assertIsNone(self.stored())

    def test_taking_an_entry(self):
        other = self.journal('there@ceph', 'second')
        record = other.records()[base.IMAGE]
        self.assertRaises(exceptions.CephError, other.take, record, 'new')
        self.assertTrue(other.take(record, 'new'))
        self.assertRaises(exceptions.TakenOver, self.record.update)

    def test_another_host_has_taken_it_since(self):
        self.assertRaises(exceptions.CephError, self.record.update, done=1)
        other = self.journal('there@ceph', 'second')
        self.assertTrue(other.take(other.records()[base.IMAGE], 'new'))
        self.assertRaises(exceptions.TakenOver, self.record.update, done=2)


@ddt.ddt
class TakeTestCase(JournalTestCase):
    """One host takes another for dead."""

    def setUp(self):
        super().setUp()
        self.owner = self.begin()
        self.first = self.journal('first@ceph', 'second')
        self.second = self.journal('second@ceph', 'second')

    def test_take(self):
        record = self.first.records()[base.IMAGE]
        self.assertTrue(self.first.take(record, 'new'))
        self.assertEqual('first@ceph', self.stored().host)
        self.assertEqual('second', self.stored().run)
        self.assertEqual(('me', 'new'), self.stored().clients)
        self.assertEqual(1, self.stored().beat)

    def test_one_of_two_gets_it(self):
        records = [
            book.records()[base.IMAGE] for book in (self.first, self.second)
        ]
        self.assertTrue(self.first.take(records[0], 'new'))
        self.assertFalse(self.second.take(records[1], 'new'))
        self.assertEqual('first@ceph', self.stored().host)

    def test_an_owner_that_lives_keeps_it(self):
        record = self.first.records()[base.IMAGE]
        self.owner.update()
        self.assertFalse(self.first.take(record, 'new'))
        self.assertEqual('here@ceph', self.stored().host)
        self.owner.update()

    @ddt.data('update', 'strike')
    def test_an_owner_that_comes_back(self, method):
        self.first.take(self.first.records()[base.IMAGE], 'new')
        taken = self.stored()
        error = self.assertRaises(
            exceptions.TakenOver, getattr(self.owner, method)
        )
        self.assertIn(base.IMAGE, str(error))
        self.assertEqual(taken, self.stored())

    def test_an_owner_that_comes_back_when_all_is_done(self):
        record = self.first.records()[base.IMAGE]
        self.first.take(record, 'new')
        record.strike()
        self.assertRaises(exceptions.TakenOver, self.owner.update)
        self.assertIsNone(self.stored())

    def test_another_run_of_the_same_host_takes_it_as_well(self):
        again = self.journal(run='second')
        record = again.records()[base.IMAGE]
        self.assertTrue(again.take(record, 'new'))
        self.assertRaises(exceptions.TakenOver, self.owner.update)

    def test_mine(self):
        entry = self.stored()
        self.assertTrue(self.journal(run='second').mine(entry))
        self.assertFalse(self.first.mine(entry))

    def test_another_machine_that_shares_the_name_is_another_host(self):
        other = self.journal(run='second', node='two')
        self.assertFalse(other.mine(self.stored()))
        record = other.records()[base.IMAGE]
        self.assertTrue(other.take(record, 'new'))
        self.assertTrue(other.mine(self.stored()))
        self.assertFalse(self.journal().mine(self.stored()))

    def test_of_this_run(self):
        entry = self.stored()
        self.assertTrue(self.journal().of_this_run(entry))
        self.assertFalse(self.journal(run='second').of_this_run(entry))
        self.assertFalse(self.first.of_this_run(entry))


class RememberTestCase(JournalTestCase):
    def test_recall(self):
        book = self.journal()
        self.assertEqual('', book.recall('what'))
        book.remember('what', 'first')
        book.remember('what', 'second')
        self.assertEqual('second', self.journal('there').recall('what'))
        self.assertEqual('', book.recall('else'))

    def test_it_is_no_entry(self):
        book = self.journal()
        book.remember(base.IMAGE, 'something')
        self.assertEqual({}, book.records())
        self.begin(book)
        self.assertEqual([base.IMAGE], list(book.records()))
        self.assertEqual('something', book.recall(base.IMAGE))
        self.assertNotIn('WARNING', self.logs.output)
