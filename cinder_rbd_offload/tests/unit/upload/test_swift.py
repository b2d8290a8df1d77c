# SPDX-License-Identifier: Apache-2.0
"""Uploads straight to a Swift that does wrong at times."""

import logging
from unittest import mock

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_large_objects
from cinder_rbd_offload.tests import fake_source
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_layout
from cinder_rbd_offload.upload import swift_reference

IMAGE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
MIB = swift_layout.MIB
SEGMENT = 3 * MIB
CELLS = '..aabbcc00.d.eeeeeee...0f'
# What of it is neither hole nor zeros.
DATA = 15 * MIB
WHOLE = f'{IMAGE}.image'
SECOND = f'{IMAGE}.data-000000005'

Wrong = fake_large_objects.Wrong


class TestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger(level=logging.DEBUG))
        self.swift = fake_large_objects.Swift()
        self.addCleanup(self.swift.close)
        self.source = fake_source.Source(CELLS)
        # The pauses between attempts are not waited for.
        self.naps = []
        patcher = mock.patch.object(
            patience.Patience,
            '__init__',
            autospec=True,
            side_effect=self.impatient,
        )
        self.patience = patience.Patience.__init__
        patcher.start()
        self.addCleanup(patcher.stop)
        self.clock = 0.0

    def impatient(self, this, seconds):
        def pause(nap):
            self.naps.append(nap)
            self.clock += nap

        self.patience(this, seconds, 5, lambda: self.clock, pause)

    def account(self, **changes):
        given = {
            'auth_address': f'{self.swift.url}/v3',
            'user': 'service:glance',
            'key': self.swift.password,
        }
        return swift_reference.Account('ref1', **given | changes)

    def sink(self, segment=SEGMENT, workers=2, timeout=5, **more):
        self.seen = []
        return swift.SwiftSink(
            more.pop('account', self.account()),
            swift_reference.Access(),
            more.pop('container', self.swift.container),
            IMAGE,
            swift.Settings(workers, segment, 300, timeout),
            **more,
        )

    def send(self, sink=None, source=None):
        sink = sink or self.sink()
        return sink.send(source or self.source, self.seen.append)

    def assertWhole(self, source=None):
        source = source or self.source
        found = self.swift.objects[WHOLE]
        self.assertEqual(source.size, found.size)
        self.assertEqual(source.content(), self.swift.read(WHOLE))
        used = {line['path'] for line in self.swift.leaves(WHOLE)}
        parts = f'{IMAGE}.part-'
        there = {
            f'/glance/{name}'
            for name in self.swift.objects
            if name != WHOLE and not name.startswith(parts)
        }
        self.assertEqual(used, there)


@ddt.ddt
class SendTestCase(TestCase):
    def test_sparse(self):
        outcome = self.send()
        self.assertWhole()
        self.assertEqual(DATA + MIB, outcome.sent)
        self.assertEqual(outcome.sent, self.swift.received)
        self.assertEqual(DATA, self.sent_data())
        self.assertEqual(7, outcome.pieces)
        self.assertEqual(self.source.size, outcome.size)

    def sent_data(self):
        return sum(
            found.size
            for name, found in self.swift.objects.items()
            if '.data-' in name
        )

    def test_nothing_is_read_twice_or_for_nothing(self):
        self.send()
        allocated = sum(length for _, length in self.source.extents())
        self.assertEqual(allocated, self.source.read)

    @ddt.data('a', '.', '0', 'a.', '.a', 'a0', '0a', 'a' * 10, '.' * 10)
    def test_shapes(self, cells):
        source = fake_source.Source(cells)
        self.send(source=source)
        self.assertWhole(source)

    @ddt.data('a', '.', 'a..', '00')
    def test_an_odd_size(self, cells):
        source = fake_source.Source(cells, tail=12345)
        self.send(source=source)
        self.assertWhole(source)

    def test_no_segment_but_the_last_is_below_1_mib(self):
        source = fake_source.Source('a.a0aa.' * 5, tail=5)
        self.send(source=source)
        lengths = [
            len(
                range(
                    *fake_large_objects._slice(line).indices(
                        line['size_bytes']
                    )
                )
            )
            for line in self.swift.leaves(WHOLE)
        ]
        self.assertEqual(5, lengths.pop())
        self.assertGreaterEqual(min(lengths), MIB)

    def test_more_lines_than_a_manifest_has(self):
        self.swift.info['slo']['max_manifest_segments'] = 4
        source = fake_source.Source('a.' * 6)
        self.send(source=source)
        self.assertWhole(source)
        self.assertEqual(3, len(self.swift.objects[WHOLE].lines))

    def test_progress(self):
        self.send()
        self.assertEqual(sorted(self.seen), self.seen)
        self.assertEqual(self.source.size, self.seen[-1])
        self.assertLess(0, self.seen[0])

    def test_no_secret_is_told(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=503) if len(self.swift.requests) == 2 else None
        )
        account = self.account()
        self.send(self.sink(account=account))
        told = self.logs.output + repr(account)
        self.assertIn('503', told)
        self.assertNotIn(self.swift.password, told)
        self.assertNotIn('token-1', told)

    def test_withdraw_and_restore(self):
        sink = self.sink()
        self.send(sink)
        sink.withdraw()
        self.assertNotIn(WHOLE, self.swift.objects)
        sink.withdraw()
        sink.restore()
        self.assertWhole()
        # Another process, after a crash, does it as well.
        other = self.sink()
        other.withdraw()
        self.assertTrue(other.whole())
        other.restore()
        self.assertWhole()
        other.remove()
        self.assertFalse(other.whole())
        self.assertRaises(exceptions.SwiftRefused, other.restore)
        self.assertNotIn(WHOLE, self.swift.objects)


