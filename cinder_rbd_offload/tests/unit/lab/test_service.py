# SPDX-License-Identifier: Apache-2.0
"""No wait is without an end, and each step is taken where it is due."""

import pathlib

import fixtures
from oslotest import base

from lab import service
from lab import state


class Sleeper(service.Service):
    """A service that is ready when told so, and notes its steps."""

    name = 'sleeper'
    program = ('sleep', '60')
    answers = True

    def __init__(self, lab_state):
        super().__init__(lab_state)
        self.steps = []

    def configure(self):
        self.steps.append('configure')

    def prepare(self):
        self.steps.append('prepare')

    def command(self):
        return list(self.program)

    def ready(self):
        return self.answers

    def furnish(self):
        self.steps.append('furnish')


class ServiceTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        root = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.service = Sleeper(state.State(root))
        self.addCleanup(self.service.down)

    def test_up_takes_each_step_once(self):
        self.assertTrue(self.service.up())
        self.assertFalse(self.service.up())
        self.assertEqual(
            ['configure', 'prepare', 'furnish'], self.service.steps
        )
        self.assertEqual('', self.service.problem())

    def test_after_down_the_data_is_not_prepared_again(self):
        self.service.up()
        self.service.down()
        self.assertEqual('not running', self.service.problem())
        self.service.steps.clear()
        self.assertTrue(self.service.up())
        self.assertEqual(['configure', 'furnish'], self.service.steps)

    def test_furnishing_that_was_interrupted_is_done_again(self):
        def interrupt():
            raise KeyboardInterrupt

        self.patch(self.service, 'furnish', interrupt)
        self.assertRaises(KeyboardInterrupt, self.service.up)
        del self.service.furnish
        self.assertTrue(self.service.up())
        self.assertEqual('furnish', self.service.steps[-1])

    def test_a_process_that_dies_ends_the_wait_at_once(self):
        self.service.program = ('false',)
        self.service.answers = False
        error = self.assertRaises(service.Failed, self.service.up)
        self.assertIn(str(self.service.log), str(error))
        self.assertEqual('died', self.service.problem())

    def test_the_failure_of_another_ends_the_wait_at_once(self):
        self.service.answers = False
        self.service.given_up.set()
        self.assertRaises(service.GivenUp, self.service.up)

    def test_a_wait_ends_and_names_the_last_error(self):
        def refuse():
            raise ConnectionError('refused')

        error = self.assertRaises(
            service.Failed, service.wait, 'the door', refuse, seconds=0.1
        )
        self.assertIn('the door', str(error))
        self.assertIn('refused', str(error))

    def test_a_command_that_fails_names_its_last_word_and_the_log(self):
        error = self.assertRaises(
            service.Failed,
            self.service.run,
            *('sh', '-c', 'echo first >&2; echo last >&2; exit 1'),
        )
        self.assertIn('last', str(error))
        self.assertIn('first', self.service.log.read_text())
