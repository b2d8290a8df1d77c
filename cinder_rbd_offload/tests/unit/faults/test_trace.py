# SPDX-License-Identifier: Apache-2.0
"""What the trace proves: which boundaries there are, who did what when."""

import json
import pathlib

import fixtures
from oslotest import base

from faults import orders
from faults import trace


def event(event, time=0.0, **fields):
    fields = {'pid': 1, 'backend': 'copy'} | fields
    return trace.Event(time=time, event=event, **fields)


def steps(*times_and_names):
    return [
        event(when, time, name=name) for time, when, name in times_and_names
    ]


class TraceTestCase(base.BaseTestCase):
    def test_only_whole_lines_after_the_mark_are_read(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        found = trace.Trace(folder)
        self.assertEqual((0, []), (found.mark(), found.since(0)))
        line = {'time': 1.0, 'pid': 2, 'backend': 'copy', 'event': 'ready'}
        file = folder / orders.TRACE
        file.write_text(json.dumps(line) + '\n')
        mark = found.mark()
        with file.open('a') as more:
            more.write(json.dumps(line | {'pid': 3}) + '\n{"time":')
        self.assertEqual([3], [one.pid for one in found.since(mark)])
        self.assertEqual([2, 3], [one.pid for one in found.since(0)])

    def test_a_step_taken_often_is_so_many_boundaries_and_no_more(self):
        looks = steps(*((time, 'before', 'look') for time in range(5)))
        self.assertEqual(
            [('before', 'look', n) for n in (1, 2, 3)],
            trace.boundaries(looks),
        )

    def test_of_boundaries_with_nothing_between_the_last_counts(self):
        events = steps(
            (1.0, 'before', 'outer'),
            (1.00001, 'before', 'inner'),
            (1.1, 'after', 'inner'),
            (1.10001, 'after', 'outer'),
        )
        self.assertEqual(
            [('before', 'inner', 1), ('after', 'outer', 1)],
            trace.boundaries(events),
        )

    def test_what_is_no_step_is_no_boundary(self):
        self.assertEqual([], trace.boundaries([event('upload', image='a')]))

    def test_the_last_process_of_each_host_and_back_end(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        found = trace.Trace(folder)

        def write(pid, event='ready', **fields):
            line = {'time': 1.0, 'pid': pid, 'backend': 'copy'}
            with (folder / orders.TRACE).open('a') as file:
                text = json.dumps(line | {'event': event} | fields)
                file.write(text + '\n')

        self.assertEqual({}, found.processes())
        write(1)
        write(2, host='other')
        wanted = {('', 'copy'): 1, ('other', 'copy'): 2}
        self.assertEqual(wanted, found.processes())
        write(3, event='start')
        self.assertEqual(wanted, found.processes())
        write(4)
        wanted['', 'copy'] = 4
        self.assertEqual(wanted, found.processes())

    def journaled(self, image, trust):
        text = json.dumps({'trust': trust})
        return event('after', name='Table.swap', arguments=(image, '', text))

    def test_an_upload_has_begun_with_its_owners_trust(self):
        events = [self.journaled('a', ''), self.journaled('b', 'trust')]
        self.assertFalse(trace.begun(events, 'a'))
        self.assertTrue(trace.begun(events, 'b'))

    def test_an_entry_taken_out_is_no_beginning(self):
        gone = event('after', name='Table.swap', arguments=('a', '{}', ''))
        self.assertFalse(trace.begun([gone], 'a'))

    def test_when_the_ordinary_upload_was_under_way(self):
        events = [
            event('ordinary', 10.0, image='a'),
            event('ordinary ended', 20.0, image='a'),
            event('ordinary', 30.0, image='b'),
        ]

        def during(image, begin, end):
            return trace.ordinary_during(events, image, begin, end)

        self.assertTrue(during('a', 15, 15))
        self.assertTrue(during('a', 5, 12))
        self.assertFalse(during('a', 5, 9))
        self.assertFalse(during('a', 21, 25))
        # One that never ended was under way when its process died.
        self.assertTrue(during('b', 40, 40))
        self.assertFalse(during('c', 0, 99))
