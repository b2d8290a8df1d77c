# SPDX-License-Identifier: Apache-2.0
"""The doctor finds what is really wrong, and leaves nothing behind."""

import json
import pathlib
import shlex
import signal
import struct
import subprocess
import sys
from typing import Any
import uuid

import fixtures

from cinder_rbd_offload.tests.functional import base
from lab import ceph
from lab import client
from lab import rbd
from lab import service
from lab import swift

POOLS = 'osd', 'profile rbd pool=volumes, profile rbd pool=images'
QCOW2 = struct.pack(
    '>4sIQIIQIIQQ', b'QFI\xfb', 3, 512, 11, 16, base.GIB, 0, 1, 65536, 131072
)
NOTHING = str(uuid.UUID(int=0))
PROGRAM = 'cinder_rbd_offload.cmd.shell'

Findings = list[dict[str, str]]


class DoctorTestCase(base.FunctionalTestCase):
    """Runs the doctor as an operator does, on the back end ``offload``."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.monitor = self.lab.services['ceph-mon']
        assert isinstance(self.monitor, ceph.Daemon)
        self.conf = self.state.root / 'cinder' / 'cinder.conf'
        self.addCleanup(self.assert_nothing_is_left)

    def write(self, **sections: dict[str, Any]) -> str:
        """Write a configuration file and return its path."""
        path = self.folder / f'{uuid.uuid4()}.conf'
        lines = []
        for section, options in sections.items():
            lines.append(f'[{section}]')
            lines += [f'{key} = {value}' for key, value in options.items()]
        path.write_text('\n'.join(lines) + '\n')
        return str(path)

    def command(
        self, *words: str, module: str = PROGRAM, **sections: dict[str, Any]
    ) -> list[str]:
        """Return a command; the sections win over those of the lab."""
        files = [str(self.conf)]
        if sections:
            files.append(self.write(**sections))
        options = [f'--config-file={file}' for file in files]
        if module == PROGRAM:
            return [sys.executable, '-m', module, *words, *options]
        return [sys.executable, '-m', module, *options, *words]

    def run_it(
        self, *words: str, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words, **options),
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
        )
        self.assertNotIn('Traceback', done.stderr)
        for user in ('cinder', 'glance', 'admin', 'tenant'):
            password = self.state.password(user)
            self.assertNotIn(password, done.stdout + done.stderr)
        key = self.monitor.keyring('client.cinder').read_text().split()[3]
        self.assertNotIn(key, done.stdout + done.stderr)
        return done

    def doctor(
        self, *words: str, expect: int, **sections: dict[str, Any]
    ) -> Findings:
        """Run the doctor and return its findings."""
        done = self.run_it(
            *('doctor', '-f', 'json', '--backend', 'offload', *words),
            **sections,
        )
        self.assertEqual(expect, done.returncode, done.stdout + done.stderr)
        found: Findings = json.loads(done.stdout)
        return found

    def bad(self, found: Findings) -> dict[str, dict[str, str]]:
        """Return what is not well, by the names of the checks."""
        return {one['Check']: one for one in found if one['Result'] != 'ok'}

    def set_caps(self, *caps: str) -> None:
        """Give client.cinder other capabilities for this test."""
        usual = [w for cap in ceph.CAPS['cinder'].items() for w in cap]
        self.addCleanup(
            self.monitor.admin, 'auth', 'caps', 'client.cinder', *usual
        )
        self.monitor.admin('auth', 'caps', 'client.cinder', *caps)

    def carry_out(self, remedy: str) -> None:
        """Do, as client.admin, what a finding says."""
        line = remedy.partition('Run: ')[2].partition(' -- ')[0]
        program, *words = shlex.split(line)
        self.assertEqual('ceph', program)
        self.monitor.admin(*words)

    def scratch(self) -> list[str]:
        """List what there is of the doctor's in the cluster."""
        found = []
        for name in ('volumes', 'images'):
            with self.pool(name) as pool:
                found += [one for one in rbd.contents(pool) if 'doctor' in one]
                found += [
                    one.key
                    for one in pool.list_objects()
                    if 'doctor' in one.key
                ]
            trash = self.monitor.run(
                *('rbd', '-c', self.monitor.conf, 'trash', 'ls', '--all'),
                *('--format', 'json', name),
            )
            found += [str(one) for one in json.loads(trash)]
        tasks = json.loads(self.monitor.admin('rbd', 'task', 'list'))
        return found + [str(task) for task in tasks]

    def assert_nothing_is_left(self) -> None:
        self.assertEqual([], self.scratch())


