# SPDX-License-Identifier: Apache-2.0
"""cinder.conf is read as Cinder reads it, and its secrets stay in it."""

import pathlib

import ddt
import fixtures
from oslotest import base

from cinder_rbd_offload import ceph
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload import exceptions

CONF = """
[DEFAULT]
enabled_backends = fast, slow, other
[backend_defaults]
rbd_user = cinder
rbd_pool = volumes
rados_connect_timeout = 5
rbd_offload_method = copy
[fast]
volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver
volume_backend_name = FAST
rbd_pool = fast-volumes
rbd_ceph_conf = /etc/ceph/fast.conf
rbd_cluster_name = two
rbd_store_chunk_size = 8
rbd_offload_method = off
[slow]
volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver
[other]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
[disabled]
volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver
"""


@ddt.ddt
class ConfigTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)

    def load(self, text):
        path = self.folder / 'cinder.conf'
        path.write_text(text)
        return config.load([str(path)])

    def unusable(self, function, *args):
        return str(
            self.assertRaises(exceptions.ConfigUnusable, function, *args)
        )

    def test_own_section_then_shared_then_default(self):
        fast, slow = config.backends(self.load(CONF))
        self.assertEqual(
            config.Backend(
                section='fast',
                name='FAST',
                pool='fast-volumes',
                cluster=ceph.Settings(
                    'cinder', '/etc/ceph/fast.conf', 'two', 5
                ),
                object_size=8 << 20,
                options={
                    **slow.options,
                    'rbd_offload_method': 'off',
                },
            ),
            fast,
        )
        self.assertEqual('slow', slow.name)
        self.assertEqual('volumes', slow.pool)
        self.assertEqual(ceph.Settings('cinder', '', 'ceph', 5), slow.cluster)
        self.assertEqual(4 << 20, slow.object_size)
        self.assertEqual('copy', slow.options['rbd_offload_method'])
        self.assertEqual(120, slow.options['rbd_offload_location_timeout'])

    @ddt.data('fast', 'FAST')
    def test_only(self, name):
        (backend,) = config.backends(self.load(CONF), name)
        self.assertEqual('fast', backend.section)

    @ddt.data('other', 'disabled', 'nothing')
    def test_only_one_that_is_not_ours(self, name):
        text = self.unusable(config.backends, self.load(CONF), name)
        self.assertIn('fast, slow', text)

    @ddt.data('', '[DEFAULT]\nenabled_backends = other\n[other]\n')
    def test_no_backend_of_ours(self, text):
        found = self.unusable(config.backends, self.load(text))
        self.assertIn('volume_driver', found)

    def test_a_shared_section_that_is_a_backend(self):
        conf = self.load(
            '[DEFAULT]\nenabled_backends = backend_defaults\n'
            f'[backend_defaults]\nvolume_driver = {config.DRIVER}\n'
        )
        (backend,) = config.backends(conf)
        self.assertEqual('rbd', backend.pool)

    def test_later_files_win(self):
        later = self.folder / 'later.conf'
        later.write_text('[slow]\nrbd_pool = later\n')
        self.load(CONF)
        conf = config.load([str(self.folder / 'cinder.conf'), str(later)])
        self.assertEqual('later', config.backends(conf, 'slow')[0].pool)

    def test_folder(self):
        self.load(CONF)
        conf = config.load(folders=[str(self.folder)])
        self.assertEqual(2, len(config.backends(conf)))

    def test_no_such_file(self):
        self.assertIn('/no/file', self.unusable(config.load, ['/no/file']))

    def test_a_line_that_cannot_be_parsed_is_not_quoted(self):
        text = self.unusable(self.load, '[DEFAULT]\npassword geheim\n')
        self.assertNotIn('geheim', text)
        self.assertIn('cinder.conf', text)

    def test_a_value_that_is_no_number(self):
        conf = self.load(f'{CONF}[slow]\nrados_connect_timeout = soon\n')
        text = self.unusable(config.backends, conf)
        self.assertIn('rados_connect_timeout', text)
        self.assertIn('[slow]', text)

    def test_volume_image(self):
        self.assertEqual('volume-1', config.volume_image(self.load(CONF), '1'))
        conf = self.load('[DEFAULT]\nvolume_name_template = v_%s\n')
        self.assertEqual('v_1', config.volume_image(conf, '1'))
        for template in ('v', '%d', '%s%s'):
            conf = self.load(f'[DEFAULT]\nvolume_name_template = {template}')
            self.unusable(config.volume_image, conf, '1')
