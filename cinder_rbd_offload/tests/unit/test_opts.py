# SPDX-License-Identifier: Apache-2.0
"""The options have sane defaults and limits, and the sample lists them."""

from importlib import metadata

import ddt
from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload.offload import plan
from cinder_rbd_offload import opts
from cinder_rbd_offload.upload import store_opts


@ddt.ddt
class OptsTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        self.conf.register_opts(
            opts.driver_opts + opts.upload_opts, group='ceph'
        )
        self.conf([], default_config_files=[])

    @ddt.data(
        ('rbd_offload_image_size_cap', 1 << 40),
        ('rbd_offload_location_timeout', 120),
        ('rbd_offload_max_uploads', 3),
        ('rbd_offload_recovery_interval', 60),
        ('image_upload_attempts', 5),
        ('image_upload_read_ahead', 32, 8),
        ('image_upload_retry_timeout', 300),
        ('image_upload_timeout', 300),
    )
    def test_numbers(self, values):
        name, default, least = (*values, 1)[:3]
        self.assertEqual(default, self.conf.ceph[name])
        self.conf.set_override(name, least, group='ceph')
        self.assertRaises(
            ValueError, self.conf.set_override, name, least - 1, group='ceph'
        )

    def test_every_method_can_be_chosen(self):
        option = opts.driver_opts[0]
        self.assertEqual('auto', self.conf.ceph.rbd_offload_method)
        self.assertEqual(
            {'auto', 'off'} | {method.value for method in plan.Method},
            set(option.type.choices),
        )

    def test_data_pools(self):
        self.assertEqual({}, self.conf.ceph.rbd_offload_data_pools)
        self.conf.set_override(
            'rbd_offload_data_pools', 'fast:ec-data,slow:ec-hdd', group='ceph'
        )
        self.assertEqual(
            {'fast': 'ec-data', 'slow': 'ec-hdd'},
            self.conf.ceph.rbd_offload_data_pools,
        )

    def test_names_and_help(self):
        for option in opts.driver_opts + opts.upload_opts:
            ours = option in opts.driver_opts
            prefix = 'rbd_offload_' if ours else 'image_upload_'
            self.assertTrue(option.name.startswith(prefix))
            # oslo.config itself lists choices, each with its meaning.
            if not getattr(option.type, 'choices', None):
                self.assertIn('Possible values:', option.help)

    def test_the_sample_generator_finds_every_option(self):
        (entry,) = metadata.entry_points(
            group='oslo.config.opts', name='cinder_rbd_offload'
        )
        self.assertEqual(
            [('backend_defaults', opts.driver_opts + opts.upload_opts)],
            entry.load()(),
        )

    def test_the_sample_generator_finds_the_options_of_the_store(self):
        (entry,) = metadata.entry_points(
            group='oslo.config.opts', name='cinder_rbd_offload.glance_store'
        )
        self.assertEqual(
            [('swift_resumable', store_opts.resumable_opts)], entry.load()()
        )