class HealthyTest(DoctorTestCase):
    """A lab with which all is well."""

    def test_all_is_well(self) -> None:
        done = self.run_it('doctor', '-f', 'json')
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual({}, self.bad(found))
        ours = {'offload', 'copy', 'clone_flatten', 'instant'}
        self.assertEqual(ours | {''}, {one['Backend'] for one in found})
        self.assertLessEqual(
            {
                *(
                    'service token',
                    'recovery',
                    'glance api',
                    'stores',
                    'quota',
                    'ceph',
                ),
                *('clones', 'pools', 'caps', 'data pool', 'object size'),
                *('swift', 'route'),
            },
            {one['Check'] for one in found},
        )

    def test_sentences(self) -> None:
        done = self.run_it('doctor', '--backend', 'copy')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('\ncopy\n  ok       ceph: The cluster', done.stdout)

    def test_the_most_that_is_logged_has_no_secret(self) -> None:
        done = self.run_it('--debug', '-vv', 'doctor', '--backend', 'copy')
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn('/v3/auth/tokens', done.stderr)

    def test_glance_is_found_in_the_catalog(self) -> None:
        self.assertNotIn('glance_api_servers', self.conf.read_text())
        found = self.doctor(expect=0)
        (api,) = [one for one in found if one['Check'] == 'glance api']
        self.assertIn(str(self.state.port('glance')), api['Finding'])

    def test_upgrade_check(self) -> None:
        module = 'cinder_rbd_offload.cmd.upgrade'
        done = self.run_it('upgrade', 'check', '--json', module=module)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        checks = json.loads(done.stdout)['checks']
        self.assertEqual({0}, {one['result'] for one in checks})

        done = self.run_it(
            *('upgrade', 'check', '--json'),
            module=module,
            offload={'rbd_pool': 'nowhere'},
        )
        self.assertEqual(2, done.returncode, done.stdout + done.stderr)
        checks = json.loads(done.stdout)['checks']
        (pools,) = [one for one in checks if one['check'] == 'pools']
        self.assertEqual(2, pools['result'])
        self.assertIn('[offload] The pool nowhere', pools['details'])

    def test_an_end_that_is_asked_for_leaves_nothing(self) -> None:
        doctor = subprocess.Popen(
            self.command('doctor', '--backend', 'offload'),
            stdout=subprocess.DEVNULL,
        )
        self.addCleanup(doctor.kill)
        service.wait('the doctor', lambda: bool(self.scratch()))
        doctor.send_signal(signal.SIGTERM)
        self.assertEqual(128 + signal.SIGTERM, doctor.wait(base.SECONDS))
        self.assert_nothing_is_left()


class VolumeTest(DoctorTestCase):
    """The way of a given volume."""

    def route(self, found: Findings) -> str:
        return next(x['Finding'] for x in found if x['Check'] == 'route')

    def test_a_volume(self) -> None:
        volume = self.make_filled_volume()
        found = self.doctor('--volume', volume.id, expect=0)
        self.assertIn('stays in the cluster', self.route(found))
        (seen,) = [one for one in found if one['Check'] == 'volume']
        self.assertIn('has no parent, and its data', seen['Finding'])

    def test_the_store_of_the_volume_type(self) -> None:
        found = self.doctor('--store', 'files', expect=1)
        self.assertIn('of type file, not rbd', self.route(found))
        self.assertIn('one of: ceph;', self.bad(found)['route']['Remedy'])

    def test_a_store_in_another_cluster(self) -> None:
        found = self.doctor('--store', 'ceph2', expect=1)
        self.assertIn('in another Ceph cluster', self.route(found))

    def test_a_store_that_is_gone_straight_to(self) -> None:
        found = self.doctor('--store', swift.DIRECT, expect=0)
        self.assertIn('goes straight to Swift', self.route(found))
        (account,) = [one for one in found if one['Check'] == 'swift']
        self.assertIn(f'the store {swift.DIRECT} go', account['Finding'])

    def test_an_account_that_cannot_be_read(self) -> None:
        wrong = {'image_upload_swift_config_file': '/none'}
        found = self.doctor('--store', swift.DIRECT, expect=2, offload=wrong)
        bad = self.bad(found)
        self.assertEqual({'swift'}, set(bad))
        self.assertIn('/none', bad['swift']['Finding'])

    def test_data_of_another_format(self) -> None:
        volume = self.make_volume()
        with self.pool('volumes') as pool:
            name = f'volume-{volume.id}'
            file = self.folder / 'head'
            # A qcow2 whose data is in a file beneath it.
            file.write_bytes(QCOW2.ljust(1 << 16, b'\0'))
            rbd.fill(pool, name, file)
        found = self.doctor('--volume', volume.id, expect=1)
        self.assertIn('is streamed', self.bad(found)['volume']['Finding'])

    def test_no_such_volume(self) -> None:
        found = self.doctor('--volume', NOTHING, expect=2)
        self.assertEqual({'volume'}, set(self.bad(found)))

    def test_what_is_no_id(self) -> None:
        for given in ('volume-1', '../images/x', f'{NOTHING}@snap'):
            done = self.run_it('doctor', '--volume', given)
            self.assertEqual(3, done.returncode)


