# SPDX-License-Identifier: Apache-2.0
"""The answers of monitors and manager are read rightly, and so are errors."""

import errno
import json

import ddt

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import cluster
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests.unit import base


class ClusterTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.handle = self.cluster.rados.Rados('cinder', 'ceph', 'ceph.conf')
        self.handle.connect()
        self.addCleanup(self.handle.shutdown)
        self.asked = []
        self.ours = ceph.Cluster(self.cluster.rados, self.handle)

    def answer(self, kind, output='', result=0, message=''):
        """Have the monitors, or the manager, give one answer."""

        def command(text, given, timeout=None):
            self.asked.append((json.loads(text), given, timeout))
            return result, output, message

        setattr(self.handle, f'{kind}_command', command)


@ddt.ddt
class MonitorTestCase(ClusterTestCase):
    def test_fsid(self):
        self.assertEqual('a-fsid', self.ours.fsid())

    @ddt.data(
        ('jewel', False),
        ('kraken', False),
        ('luminous', False),
        ('mimic', True),
        ('nautilus', True),
        ('reef', True),
        ('squid', True),
    )
    @ddt.unpack
    def test_has_clone_v2(self, release, expected):
        """By the oldest clients that the cluster still lets in."""
        self.answer('mon', f'{release}\n'.encode())
        self.assertIs(expected, self.ours.has_clone_v2())
        ((command, _given, _timeout),) = self.asked
        self.assertEqual(
            'osd get-require-min-compat-client', command['prefix']
        )

    @ddt.data(
        ({'max_avail': 100, 'stored': 7}, 100),
        ({'max_avail': 100, 'stored': 7, 'quota_bytes': 0}, 100),
        ({'max_avail': 100, 'stored': 7, 'quota_bytes': 50}, 43),
        ({'max_avail': 40, 'stored': 7, 'quota_bytes': 50}, 40),
        ({'max_avail': 100, 'stored': 50, 'quota_bytes': 50}, 0),
        ({'max_avail': 100, 'stored': 60, 'quota_bytes': 50}, 0),
    )
    @ddt.unpack
    def test_free(self, stats, expected):
        pools = [
            {'name': 'other', 'stats': {'max_avail': 1, 'stored': 0}},
            {'name': 'images', 'stats': stats},
        ]
        self.answer('mon', json.dumps({'pools': pools}).encode())
        self.assertEqual(expected, self.ours.free('images'))
        ((command, _given, _timeout),) = self.asked
        self.assertEqual(
            {'prefix': 'df', 'detail': 'detail', 'format': 'json'}, command
        )

    def test_no_pool(self):
        error = self.assertRaises(
            exceptions.CephError, self.ours.free, 'no-pool'
        )
        self.assertIn('free space in pool no-pool failed', str(error))

    @ddt.data('get_fsid', 'mon_command')
    def test_no_answer(self, operation):
        self.cluster.fail(operation, self.cluster.rados.TimedOut('no answer'))
        call = {'get_fsid': self.ours.fsid}.get(
            operation, self.ours.has_clone_v2
        )
        error = self.assertRaises(exceptions.CephError, call)
        self.assertIn('TimedOut: no answer', str(error))

    def test_it_may_not_be_permitted(self):
        self.answer('mon', result=-errno.EACCES, message='access denied')
        error = self.assertRaises(
            exceptions.CephNotPermitted, self.ours.free, 'images'
        )
        self.assertIn("the monitor capability 'profile rbd'", str(error))

    def test_a_refusal(self):
        self.answer('mon', result=-errno.EINVAL, message='not understood')
        error = self.assertRaises(exceptions.CephError, self.ours.has_clone_v2)
        self.assertIn("the monitors 'osd get-require-min", str(error))
        self.assertIn('not understood', str(error))


@ddt.ddt
class ManagerTestCase(ClusterTestCase):
    """Flattening that is handed over to the manager."""

    def test_add_flatten(self):
        self.answer('mgr')
        self.ours.add_flatten('images', base.IMAGE)
        ((command, given, timeout),) = self.asked
        self.assertEqual(
            {
                'prefix': 'rbd task add flatten',
                'image_spec': f'images/{base.IMAGE}',
            },
            command,
        )
        self.assertEqual(b'', given)
        # One that is away would keep the upload otherwise.
        self.assertEqual(10, timeout)

    @ddt.data(errno.EACCES, errno.EPERM)
    def test_it_may_not_be_permitted(self, number):
        self.answer('mgr', result=-number, message='access denied')
        error = self.assertRaises(
            exceptions.CephNotPermitted, self.ours.add_flatten, 'images', 'x'
        )
        self.assertIn('rbd_support to flatten images/x is not', str(error))
        self.assertIn(
            "the manager capability 'profile rbd pool=images'", str(error)
        )

    @ddt.data(errno.ENOENT, errno.EAGAIN, errno.ETIMEDOUT)
    def test_it_may_fail(self, number):
        self.answer('mgr', result=-number, message='what it said')
        error = self.assertRaises(
            exceptions.CephError, self.ours.add_flatten, 'images', 'x'
        )
        self.assertNotIsInstance(error, exceptions.CephNotPermitted)
        self.assertIn('rbd_support to flatten images/x failed', str(error))
        self.assertIn('what it said', str(error))

    def test_the_manager_may_be_away(self):
        self.cluster.fail(
            'mgr_command', self.cluster.rados.TimedOut('no answer')
        )
        for call in (
            self.ours.tasks,
            lambda: self.ours.add_flatten('images', 'x'),
        ):
            self.assertRaises(exceptions.CephError, call)

    @ddt.data('text', b'bytes')
    def test_tasks(self, form):
        tasks = [
            task('flatten', 'images', 'first', progress=0.25),
            task('remove', 'images', 'second', progress=0.5),
            {'refs': {'action': 'trash remove', 'pool_name': 'images'}},
            task('flatten', 'volumes', 'third'),
        ]
        text = json.dumps(tasks)
        self.answer('mgr', text if form == 'text' else text.encode())
        self.assertEqual(
            (
                cluster.Task('images', 'first', 0.25),
                cluster.Task('volumes', 'third', 0.0),
            ),
            self.ours.tasks(),
        )
        self.assertEqual({'prefix': 'rbd task list'}, self.asked[0][0])

    def test_no_tasks(self):
        self.answer('mgr', b'[]')
        self.assertEqual((), self.ours.tasks())


def task(action, pool, image, **more):
    """Return a task as the manager lists it."""
    refs = {'action': action, 'pool_name': pool, 'image_name': image}
    return {'sequence': 1, 'id': 'an-id', 'refs': refs} | more


class ClientTestCase(ClusterTestCase):
    def test_a_connection_that_is_shut_out(self):
        """By the address that the connection itself gave."""
        client = self.ours.client()
        self.assertIn(':0/', client)
        self.ours.shut_out(client)
        self.assertEqual([client], self.cluster.shut_out)

    def test_it_is_not_permitted(self):
        self.cluster.fail(
            'blocklist_add', self.cluster.rados.PermissionError('no')
        )
        error = self.assertRaises(
            exceptions.CephNotPermitted, self.ours.shut_out, 'a-client'
        )
        self.assertIn('shutting out client a-client', str(error))
        self.assertIn("lacks the monitor capability 'profile rbd'", str(error))
