# SPDX-License-Identifier: Apache-2.0
"""When requests to Swift are made again, by a clock that nobody waits for."""

import email.utils
import logging
import time

import ddt
import fixtures
from keystoneauth1 import exceptions as ks_exceptions
from oslotest import base
import swiftclient

from cinder_rbd_offload.upload import resend

# What the own pauses before six attempts come to, in seconds, at most.
PAUSES = 1 + 2 + 4 + 8 + 16 + 5


def answer(status, **headers):
    return swiftclient.ClientException(
        'Swift',
        http_status=status,
        http_response_headers={
            name.replace('_', '-'): value for name, value in headers.items()
        },
    )


class Connection:
    """To a Swift whose answers take time.

    :ivar objects: the names of those that are there
    :ivar errors: called with the number of a request, tells what it ends with
    :ivar seconds: that a request takes
    """

    retries = 5
    url = token = ''

    def __init__(self, clock):
        self.clock = clock
        self.objects = set()
        self.errors = lambda _number: None
        self.seconds = 0
        self.requests = 0

    def close(self):
        pass

    def delete_object(self, _container, name):
        self.requests += 1
        self.clock.now += self.seconds
        if error := self.errors(self.requests):
            raise error
        if name not in self.objects:
            raise answer(404)
        self.objects.remove(name)


class Clock:
    def __init__(self):
        self.now = 1000.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds


class SenderTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.clock = Clock()
        self.swift = Connection(self.clock)
        self.sender = resend.Sender(
            lambda: self.swift,
            lambda: False,
            self.clock.sleep,
            lambda: self.clock.now,
        )


@ddt.ddt
class PauseTestCase(SenderTestCase):
    """How long the pauses are, whatever Swift asks for."""

    def pauses(self, **headers):
        def fail(_connection):
            raise answer(503, **headers)

        self.assertRaises(swiftclient.ClientException, self.sender.send, fail)
        self.assertEqual(resend.ATTEMPTS - 1, len(self.clock.pauses))
        return self.clock.pauses

    @ddt.data(None, '0', '1', 'soon', '-5', 'Wed, 21 Oct 2015 07:28:00 GMT')
    def test_they_grow_where_swift_asks_for_none(self, asked):
        headers = {'Retry_After': asked} if asked else {}
        pauses = self.pauses(**headers)
        for number, pause in enumerate(pauses):
            self.assertLessEqual(2**number, pause)
        self.assertLessEqual(sum(pauses), PAUSES)

    def test_swift_asks_for_longer_ones(self):
        self.assertEqual([40] * 5, self.pauses(Retry_After='40'))

    def test_swift_asks_for_one_until_a_date(self):
        now = time.time()
        self.useFixture(
            fixtures.MockPatchObject(time, 'time', lambda: now // 1)
        )
        date = email.utils.formatdate(now // 1 + 40, usegmt=True)
        self.assertEqual([40] * 5, self.pauses(Retry_After=date))

    @ddt.data('100000', 'Fri, 31 Dec 9999 23:59:59 GMT')
    def test_swift_asks_for_too_much(self, asked):
        self.assertEqual(
            [resend.LONGEST_PAUSE] * 5, self.pauses(Retry_After=asked)
        )


@ddt.ddt
class CleanUpTestCase(SenderTestCase):
    """What is left of an upload is removed, or named, in a fair time."""

    def remove(self, count=1000):
        names = [f'an-image-{number:05d}' for number in range(count)]
        self.swift.objects.update(names)
        self.sender.delete_objects('glance', reversed(names))

    def line(self):
        """Return the line of the log on what is left."""
        (line,) = (
            one for one in self.logs.output.splitlines() if 'have left' in one
        )
        return line

    def took(self):
        return self.clock.now - 1000

    def test_all_is_well(self):
        self.remove()
        self.assertEqual(set(), self.swift.objects)
        self.assertEqual(1000, self.swift.requests)
        self.assertEqual('', self.logs.output)

    def test_what_was_not_there(self):
        self.sender.delete_objects('glance', ['one', 'another'])
        self.assertEqual(2, self.swift.requests)
        self.assertEqual('', self.logs.output)

    def test_without_a_fault_it_has_all_the_time(self):
        self.swift.seconds = 1
        self.remove()
        self.assertLess(resend.CLEAN_UP, self.took())
        self.assertEqual(set(), self.swift.objects)

    def test_swift_is_overloaded(self):
        self.swift.errors = lambda _number: answer(503)
        self.remove()
        self.assertEqual(resend.ATTEMPTS + 999, self.swift.requests)
        self.assertLessEqual(self.took(), PAUSES)
        self.assertIn(
            'may have left 1000 objects in container glance', self.line()
        )
        self.assertIn('from an-image-00000 to an-image-00999', self.line())
        self.assertIn('503', self.line())

    def test_swift_is_overloaded_and_asks_for_time(self):
        self.swift.errors = lambda _number: answer(503, Retry_After='60')
        self.remove()
        self.assertLessEqual(self.took(), resend.CLEAN_UP + 60)
        self.assertIn('have left 1000 objects', self.line())

    def test_swift_is_slow_and_asks_for_time(self):
        self.swift.seconds = 60
        self.swift.errors = lambda _number: answer(503, Retry_After='60')
        self.remove()
        self.assertLessEqual(self.took(), 60 + resend.CLEAN_UP + 60 + 60)

    @ddt.data(OSError('timed out'), ks_exceptions.ConnectTimeout('timed out'))
    def test_one_is_silent(self, error):
        self.swift.seconds = 60
        self.swift.errors = lambda _number: error
        self.remove()
        # The last request, and the pause before it, began in time.
        self.assertLessEqual(self.took(), 60 + resend.CLEAN_UP + 17 + 60)
        self.assertIn('have left 1000 objects', self.line())
        self.assertIn('timed out', self.line())

    def test_each_object_takes_two_attempts(self):
        self.swift.errors = lambda number: number % 2 and answer(503)
        self.remove()
        self.assertLessEqual(self.took(), resend.CLEAN_UP + 2)
        left = len(self.swift.objects)
        self.assertTrue(0 < left < 900, left)
        self.assertIn(f'have left {left} objects', self.line())
        self.assertIn('503', self.line())

    def test_a_fault_that_passes(self):
        self.swift.errors = lambda number: number < 6 and answer(503)
        self.remove(10)
        self.assertEqual(set(), self.swift.objects)
        self.assertNotIn('have left', self.logs.output)

    def test_one_object_that_cannot_be_removed(self):
        self.swift.errors = lambda number: number <= 6 and answer(503)
        self.remove(10)
        self.assertEqual({'an-image-00009'}, self.swift.objects)
        self.assertIn('have left 1 objects', self.line())

    @ddt.data(answer(403), ks_exceptions.NotFound('of Keystone'))
    def test_a_final_answer(self, error):
        self.swift.errors = lambda _number: error
        self.remove()
        self.assertEqual(1000, self.swift.requests)
        self.assertEqual([], self.clock.pauses)
        self.assertIn('have left 1000 objects', self.line())
