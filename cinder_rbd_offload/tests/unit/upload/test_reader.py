# SPDX-License-Identifier: Apache-2.0
"""The reader is a file over a stream, as far as its buffer reaches."""

import errno
import hashlib
import io
import os
import random
import tempfile
from unittest import mock

import ddt
import fixtures
from glanceclient.common import http as glance_http
from glanceclient.common import utils as glance_utils
from oslotest import base
from requests import utils as requests_utils

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import budget
from cinder_rbd_offload.upload import reader
from cinder_rbd_offload.upload import spool

DATA = random.Random(2).randbytes(5 * reader.PIECE + 7)


class Source:
    """A stream that gives up to so many bytes at a time, and counts."""

    def __init__(self, data=DATA, step=1 << 30, error=None):
        self.file = io.BytesIO(data)
        self.step = step
        self.error = error
        self.reads = []

    def read(self, size):
        data = self.file.read(min(size, self.step))
        self.reads.append(len(data))
        if not data and self.error:
            raise self.error
        return data


class ReaderTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger())
        self.folder = self.useFixture(fixtures.TempDir()).path
        self.spool = spool.Spool(self.folder, 100 * budget.SLOT)

    def reader(self, source=None, **kwargs):
        kwargs = {'spool': self.spool, **kwargs}
        made = reader.BufferedReader(source or Source(), **kwargs)
        self.addCleanup(made.close)
        return made


@ddt.ddt
class FileTestCase(ReaderTestCase):
    def test_it_is_true_and_has_no_len(self):
        empty = self.reader(Source(b''))
        self.assertTrue(empty)
        self.assertFalse(hasattr(empty, '__len__'))

    def test_nothing_is_read_before_it_is_asked_for(self):
        source = Source()
        made = self.reader(source)
        self.assertEqual(0, made.tell())
        self.assertEqual([], source.reads)

    @ddt.data(1, 1 << 20, 1 << 30)
    def test_the_first_byte_leaves_after_one_piece(self, size):
        source = Source()
        data = self.reader(source).read(size)
        self.assertEqual(DATA[: len(data)], data)
        self.assertEqual(min(size, reader.PIECE), sum(source.reads))

    @ddt.data(-1, None)
    def test_all_is_read(self, size):
        made = self.reader(Source(step=1000))
        self.assertEqual(DATA, made.read(size))
        self.assertEqual(b'', made.read(size))
        self.assertEqual(b'', made.read(1))

    def test_a_slow_source_is_not_waited_for_twice(self):
        source = Source(step=10)
        self.assertEqual(DATA[:10], self.reader(source).read(reader.PIECE))
        self.assertEqual([10], source.reads)

    def test_readinto(self):
        buffer = bytearray(b'?' * 10)
        made = self.reader(Source(b'1234567'))
        self.assertEqual(7, made.readinto(buffer))
        self.assertEqual(b'1234567???', buffer)

    def test_a_seek_back(self):
        made = self.reader()
        made.read(100)
        self.assertEqual(10, made.seek(10))
        self.assertEqual(10, made.tell())
        self.assertEqual(DATA[10:150], made.read(140))
        made.reset()
        self.assertEqual(DATA, made.read())

    def test_the_source_is_read_once(self):
        source = Source()
        made = self.reader(source)
        for _ in range(3):
            made.read()
            made.seek(0)
        self.assertEqual(len(DATA), sum(source.reads))

    def test_a_seek_forwards(self):
        made = self.reader()
        made.seek(3 * reader.PIECE)
        self.assertEqual(DATA[3 * reader.PIECE :], made.read())
        made.seek(5)
        self.assertEqual(DATA[5:8], made.read(3))
        self.assertEqual(18, made.seek(10, io.SEEK_CUR))
        self.assertEqual(len(DATA) - 1, made.seek(-1, io.SEEK_END))
        self.assertEqual(DATA[-1:], made.read())
        made.seek(10, io.SEEK_END)
        self.assertEqual(b'', made.read())

    def test_positions_that_are_none(self):
        made = self.reader()
        self.assertRaises(ValueError, made.seek, -1)
        self.assertRaises(ValueError, made.seek, 0, 3)
        self.assertEqual(0, made.tell())

    def test_its_length(self):
        self.assertEqual(len(DATA), self.reader(size=len(DATA)).len)
        made = self.reader()
        self.assertFalse(hasattr(made, 'len'))
        made.read()
        self.assertEqual(len(DATA), made.len)

    def test_a_part_of_a_stream(self):
        source = Source()
        for start in range(0, len(DATA), 100000):
            part = self.reader(source, limit=100000)
            expected = DATA[start : start + 100000]
            self.assertEqual(expected, part.read())
            part.seek(0)
            self.assertEqual(expected, part.read())
            part.close()
        self.assertTrue(self.reader(source, limit=1).is_zero_size)

    @ddt.data(True, False)
    def test_whether_there_is_anything(self, kept):
        room = {} if kept else {'spool': None}
        self.assertTrue(self.reader(Source(b''), **room).is_zero_size)
        made = self.reader(**room)
        self.assertIs(False, made.is_zero_size)
        self.assertEqual(0, made.bytes_read)
        self.assertEqual(DATA, made.read())
        self.assertIs(False, made.is_zero_size)

    def test_digests_take_in_each_byte_once(self):
        md5 = hashlib.md5()
        verifier = mock.Mock()
        made = self.reader(digests=(md5, verifier))
        for size in (10, 100, 100000, 5, -1):
            made.read(size)
            made.seek(0)
        self.assertEqual(hashlib.md5(DATA).digest(), md5.digest())
        seen = [call.args[0] for call in verifier.update.call_args_list]
        self.assertEqual(DATA, b''.join(seen))

    def test_closed(self):
        with self.reader() as made:
            made.read(10)
        self.assertTrue(made.closed)
        self.assertRaises(ValueError, made.read, 1)
        self.assertRaises(ValueError, made.seek, 0)
        self.assertRaises(ValueError, made.tell)
        made.close()


