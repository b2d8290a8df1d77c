# SPDX-License-Identifier: Apache-2.0
"""What comes late, and Ceph that fails: the same rules hold.

They are those of :mod:`test_publish`.
"""

import itertools

import ddt

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests.unit.offload import test_publish


@ddt.ddt
class LateRequestTestCase(test_publish.PublicationTestCase):
    """The request was thought lost, and arrives when it likes."""

    @ddt.data(
        # What the task finds while the snapshot is taken away: it opens the
        # data just before, is at work just after, or comes too late.
        ('before', 0.1, 0.05, True),
        ('before', 0.1, 0.15, True),
        ('before', 0.29, 0.1, True),
        ('after', 0.1, 0.05, False),
        ('after', 0.29, 0.1, True),
    )
    @ddt.unpack
    def test_between_the_withdrawal_and_the_look(
        self, when, arrives, pace, taken
    ):
        self.glance.fail(
            'add_image_location', test_publish.LOST, arrives=arrives
        )
        self.glance.pace = pace
        self.ceph_takes(0.3, 'remove_snap', when)
        if taken:
            self.assertPublished()
        else:
            self.assertEnds(exceptions.LocationRefused)
        self.assertLess(self.ended, 2)

    @ddt.data(
        *itertools.product(
            (0.01, 0.07, 0.2, 0.45),
            (
                ('open', 'before'),
                ('unprotect_snap', 'before'),
                ('remove_snap', 'before'),
                ('remove_snap', 'after'),
                ('create_snap', 'before'),
                ('protect_snap', 'after'),
            ),
        )
    )
    @ddt.unpack
    def test_at_any_time(self, pace, slow):
        """Nothing is required here but what :meth:`publish` requires."""
        ends = set()
        for arrives in range(60):
            self.start_over()
            self.glance.fail(
                'add_image_location', test_publish.LOST, arrives=arrives / 50
            )
            self.glance.pace = pace
            self.ceph_takes(0.3, *slow)
            ends.add(type(self.publish()))
        self.assertLessEqual(ends, {type(None), exceptions.LocationRefused})


@ddt.ddt
class CephTestCase(test_publish.PublicationTestCase):
    """Ceph fails while a location is withdrawn or restored."""

    @ddt.data(
        ('open', 'before'),
        ('is_protected_snap', 'before'),
        ('unprotect_snap', 'before'),
        ('unprotect_snap', 'after'),
        ('remove_snap', 'before'),
        ('remove_snap', 'after'),
        ('close', 'after'),
    )
    @ddt.unpack
    def test_withdrawal_fails_once(self, operation, when):
        self.never_arrives()
        self.cluster.fail(operation, self.timeout(), when=when, times=1)
        self.assertEnds(exceptions.LocationRefused)

    @ddt.data('open', 'is_protected_snap', 'unprotect_snap')
    def test_withdrawal_fails_for_ever(self, operation):
        self.never_arrives()
        self.cluster.fail(operation, self.timeout())
        self.assertEnds(exceptions.LocationUnknown)

    @ddt.data(
        ('open', 'before'),
        ('list_snaps', 'before'),
        ('create_snap', 'before'),
        ('create_snap', 'after'),
        ('protect_snap', 'before'),
        ('protect_snap', 'after'),
        ('close', 'after'),
    )
    @ddt.unpack
    def test_restoring_fails_once(self, operation, when):
        self.late_request_taken_in_the_middle()
        # The handle for the withdrawal is the first that is opened.
        skip = int(operation in ('open', 'close'))
        self.cluster.fail(
            operation, self.timeout(), when=when, skip=skip, times=1
        )
        self.assertPublished()

    @ddt.data(
        ('unprotect_snap', 'after'),
        ('remove_snap', 'before'),
        ('remove_snap', 'after'),
        ('close', 'after'),
    )
    @ddt.unpack
    def test_withdrawal_fails_half_way_and_the_request_arrives(
        self, operation, when
    ):
        self.late_request_taken_in_the_middle()
        self.cluster.fail(operation, self.timeout(), when=when, times=1)
        self.assertPublished()

    def test_withdrawal_fails_half_way_for_ever(self):
        self.never_arrives()
        self.cluster.fail('remove_snap', self.timeout())
        self.assertEnds(exceptions.LocationUnknown)

    def test_an_interruption_after_the_withdrawal(self):
        self.late_request_taken_in_the_middle()
        self.cluster.on(
            'remove_snap',
            lambda: self.glance.fail('get', KeyboardInterrupt()),
            when='after',
        )
        self.assertIsInstance(self.publish(), KeyboardInterrupt)
        self.assertTrue(self.taken())

    def late_request_taken_in_the_middle(self):
        """Glance opens the data just before the snapshot is taken away."""
        self.glance.fail('add_image_location', test_publish.LOST, arrives=0.1)
        self.glance.pace = 0.05
        self.ceph_takes(0.3, 'is_protected_snap', 'after')
