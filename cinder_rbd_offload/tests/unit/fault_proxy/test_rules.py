# SPDX-License-Identifier: Apache-2.0
"""Rules as a person writes them."""

import ddt
from oslotest import base

from cinder_rbd_offload.tests.fault_proxy import rules


@ddt.ddt
class RulesTestCase(base.BaseTestCase):
    @ddt.data(
        ('PUT /file$ lost', rules.Rule('PUT', '/file$', 'lost')),
        (
            'PUT .* reset after=1000 nth=2 count=3',
            rules.Rule('PUT', '.*', 'reset', nth=2, count=3, after=1000),
        ),
        (
            'POST /v3 429 late=1 retry_after=5',
            rules.Rule('POST', '/v3', '429', late=True, retry_after=5),
        ),
    )
    @ddt.unpack
    def test_parse(self, text, expected):
        self.assertEqual(expected, rules.Rule.parse(text))

    @ddt.data('PUT', 'PUT / boom', 'PUT / 503 nth=x')
    def test_what_is_no_rule_is_refused(self, text):
        self.assertRaises(ValueError, rules.Rule.parse, text)

    def test_no_such_setting(self):
        self.assertRaises(TypeError, rules.Rule.parse, 'PUT / 503 never=1')

    def test_an_exchange_is_a_line(self):
        rule = rules.Rule('PUT', '/', '503')
        self.assertEqual(
            'PUT /a: 5 bytes, 503 (503)',
            str(rules.Exchange('PUT', '/a', rule, 5, 503)),
        )
        self.assertEqual(
            'GET /a: 0 bytes, no answer', str(rules.Exchange('GET', '/a'))
        )