@ddt.ddt
class SourceTestCase(ReaderTestCase):
    @ddt.data(OSError('gone'), KeyError('gone'))
    def test_a_source_that_fails_gives_nothing_more(self, error):
        source = Source(error=error)
        made = self.reader(source)
        made.seek(len(DATA))
        for _ in range(3):
            raised = self.assertRaises(exceptions.SourceFailed, made.read, 1)
            self.assertIs(error, raised.cause)
            self.assertNotIsInstance(raised, OSError)
        self.assertEqual(1, source.reads.count(0))
        made.seek(0)
        self.assertEqual(DATA[:5], made.read(5))

    @ddt.data((None, TypeError, 'None'), (b'12345', ValueError, '5 bytes'))
    @ddt.unpack
    def test_a_source_that_gives_what_was_not_asked_for(
        self, data, kind, word
    ):
        source = mock.Mock(read=mock.Mock(side_effect=[b'123', data, b'x']))
        digest = hashlib.md5()
        made = self.reader(source, size=7, digests=[digest])
        self.assertEqual(b'123', made.read(4))
        for _ in range(2):
            raised = self.assertRaises(exceptions.SourceFailed, made.read, 4)
            self.assertIsInstance(raised.cause, kind)
            self.assertIn(word, str(raised))
        self.assertEqual(2, source.read.call_count)
        self.assertEqual(hashlib.md5(b'123').digest(), digest.digest())

    def test_a_source_that_ends_early(self):
        made = self.reader(size=len(DATA) + 1)
        made.seek(len(DATA))
        error = self.assertRaises(exceptions.SourceEnded, made.read, 1)
        self.assertEqual(len(DATA) + 1, error.expected)
        self.assertEqual(len(DATA), error.actual)
        made.seek(0)
        self.assertRaises(exceptions.SourceEnded, made.read)

    def test_a_size_that_is_reached_is_not_read_over(self):
        source = Source()
        made = self.reader(source, size=10)
        self.assertEqual(DATA[:10], made.read())
        self.assertEqual([10], source.reads)

    def test_what_was_kept_cannot_be_read(self):
        made = self.reader()
        made.read(10)
        made.seek(0)
        with fixtures.MockPatch('os.pread', side_effect=OSError(5, 'broken')):
            self.assertRaises(exceptions.SourceFailed, made.read, 1)
        with fixtures.MockPatch('os.pread', return_value=b''):
            self.assertRaises(exceptions.SourceFailed, made.read, 1)


