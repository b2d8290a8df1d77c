# SPDX-License-Identifier: Apache-2.0
"""Each operation on RBD images does one whole thing, or says what failed."""

import ddt

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base


class PoolTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.source = self.pool('volumes')
        self.target = self.pool('images')


@ddt.ddt
class CopyTestCase(PoolTestCase):
    def setUp(self):
        super().setUp()
        self.source.snapshot(base.VOLUME, 'then')

    def copy(self):
        self.source.copy(base.VOLUME, 'then', self.target, base.IMAGE)

    def test_size_counts_holes(self):
        self.assertEqual(base.SIZE, self.source.size(base.VOLUME))

    def test_reading_keeps_nobody_from_removing(self):
        """A handle for writing would be a watcher of the image."""
        for operation in ('size', 'copy'):
            self.cluster.on(
                operation,
                lambda: self.assertTrue(self.cluster.opened[-1].read_only),
            )
        self.source.size(base.VOLUME)
        self.copy()

    def test_copy_has_the_data_of_the_snapshot_with_its_holes(self):
        self.volumes[base.VOLUME].blocks[0] = b'x' * fake_ceph.BLOCK
        self.copy()
        self.assertEqual(base.BLOCKS, self.images[base.IMAGE].blocks)
        self.assertEqual(base.SIZE, self.images[base.IMAGE].size)

    @ddt.data(True, False)
    def test_a_flattened_clone_has_the_data_of_the_parent(self, clone_v2):
        self.cluster.clone_v2 = clone_v2
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.inherit()
        self.source.snapshot(base.VOLUME, 'then')
        self.source.clone(base.VOLUME, 'then', self.target, base.IMAGE)
        self.assertIsNotNone(self.images[base.IMAGE].parent)
        self.target.flatten(base.IMAGE)
        self.assertEqual(base.BLOCKS, self.images[base.IMAGE].blocks)
        self.assertIsNone(self.images[base.IMAGE].parent)

    def test_new_images_have_the_features_of_new_images(self):
        """Not those of the volume, which lacks some if it is multiattach."""
        self.volumes[base.VOLUME].features = 1
        self.copy()
        self.source.clone(base.VOLUME, 'then', self.target, 'clone')
        for image in self.images.values():
            self.assertEqual(base.FEATURES, image.features)

    def test_is_clone(self):
        self.assertFalse(self.source.is_clone(base.VOLUME))
        self.inherit()
        self.assertTrue(self.source.is_clone(base.VOLUME))

    def test_copy_leaves_an_image_alone_that_is_there_already(self):
        self.images[base.IMAGE] = fake_ceph.Stored(1)
        before = self.cluster.state()
        self.assertRaises(exceptions.ImageExists, self.copy)
        self.assertEqual(before, self.cluster.state())

    def test_copy_needs_the_snapshot(self):
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertRaises(exceptions.CephError, self.copy)
        self.assertEqual({}, self.images)

    def test_drop_snapshot(self):
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual({}, self.volumes[base.VOLUME].snapshots)

    def test_drop_snapshot_takes_off_its_protection(self):
        self.volumes[base.VOLUME].snapshots['then'].protected = True
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual({}, self.volumes[base.VOLUME].snapshots)

    def test_drop_snapshot_is_fine_without_one(self):
        before = self.cluster.state()
        self.source.drop_snapshot(base.VOLUME, 'never')
        self.source.drop_snapshot('no-volume', 'never')
        self.assertEqual(before, self.cluster.state())


@ddt.ddt
class SealTestCase(PoolTestCase):
    def setUp(self):
        super().setUp()
        self.images[base.IMAGE] = self.volumes.pop(base.VOLUME)

    @ddt.data(0, 1, 2)
    def test_seal_completes_what_is_missing(self, done):
        """Nothing, a snapshot, or a protected one is there before."""
        handle = self.cluster.rbd.Image(self.target.ioctx, base.IMAGE)
        if done > 0:
            handle.create_snap('snap')
        if done > 1:
            handle.protect_snap('snap')
        handle.close()
        self.target.seal(base.IMAGE)
        self.assertSealed()

    @ddt.data(False, True)
    def test_remove(self, sealed):
        if sealed:
            self.target.seal(base.IMAGE)
        self.target.remove(base.IMAGE)
        self.assertEqual({}, self.images)

    def test_remove_is_fine_without_an_image(self):
        self.target.remove('no-image')
        self.assertEqual([base.IMAGE], list(self.images))

    def test_remove_keeps_an_image_with_a_foreign_snapshot(self):
        self.target.snapshot(base.IMAGE, 'foreign')
        self.assertRaises(exceptions.CephError, self.target.remove, base.IMAGE)
        self.assertEqual(['foreign'], list(self.images[base.IMAGE].snapshots))


@ddt.ddt
class ErrorsTestCase(PoolTestCase):
    """Every failure says what was attempted, and leaves nothing open."""

    OPERATIONS = (
        ('size', 'size', 'volumes', ()),
        ('snapshot', 'create_snap', 'volumes', ('new',)),
        ('drop_snapshot', 'remove_snap', 'volumes', ('then',)),
        ('seal', 'metadata_remove', 'volumes', ()),
        ('seal', 'protect_snap', 'volumes', ()),
        ('remove', 'remove', 'volumes', ()),
        ('copy', 'copy', 'images', ('then', 'TARGET', base.IMAGE)),
        ('clone', 'clone', 'images', ('then', 'TARGET', base.IMAGE)),
        ('flatten', 'flatten', 'volumes', ()),
        ('is_clone', 'parent_info', 'volumes', ()),
    )

    def setUp(self):
        super().setUp()
        self.volumes[base.VOLUME].snapshots['then'] = fake_ceph.Snapshot(
            1, base.SIZE, dict(base.BLOCKS)
        )

    def attempt(self, method, args):
        args = [self.target if arg == 'TARGET' else arg for arg in args]
        getattr(self.source, method)(base.VOLUME, *args)

    @ddt.data(*OPERATIONS)
    @ddt.unpack
    def test_failure(self, method, operation, _pool, args):
        cause = self.timeout()
        self.cluster.fail(operation, cause)
        error = self.assertRaises(
            exceptions.CephError, self.attempt, method, args
        )
        self.assertIn(f'volumes/{base.VOLUME}', str(error))
        self.assertIn('Timeout: no answer', str(error))
        self.assertIs(cause, error.__cause__)

    @ddt.data(*OPERATIONS)
    @ddt.unpack
    def test_missing_capability(self, method, operation, pool, args):
        self.cluster.fail(operation, self.cluster.rbd.PermissionError('no'))
        error = self.assertRaises(
            exceptions.CephNotPermitted, self.attempt, method, args
        )
        self.assertIn(f'profile rbd pool={pool}', str(error))

    @ddt.data(
        ('size', ()),
        ('snapshot', ('new',)),
        ('seal', ()),
        ('copy', ('then', 'TARGET', base.IMAGE)),
    )
    @ddt.unpack
    def test_no_image(self, method, args):
        del self.volumes[base.VOLUME]
        self.assertRaises(exceptions.CephError, self.attempt, method, args)

    @ddt.data(KeyboardInterrupt, RuntimeError)
    def test_what_is_not_an_error_of_ceph_passes_unchanged(self, error):
        self.cluster.fail('size', error())
        self.assertRaises(error, self.source.size, base.VOLUME)
