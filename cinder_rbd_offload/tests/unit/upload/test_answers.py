# SPDX-License-Identifier: Apache-2.0
"""What an answer says of asking again."""

import time

import ddt
import fixtures

from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.upload import answers

# Sun, 22 Nov 2026 00:00:00 GMT
NOW = 1795305600


@ddt.ddt
class AnswersTestCase(base.TestCase):
    @ddt.data(408, 429, 498, 499, 500, 502, 503, 504, 507, 520, 529)
    def test_passes(self, status):
        self.assertTrue(answers.passes(status))

    @ddt.data(0, 200, 301, 400, 401, 403, 404, 409, 413, 422, 600)
    def test_is_final(self, status):
        self.assertFalse(answers.passes(status))

    @ddt.data(
        ('7', 7),
        (' 0 ', 0),
        ('', 0),
        ('soon', 0),
        ('-1', 0),
        ('Sun, 22 Nov 2026 00:01:00 GMT', 60),
        ('Sat, 21 Nov 2026 23:59:00 GMT', 0),
        ('Sun, 99 Nov 2026 00:01:00 GMT', 0),
    )
    @ddt.unpack
    def test_pause(self, text, expected):
        self.useFixture(
            fixtures.MockPatchObject(time, 'time', lambda: float(NOW))
        )
        self.assertEqual(expected, answers.pause({'Retry-After': text}))

    def test_no_pause(self):
        self.assertEqual(0, answers.pause({}))
