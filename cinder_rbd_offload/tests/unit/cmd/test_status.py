# SPDX-License-Identifier: Apache-2.0
"""Whoever asks sees the uploads of all hosts."""

import json
import sys
from unittest import mock

from cinder_rbd_offload import ceph
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import shell
from cinder_rbd_offload.cmd import status
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit.cmd import base


class StatusTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.cluster = fake_ceph.Cluster()
        modules = mock.patch.dict(
            sys.modules, rados=self.cluster.rados, rbd=self.cluster.rbd
        )
        modules.start()
        self.addCleanup(modules.stop)
        self.addCleanup(self.assertEqual, [], self.cluster.opened)

    def enter(self, image, host, **changes):
        entry = journal.Entry(
            image_id=image,
            volume='volume-1',
            volume_id='1',
            host=host,
            run='first',
            bytes=4 << 20,
            **changes,
        )
        entries = self.cluster.omap['volumes'].setdefault(
            'rbd_offload.journal', {}
        )
        entries[image] = entry.to_text().encode()

    def run_it(self, *words):
        return shell.main(['status', f'--config-file={self.path}', *words])

    def rows(self, *words):
        self.assertEqual(0, self.run_it('-f', 'json', *words))
        return json.loads(self.printed())

    def test_nothing_is_under_way(self):
        self.assertEqual([], self.rows())

    def test_each_upload_is_one_line(self):
        """Two back ends share the pool, and so the journal."""
        self.enter('one', 'here@fast', started=1, done=1, total=4)
        self.enter('two', 'there@slow', started=2)
        found = self.rows()
        self.assertEqual(['one', 'two'], [row['Image'] for row in found])
        self.assertEqual([25, None], [row['Percent'] for row in found])
        self.assertEqual([1 << 20, 0], [row['Moved'] for row in found])

    def test_two_ways_to_one_pool(self):
        self.write(base.CONF + 'rbd_user = other\n')
        self.enter('one', 'here@fast')
        self.enter('two', 'there@slow')
        self.assertEqual(['one', 'two'], [row['Image'] for row in self.rows()])

    def test_a_single_back_end(self):
        self.enter('one', 'here@fast')
        self.enter('two', 'there@slow')
        (row,) = self.rows('--backend', 'slow')
        self.assertEqual(('two', 'there'), (row['Image'], row['Host']))

    def test_the_manager_is_away(self):
        self.enter('one', 'here@fast', stage=journal.Stage.PUBLISHED)
        self.cluster.fail('mgr_command', self.cluster.rados.TimedOut('away'))
        (row,) = self.rows()
        self.assertEqual(('flattening', None), (row['Stage'], row['Percent']))

    def test_bars_on_a_terminal(self):
        self.enter('one', 'here@fast', done=3, total=4, method='copy')
        with mock.patch.object(
            sys.stdout, 'isatty', autospec=True, return_value=True
        ):
            self.assertEqual(0, self.run_it())
        self.assertIn('one started', self.printed())
        self.assertIn('75 %  3 of 4 MiB, copy', self.printed())

    def test_no_bars_on_a_terminal(self):
        with mock.patch.object(
            sys.stdout, 'isatty', autospec=True, return_value=True
        ):
            self.assertEqual(0, self.run_it())
        self.assertIn('No upload is under way', self.printed())

    def test_nothing_is_written(self):
        self.enter('one', 'here@fast')
        self.rows()
        self.assertNotIn(
            'operate_write_op', {name for name, _when in self.cluster.reached}
        )

    def test_the_cluster_cannot_be_reached(self):
        self.cluster.fail('connect', self.cluster.rados.TimedOut('no'))
        self.assertEqual(shell.UNUSABLE, self.run_it())
        self.assertIn('connecting to the Ceph cluster', self.errors())

    def test_one_cluster_of_two_cannot_be_reached(self):
        """What the other has is shown, and the exit code tells."""
        self.write(base.CONF + 'rbd_cluster_name = far\n')
        self.enter('one', 'here@fast')
        with mock.patch.object(
            config.Backend, 'connect', autospec=True, side_effect=self.connect
        ):
            self.assertEqual(
                shell.UNUSABLE, self.run_it('-f', 'json'), self.errors()
            )
        self.assertEqual(
            ['one'], [row['Image'] for row in json.loads(self.printed())]
        )
        self.assertIn('[slow] connecting to the Ceph cluster', self.errors())

    def connect(self, backend):
        if backend.section == 'slow':
            raise exceptions.CephUnreachable(
                'cinder', 'far.conf', self.cluster.rados.TimedOut('away')
            )
        return ceph.connect(backend.cluster)

    def test_it_is_a_command(self):
        self.assertIs(status.Status, shell.COMMANDS['status'])
