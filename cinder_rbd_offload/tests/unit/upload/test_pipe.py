# SPDX-License-Identifier: Apache-2.0
"""Programs end, fail and die; the reader learns of it, and nothing is left."""

import gzip
import io
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from unittest import mock

from oslo_utils import units
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import open_files
from cinder_rbd_offload.upload import pipe

# One greenthread counts while another, and then a native thread, reads.
ON_GREENTHREADS = """
import eventlet
eventlet.monkey_patch()

import io

from eventlet import tpool

from cinder_rbd_offload.upload import pipe

ticks = []

def count():
    while True:
        ticks.append(1)
        eventlet.sleep(0.02)

def read():
    command = ['sh', '-c', 'sleep 0.5; cat; sleep 0.5']
    source = io.BytesIO(bytes(3000000))
    with pipe.Pipe('reading', command, source) as reader:
        print(len(reader.read()))

eventlet.spawn(count)
for run in (lambda: read(), lambda: tpool.execute(read)):
    ticks.clear()
    run()
    print(len(ticks) > 10)
"""


class Source:
    """Data that comes in pieces of random lengths, and is not a file."""

    def __init__(self, data):
        self._file = io.BytesIO(data)

    def read(self, length):
        return self._file.read(random.randint(1, length))


class PipeTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        before = open_files.found('pipe:')
        self.addCleanup(
            lambda: self.assertEqual(set(), open_files.found('pipe:') - before)
        )
        self.pids = []
        real = subprocess.Popen

        def start(*args, **kwargs):
            process = real(*args, **kwargs)
            self.pids.append(process.pid)
            return process

        patcher = mock.patch.object(subprocess, 'Popen', start)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.addCleanup(self.assert_reaped)

    def assert_reaped(self):
        for pid in self.pids:
            self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def shell(self, script, source=None, **more):
        return pipe.Pipe('testing', ('sh', '-c', script), source, **more)

    def failure(self, script, source=None):
        """Return what the output is, and the error at its end."""
        reader = self.shell(script, source)
        try:
            output = []
            error = self.assertRaises(
                exceptions.ConversionFailed,
                lambda: output.extend(iter(lambda: reader.read(7), b'')),
            )
            again = self.assertRaises(type(error), reader.read, 7)
            self.assertIs(error, again)
        finally:
            again = self.assertRaises(
                exceptions.ConversionFailed, reader.close
            )
        self.assertIs(error, again)
        return b''.join(output), str(error)

    def test_output(self):
        with self.shell('printf abc; sleep 0.1; printf def') as reader:
            self.assertTrue(reader.readable())
            self.assertFalse(reader.seekable())
            self.assertEqual(b'', reader.read(0))
            self.assertEqual(b'ab', reader.read(2))
            self.assertEqual(b'cdef', reader.read())
            self.assertEqual(b'', reader.read(1))
            self.assertEqual(b'', reader.read())

    def test_input_that_is_read(self):
        data = random.randbytes(5 * units.Mi)
        with pipe.Pipe('testing', ('gzip', '-1'), Source(data)) as reader:
            self.assertEqual(data, gzip.decompress(reader.read()))

    def test_no_input(self):
        with self.shell('cat', Source(b'')) as reader:
            self.assertEqual(b'', reader.read())

    def test_input_from_a_file_of_the_system(self):
        data = random.randbytes(3 * units.Mi)
        with tempfile.TemporaryFile(buffering=0) as file:
            file.write(data)
            file.seek(units.Mi)
            file.read = None
            with self.shell('cat', file) as reader:
                self.assertEqual(data[units.Mi :], reader.read())
            self.assertFalse(file.closed)

    def test_a_program_without_input_finds_its_end(self):
        with self.shell('cat; echo done') as reader:
            self.assertEqual(b'done\n', reader.read())

    def test_a_failure_behind_all_of_the_output(self):
        output, error = self.failure(
            'printf 0123456789; echo the cause >&2; exit 3'
        )
        self.assertEqual(b'0123456789', output)
        self.assertIn(
            'testing failed: sh ended with exit code 3: the cause. Check',
            error,
        )

    def test_a_failure_without_a_word(self):
        self.assertIn('code 1: it said nothing', self.failure('exit 1')[1])

    def test_a_program_that_is_killed(self):
        output, error = self.failure('printf 0123; kill -9 $$')
        self.assertEqual(b'0123', output)
        self.assertIn('was ended by SIGKILL', error)

    def test_a_program_that_is_killed_by_a_signal_without_a_name(self):
        self.assertIn('by signal 40:', self.failure('kill -40 $$')[1])

    def test_a_failure_that_nobody_has_read(self):
        reader = self.shell('printf abc; echo the cause >&2; exit 3')
        self.assertEqual(b'abc', reader.read(3))
        self.await_end()
        error = self.assertRaises(exceptions.ConversionFailed, reader.close)
        self.assertIn('the cause', str(error))

    def test_a_failure_that_is_the_cause_of_another(self):
        def use():
            with self.shell('printf abc; exit 3') as reader:
                reader.read(3)
                self.await_end()
                raise LookupError

        error = self.assertRaises(exceptions.ConversionFailed, use)
        self.assertIsInstance(error.__context__, LookupError)

    def test_an_end_that_nobody_has_read(self):
        with self.shell('printf abc') as reader:
            self.assertEqual(b'abc', reader.read(3))
            self.await_end()

    def await_end(self):
        deadline = time.monotonic() + 10
        stat = pathlib.Path(f'/proc/{self.pids[-1]}/stat')
        while ' Z ' not in stat.read_text():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_a_program_that_is_not_there(self):
        error = self.assertRaises(
            exceptions.ConversionFailed,
            pipe.Pipe,
            'testing',
            ('/nowhere/gzip',),
            Source(b''),
        )
        self.assertIn('/nowhere/gzip cannot be started', str(error))

    def test_input_that_is_not_taken(self):
        source = Source(bytes(5 * units.Mi))
        output, error = self.failure('printf 0123456789', source)
        self.assertEqual(b'0123456789', output)
        self.assertIn('before it had taken all of its input', error)

    def test_a_failure_while_there_is_input(self):
        source = Source(bytes(5 * units.Mi))
        _output, error = self.failure('head -c 1; echo no >&2; exit 4', source)
        self.assertIn('exit code 4: no', error)

    def test_the_last_complaints_are_kept(self):
        _output, error = self.failure(
            'yes complaint | head -c 3000000 >&2; echo the cause >&2; exit 1'
        )
        self.assertIn('complaint\nthe cause. Check', error)
        self.assertLess(len(error), 5000)

    def test_complaints_that_are_no_text(self):
        self.assertIn('\ufffd', self.failure(r'printf "\377" >&2; exit 1')[1])

    def test_complaints_of_a_program_that_succeeds(self):
        with self.shell('echo hm >&2; echo fine') as reader:
            self.assertEqual(b'fine\n', reader.read())

    def test_a_program_that_cannot_complain_any_more(self):
        with mock.patch.object(
            pipe.Pipe,
            '_listen',
            autospec=True,
            side_effect=pipe.Pipe._listen,
        ) as listen:
            with self.shell('exec 2>&-; sleep 0.3; echo fine') as reader:
                self.assertEqual(b'fine\n', reader.read())
        listen.assert_called_once()

    def test_others_that_hold_the_complaints_open(self):
        started = time.monotonic()
        with self.shell('sleep 5 >&- & echo fine') as reader:
            self.assertEqual(b'fine\n', reader.read())
        self.assertLess(time.monotonic() - started, 4)

    def test_a_reader_that_gives_up(self):
        with self.shell('exec yes') as reader:
            self.assertEqual(b'y\n', reader.read(2))
        self.assertRaises(ValueError, reader.read, 1)
        reader.close()

    def test_a_reader_that_fails(self):
        def fail():
            with self.shell('exec yes') as reader:
                reader.read(1)
                raise LookupError

        self.assertRaises(LookupError, fail)

    def test_a_source_that_fails(self):
        source = mock.Mock(spec=['read'])
        source.read.side_effect = [b'abc', LookupError, b'def']

        def read():
            with self.shell('exec cat', source) as reader:
                self.assertRaises(LookupError, reader.read)
                reader.read()

        self.assertRaises(LookupError, read)
        self.assertEqual(2, source.read.call_count)

    def test_a_source_whose_failure_nobody_minds(self):
        source = mock.Mock(spec=['read'])
        source.read.side_effect = LookupError
        reader = self.shell('exec cat', source)
        self.assertRaises(LookupError, reader.read)
        self.assertRaises(LookupError, reader.close)

    def test_a_program_that_ends_in_its_own_way(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.shell(
                f'cd {folder}; echo > log; trap "mkdir closed" EXIT; echo on; '
                'while echo more >> log; do sleep 0.01; done',
                grace=30,
            ) as reader:
                self.assertEqual(b'on\n', reader.read(9))
            self.assertEqual({'closed', 'log'}, set(os.listdir(folder)))

    def test_a_program_that_does_not_end_in_its_own_way(self):
        started = time.monotonic()
        with self.shell('echo on; exec sleep 60', grace=0.1) as reader:
            self.assertEqual(b'on\n', reader.read(9))
        self.assertLess(time.monotonic() - started, 30)

    def test_a_program_that_ends_just_now(self):
        reader = self.shell('printf abc; exec sleep 60', grace=30)
        self.assertEqual(b'abc', reader.read(3))
        with mock.patch(
            'resource.prlimit', autospec=True, side_effect=ProcessLookupError
        ):
            reader.close()

    def test_look(self):
        looks = mock.Mock(side_effect=[None, None, LookupError])
        with mock.patch.object(pipe, '_LOOK', 0.01):

            def read():
                with self.shell('exec sleep 60', look=looks) as reader:
                    reader.read(1)

            self.assertRaises(LookupError, read)
        self.assertEqual(3, looks.call_count)

    def test_look_at_one_that_does_not_end(self):
        """It has ended its output, which may be only a part."""
        looks = mock.Mock(side_effect=[None, LookupError])

        def read():
            with self.shell('exec sleep 60 >&-', look=looks) as reader:
                self.assertRaises(LookupError, reader.read)
                reader.read()

        self.assertRaises(LookupError, read)
        self.assertEqual(2, looks.call_count)

    def test_what_the_program_inherits(self):
        with tempfile.TemporaryFile() as file:
            with self.shell(
                f'echo mine > /proc/self/fd/{file.fileno()}; '
                'echo $LC_ALL $ABC',
                keep=[file.fileno()],
                environment={'ABC': 'd'},
            ) as reader:
                self.assertEqual(b'C d\n', reader.read())
            file.seek(0)
            self.assertEqual(b'mine\n', file.read())


class GreenthreadsTestCase(base.BaseTestCase):
    def test_others_go_on(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-c', ON_GREENTHREADS],
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual(
            ['3000000', 'True', '3000000', 'True'],
            done.stdout.split(),
            done.stderr,
        )
