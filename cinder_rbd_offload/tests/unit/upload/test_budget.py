# SPDX-License-Identifier: Apache-2.0
"""The budget is shared, kept to, and given back whatever happens."""

import contextlib
import gc
import os
import random
import signal
import time
import warnings

import fixtures
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import budget
from cinder_rbd_offload.upload import spool

SLOTS = 64
PROCESSES = 6
ROUNDS = 60
# The file system's own blocks: ext4 takes one to find a file's pieces with.
OVERHEAD = 2 * 4096 * PROCESSES


class ShareTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = self.useFixture(fixtures.TempDir()).path

    def share(self, size=3 * budget.SLOT):
        share = budget.Share(self.folder, size)
        self.addCleanup(share.close)
        return share

    def taken(self, share):
        """Count the slots that can be had."""
        count = 0
        while share.take():
            count += 1
        return count

    def test_there_are_as_many_slots_as_the_budget_has(self):
        self.assertEqual(3, self.taken(self.share()))

    def test_what_is_no_whole_slot_is_not_used(self):
        self.assertEqual(1, self.taken(self.share(2 * budget.SLOT - 1)))
        self.assertEqual(0, self.taken(self.share(budget.SLOT - 1)))

    def test_two_of_one_process_exclude_each_other(self):
        one, other = self.share(), self.share()
        self.assertTrue(one.take())
        self.assertEqual(2, self.taken(other))
        self.assertFalse(one.take())

    def test_closing_gives_back_its_own_alone(self):
        one, other = budget.Share(self.folder, 3 * budget.SLOT), self.share()
        self.assertTrue(one.take() and one.take() and other.take())
        self.assertFalse(other.take())
        one.close()
        self.assertEqual(2, self.taken(other))
        self.assertFalse(self.share().take())

    def test_one_that_is_forgotten_gives_back_its_own(self):
        def forget():
            self.assertEqual(3, self.taken(budget.Share(self.folder, size)))

        size = 3 * budget.SLOT
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', ResourceWarning)
            forget()
            gc.collect()
        self.assertEqual(3, self.taken(self.share(size)))

    def test_closing_twice_closes_nothing_else(self):
        share = budget.Share(self.folder, budget.SLOT)
        share.close()
        other = self.share()
        share.close()
        self.assertTrue(other.take())

    def test_shares_that_are_interleaved(self):
        size = SLOTS * budget.SLOT
        shares = [budget.Share(self.folder, size) for _ in range(5)]
        counts = [0] * len(shares)
        while any(gains := [share.take() for share in shares]):
            counts = [sum(pair) for pair in zip(counts, gains, strict=True)]
        self.assertEqual(SLOTS, sum(counts))
        free = 0
        for share, count in zip(shares, counts, strict=True):
            share.close()
            free += count
            with contextlib.closing(budget.Share(self.folder, size)) as other:
                self.assertEqual(free, self.taken(other))

    def test_the_ledger_stays_empty(self):
        self.taken(self.share())
        path = os.path.join(self.folder, budget.LEDGER)
        self.assertEqual(0, os.path.getsize(path))


class ProcessesTestCase(base.BaseTestCase):
    """Many processes share a budget, and are killed at any moment."""

    def setUp(self):
        super().setUp()
        self.folder = self.useFixture(fixtures.TempDir()).path
        self.workers = {}
        self.addCleanup(lambda: [self.kill(pid) for pid in list(self.workers)])

    def start(self):
        pid = os.fork()
        if not pid:
            try:
                work(self.folder)
            finally:
                os._exit(1)
        self.workers[pid] = True

    def kill(self, pid):
        del self.workers[pid]
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def held(self):
        """Stop everyone and count the bytes of disk that they hold."""
        for pid in self.workers:
            os.kill(pid, signal.SIGSTOP)
        for pid in self.workers:
            _pid, status = os.waitpid(pid, os.WUNTRACED)
            self.assertTrue(os.WIFSTOPPED(status), status)
        held = sum(self.held_by(pid) for pid in self.workers)
        for pid in self.workers:
            os.kill(pid, signal.SIGCONT)
        return held

    def held_by(self, pid):
        files = f'/proc/{pid}/fd'
        return sum(
            os.stat(f'{files}/{fd}').st_blocks * 512
            for fd in os.listdir(files)
            if os.readlink(f'{files}/{fd}').startswith(f'{self.folder}/')
        )

    def test_never_exceeded_and_never_leaked(self):
        chance = random.Random(4)
        highest = 0
        for _ in range(PROCESSES):
            self.start()
        for _ in range(ROUNDS):
            time.sleep(chance.random() / 50)
            held = self.held()
            self.assertLessEqual(held, SLOTS * budget.SLOT + OVERHEAD)
            highest = max(highest, held)
            if chance.random() < 0.5:
                self.kill(chance.choice(list(self.workers)))
                self.start()
        # They did compete for it.
        self.assertGreater(highest, SLOTS * budget.SLOT // 2)
        for pid in list(self.workers):
            self.kill(pid)
        share = budget.Share(self.folder, SLOTS * budget.SLOT)
        self.addCleanup(share.close)
        self.assertEqual(SLOTS, sum(share.take() for _ in range(SLOTS)))
        self.assertEqual([budget.LEDGER], os.listdir(self.folder))

    def test_a_fork_holds_what_its_parent_had(self):
        room = spool.Spool(self.folder, budget.SLOT)
        file = room.open()
        file.append(b'x')
        pid = os.fork()
        if not pid:
            time.sleep(60)
            os._exit(0)
        self.workers[pid] = True
        file.close()
        other = room.open()
        self.addCleanup(other.close)
        self.assertRaises(exceptions.SpoolFull, other.append, b'y')
        self.kill(pid)
        again = room.open()
        self.addCleanup(again.close)
        again.append(b'y')


def work(folder):
    """Keep data, let go of all of it, and begin again, for ever."""
    chance = random.Random(os.getpid())
    while True:
        file = spool.Spool(folder, SLOTS * budget.SLOT).open()
        try:
            while chance.random() > 0.02:
                file.append(bytes(chance.randrange(1, 3 * budget.SLOT)))
        except exceptions.SpoolFull:
            time.sleep(chance.random() / 100)
        file.close()
