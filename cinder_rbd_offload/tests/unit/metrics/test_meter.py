# SPDX-License-Identifier: Apache-2.0
"""Each upload has one line at its end, and counts once."""

import logging
import pathlib
import re
import types
from unittest import mock

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.metrics import exposition
from cinder_rbd_offload.metrics import meter
from cinder_rbd_offload.offload import plan

GIB = 1 << 30
HOST = 'h@b'
FIELDS = (
    *('image', 'volume', 'backend', 'method', 'outcome', 'seconds', 'bytes'),
    *('size', 'after', 'error'),
)
VOLUME = types.SimpleNamespace(id='a-volume', size=2)


def record(*methods, **entry):
    entry = {'bytes': 0, 'done': 0, 'total': 0} | entry
    return types.SimpleNamespace(
        methods=methods, entry=types.SimpleNamespace(**entry)
    )


class MeterTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.logs = self.useFixture(
            fixtures.FakeLogger(
                level=logging.INFO, format='%(levelname)s %(message)s'
            )
        )
        self.time = 100.0
        self.meter = self.new(str(self.folder))

    def new(self, directory):
        return meter.Meter(HOST, directory, now=lambda: self.time)

    def upload(self, one=None, error=None, volume=VOLUME):
        """Have an upload of 1.5 seconds."""
        with self.meter.measured('an-image', volume) as upload:
            upload.record = one
            self.time += 1.5
            if error:
                raise error

    def fail(self, error, one=None):
        self.assertRaises(type(error), self.upload, one, error)

    def line(self):
        """Return the fields of the one line that there is, and its level."""
        (line,) = self.logs.output.splitlines()
        level, text = line.split(' Upload ended: ')
        fields = dict(field.split('=') for field in text.split(' '))
        self.assertEqual(FIELDS, tuple(fields))
        return {'level': level} | fields

    def counters(self):
        """Return the counters that have counted, by what is told apart."""
        (path,) = self.folder.glob('*.prom')
        counters = {}
        for one, value in exposition.from_text(path.read_text()).items():
            name, labels = re.fullmatch(r'(\w+)\{(.*)\}', one).groups()
            labels = dict(re.findall(r'(\w+)="(.*?)"', labels))
            self.assertEqual('h', labels.pop('host'))
            self.assertEqual('b', labels.pop('backend'))
            if value:
                counters[(name, *labels.values())] = value
        return counters


