# SPDX-License-Identifier: Apache-2.0
"""Whatever is done to a reader, it is a file as far as its buffer reaches."""

import hashlib
import io
import logging
import random
import tempfile
from unittest import mock

import fixtures
import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import budget
from cinder_rbd_offload.upload import reader
from cinder_rbd_offload.upload import spool

# Bytes of a piece and of a slot here: with small ones, few bytes go far.
SLOT = 16
SIZES = st.integers(0, 6 * SLOT)


class Source:
    """A stream that gives as much as it likes at a time."""

    def __init__(self, data, steps):
        self.file = io.BytesIO(data)
        self.steps = steps
        self.count = 0

    def read(self, size):
        self.count += 1
        step = self.steps[self.count % len(self.steps)]
        return self.file.read(min(size, step))


class ReaderMachine(stateful.RuleBasedStateMachine):
    """A reader beside a file in memory of the same data."""

    @stateful.initialize(
        size=SIZES,
        known=st.booleans(),
        budget_=st.sampled_from([None, 0, 1, 3, 5, 100]),
        cap=st.one_of(st.just(0), SIZES),
        steps=st.lists(st.integers(1, 2 * SLOT), min_size=1),
        seed=st.integers(0, 255),
    )
    def begin(self, size, known, budget_, cap, steps, seed):
        self.patches = [
            mock.patch.object(budget, 'SLOT', SLOT),
            mock.patch.object(reader, 'PIECE', SLOT),
        ]
        for patch in self.patches:
            patch.start()
        data = random.Random(seed).randbytes(size)
        self.folder = tempfile.TemporaryDirectory()
        self.size = size
        self.known = known
        self.model = io.BytesIO(data)
        self.digest = hashlib.md5(usedforsecurity=False)
        self.limit = (budget_ or 0) * SLOT
        self.cap = cap
        # The furthest that was read.
        self.frontier = 0
        self.reader = reader.BufferedReader(
            Source(data, steps),
            size=size if known else None,
            spool=None
            if budget_ is None
            else spool.Spool(self.folder.name, self.limit, cap),
            digests=[self.digest],
        )

    def check(self, wanted, data):
        """Compare data that was read with the model's."""
        if wanted:
            self.frontier = max(self.frontier, self.reader.tell())
        assert data == self.model.read(len(data))

    @stateful.rule(size=SIZES)
    def read(self, size):
        data = self.reader.read(size)
        self.check(size, data)
        assert len(data) <= size
        # It is empty at the end, and only there.
        if size and not data:
            assert self.reader.tell() >= self.size

    @stateful.rule()
    def read_all(self):
        self.check(-1, self.reader.read())
        assert self.model.read() == b''

    @stateful.rule(size=SIZES)
    def readinto(self, size):
        buffer = bytearray(size)
        count = self.reader.readinto(buffer)
        self.check(size, bytes(buffer[:count]))

    @stateful.rule(
        offset=st.integers(-6 * SLOT, 6 * SLOT),
        whence=st.sampled_from([0, 1, 2]),
    )
    def seek(self, offset, whence):
        base_ = (0, self.model.tell(), self.size)[whence]
        try:
            position = self.reader.seek(offset, whence)
        except exceptions.RewindRefused:
            if whence == io.SEEK_END and not hasattr(self.reader, 'len'):
                return
            # Never forwards, and never what a buffer has.
            assert base_ + offset < self.frontier
            assert not self.reader.seekable()
        except ValueError:
            assert base_ + offset < 0
        else:
            assert position == self.model.seek(base_ + offset)

    @stateful.rule()
    def is_zero_size(self):
        assert self.reader.is_zero_size == (self.size == 0)
        self.frontier = max(self.frontier, min(1, self.size))

    @stateful.invariant()
    def the_position_is_the_model_s(self):
        if hasattr(self, 'reader'):
            assert self.reader.tell() == self.model.tell()

    @stateful.invariant()
    def each_byte_was_digested_once(self):
        if hasattr(self, 'reader'):
            seen = self.model.getvalue()[: self.frontier]
            assert self.digest.digest() == _md5(seen)

    @stateful.invariant()
    def what_there_is_room_for_is_kept(self):
        if hasattr(self, 'reader') and self.limit:
            fits = min(self.cap or self.limit, self.limit)
            assert self.reader.seekable() or self.frontier > fits

    def teardown(self):
        if hasattr(self, 'reader'):
            self.reader.close()
            if self.limit:
                share = budget.Share(self.folder.name, self.limit)
                slots = self.limit // SLOT
                assert sum(share.take() for _ in range(slots)) == slots
                share.close()
            self.folder.cleanup()
            for patch in self.patches:
                patch.stop()


def _md5(data):
    return hashlib.md5(data, usedforsecurity=False).digest()


# A failure is shown as it was found: shrinking it takes longer than a test
# has.
ReaderMachine.TestCase.settings = hypothesis.settings(
    database=None,
    deadline=None,
    max_examples=400,
    phases=[hypothesis.Phase.generate],
    stateful_step_count=25,
)


class ReaderModelTestCase(ReaderMachine.TestCase, base.BaseTestCase):
    """Runs it as other tests are run."""

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