@ddt.ddt
class FaultsTestCase(TestCase):
    def spoil(self, method, name, *wrongs):
        """Have the first requests of a name go wrong."""
        left = list(wrongs)
        self.swift.wrong = lambda one, other: (
            left.pop(0) if left and (one, other) == (method, name) else None
        )
        self.addCleanup(lambda: self.assertEqual([], left))

    @ddt.data(
        Wrong(fake_large_objects.BEFORE),
        Wrong(fake_large_objects.MIDDLE),
        Wrong(fake_large_objects.AFTER),
        Wrong(fake_large_objects.BEFORE, 503),
        Wrong(fake_large_objects.MIDDLE, 500),
        Wrong(fake_large_objects.AFTER, 503),
        Wrong(status=401),
        Wrong(status=408),
        Wrong(status=429),
        Wrong(status=498),
        Wrong(status=499),
        Wrong(status=507),
        Wrong(fake_large_objects.AFTER, stall=0.7),
    )
    def test_a_segment_is_sent_again(self, wrong):
        self.spoil('PUT', SECOND, wrong)
        outcome = self.send(self.sink(timeout=0.5))
        self.assertWhole()
        self.assertEqual({SECOND}, self.again())
        self.assertLessEqual(outcome.sent, DATA + MIB + SEGMENT)

    def again(self):
        counts = self.swift.count('PUT')
        return {name for name, count in counts.items() if count > 1}

    @ddt.data('PUT', 'HEAD')
    def test_the_manifest_too(self, method):
        self.spoil(
            method, WHOLE, Wrong(), Wrong(status=503), Wrong(status=401)
        )
        self.send()
        self.assertWhole()

    def test_the_listing_too(self):
        self.send()
        self.spoil('GET', '', Wrong(), Wrong(status=503))
        self.sink().remove()
        self.assertEqual({}, self.swift.objects)

    def test_every_other_request_fails(self):
        self.swift.wrong = lambda method, name: (
            Wrong() if len(self.swift.requests) % 2 else None
        )
        self.send()
        self.assertWhole()

    def test_a_new_token(self):
        self.swift.expired.add('token-1')
        self.send()
        self.assertWhole()
        self.assertLessEqual(2, self.swift.tokens)

    def test_no_token_will_do(self):
        self.swift.expired.update(f'token-{n}' for n in range(99))
        self.assertRaises(exceptions.SwiftRefused, self.send)

    def test_what_arrives_is_not_what_left(self):
        self.swift.corrupt.add(SECOND)
        self.send()
        self.assertWhole()
        self.assertEqual({SECOND}, self.again())

    def test_retry_after(self):
        self.spoil(
            'PUT', SECOND, Wrong(status=429, headers={'Retry-After': '77'})
        )
        self.send()
        self.assertEqual(77, sum(self.naps))

    def test_time_begins_anew_when_data_flows(self):
        slow = Wrong(status=503, headers={'Retry-After': '299'})
        self.spoil('PUT', SECOND, slow, slow, slow)
        self.send()
        self.assertWhole()
        self.assertEqual(3 * 299, sum(self.naps))

    def test_patience_ends(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=503) if name == SECOND else None
        )
        error = self.assertRaises(exceptions.SwiftLost, self.send)
        self.assertIn('503', str(error))
        self.assertIn('300 s', str(error))
        # The first four pauses are not counted: data had flowed again.
        self.assertLessEqual(sum(self.naps), 0.5 + 1 + 2 + 4 + 300)
        self.assertLess(300 - 30, sum(self.naps))
        self.assertNotIn(WHOLE, self.swift.objects)

    def test_no_room_to_the_end(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=507) if name == SECOND else None
        )
        error = self.assertRaises(exceptions.SwiftFull, self.send)
        self.assertIn('507', str(error))

    @ddt.data(401, 403, 404)
    def test_nothing_was_started(self, status):
        sink = self.sink()
        self.swift.wrong = lambda method, name: Wrong(status=status)
        self.assertRaises(exceptions.SwiftRefused, self.send, sink)
        self.assertFalse(sink.started)

    @ddt.data(0, 413, 503)
    def test_something_may_have_been_started(self, status):
        sink = self.sink()
        answers = [Wrong(status=status)] * 2
        self.swift.wrong = lambda method, name: (
            answers.pop() if answers else Wrong(status=403)
        )
        self.assertRaises(exceptions.SwiftRefused, self.send, sink)
        self.assertTrue(sink.started)

    @ddt.data(
        (403, exceptions.SwiftRefused),
        (404, exceptions.SwiftRefused),
        (413, exceptions.SwiftRefused),
    )
    @ddt.unpack
    def test_final(self, status, error):
        self.spoil('PUT', SECOND, Wrong(fake_large_objects.BEFORE, status))
        raised = self.assertRaises(error, self.send)
        self.assertIn(str(status), str(raised))
        self.assertIn('as told', str(raised))
        self.assertNotIn(WHOLE, self.swift.objects)
        self.assertEqual(set(), self.again())

    def test_no_container(self):
        sink = self.sink(container='elsewhere')
        error = self.assertRaises(exceptions.SwiftRefused, self.send, sink)
        self.assertIn('container', str(error))
        self.assertFalse(sink.started)
        sink.remove()

    def test_a_wrong_key(self):
        sink = self.sink(account=self.account(key='wrong'))
        error = self.assertRaises(exceptions.SwiftRefused, self.send, sink)
        self.assertIn('Keystone', str(error))
        self.assertFalse(sink.started)

    def test_nobody_listens(self):
        account = self.account(auth_address='http://127.0.0.1:1/v3')
        sink = self.sink(account=account)
        self.assertRaises(exceptions.SwiftLost, self.send, sink)

    def test_no_large_objects(self):
        del self.swift.info['slo']
        error = self.assertRaises(exceptions.SwiftRefused, self.send)
        self.assertIn('filter slo', str(error))

    def test_no_limits_told(self):
        self.swift.info = None
        with mock.patch.object(
            fake_large_objects._Handler, '_put_manifest', autospec=True
        ) as put:
            put.return_value = 201, b'', {}
            self.assertRaises(exceptions.SwiftRefused, self.send)
        put.assert_called_once()

    @ddt.data(
        ('503 Service Unavailable', []),
        ('400 Bad Request', [['/glance/x', '503 Service Unavailable']]),
        ('500 Internal Error', []),
    )
    def test_a_manifest_fails_late_by_chance(self, final):
        self.swift.heartbeat_status = [final]
        self.swift.heartbeat_status.append(('201 Created', []))
        self.send()
        self.assertWhole()

    def test_a_manifest_fails_late(self):
        wrong = [['/glance/x', 'Etag Mismatch']]
        self.swift.heartbeat_status = [('400 Bad Request', wrong)]
        error = self.assertRaises(exceptions.SwiftRefused, self.send)
        self.assertIn('Etag Mismatch', str(error))

    def test_the_source_fails(self):
        """An OSError of the source is none of the connection."""
        self.source.fail[7 * MIB] = TimeoutError('no OSD')
        error = self.assertRaises(TimeoutError, self.send)
        self.assertEqual('no OSD', str(error))
        self.assertEqual(set(), self.again())
        self.assertNotIn(SECOND, self.swift.objects)

    def test_the_source_is_too_short(self):
        self.source.size += MIB
        real = self.source.extents
        self.source.extents = lambda: [*real(), (25 * MIB, MIB)]
        self.source._cell = lambda number: b'a' * (MIB if number < 25 else 9)
        error = self.assertRaises(exceptions.CephError, self.send)
        self.assertIn('there are 9', str(error))