@ddt.ddt
class EndTestCase(MeterTestCase):
    @ddt.data(
        (record('copy', bytes=7), 'copy', 7),
        (record('clone_flatten', bytes=7), 'clone_flatten', 7),
        # Where the bytes in use are not known, the volume may be full.
        (record('copy'), 'copy', 2 * GIB),
        (record('instant', bytes=7), 'instant', 0),
        (record('swift', bytes=7), 'swift', 7),
        (record('stream', bytes=2 * GIB), 'stream', 2 * GIB),
        (record('ordinary'), 'ordinary', 2 * GIB),
        (None, 'ordinary', 2 * GIB),
    )
    @ddt.unpack
    def test_success(self, one, method, moved):
        self.upload(one)
        self.assertEqual(
            {
                'level': 'INFO',
                'image': 'an-image',
                'volume': 'a-volume',
                'backend': 'b',
                'method': method,
                'outcome': 'success',
                'seconds': '1.500',
                'bytes': str(moved),
                'size': str(2 * GIB),
                'after': '-',
                'error': '-',
            },
            self.line(),
        )
        counted = self.counters()
        self.assertEqual(
            moved, counted.pop((exposition.BYTES, method, 'success'), 0)
        )
        self.assertEqual(
            {
                (exposition.UPLOADS, method, 'success'): 1,
                (exposition.SECONDS, method, 'success'): 1.5,
            },
            counted,
        )

    @ddt.data(
        (exceptions.PoolFull('i', 1, 'no'), 'PoolFull', 'failure'),
        (
            exceptions.NotUndone('i', exceptions.ImageGone('i')),
            *('NotUndone', 'failure'),
        ),
        (ZeroDivisionError(), 'ZeroDivisionError', 'failure'),
        (
            exceptions.NotUndone('i', ValueError('x')),
            *('NotUndone', 'failure'),
        ),
        (exceptions.TakenOver('i'), 'TakenOver', 'unknown'),
        (
            exceptions.LocationUnknown('i', 'u', 1),
            *('LocationUnknown', 'unknown'),
        ),
    )
    @ddt.unpack
    def test_failure(self, error, name, outcome):
        self.fail(error, record('copy', bytes=1000, done=1, total=4))
        line = self.line()
        self.assertEqual('WARNING', line['level'])
        self.assertEqual(outcome, line['outcome'])
        self.assertEqual(name, line['error'])
        # As far as it came.
        self.assertEqual('250', line['bytes'])
        self.assertEqual(
            1, self.counters()[(exposition.UPLOADS, 'copy', outcome)]
        )

    @ddt.data(
        (exceptions.ImageGone('i'), 'ImageGone', 'cancelled'),
        (exceptions.ImageTaken('i'), 'ImageTaken', 'cancelled'),
        (exceptions.NoRoom('i', 1, 'no'), 'NoRoom', 'refused'),
    )
    @ddt.unpack
    def test_an_end_that_is_the_user_s(self, error, name, outcome):
        """Nobody is to be called for it."""
        self.fail(error, record('copy', bytes=1000, done=1, total=4))
        line = self.line()
        self.assertEqual('INFO', line['level'])
        self.assertEqual((outcome, name), (line['outcome'], line['error']))
        self.assertEqual('250', line['bytes'])
        counted = self.counters()
        self.assertEqual(1, counted[(exposition.UPLOADS, 'copy', outcome)])

    def test_a_copy_that_wrote_more_than_was_in_use(self):
        self.fail(
            ValueError(), record('copy', bytes=1000, done=3000, total=1000)
        )
        self.assertEqual('1000', self.line()['bytes'])

    def test_a_failure_before_there_is_a_method(self):
        self.fail(exceptions.NoRoom('i', 1, 'no'), record())
        line = self.line()
        self.assertEqual(('none', '0'), (line['method'], line['bytes']))

    def test_a_failure_of_the_ordinary_way(self):
        self.fail(ValueError())
        line = self.line()
        self.assertEqual(('ordinary', '0'), (line['method'], line['bytes']))

    def test_methods_that_failed_before(self):
        self.upload(record('clone_flatten', 'copy', 'stream', bytes=7))
        line = self.line()
        self.assertEqual('clone_flatten,copy', line['after'])
        self.assertEqual('stream', line['method'])
        counted = self.counters()
        for method in ('clone_flatten', 'copy'):
            self.assertEqual(1, counted.pop((exposition.FALLBACKS, method)))
        # It counts as one upload.
        uploads = [one for one in counted if one[0] == exposition.UPLOADS]
        self.assertEqual([(exposition.UPLOADS, 'stream', 'success')], uploads)

    @ddt.data(KeyboardInterrupt, GeneratorExit)
    def test_the_end_of_the_process_is_not_that_of_the_upload(self, error):
        self.fail(error())
        self.assertEqual('', self.logs.output)
        self.assertEqual([], list(self.folder.glob('*')))

    def test_an_error_in_the_measuring_costs_nothing(self):
        self.upload(volume=object())
        self.assertIn('ERROR The upload of image', self.logs.output)
        self.assertIn('was not measured', self.logs.output)
        self.fail(KeyError())

    def test_the_error_of_the_upload_is_the_one_raised(self):
        with mock.patch.object(
            self.meter._file, 'add', autospec=True, side_effect=TypeError
        ):
            self.fail(KeyError())


class FileTestCase(MeterTestCase):
    def test_off_by_default(self):
        self.meter = self.new('')
        self.meter.begin()
        self.upload()
        self.assertEqual('ordinary', self.line()['method'])
        self.assertEqual([], list(self.folder.iterdir()))

    def test_every_counter_is_there_from_the_start(self):
        self.meter.begin()
        (path,) = self.folder.glob('*.prom')
        before = exposition.from_text(path.read_text())
        self.assertEqual({0.0}, set(before.values()))
        names = [*meter.METHODS]
        for method in names:
            self.upload(record(method))
            self.fail(ValueError(), record(method))
            self.fail(exceptions.TakenOver('i'), record(method))
            self.fail(exceptions.ImageGone('i'), record(method))
            self.fail(exceptions.NoRoom('i', 1, 'no'), record(method))
        after = exposition.from_text(path.read_text())
        impossible = {
            one
            for one in after
            if 'method="none"' in one and 'outcome="success"' in one
        }
        self.assertEqual(set(before), set(after) - impossible)

    def test_a_restart_sets_nothing_back(self):
        self.upload()
        before = self.counters()
        self.new(str(self.folder)).begin()
        self.assertEqual(before, self.counters())

    def test_what_cannot_be_written(self):
        self.meter = self.new(str(self.folder / 'none'))
        self.meter.begin()
        self.upload()
        first, _line, last = self.logs.output.splitlines()
        for line in (first, last):
            self.assertIn('WARNING Counters are not written to', line)
            self.assertIn('rbd_offload_metrics_directory', line)

    def test_the_methods_are_those_of_the_plan(self):
        self.assertEqual(
            {method.value for method in plan.Method} | {'swift', 'stream'},
            set(meter.OURS),
        )
        self.assertEqual(plan.Method.INSTANT.value, meter.INSTANT)
