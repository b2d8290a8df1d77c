# SPDX-License-Identifier: Apache-2.0
"""What a failed function had open is closed when its error arrives."""

import gc
import traceback
import weakref

from oslotest import base

from cinder_rbd_offload import frames


class Handle:
    """What is open until nobody refers to it."""


class ClearedTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        # It is not the collector that closes anything here.
        gc.disable()
        self.addCleanup(gc.enable)

    def fail(self):
        handle = Handle()
        self.open = weakref.ref(handle)
        # The circle: a variable of the frame that the traceback refers to.
        error = RuntimeError('it broke')
        raise error

    def fail_and_translate(self):
        try:
            self.fail()
        except RuntimeError:
            # Without 'from': what it came of is its context, no cause.
            raise ValueError('it did not work')  # noqa: B904

    def test_without_it_a_handle_stays_open(self):
        self.assertRaises(RuntimeError, self.fail)
        self.assertIsNotNone(self.open())

    def test_a_handle_is_closed(self):
        error = None
        try:
            with frames.cleared():
                self.fail()
        except RuntimeError as exc:
            error = exc
        self.assertIsNone(self.open())
        *_others, last = traceback.extract_tb(error.__traceback__)
        self.assertEqual('fail', last.name)

    def test_that_of_an_earlier_error_is_closed_too(self):
        with self.assertRaisesRegex(ValueError, 'it did not work'):
            with frames.cleared():
                self.fail_and_translate()
        self.assertIsNone(self.open())

    def test_who_still_runs_keeps_what_it_has(self):
        mine = Handle()
        with self.assertRaisesRegex(RuntimeError, 'it broke'):
            with frames.cleared():
                self.fail()
        self.assertIsInstance(mine, Handle)

    def test_nothing_happens_without_an_error(self):
        with frames.cleared():
            handle = Handle()
        self.assertIsInstance(handle, Handle)