@ddt.ddt
class EndTestCase(TestCase):
    def test_cancel(self):
        reads = []

        def check():
            reads.append(self.source.read)
            if self.source.read > 4 * MIB:
                raise exceptions.ImageGone(IMAGE)

        sink = self.sink(check=check)
        self.assertRaises(exceptions.ImageGone, self.send, sink)
        self.assertLess(self.source.read, 8 * MIB)
        sink.remove()
        self.assertEqual({}, self.swift.objects)

    def test_cancel_ends_a_pause(self):
        self.swift.wrong = lambda method, name: Wrong(status=503)

        def check():
            if self.naps:
                raise exceptions.ImageGone(IMAGE)

        sink = self.sink(check=check)
        self.assertRaises(exceptions.ImageGone, self.send, sink)

    def test_remove(self):
        self.swift.page = 3
        self.swift.info['slo']['max_manifest_segments'] = 4
        self.send()
        self.sink().remove()
        self.assertEqual({}, self.swift.objects)
        self.sink().remove()

    def test_remove_what_is_not_listed_yet(self):
        self.swift.unlisted.add(SECOND)
        sink = self.sink()
        self.send(sink)
        sink.remove()
        self.assertEqual({}, self.swift.objects)

    def test_remove_what_was_lost_on_the_way_back(self):
        self.swift.wrong = lambda method, name: (
            Wrong(fake_large_objects.AFTER) if name == SECOND else None
        )
        self.swift.unlisted.add(SECOND)
        sink = self.sink()
        self.assertRaises(exceptions.SwiftLost, self.send, sink)
        self.assertIn(SECOND, self.swift.objects)
        self.swift.wrong = lambda method, name: None
        sink.remove()
        self.assertEqual({}, self.swift.objects)

    def test_remove_leaves_what_others_made(self):
        others = {
            IMAGE: fake_large_objects.Object(b'', 'e'),
            f'{IMAGE}-00001': fake_large_objects.Object(b'a', 'e', None, 1),
            'another': fake_large_objects.Object(b'a', 'e', None, 1),
        }
        self.swift.objects.update(others)
        self.sink().remove()
        self.assertEqual(others, self.swift.objects)

    def test_remove_goes_on_where_one_fails(self):
        self.send(self.sink(segment=MIB))
        first = sorted(self.swift.objects)[0]
        self.swift.wrong = lambda method, name: (
            Wrong(status=403) if (method, name) == ('DELETE', first) else None
        )
        self.assertRaises(exceptions.SwiftRefused, self.sink().remove)
        self.assertIn(first, self.swift.objects)
        self.swift.wrong = lambda method, name: None
        self.sink().remove()
        self.assertEqual({}, self.swift.objects)

    @ddt.data('withdraw', 'restore')
    def test_what_is_tried_again_is_not_waited_for(self, step):
        """The time that Glance has for a location is not exceeded."""
        self.send()
        self.swift.wrong = lambda method, name: Wrong(status=503)
        self.assertRaises(exceptions.SwiftLost, getattr(self.sink(), step))
        self.assertLessEqual(sum(self.naps), swift.SOON)

    def test_remove_does_not_bear_the_same_fault_again_and_again(self):
        self.send(self.sink(segment=MIB))
        self.swift.wrong = lambda method, name: (
            Wrong(status=503) if method == 'DELETE' else None
        )
        self.assertRaises(exceptions.SwiftLost, self.sink().remove)
        # Two workers, and each bears it once.
        self.assertLessEqual(sum(self.naps), 2 * 300)
