# SPDX-License-Identifier: Apache-2.0
"""A connection obeys its settings, and is closed whatever happens."""

import json
import sys
from unittest import mock

import ddt
import fixtures

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests.unit import base

TIMEOUTS = (
    'rados_osd_op_timeout',
    'rados_mon_op_timeout',
    'client_mount_timeout',
)
SETTINGS = ceph.Settings('cinder', '/etc/ceph/one.conf', 'one', 7)


@ddt.ddt
class ConnectTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.install(rados=self.cluster.rados, rbd=self.cluster.rbd)

    def install(self, **modules):
        patch = mock.patch.dict(sys.modules, modules)
        patch.start()
        self.addCleanup(patch.stop)

    def test_what_is_there(self):
        with ceph.connect(SETTINGS) as client:
            self.assertEqual('a-fsid', client.cluster().fsid())
            self.assertEqual(base.FEATURES, client.features())
            with client.ioctx('volumes') as ioctx:
                self.assertEqual('volumes', ioctx.name)
            with client.connection('volumes') as connection:
                self.assertEqual('volumes', connection.source.name)
                self.assertEqual(
                    base.FEATURES, connection.source.shape.features
                )

    @ddt.data('mon', 'mgr')
    def test_commands(self, daemon):
        handle = mock.Mock()
        command = getattr(handle, f'{daemon}_command')
        command.return_value = (0, b'an answer', '')
        client = ceph.Client(None, None, handle)
        ask = client.ask_monitors if daemon == 'mon' else client.ask_manager
        self.assertEqual('an answer', ask('do', what='"this"'))
        (words, _input), _ = command.call_args
        self.assertEqual(
            {'prefix': 'do', 'format': 'json', 'what': '"this"'},
            json.loads(words),
        )

    @ddt.data(
        (-13, 'access denied', 13, 'access denied'),
        (110, '', 110, 'Connection timed out'),
    )
    @ddt.unpack
    def test_a_command_that_fails(self, code, message, errno, text):
        handle = mock.Mock()
        handle.mon_command.return_value = (code, b'', message)
        client = ceph.Client(None, None, handle)
        error = self.assertRaises(OSError, client.ask_monitors, 'do')
        self.assertEqual(errno, error.errno)
        self.assertIn(text, str(error))

    @ddt.data((7, '7'), (0, '0'), (-1, None))
    @ddt.unpack
    def test_timeout(self, seconds, expected):
        settings = ceph.Settings(timeout=seconds)
        with ceph.connect(settings) as client:
            for option in TIMEOUTS:
                self.assertEqual(expected, client.handle.conf_get(option))

    def replace_rados(self, **returns):
        return self.useFixture(
            fixtures.MockPatchObject(self.cluster.rados, 'Rados', **returns)
        ).mock

    def test_settings_reach_librados(self):
        rados = self.replace_rados()
        with ceph.connect(SETTINGS):
            pass
        rados.assert_called_once_with(
            rados_id='cinder', clustername='one', conffile='/etc/ceph/one.conf'
        )
        rados.return_value.shutdown.assert_called_once_with()

    def test_unreachable(self):
        client = self.replace_rados().return_value
        client.connect.side_effect = self.cluster.rados.TimedOut('no answer')
        error = self.assertRaises(
            exceptions.CephUnreachable, ceph.connect(SETTINGS).__enter__
        )
        self.assertIn('TimedOut: no answer', str(error))
        client.shutdown.assert_called_once_with()

    def test_unreadable_ceph_conf(self):
        self.replace_rados(
            side_effect=self.cluster.rados.ObjectNotFound('no conf')
        )
        self.assertRaises(
            exceptions.CephUnreachable, ceph.connect(SETTINGS).__enter__
        )

    @ddt.data('rados', 'rbd')
    def test_bindings_are_missing(self, module):
        self.install(**{module: None})
        self.assertRaises(
            exceptions.BindingsMissing, ceph.connect(SETTINGS).__enter__
        )

    def test_no_such_pool(self):
        with ceph.connect(SETTINGS) as client:
            self.assertRaises(
                exceptions.CephError, client.ioctx('none').__enter__
            )

    def test_closed_after_an_error(self):
        def work():
            with ceph.connect(SETTINGS) as client:
                with client.ioctx('volumes'):
                    raise ValueError

        self.assertRaises(ValueError, work)
        self.assertEqual([], self.cluster.opened)