class CapsTest(DoctorTestCase):
    """A capability is missing; what the finding says brings it back."""

    def assert_cured(self, finding: dict[str, str]) -> None:
        self.carry_out(finding['Remedy'])
        self.doctor(expect=0)

    def test_images_cannot_be_written(self) -> None:
        self.set_caps(
            *('mon', 'profile rbd', 'mgr', POOLS[1]),
            'osd',
            'profile rbd pool=volumes, profile rbd-read-only pool=images',
        )
        (bad,) = self.bad(self.doctor(expect=2)).values()
        self.assertIn(
            'making an image in pool images is not permitted to client.cinder',
            bad['Finding'],
        )
        self.assert_nothing_is_left()
        self.assert_cured(bad)

    def test_volumes_cannot_be_written(self) -> None:
        self.set_caps(
            *('mon', 'profile rbd', 'mgr', POOLS[1]),
            'osd',
            'profile rbd-read-only pool=volumes, profile rbd pool=images',
        )
        (bad,) = self.bad(self.doctor(expect=2)).values()
        self.assert_nothing_is_left()
        self.assert_cured(bad)

    def test_the_manager_takes_nothing(self) -> None:
        self.set_caps('mon', 'profile rbd', *POOLS)
        (bad,) = self.bad(self.doctor(expect=1)).values()
        self.assertIn('listing tasks is not permitted', bad['Finding'])
        self.assertIn('instant', bad['Finding'])
        self.assert_cured(bad)

    def test_the_manager_takes_no_images(self) -> None:
        self.set_caps(
            *('mon', 'profile rbd', *POOLS),
            *('mgr', 'profile rbd pool=volumes'),
        )
        (bad,) = self.bad(self.doctor(expect=1)).values()
        self.assertIn('flattening an image in pool images', bad['Finding'])
        self.assert_nothing_is_left()
        self.assert_cured(bad)

    def test_dead_clients_cannot_be_shut_out(self) -> None:
        self.set_caps('mon', 'allow r', *POOLS, 'mgr', POOLS[1])
        (bad,) = self.bad(self.doctor(expect=2)).values()
        self.assertIn('shutting out a dead client', bad['Finding'])
        self.assertIn('a crash leaves is ever cleaned', bad['Finding'])
        self.assert_cured(bad)

    def test_a_user_who_may_read_its_capabilities_keeps_them(self) -> None:
        self.set_caps(
            *('mon', 'profile rbd, allow command "auth get"', *POOLS),
            *('mgr', 'profile rbd pool=volumes'),
        )
        (bad,) = self.bad(self.doctor(expect=1)).values()
        self.assertIn('allow command "auth get"', bad['Remedy'])
        self.assertNotIn('this replaces', bad['Remedy'])
        self.assert_cured(bad)

    def test_the_least_is_enough(self) -> None:
        self.set_caps(
            *('mon', 'profile rbd', *POOLS),
            *('mgr', 'profile rbd pool=images'),
        )
        self.doctor(expect=0)


