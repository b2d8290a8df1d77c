# SPDX-License-Identifier: Apache-2.0
"""The doctor prints sentences or data, and its exit code says how it is."""

import dataclasses
import json
import signal

import ddt

from cinder_rbd_offload.cmd import doctor
from cinder_rbd_offload.cmd import shell
from cinder_rbd_offload import glance
from cinder_rbd_offload.tests.unit.cmd import base


@ddt.ddt
class DoctorTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, before)

    def run_it(self, *words):
        return shell.main(['doctor', f'--config-file={self.path}', *words])

    def rows(self):
        return json.loads(self.printed())

    def test_all_is_well(self):
        self.assertEqual(0, self.run_it('-f', 'json'))
        self.assertEqual({'ok'}, {row['Result'] for row in self.rows()})
        self.assertEqual(
            ['Backend', 'Check', 'Result', 'Finding', 'Remedy'],
            list(self.rows()[0]),
        )

    @ddt.data(('mgr', 1, 'warning'), ('images', 2, 'error'))
    @ddt.unpack
    def test_exit_code(self, denied, code, result):
        self.cluster.denied.add(denied)
        self.assertEqual(code, self.run_it('-f', 'json'))
        self.assertIn(result, {row['Result'] for row in self.rows()})

    def test_sentences(self):
        self.cluster.denied.add('images')
        self.assertEqual(2, self.run_it('--backend', 'slow'))
        text = self.printed()
        self.assertTrue(text.startswith('Glance\n  ok       service token: '))
        self.assertIn('\n\nslow\n  ok       ceph: The cluster a-fsid', text)
        self.assertRegex(text, r'\n  error    caps: .*\n {11}-> Run: ceph')

    @ddt.data('table', 'csv', 'yaml', 'value')
    def test_other_forms(self, form):
        self.assertEqual(0, self.run_it('-f', form))
        self.assertNotIn('Glance\n', self.printed())
        self.assertIn('service token', self.printed())

    def test_a_single_column(self):
        self.assertEqual(0, self.run_it('-f', 'json', '-c', 'Check'))
        self.assertEqual({'Check'}, {k for row in self.rows() for k in row})

    def test_volume_and_store(self):
        code = self.run_it(
            *('--volume', base.VOLUME.upper(), '--store', 'ceph'),
            *('-f', 'json'),
        )
        self.assertEqual(0, code)
        self.assertIn(
            f'volume-{base.VOLUME} in',
            ' '.join(row['Finding'] for row in self.rows()),
        )

    @ddt.data(
        ['--volume', 'volume-1'],
        ['--volume', f'{base.VOLUME}@snap'],
        ['--volume', '../images/x'],
        ['--backend', 'none'],
        ['--config-file', '/no/such/file'],
        ['--no-such-argument'],
    )
    def test_unusable(self, words):
        self.assertEqual(3, self.run_it(*words))
        self.assertEqual('', self.printed())

    def test_what_is_quoted_does_not_command_the_terminal(self):
        store = glance.Store('\x1b[2Jstore', 'file', True)
        self.look.return_value = dataclasses.replace(
            base.SEEN, stores=(store,)
        )
        self.assertEqual(2, self.run_it())
        self.assertNotIn('\x1b', self.printed())
        self.assertIn('\\x1b[2Jstore', self.printed())

    def test_an_end_that_is_asked_for_leaves_nothing(self):
        def end():
            signal.raise_signal(signal.SIGTERM)

        self.cluster.on('flatten', end)
        self.assertEqual(128 + signal.SIGTERM, self.run_it())
        self.assertEqual(self.before, self.cluster.state())

    def test_help_tells_the_exit_codes(self):
        self.assertEqual(0, shell.main(['doctor', '--help']))
        for word in ('0 all is well', '1 uploads work', '2 uploads fail', '3'):
            self.assertIn(word, ' '.join(self.printed().split()))

    def test_it_is_a_command(self):
        self.assertIs(doctor.Doctor, shell.COMMANDS['doctor'])
