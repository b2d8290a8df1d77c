# SPDX-License-Identifier: Apache-2.0
"""The upgrade check is the doctor's, with the codes of oslo.upgradecheck."""

import configparser
import importlib
import json
import pathlib

import ddt
import fixtures
from oslo_config import cfg

from cinder_rbd_offload.cmd import upgrade
from cinder_rbd_offload.tests.unit.cmd import base

ROOT = pathlib.Path(__file__).parents[4]


@ddt.ddt
class UpgradeTestCase(base.TestCase):
    def run_it(self, *words):
        return upgrade.main(
            [f'--config-file={self.path}', 'upgrade', 'check', *words]
        )

    def checks(self):
        return {
            one['check']: one for one in json.loads(self.printed())['checks']
        }

    def test_all_is_well(self):
        self.assertEqual(0, self.run_it('--json'))
        checks = self.checks()
        self.assertIn('caps', checks)
        self.assertEqual(
            {(0, None)}, {(x['result'], x['details']) for x in checks.values()}
        )

    @ddt.data(('mgr', 1), ('images', 2))
    @ddt.unpack
    def test_codes(self, denied, code):
        self.cluster.denied.add(denied)
        self.assertEqual(code, self.run_it('--json'))
        caps = self.checks()['caps']
        self.assertEqual(code, caps['result'])
        self.assertIn('[fast] ', caps['details'])
        self.assertIn('[slow] ', caps['details'])
        self.assertIn('ceph auth caps', caps['details'])

    def test_table(self):
        self.assertEqual(0, self.run_it())
        self.assertIn('Result: Success', self.printed())

    def test_no_backend_of_ours(self):
        self.write('[DEFAULT]\nenabled_backends = other\n')
        self.assertEqual(2, self.run_it('--json'))
        self.assertIn(
            'volume_driver', self.checks()['configuration']['details']
        )

    def test_it_reads_what_cinder_volume_reads(self):
        home = self.useFixture(fixtures.TempHomeDir())
        folder = pathlib.Path(home.path) / '.cinder'
        folder.mkdir()
        (folder / 'cinder.conf').write_text(
            '[DEFAULT]\nenabled_backends = other\n'
        )
        (folder / 'cinder-volume.conf').write_text(
            pathlib.Path(self.path).read_text()
        )
        self.assertEqual(0, upgrade.main(['upgrade', 'check']))

    def test_a_value_that_is_no_number(self):
        """Of an option that only a look at Glance reads."""
        self.look.side_effect = cfg.ConfigFileValueError(
            'Value for option glance_request_timeout is not valid'
        )
        self.assertEqual(2, self.run_it('--json'))
        self.assertIn(
            'glance_request_timeout', self.checks()['configuration']['details']
        )

    def test_a_file_that_cannot_be_read(self):
        folder = self.useFixture(fixtures.TempDir())
        latin = pathlib.Path(folder.join('cinder.conf'))
        latin.write_bytes(b'[DEFAULT]\nhost = caf\xe9\n')
        for path in (folder.path, latin):
            words = [f'--config-file={path}', 'upgrade', 'check']
            self.assertEqual(255, upgrade.main(words))
            self.assertIn('--config-file', self.errors())

    def test_no_file(self):
        words = ['--config-file=/no/such/file', 'upgrade', 'check']
        self.assertEqual(255, upgrade.main(words))
        self.assertEqual('', self.printed())

    def test_the_programs_are_installed(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        lines = setup['entry_points']['console_scripts'].strip().splitlines()
        programs = dict(line.split(' = ') for line in lines)
        self.assertLessEqual(
            {'rbd-offload', 'rbd-offload-status'}, set(programs)
        )
        for target in programs.values():
            module, _colon, name = target.partition(':')
            found = getattr(importlib.import_module(module), name)
            self.assertTrue(callable(found))
