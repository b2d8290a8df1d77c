# SPDX-License-Identifier: Apache-2.0
"""A whole upload, and recovery from it, over a cluster and a Glance in memory.

What Cinder adds is left out: the identity of who asks, and the ordinary
upload.
"""

import itertools
import threading

from cinder_rbd_offload.offload import attempt
from cinder_rbd_offload.offload import job
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import recover
from cinder_rbd_offload.offload import tracking
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

HOST = 'here@ceph'
# What the volume's snapshot is called, and the image that is not yet whole.
DRAFT = f'{job.PREFIX}{base.IMAGE}'


class Killed(BaseException):
    """Stands for the end of the process: nothing works after it."""


class UploadTestCase(base.TestCase):
    """Uploads and recovers, and knows how things must be in the end."""

    def setUp(self):
        super().setUp()
        self.use_the_clock()

    def start_over(self):
        super().start_over()
        self.method = 'clone_flatten'
        self.size_cap = 1 << 40
        self.data_pools = {}
        self.slots = threading.Semaphore(1)
        self.released = []
        self.delegated = {}
        self.freed = []
        self.runs = itertools.count()
        self.before = self.cluster.state()

    def upload(self):
        """Upload as the driver does; tell whether it was done inside."""
        self.before = self.cluster.state()
        facts = plan.Facts('raw', 'bare', method=self.method)
        settings = attempt.Settings(
            'cinder', self.slots, 10, self.size_cap, self.data_pools
        )
        with self.connection() as connection:
            book = journal.Journal(connection.table, HOST, 'first')
            record = book.begin(
                base.IMAGE,
                base.VOLUME,
                'volume-id',
                connection.cluster.client(),
                'one-day',
                clock=int,
            )
            tracking.entrust(record, self.delegate, self.released.append)
            with tracking.tracked(record, self.api(), self.released.append):
                return attempt.Attempt(
                    facts,
                    settings,
                    connection,
                    book,
                    record,
                    self.api(),
                ).run()

    def recover(self, host=HOST, active=(), recovery=None, node=''):
        """Look once for what is left.

        :param recovery: that of one process; else it is of a new one
        :param node: the machine; another than that of the upload, if given
        """
        run = 'second'
        if recovery is None:
            recovery, run = self.recovery(), f'run {next(self.runs)}'
        with self.connection() as connection:
            book = journal.Journal(connection.table, host, run, node)
            recovery.run(connection, book, active)

    def recovery(self):
        return recover.Recovery(
            self.find,
            self.act_for,
            self.released.append,
            self.freed.append,
            reach=self.reach,
            timeout=10,
            now=self.clock.now,
        )

    def delegate(self, expires):
        self.delegated[expires] = 'a-trust'
        self.cluster.reach('delegate', 'after')
        return 'a-trust'

    def find(self, expires):
        return self.delegated.get(expires, '')

    def act_for(self, trust):
        return self.api() if trust == 'a-trust' else None

    def reach(self, entry):
        raise AssertionError(entry)

    def settle(self, host=HOST):
        """Look until nothing is left, while the manager does its work."""
        for _look in range(4):
            self.recover(host)
            self.clock.sleep(1)
            self.cluster.run_tasks()

    def assertNothingLeft(self):
        self.assertEqual(self.before, self.cluster.state())

    def assertVolumeUsable(self):
        """Require that nothing holds the volume, whatever becomes of it."""
        self.assertEqual(self.before['volumes'], self.volumes)
        self.assertEqual(['volume-id'], self.freed)

    def assertComplete(self):
        """Require the image, and the volume as it was."""
        self.assertSealed()
        self.assertEqual([base.IMAGE], list(self.images))
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))
        self.assertEqual(self.before['volumes'], self.volumes)

    def assertSettled(self):
        """Require a whole image or nothing, and nobody who waits for it."""
        if base.IMAGE in self.glance.images:
            self.assertComplete()
        else:
            self.assertNothingLeft()
        self.assertEqual({}, self.cluster.entries())
        self.assertEqual({'a-trust'}, {*self.released} - {''})


class RecoverTestCase(UploadTestCase):
    """Builds what a crash leaves, at one stage or another."""

    def leave(self, stage, image_id=base.IMAGE, host=HOST, **fields):
        """Write an entry as a host does that then dies."""
        trust = fields.pop('trust', 'a-trust')
        volume_id = fields.pop('volume_id', 'volume-id')
        with self.connection() as connection:
            book = journal.Journal(connection.table, host, 'first')
            record = book.begin(
                image_id,
                base.VOLUME,
                volume_id,
                *('dead', 'one-day'),
                clock=int,
            )
            record.update(stage=stage, trust=trust, **fields)

    def leave_data(self, stage, name=base.IMAGE, clone=False, **fields):
        """Leave a whole image of the volume, and its entry."""
        stored = fake_ceph.Stored(base.SIZE, dict(base.BLOCKS))
        self.images[name] = stored
        if clone:
            stored.parent = fake_ceph.Snapshot(
                1, stored.size, dict(stored.blocks)
            )
            stored.blocks.clear()
        self.pool('images').seal(name)
        fields = {
            'pool': 'images',
            'rbd_id': stored.id,
            'location': base.URL,
            'size': stored.size,
        } | fields
        self.leave(stage, **fields)

    def publish(self):
        """Have Glance take the data."""
        self.api().add_location(base.IMAGE, base.URL)
        self.clock.sleep(1)
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))

    def assertUndone(self):
        self.assertNothingLeft()
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.assertDone()

    def assertDone(self):
        self.assertIsNone(self.entry())
        self.assertEqual(['a-trust'], self.released)
        self.assertEqual({'volume-id'}, set(self.freed))

    def assertStays(self, stage):
        self.assertEqual(stage, self.entry().stage)
        self.assertEqual([], self.released)


def occupy(case):
    """Put a foreign image in the place of the one to be made."""
    case.images[base.IMAGE] = fake_ceph.Stored(1)


def copy(case):
    case.method = 'copy'


def clone(case):
    case.inherit()


def clone_v1(case):
    case.inherit()
    case.cluster.clone_v2 = False


def instant(case):
    case.method = 'instant'


def instant_unread(case):
    case.method = 'instant'
    case.glance.reads_through = False


def nothing(case):
    pass


def points(prepare):
    """List the points of an upload at which something may happen.

    Each is an operation, a moment of it, and how often that came before. The
    first is that the image's owner has delegated.
    """
    case = UploadTestCase('upload')
    case.setUp()
    try:
        prepare(case)
        case.upload()
        reached = case.cluster.reached
        every = [
            (*point, reached[:number].count(point))
            for number, point in enumerate(reached)
        ]
        return every[every.index(('delegate', 'after', 0)) :]
    finally:
        case.doCleanups()
