# SPDX-License-Identifier: Apache-2.0
"""A body is the whole file, however often it is sent."""

import hashlib
import io
import itertools

import fixtures
from oslotest import base
from requests import models

from cinder_rbd_offload.upload import body

DATA = bytes(range(256)) * 40


class BodyTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(body, 'CHUNK', 1000))
        self.checks = itertools.count()
        self.reported = []
        self.opened = []
        self.body = self.make(len(DATA))

    def make(self, size, check=None):
        made = body.Body(
            self.begin,
            size,
            check or (lambda: next(self.checks)),
            self.reported.append,
            lambda thing: thing,
        )
        self.addCleanup(made.close)
        return made

    def begin(self):
        self.opened.append(io.BytesIO(DATA))
        return self.opened[-1]

    def test_all_of_it_each_time(self):
        for _attempt in range(2):
            self.assertEqual(DATA, b''.join(self.body))
        self.assertEqual(len(DATA), self.body.sent)

    def test_after_an_attempt_that_broke_off(self):
        for _chunk in itertools.islice(self.body, 3):
            pass
        self.assertEqual(2000, self.body.sent)
        self.assertEqual(DATA, b''.join(self.body))
        self.assertEqual(
            hashlib.md5(DATA, usedforsecurity=False).hexdigest(),
            self.body.md5(),
        )

    def test_before_anything_was_read(self):
        self.assertEqual(
            hashlib.md5(usedforsecurity=False).hexdigest(), self.body.md5()
        )

    def test_it_tells_whether_it_came_to_the_end(self):
        self.assertFalse(self.body.whole)
        for _attempt in range(2):
            for _chunk in itertools.islice(self.body, 3):
                pass
            self.assertFalse(self.body.whole)
            b''.join(self.body)
            self.assertTrue(self.body.whole)

    def test_the_report(self):
        b''.join(self.body)
        self.assertEqual([*range(1000, len(DATA), 1000)][-1], self.reported[9])
        self.assertEqual(len(DATA), self.reported[-1])

    def test_the_check_ends_it(self):
        def stop():
            if next(self.checks) == 3:
                raise RuntimeError('stopped')

        stopped = self.make(len(DATA), stop)
        self.assertRaises(RuntimeError, b''.join, stopped)
        self.assertEqual(3000, stopped.sent)

    def test_requests_sends_its_length(self):
        request = models.PreparedRequest()
        request.prepare('PUT', 'http://192.0.2.1/', data=self.body)
        self.assertEqual(str(len(DATA)), request.headers['Content-Length'])
        self.assertNotIn('Transfer-Encoding', request.headers)
        self.assertIs(self.body, request.body)

    def test_a_size_that_nobody_knows(self):
        unknown = self.make(None)
        request = models.PreparedRequest()
        request.prepare('PUT', 'http://192.0.2.1/', data=unknown)
        self.assertEqual('chunked', request.headers['Transfer-Encoding'])
        self.assertNotIn('Content-Length', request.headers)
        self.assertEqual(DATA, b''.join(unknown))
        self.assertEqual(len(DATA), unknown.sent)

    def test_it_closes_what_it_has_opened(self):
        for _attempt in range(2):
            next(iter(self.body))
        first, second = self.opened
        self.assertTrue(first.closed)
        self.assertFalse(second.closed)
        self.body.close()
        self.assertTrue(second.closed)
