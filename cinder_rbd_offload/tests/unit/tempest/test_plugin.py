# SPDX-License-Identifier: Apache-2.0
"""Tempest finds the plugin, its options and its tests."""

import collections
from importlib import metadata
import pathlib
import unittest

from oslo_config import cfg
from oslotest import base

import cinder_rbd_offload
from cinder_rbd_offload.tests.tempest import plugin

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parents[1]


def flat(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from flat(one)
        else:
            yield one


class PluginTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.plugin = plugin.RBDOffloadTempestPlugin()

    def test_the_entry_point(self):
        (entry,) = metadata.entry_points(
            group='tempest.test_plugins', name='cinder_rbd_offload'
        )
        self.assertIs(plugin.RBDOffloadTempestPlugin, entry.load())

    def test_options(self):
        conf = cfg.ConfigOpts()
        self.plugin.register_opts(conf)
        conf([], default_config_files=[])
        ((name, options),) = self.plugin.get_opt_lists()
        self.assertEqual('rbd-offload', name)
        self.assertEqual(
            {option.dest for option in options}, set(conf[name].keys())
        )
        for option in options:
            self.assertTrue(option.help)

    def test_every_test_is_found_and_has_an_id_of_its_own(self):
        folder, top = self.plugin.load_tests()
        self.assertEqual(str(ROOT), top)
        tests = list(
            flat(unittest.TestLoader().discover(folder, top_level_dir=top))
        )
        modules = collections.Counter(
            type(one).__module__.rpartition('.')[2] for one in tests
        )
        self.assertEqual({'test_upload': 10, 'test_delete_order': 6}, modules)
        ids = collections.Counter(
            tag
            for one in tests
            for tag in getattr(
                getattr(one, one._testMethodName), '__testtools_attrs', ()
            )
            if tag.startswith('id-')
        )
        self.assertEqual({1}, set(ids.values()))
        self.assertEqual(len(tests), len(ids))
