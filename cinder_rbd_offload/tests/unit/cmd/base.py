# SPDX-License-Identifier: Apache-2.0
"""What tests of commands start from: a configuration, a cluster, a Glance."""

import pathlib
import sys
from unittest import mock

import fixtures
from oslotest import base

from cinder_rbd_offload.cmd import image_service as glance_client
from cinder_rbd_offload.doctor import image_service
from cinder_rbd_offload import glance
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests import fake_doctor

VOLUME = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
CONF = """
[DEFAULT]
enabled_backends = fast, slow
[backend_defaults]
volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver
rbd_user = cinder
rbd_pool = volumes
[fast]
[slow]
rbd_offload_method = copy
"""
SEEN = image_service.GlanceSeen(
    service=image_service.UserSeen('service_user', frozenset({'service'})),
    servers=(image_service.ServerSeen('http://g', ('v2.17',)),),
    stores=(glance.Store('ceph', 'rbd', True, 'images', 'a-fsid', 8),),
)


class TestCase(base.BaseTestCase):
    """All is well, until a test changes it."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = str(self.write(CONF))
        self.cluster = fake_doctor.Cluster()
        self.cluster.pools['volumes'][f'volume-{VOLUME}'] = fake_ceph.Stored(8)
        self.before = self.cluster.state()
        self.addCleanup(self.assertEqual, [], self.cluster.opened)
        patch = mock.patch.dict(
            sys.modules, rados=self.cluster.rados, rbd=self.cluster.rbd
        )
        patch.start()
        self.addCleanup(patch.stop)
        self.look = self.useFixture(
            fixtures.MockPatchObject(glance_client, 'look', return_value=SEEN)
        ).mock
        self.useFixture(fixtures.FakeLogger())
        self.out = self.useFixture(fixtures.StringStream('stdout'))
        self.err = self.useFixture(fixtures.StringStream('stderr'))
        for name, one in (('stdout', self.out), ('stderr', self.err)):
            self.useFixture(fixtures.MonkeyPatch(f'sys.{name}', one.stream))

    def write(self, text):
        path = self.folder / 'cinder.conf'
        path.write_text(text)
        return path

    def printed(self):
        """Return what is on the standard output."""
        self.out.stream.seek(0)
        return self.out.stream.read()

    def errors(self):
        """Return what is on the standard error output."""
        self.err.stream.seek(0)
        return self.err.stream.read()