class CephTest(DoctorTestCase):
    """Something is wrong with the cluster, or the way to it."""

    def test_clones_of_format_1(self) -> None:
        require = ('osd', 'set-require-min-compat-client')
        self.addCleanup(self.monitor.admin, *require, 'mimic')
        self.monitor.admin(*require, 'luminous', '--yes-i-really-mean-it')
        (bad,) = self.bad(self.doctor(expect=1)).values()
        self.assertIn('format 1', bad['Finding'])
        self.assert_nothing_is_left()
        self.carry_out('Run: ' + bad['Remedy'].partition('run: ')[2])
        self.doctor(expect=0)

    def test_no_such_pool(self) -> None:
        found = self.doctor(expect=2, offload={'rbd_pool': 'nowhere'})
        self.assertIn('nowhere', self.bad(found)['pools']['Finding'])

    def test_a_dead_port(self) -> None:
        lines = self.monitor.conf.read_text().splitlines()
        path = self.folder / 'ceph.conf'
        path.write_text(
            '\n'.join(
                'mon_host = 127.0.0.1:1' if x.startswith('mon_host') else x
                for x in lines
            )
            + '\n'
        )
        found = self.doctor(
            expect=2,
            offload={'rbd_ceph_conf': path, 'rados_connect_timeout': 2},
        )
        bad = self.bad(found)
        self.assertEqual({'ceph'}, set(bad))
        self.assertIn('TimedOut', bad['ceph']['Finding'])
        self.assertIn('rbd_ceph_conf', bad['ceph']['Remedy'])

    def test_no_ceph_conf_and_no_such_user(self) -> None:
        for wrong in ({'rbd_ceph_conf': '/none'}, {'rbd_user': 'nobody'}):
            bad = self.bad(self.doctor(expect=2, offload=wrong))
            self.assertEqual({'ceph'}, set(bad))

    def test_the_manager_is_away(self) -> None:
        self.addCleanup(self.run_lab, 'up')
        self.run_lab('down', 'ceph-mgr')
        found = self.doctor(expect=1, offload={'rados_connect_timeout': 3})
        bad = self.bad(found)
        self.assertIn('listing tasks failed', bad['caps']['Finding'])
        self.assertEqual(0, self.run_lab('up').returncode)

    def test_the_data_of_images_goes_to_another_pool(self) -> None:
        """As in front of an erasure-coded pool, for Glance only."""
        path = self.folder / 'ceph.conf'
        path.write_text(
            self.monitor.conf.read_text()
            + '[client.cinder]\nrbd_default_data_pool = volumes\n'
        )
        image = self.images.create_image(
            name=self.id(),
            disk_format='raw',
            container_format='bare',
            data=b'x' * 4096,
        )
        self.addCleanup(self.delete_image, image.id)
        found = self.doctor(expect=1, offload={'rbd_ceph_conf': path})
        bad = self.bad(found)
        self.assertEqual({'data pool'}, set(bad))
        self.assertIn(
            'made here get it in volumes', bad['data pool']['Finding']
        )


class GlanceTest(DoctorTestCase):
    """Something is wrong with Glance, or the tokens for it."""

    def test_the_role_service_is_missing(self) -> None:
        wrong = client.credentials(self.state, 'tenant')
        bad = self.bad(self.doctor(expect=2, service_user=wrong))
        self.assertEqual({'service token', 'stores'}, set(bad))
        token = bad['service token']
        self.assertIn('does not have the role service', token['Finding'])
        self.assertIn('openstack role add', token['Remedy'])

    def test_no_service_token_is_sent(self) -> None:
        wrong = {'send_service_user_token': False}
        bad = self.bad(self.doctor(expect=2, service_user=wrong))
        self.assertIn(
            'send_service_user_token', bad['service token']['Remedy']
        )

    def test_a_wrong_password(self) -> None:
        wrong = {'password': self.state.password('glance')}
        bad = self.bad(self.doctor(expect=2, service_user=wrong))
        self.assertIn('gets no token', bad['service token']['Finding'])

    def test_a_user_of_glance_who_sees_no_private_images(self) -> None:
        user = {'auth_type': 'password'} | client.credentials(
            self.state, 'cinder'
        )
        user['project_name'] = 'service'
        bad = self.bad(self.doctor(expect=2, glance=user))
        self.assertIn('role admin', bad['service token']['Finding'])

    def test_glance_is_down(self) -> None:
        self.addCleanup(self.run_lab, 'up')
        self.run_lab('down', 'glance')
        bad = self.bad(self.doctor(expect=2))
        self.assertIn('does not answer', bad['glance api']['Finding'])
        self.assertEqual(0, self.run_lab('up').returncode)

    def test_keystone_cannot_be_reached(self) -> None:
        wrong = {'auth_url': 'http://127.0.0.1:1/v3'}
        bad = self.bad(self.doctor(expect=2, service_user=wrong))
        self.assertIn('ConnectFailure', bad['service token']['Finding'])
