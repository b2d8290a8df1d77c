# SPDX-License-Identifier: Apache-2.0
"""The devstack plugin does in each phase what it should, and no more.

What it sets is what the lab sets: both have it from ``devstack/cloud.conf``.
"""

import configparser
import os
import pathlib
import subprocess

import ddt
import fixtures
from oslo_config import cfg
from oslotest import base

import cinder_rbd_offload
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.tests.tempest import config as tempest_config
from lab import ceph
from lab import cinder
from lab import cloud
from lab import glance
from lab import state

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent.parent
HERE = pathlib.Path(__file__).parent
# Where a checkout of devstack, and of its plugin for Ceph, may be.
CHECKOUTS = ('DEVSTACK_DIR', 'DEVSTACK_PLUGIN_CEPH_DIR')


def read(path):
    """Read a configuration file, where of two equal options the last wins."""
    parser = configparser.ConfigParser(
        interpolation=None, strict=False, default_section='none'
    )
    parser.read_string(path.read_text())
    return parser


class PluginTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.state = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def run_script(self, script, *, fails=False, **local_conf):
        """Play one of devstack's scripts.

        :param fails: whether it is to stop with an error
        :param local_conf: what local.conf sets
        :returns: what it printed
        """
        env = {
            name: os.environ[name] for name in CHECKOUTS if name in os.environ
        }
        done = subprocess.run(
            ['bash', HERE / 'stack.sh', script],
            env=env
            | {
                'PATH': os.environ['PATH'],
                'ROOT': str(ROOT),
                'STATE': str(self.state),
            }
            | local_conf,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.assertEqual(fails, done.returncode != 0, done.stdout)
        return done.stdout

    def calls(self):
        """List the calls that would have changed the machine."""
        path = self.state / 'calls'
        text = path.read_text() if path.exists() else ''
        return [line.split('\t') for line in text.splitlines()]

    def caps(self):
        """Return the capabilities that the plugin gave, by cephx user."""
        found = {}
        for call in self.calls():
            if 'caps' in call:
                _caps, user, *words = call[call.index('caps') :]
                found[user] = dict(zip(words[::2], words[1::2], strict=True))
        return found

    def conf(self, name):
        return read(self.state / 'etc' / name)


@ddt.ddt
class StackTestCase(PluginTestCase):
    def test_the_default_back_end_is_ours(self):
        self.run_script('stack')
        conf = self.conf('cinder.conf')
        self.assertEqual('ceph', conf['DEFAULT']['enabled_backends'])
        self.assertEqual('ceph', conf['DEFAULT']['default_volume_type'])
        ours = {
            'volume_driver': config.DRIVER,
            'volume_backend_name': 'ceph',
            'rbd_ceph_conf': '/etc/ceph/ceph.conf',
            'rbd_offload_method': 'auto',
            'rbd_pool': 'volumes',
            'rbd_user': 'cinder',
        }
        self.assertLessEqual(ours.items(), dict(conf['ceph']).items())

    def test_glance_has_a_section_for_each_store(self):
        self.run_script('stack')
        conf = self.conf('glance-api.conf')
        self.assertEqual(
            'robust_rbd:rbd,fast:file', conf['DEFAULT']['enabled_backends']
        )
        self.assertEqual('images', conf['robust_rbd']['rbd_store_pool'])
        self.assertEqual(
            f'{self.state}/data/glance/fast/',
            conf['fast']['filesystem_store_datadir'],
        )

    def test_what_is_done_in_which_phase(self):
        self.run_script('stack')
        done, phase = {}, None
        for name, *words in self.calls():
            if name == 'phase':
                phase = words[-1]
            elif name in ('install_bindep', 'pip_install', 'rbd-offload'):
                done.setdefault(phase, []).append([name, *words])
            elif words[:3] == ['volume', 'type', 'create']:
                done.setdefault(phase, []).append(words[2:])
            elif 'caps' in words:
                done.setdefault(phase, []).append(words[-8:-6])
        conf = str(self.state / 'etc' / 'cinder.conf')
        self.assertEqual(
            {
                'install': [
                    ['install_bindep', f'{ROOT}/bindep.txt'],
                    ['pip_install', '-e', str(ROOT)],
                ],
                'post-config': [
                    ['caps', 'client.cinder'],
                    ['caps', 'client.glance'],
                ],
                'extra': [['rbd-offload', 'doctor', '--config-file', conf]],
                'test-config': [
                    ['create', 'ceph-robust_rbd'],
                    ['create', 'ceph-fast'],
                ],
            },
            done,
        )

    def test_nova_keeps_its_pool(self):
        self.run_script('stack')
        expected = {
            kind: text + ('' if kind == 'mon' else ', profile rbd pool=vms')
            for kind, text in ceph.CAPS['cinder'].items()
        }
        self.assertEqual(expected, self.caps()['client.cinder'])

    def test_instant_lets_glance_read_volumes(self):
        self.run_script('stack', CINDER_RBD_OFFLOAD_METHOD='instant')
        self.assertEqual(
            'profile rbd pool=images, profile rbd-read-only pool=volumes',
            self.caps()['client.glance']['osd'],
        )
        conf = self.conf('cinder.conf')
        self.assertEqual('instant', conf['ceph']['rbd_offload_method'])

    def test_pools_of_other_names(self):
        self.run_script('stack', CINDER_CEPH_POOL='fast-volumes')
        self.assertIn(
            'pool=fast-volumes,', self.caps()['client.cinder']['osd']
        )

    def test_a_remote_cluster_is_left_alone(self):
        self.run_script('stack', REMOTE_CEPH='True', FSID='an-fsid')
        self.assertEqual({}, self.caps())
        conf = self.conf('cinder.conf')
        self.assertEqual(config.DRIVER, conf['ceph']['volume_driver'])

    @ddt.data(
        (None, 'rbd_offload:ceph'),
        ('ceph', 'rbd_offload:ceph'),
        ('ceph:ceph', 'rbd_offload:ceph'),
        ('ceph:thin', 'rbd_offload:thin'),
        ('lvm:lvm-1,ceph', 'lvm:lvm-1,rbd_offload:ceph'),
        ('ceph,lvm:lvm-1', 'rbd_offload:ceph,lvm:lvm-1'),
        ('ceph,ceph2', 'rbd_offload:ceph,ceph2'),
        ('rbd_offload:ours,ceph:stock', 'rbd_offload:ours,ceph:stock'),
    )
    @ddt.unpack
    def test_back_ends(self, given, expected):
        given = {'CINDER_ENABLED_BACKENDS': given} if given else {}
        printed = self.run_script('stack', **given)
        self.assertEqual(
            f'CINDER_ENABLED_BACKENDS={expected}', printed.splitlines()[-1]
        )
        conf = self.conf('cinder.conf')
        for one in expected.split(','):
            kind, _colon, name = one.partition(':')
            if kind in ('ceph', 'rbd_offload'):
                self.assertEqual(
                    kind == 'rbd_offload',
                    conf[name]['volume_driver'] == config.DRIVER,
                )

    def test_switched_off(self):
        self.run_script('stack', ENABLE_CINDER_RBD_OFFLOAD='False')
        text = (self.state / 'etc' / 'cinder.conf').read_text()
        self.assertNotIn('rbd_offload', text)
        self.assertNotIn(['pip_install', '-e', str(ROOT)], self.calls())
        self.assertEqual({}, self.caps())

    def test_a_host_without_cinder_volume(self):
        self.run_script('stack', ENABLED_SERVICES='key,g-api,c-api,n-cpu')
        self.assertNotIn(['pip_install', '-e', str(ROOT)], self.calls())
        self.assertEqual({}, self.caps())

    @ddt.data('', ' devstack-plugin-ceph')
    def test_without_the_plugin_for_ceph_before_it(self, later):
        printed = self.run_script(
            'stack', fails=True, PLUGINS_ON=f'cinder-rbd-offload{later}'
        )
        self.assertIn('needs devstack-plugin-ceph', printed)
        self.assertEqual([], self.calls())

    def test_without_a_back_end(self):
        printed = self.run_script(
            'stack', fails=True, CINDER_ENABLED_BACKENDS='lvm:lvm-1'
        )
        self.assertIn('no back end of type rbd_offload', printed)

    def test_a_glance_that_does_not_tell(self):
        printed = self.run_script(
            'stack', GLANCE_ENABLE_MULTIPLE_STORES='False'
        )
        self.assertIn('nothing is offloaded', printed)
        self.assertFalse(self.conf('glance-api.conf').has_section('fast'))

    @ddt.data(('0', 'True'), ('1', 'True'), ('2', 'False'), ('3', 'False'))
    @ddt.unpack
    def test_the_doctor_lets_it_go_on(self, result, fatal):
        self.run_script(
            'stack', DOCTOR_RESULT=result, CINDER_RBD_OFFLOAD_DOCTOR=fatal
        )

    @ddt.data('2', '3')
    def test_the_doctor_ends_it(self, result):
        printed = self.run_script('stack', fails=True, DOCTOR_RESULT=result)
        self.assertIn('rbd-offload doctor found', printed)


@ddt.ddt
class EndTestCase(PluginTestCase):
    @ddt.data('unstack', 'clean')
    def test_nothing_is_left_to_do(self, script):
        self.run_script(script)
        mine = [
            call
            for call in self.calls()
            if call[0] not in ('cleanup_ceph', 'phase')
        ]
        self.assertEqual([], mine)


@ddt.ddt
class TempestTestCase(PluginTestCase):
    def options(self, **local_conf):
        """Return what Tempest reads in our section, after stack.sh."""
        self.run_script('stack', **local_conf)
        conf = cfg.ConfigOpts()
        conf.register_opts(tempest_config.options, tempest_config.group)
        conf(
            [],
            default_config_files=[str(self.state / 'etc' / 'tempest.conf')],
        )
        return conf[tempest_config.group.name]

    def types(self):
        """Return the extra specs of the volume types that were made."""
        made, found = set(), {}
        for call in self.calls():
            match call:
                case ['openstack', 'volume', 'type', 'create', name]:
                    made.add(name)
                case ['openstack', 'volume', 'type', 'set', name, *words]:
                    found[name] = {
                        word for word in words if word != '--property'
                    }
        return made, found

    @ddt.data(
        ('auto', {'clone_flatten': 'ceph', 'stream': 'ceph-fast'}),
        ('copy', {'copy': 'ceph', 'stream': 'ceph-fast'}),
        ('clone_flatten', {'clone_flatten': 'ceph', 'stream': 'ceph-fast'}),
        ('instant', {'instant': 'ceph', 'stream': 'ceph-fast'}),
        ('off', {'stream': 'ceph-fast'}),
    )
    @ddt.unpack
    def test_the_method_that_the_back_end_has(self, method, expected):
        options = self.options(CINDER_RBD_OFFLOAD_METHOD=method)
        self.assertEqual(expected, options.method_types)

    def test_each_store_has_a_volume_type(self):
        options = self.options()
        self.assertEqual(
            {'robust_rbd': 'ceph-robust_rbd', 'fast': 'ceph-fast'},
            options.store_types,
        )
        self.assertEqual('fast', options.source_store)
        expected = {
            f'ceph-{store}': {
                'volume_backend_name=ceph',
                f'image_service:store_id={store}',
            }
            for store in options.store_types
        }
        self.assertEqual((set(expected), expected), self.types())

    def test_volume_types_that_are_there(self):
        self.options(VOLUME_TYPES='ceph-fast other')
        made, found = self.types()
        self.assertEqual({'ceph-robust_rbd'}, made)
        self.assertEqual({'ceph-robust_rbd', 'ceph-fast'}, set(found))

    def test_a_glance_with_one_store(self):
        options = self.options(GLANCE_ENABLE_MULTIPLE_STORES='False')
        self.assertEqual({'clone_flatten': 'ceph'}, options.method_types)
        self.assertEqual({}, options.store_types)
        self.assertEqual('', options.source_store)
        self.assertEqual((set(), {}), self.types())

    def test_the_first_back_end_of_ours(self):
        options = self.options(
            CINDER_ENABLED_BACKENDS='lvm:a,rbd_offload:b,rbd_offload:c'
        )
        self.assertEqual(
            {'clone_flatten': 'b', 'stream': 'b-fast'}, options.method_types
        )

    def test_a_volume_in_use(self):
        self.assertTrue(self.options().force_upload)
        conf = self.conf('cinder.conf')
        self.assertEqual('true', conf['DEFAULT']['enable_force_upload'])

    def test_it_comes_after_devstack_has_written_its_own(self):
        self.options()
        names = [name for name, *_words in self.calls()]
        self.assertLess(
            names.index('configure_tempest'), names.index('openstack')
        )

    @ddt.data(
        {'ENABLED_SERVICES': 'key,g-api,c-api,c-vol'},
        {'ENABLE_CINDER_RBD_OFFLOAD': 'False'},
    )
    def test_without_it(self, local_conf):
        self.run_script('stack', **local_conf)
        self.assertEqual((set(), {}), self.types())
        path = self.state / 'etc' / 'tempest.conf'
        # The plugin for Ceph may have made the file.
        text = path.read_text() if path.exists() else ''
        self.assertNotIn('[rbd-offload]', text)


class AgreementTestCase(PluginTestCase):
    """The plugin and the lab set the same."""

    def setUp(self):
        super().setUp()
        self.run_script('stack', ENABLED_SERVICES='key,g-api,c-api,c-vol')
        lab = state.State(self.state / 'lab')
        for service in (cinder.CinderVolume(lab), glance.Glance(lab)):
            service.configure()

    def test_options(self):
        seen = 0
        for whole in read(cloud.CONF).sections():
            service, section = whole.split()
            if service == 'ceph':
                continue
            name = {'cinder': 'cinder.conf', 'glance': 'glance-api.conf'}[
                service
            ]
            theirs = read(self.state / 'lab' / service / name)
            ours = self.conf(name)
            backend = section == 'backend'
            for option, value in cloud.options(whole).items():
                seen += 1
                self.assertEqual(
                    (value, value),
                    (
                        theirs['offload' if backend else section][option],
                        ours['ceph' if backend else section][option],
                    ),
                )
        self.assertEqual(6, seen)

    def test_capabilities(self):
        self.assertEqual(
            {f'client.{user}': caps for user, caps in ceph.CAPS.items()},
            self.caps(),
        )

    def test_the_oldest_client(self):
        (value,) = cloud.options('ceph cluster').values()
        self.assertIn(
            ['osd', 'set-require-min-compat-client', value],
            [call[-3:] for call in self.calls()],
        )
