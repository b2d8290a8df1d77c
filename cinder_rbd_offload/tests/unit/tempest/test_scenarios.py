# SPDX-License-Identifier: Apache-2.0
"""The scenarios pass on a cloud that is right, and on no other.

They run as they are, on a cloud in memory: only what gets users and their
clients from Keystone is left out.
"""

import types
from unittest import mock

import ddt
import fixtures
from oslotest import base
from tempest.lib import exceptions as lib_exc
from testtools import matchers

from cinder_rbd_offload.tests import fake_cloud
from cinder_rbd_offload.tests.tempest import base as scenario_base
from cinder_rbd_offload.tests.tempest import test_delete_order
from cinder_rbd_offload.tests.tempest import test_upload

METHODS = ('copy', 'clone_flatten', 'instant', 'stream', 'swift')
# Bytes that stand for a MiB and a GiB.
MIB, GIB = 16, 2048

# By name, or the loader of these tests would run them on a real cloud.
SCENARIOS = {
    'Upload': test_upload.UploadTest,
    'Fallback': test_upload.FallbackTest,
    'DeleteOrder': test_delete_order.DeleteOrderTest,
}

UPLOADS = {
    'test_by_the_default': 'a-type',
    'test_by_copy': 'type-copy',
    'test_by_clone_and_flatten': 'type-clone_flatten',
    'test_instant': 'type-instant',
    'test_by_stream': 'type-stream',
    'test_straight_to_swift': 'type-swift',
}
ORDERS = [
    name
    for name in dir(test_delete_order.DeleteOrderTest)
    if name.startswith('test_')
]
EVERY = [
    *(('Upload', name) for name in UPLOADS),
    *(('Upload', name) for name in ('test_in_use', 'test_again_and_again')),
    *(('Fallback', f'test_another_{name}') for name in ('format', 'store')),
    *(('DeleteOrder', name) for name in ORDERS),
]


@ddt.ddt
class ScenariosTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.FakeLogger())
        self.options = types.SimpleNamespace(
            method_types={one: f'type-{one}' for one in METHODS},
            store_types={one: f'type-to-{one}' for one in ('ceph', 'files')},
            source_store='files',
            force_upload=True,
            data_size=8,
            flatten_size=32,
        )
        conf = types.SimpleNamespace(
            rbd_offload=self.options,
            resource_name_prefix='tempest',
            volume=types.SimpleNamespace(
                volume_size=1,
                volume_type='a-type',
                disk_format=['raw', 'qcow2'],
            ),
        )
        for module in (scenario_base, test_upload):
            self.patch(module, 'CONF', conf)
        self.patch(scenario_base, 'MIB', MIB)
        self.patch(scenario_base, 'GIB', GIB)
        self.cloud = fake_cloud.Cloud(GIB)

    def patch(self, target, name, value):
        patcher = mock.patch.object(target, name, value)
        patcher.start()
        self.addCleanup(patcher.stop)

    def run_scenario(self, scenario, name):
        """Run a test of a class, with all that it cleans up."""
        at_the_end = []

        class Running(SCENARIOS[scenario]):
            volumes_client = self.cloud.volumes_client
            images_client = self.cloud.images_client

            @classmethod
            def addClassResourceCleanup(cls, function, *args):
                at_the_end.append((function, args))

        Running.resource_setup()
        self.running = Running(name)
        try:
            getattr(self.running, name)()
        finally:
            self.running.doCleanups()
            for function, args in reversed(at_the_end):
                function(*args)

    @ddt.data(*EVERY)
    @ddt.unpack
    def test_a_cloud_that_is_right(self, scenario, name):
        self.run_scenario(scenario, name)
        self.assertNotEqual([], self.cloud.uploads)
        self.assertEqual({}, self.cloud.volumes)
        self.assertEqual({}, self.cloud.images)

    @ddt.data(*EVERY)
    @ddt.unpack
    def test_an_image_that_differs(self, scenario, name):
        self.cloud.wrong.add('upload')
        self.assertRaises(
            matchers.MismatchError, self.run_scenario, scenario, name
        )

    @ddt.data(
        *(('Upload', name) for name in UPLOADS),
        *(
            ('Fallback', f'test_another_{name}')
            for name in ('format', 'store')
        ),
    )
    @ddt.unpack
    def test_a_volume_from_the_image_that_differs(self, scenario, name):
        """That from the image alone; the first one is a volume of its own."""
        create = self.cloud.volumes_client.create_volume

        def spoil_the_second(**wanted):
            if self.cloud.volumes:
                self.cloud.wrong.add('volume from image')
            return create(**wanted)

        self.patch(
            self.cloud.volumes_client, 'create_volume', spoil_the_second
        )
        self.assertRaises(
            matchers.MismatchError, self.run_scenario, scenario, name
        )

    @ddt.data(*UPLOADS.items())
    @ddt.unpack
    def test_the_type_of_the_method_is_used(self, name, kind):
        self.run_scenario('Upload', name)
        self.assertEqual([(kind, 'raw')] * 2, self.cloud.uploads)

    @ddt.data(*UPLOADS.items())
    @ddt.unpack
    def test_a_method_without_a_type(self, name, kind):
        self.options.method_types = {}
        if kind == 'a-type':
            self.run_scenario('Upload', name)
        else:
            self.assertRaises(
                base.BaseTestCase.skipException,
                self.run_scenario,
                'Upload',
                name,
            )
            self.assertEqual([], self.cloud.uploads)

    @ddt.data(*ORDERS)
    def test_the_order_of_deletions(self, name):
        self.run_scenario('DeleteOrder', name)
        running = self.running
        names = {
            running.volume['id']: 'volume',
            running.image_id: 'image',
            running.made['id']: 'made',
        }
        found = [names[one] for one in self.cloud.deleted if one in names]
        self.assertEqual(name.split('_')[1:], found)

    def test_every_order_is_there(self):
        self.assertEqual(6, len({*ORDERS}))
        for name in ORDERS:
            self.assertEqual(
                {'volume', 'image', 'made'}, set(name.split('_')[1:])
            )

    @ddt.data('test_volume_made_image', 'test_made_volume_image')
    def test_a_deletion_that_takes_more_with_it(self, name):
        """The hash that Glance has from before does not hide it."""
        self.cloud.wrong.add('delete')
        self.assertRaises(
            matchers.MismatchError, self.run_scenario, 'DeleteOrder', name
        )

    def test_an_image_that_is_busy_is_deleted_all_the_same(self):
        self.cloud.images_client.busy = 3
        self.run_scenario('Upload', 'test_again_and_again')

    def test_an_image_that_is_always_busy(self):
        self.cloud.images_client.build_timeout = 0.1
        self.cloud.images_client.busy = float('inf')
        self.assertRaises(
            lib_exc.Conflict, self.run_scenario, 'Upload', 'test_by_copy'
        )

    def test_a_hash_that_never_comes(self):
        self.cloud.wrong.add('hash')
        self.cloud.images_client.build_timeout = 0.1
        self.assertRaises(
            AssertionError, self.run_scenario, 'Upload', 'test_by_copy'
        )

    def test_another_store_than_the_one_named(self):
        self.cloud.wrong.add('store')
        self.assertRaises(
            matchers.MismatchError,
            self.run_scenario,
            'Fallback',
            'test_another_store',
        )

    @ddt.data('files', '')
    def test_the_store_of_the_source(self, store):
        self.options.source_store = store
        self.run_scenario('Upload', 'test_by_copy')
        self.assertEqual(
            store or None,
            self.cloud.images_client.headers.get('X-Image-Meta-Store'),
        )