@ddt.ddt
class UnbufferedTestCase(ReaderTestCase):
    """The buffer is off, full, or fails: reading goes on."""

    def assert_lost(self, made, reason):
        data = made.read()
        error = self.assertRaises(exceptions.RewindRefused, made.seek, 0)
        self.assertIn(reason, str(error))
        self.assertFalse(made.seekable())
        # One can always stay.
        self.assertEqual(made.tell(), made.seek(made.tell()))
        return data

    def warnings(self):
        return self.logs.output.count('without a buffer')

    def test_off(self):
        made = self.reader(spool=None)
        self.assertEqual(DATA, self.assert_lost(made, 'no buffer'))
        self.assertEqual('', self.logs.output)

    @ddt.data(0, 1, budget.SLOT, 3 * budget.SLOT)
    def test_a_budget_that_is_used_up(self, size):
        self.spool = spool.Spool(self.folder, size)
        made = self.reader()
        self.assertEqual(DATA, self.assert_lost(made, f'all {size} bytes'))
        self.assertEqual(1, self.warnings())

    def test_a_budget_that_others_use_up(self):
        self.spool = spool.Spool(self.folder, 6 * budget.SLOT)
        other = self.reader()
        self.assertEqual(DATA, other.read())
        made = self.reader()
        self.assert_lost(made, 'are in use')
        other.close()
        self.assertEqual(DATA, self.reader().read())

    def test_a_cap(self):
        self.spool = spool.Spool(self.folder, 1 << 30, 1000)
        made = self.reader(Source(step=100))
        made.seek(1000)
        made.read(0)
        made.seek(0)
        self.assertEqual(DATA, self.assert_lost(made, '1000 bytes'))

    def test_a_cap_is_for_all_of_an_upload(self):
        self.spool = spool.Spool(self.folder, 1 << 30, 1000)
        one, other = self.reader(), self.reader()
        one.read(600)
        other.read(400)
        other.seek(0)
        other.read(401)
        self.assertFalse(other.seekable())
        one.read(400)
        self.assertTrue(one.seekable())

    def test_a_disk_that_is_full(self):
        made = self.reader()
        full = OSError(errno.ENOSPC, 'No space left on device')
        made.read(10)
        with fixtures.MockPatch('os.pwrite', side_effect=full):
            rest = self.assert_lost(made, 'No space left')
        self.assertEqual(DATA[10:], rest)
        self.assertEqual(1, self.warnings())

    def test_a_disk_that_takes_less_than_all(self):
        write = os.pwrite
        with mock.patch(
            'os.pwrite', lambda fd, data, at: write(fd, data[:1000], at)
        ):
            made = self.reader()
            made.read()
        made.seek(0)
        self.assertEqual(DATA, made.read())

    def test_a_directory_that_is_not_there(self):
        self.spool = spool.Spool('/none', 1 << 30)
        self.assertEqual(DATA, self.assert_lost(self.reader(), 'No such file'))
        self.assertEqual(1, self.warnings())

    def test_one_warning_for_an_upload_in_parts(self):
        self.spool = spool.Spool(self.folder, 0)
        source = Source()
        for _ in range(3):
            self.reader(source, limit=1000).read()
        self.assertEqual(1, self.warnings())

    def test_room_is_given_back_when_it_is_of_no_more_use(self):
        self.spool = spool.Spool(self.folder, 6 * budget.SLOT, 1000)
        made = self.reader()
        made.read(10)
        made.read()
        self.assert_all_free()

    def break_closing(self):
        """Have the buffers' files fail when they are closed."""
        made = tempfile.TemporaryFile

        def make(**kwargs):
            file = made(**kwargs)

            def close():
                file.close()
                raise OSError(errno.EIO, 'Input/output error')

            return mock.Mock(fileno=file.fileno, close=close)

        self.useFixture(fixtures.MockPatch('tempfile.TemporaryFile', make))

    def assert_all_free(self):
        share = budget.Share(self.folder, 6 * budget.SLOT)
        self.addCleanup(share.close)
        self.assertEqual(6, sum(share.take() for _ in range(6)))

    def test_a_disk_that_fails_at_the_end(self):
        self.break_closing()
        self.spool = spool.Spool(self.folder, 6 * budget.SLOT)
        made = self.reader()
        self.assertEqual(DATA, made.read())
        made.close()
        self.assert_all_free()

    def test_a_disk_that_fails_when_it_is_given_up(self):
        self.break_closing()
        self.spool = spool.Spool(self.folder, 6 * budget.SLOT, 1000)
        made = self.reader()
        self.assertEqual(DATA, self.assert_lost(made, '1000 bytes'))
        self.assertEqual(1, self.warnings())
        self.assert_all_free()

    @ddt.data(
        (0, 0, 0),
        (budget.SLOT - 1, 0, 0),
        (3 * budget.SLOT, 0, 3 * budget.SLOT),
        (4 * budget.SLOT - 1, 0, 3 * budget.SLOT),
        (4 * budget.SLOT - 1, 1000, 1000),
        (budget.SLOT, 2 * budget.SLOT, budget.SLOT),
    )
    @ddt.unpack
    def test_the_room_is_what_a_file_can_hold(self, size, cap, room):
        self.spool = spool.Spool(self.folder, size, cap)
        self.assertEqual(room, self.spool.room)
        data = bytes(room + 1)
        fits = self.reader(Source(data[:room]))
        self.assertEqual(data[:room], fits.read())
        self.assertTrue(fits.seekable())
        fits.close()
        over = self.reader(Source(data))
        self.assertEqual(data, over.read())
        self.assertFalse(over.seekable())


class ClientsTestCase(ReaderTestCase):
    """What swiftclient does, the tests of the store for Glance show."""

    def test_glanceclient_learns_the_size(self):
        made = self.reader(size=len(DATA))
        self.assertEqual(len(DATA), glance_utils.get_file_size(made))
        self.assertEqual(0, made.tell())

    def test_glanceclient_learns_that_the_size_is_not_known(self):
        for made in (self.reader(), self.reader(spool=None)):
            self.assertIsNone(glance_utils.get_file_size(made))
            self.assertEqual(0, made.tell())

    def test_glanceclient_reads(self):
        body = glance_http._BaseHTTPClient._chunk_body(self.reader())
        self.assertEqual(DATA, b''.join(body))

    def test_requests_learns_the_size(self):
        made = self.reader(size=len(DATA))
        made.seek(7)
        self.assertEqual(len(DATA) - 7, requests_utils.super_len(made))
        self.assertEqual(0, requests_utils.super_len(self.reader()))

    def test_a_refusal_is_that_of_a_file_that_cannot_seek(self):
        made = self.reader(spool=None)
        made.read(1)
        error = self.assertRaises(io.UnsupportedOperation, made.seek, 0)
        self.assertEqual(errno.ESPIPE, error.errno)
