# SPDX-License-Identifier: Apache-2.0
"""An upload is excused only where the trace proves that it may be."""

import json

from oslotest import base

from faults import faults
from faults import settle
from faults import trace
from faults import volumes

VOLUME = volumes.Volume('v', 'copy', 'hash', 5)
UPLOAD = volumes.Upload('i', VOLUME)
KILLED = faults.Loss('killed copy', 10.0, 10.0, 'copy')


def event(kind, time, **fields):
    return trace.Event(time, 1, 'copy', kind, **fields)


JOURNALED = event(
    'after',
    5.0,
    name='Table.swap',
    arguments=('i', '', json.dumps({'trust': 't'})),
)


class ExcusedTestCase(base.BaseTestCase):
    def excuse(self, events, *losses):
        return settle.excused(events, UPLOAD, list(losses))

    def test_killed_before_the_journal_had_it(self):
        self.assertEqual(settle.NOT_BEGUN, self.excuse([], KILLED))

    def test_killed_by_an_order_before_the_journal_had_it(self):
        fired = event('fired', 10.0, order='before begin #1')
        self.assertEqual(settle.NOT_BEGUN, self.excuse([fired]))

    def test_killed_while_the_journal_had_it(self):
        self.assertEqual('', self.excuse([JOURNALED], KILLED))

    def test_nothing_was_killed(self):
        self.assertEqual('', self.excuse([]))

    def test_another_back_end_was_killed(self):
        other = faults.Loss('killed instant', 10.0, 10.0, 'instant')
        self.assertEqual('', self.excuse([], other))

    def test_killed_in_upstreams_upload(self):
        ordinary = event('ordinary', 9.0, image='i')
        self.assertEqual(
            settle.ORDINARY, self.excuse([JOURNALED, ordinary], KILLED)
        )

    def test_killed_after_upstreams_upload(self):
        events = [
            JOURNALED,
            event('ordinary', 7.0, image='i'),
            event('ordinary ended', 9.0, image='i'),
        ]
        self.assertEqual('', self.excuse(events, KILLED))

    def test_upstreams_upload_while_a_service_was_away(self):
        away = faults.Loss('glance was away', 8.0, 12.0, service='glance')
        ordinary = event('ordinary', 11.0, image='i')
        self.assertEqual(
            settle.ORDINARY, self.excuse([JOURNALED, ordinary], away)
        )
