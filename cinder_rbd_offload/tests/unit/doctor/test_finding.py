# SPDX-License-Identifier: Apache-2.0
"""The worst finding counts; nothing that is quoted commands a terminal."""

import ddt
from oslotest import base

from cinder_rbd_offload.doctor import finding


@ddt.ddt
class FindingTestCase(base.BaseTestCase):
    @ddt.data(
        ([], 0),
        ([finding.ok('a', 'b')], 0),
        ([finding.ok('a', 'b'), finding.warning('a', 'b', 'c')], 1),
        ([finding.error('a', 'b', 'c'), finding.warning('a', 'b', 'c')], 2),
    )
    @ddt.unpack
    def test_worst(self, found, expected):
        self.assertEqual(expected, finding.worst(found))

    def test_of_a_backend(self):
        one = finding.ok('a', 'b')
        self.assertEqual('', one.backend)
        self.assertEqual('fast', one.of('fast').backend)

    @ddt.data(
        ('Bär 1', 'Bär 1'),
        ('\x1b[2Jx', '\\x1b[2Jx'),
        ('a\nb', 'a\\nb'),
        ('\u202e', '\\u202e'),
    )
    @ddt.unpack
    def test_printable(self, text, expected):
        self.assertEqual(expected, finding.printable(text))
