# SPDX-License-Identifier: Apache-2.0
"""The options have sane defaults and limits, and the sample lists them."""

from importlib import metadata

from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload import opts


class OptsTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        self.conf.register_opts(opts.driver_opts, group='ceph')
        self.conf([], default_config_files=[])

    def test_timeout(self):
        self.assertEqual(120, self.conf.ceph.rbd_offload_location_timeout)
        self.assertRaises(
            ValueError,
            self.conf.set_override,
            'rbd_offload_location_timeout',
            0,
            group='ceph',
        )

    def test_names_and_help(self):
        for option in opts.driver_opts:
            self.assertTrue(option.name.startswith('rbd_offload_'))
            # oslo.config itself lists choices, each with its meaning.
            if not getattr(option.type, 'choices', None):
                self.assertIn('Possible values:', option.help)

    def test_the_sample_generator_finds_every_option(self):
        (entry,) = metadata.entry_points(
            group='oslo.config.opts', name='cinder_rbd_offload'
        )
        self.assertEqual(
            [('backend_defaults', opts.driver_opts)], entry.load()()
        )
