# SPDX-License-Identifier: Apache-2.0
"""Each operation on RBD images does one whole thing, or says what failed."""

import errno

import ddt
from oslotest import base as oslo_base

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base


class PoolTestCase(base.TestCase):
    def setUp(self):
        super().setUp()
        self.source = self.pool('volumes')
        self.target = self.pool('images')


@ddt.ddt
class ShapeTestCase(oslo_base.BaseTestCase):
    @ddt.data(
        (ceph.Shape(61), {}),
        (ceph.Shape(61, 0, ''), {}),
        (
            ceph.Shape(61, 8 << 20),
            {'order': 23, 'stripe_unit': 8 << 20, 'stripe_count': 1},
        ),
        (ceph.Shape(61, data_pool='ec'), {'data_pool': 'ec'}),
        (
            ceph.Shape(61, 4096, 'ec'),
            {
                'order': 12,
                'stripe_unit': 4096,
                'stripe_count': 1,
                'data_pool': 'ec',
            },
        ),
    )
    @ddt.unpack
    def test_options(self, shape, options):
        """What is not given is left to librbd, not given as nothing."""
        self.assertEqual({'features': 61} | options, shape.options())


class ProgressTestCase(oslo_base.BaseTestCase):
    def test_it_goes_on_until_it_is_stopped(self):
        progress = ceph.Progress()
        self.assertEqual(0, progress.report(1, 3))
        self.assertEqual((1, 3), (progress.done, progress.total))
        progress.stopped = True
        self.assertEqual(-errno.ECANCELED, progress.report(2, 3))
        self.assertEqual((2, 3), (progress.done, progress.total))


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
        self.target.flatten(base.IMAGE, ceph.Progress())
        self.assertEqual(base.BLOCKS, self.images[base.IMAGE].blocks)
        self.assertIsNone(self.images[base.IMAGE].parent)

    def test_new_images_have_the_features_of_new_images(self):
        """Not those of the volume, which lacks some if it is multiattach."""
        self.volumes[base.VOLUME].features = 1
        self.copy()
        self.source.clone(base.VOLUME, 'then', self.target, 'clone')
        for image in self.images.values():
            self.assertEqual(base.FEATURES, image.features)

    def test_a_lasting_clone_can_be_flattened_with_its_snapshots(self):
        self.target.shape = ceph.Shape(1)
        self.source.clone(base.VOLUME, 'then', self.target, 'clone', True)
        self.assertEqual(1 | 32, self.images['clone'].features)

    def test_a_lasting_clone_gets_its_object_map_once_it_is_flattened(self):
        """With one, a second flatten would lose what the first began."""
        self.source.clone(base.VOLUME, 'then', self.target, base.IMAGE, True)
        image = self.images[base.IMAGE]
        self.target.seal(base.IMAGE)
        self.assertEqual(base.FEATURES & ~24, image.features)
        self.target.flatten(base.IMAGE, ceph.Progress())
        self.assertFalse(self.target.is_sealed(base.IMAGE))
        self.cluster.fail('rebuild_object_map', self.timeout(), times=1)
        self.assertRaises(exceptions.CephError, self.target.seal, base.IMAGE)
        self.assertFalse(self.target.is_sealed(base.IMAGE))
        self.target.seal(base.IMAGE)
        self.assertTrue(self.target.is_sealed(base.IMAGE))
        self.assertEqual(base.FEATURES, image.features)
        self.assertEqual((0, 0), (image.flags, image.snapshots['snap'].flags))

    def test_a_lasting_clone_is_not_of_format_1(self):
        """It would keep the snapshot, and with it the volume, from going."""
        self.cluster.clone_v2 = False
        self.assertRaises(
            exceptions.CephError,
            self.source.clone,
            base.VOLUME,
            'then',
            self.target,
            *('clone', True),
        )
        self.assertEqual({}, self.images)

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

    @ddt.data('renamed', 'trashed')
    def test_drop_snapshot_of_a_volume_that_cinder_deleted(self, how):
        """By force, since it has a clone or another snapshot."""
        stored = self.volumes[base.VOLUME]
        rbd = self.cluster.rbd.RBD()
        if how == 'renamed':
            name = f'{base.VOLUME}.deleted'
            rbd.rename(self.source.ioctx, base.VOLUME, name)
        else:
            rbd.trash_move(self.source.ioctx, base.VOLUME, 0)
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual({}, stored.snapshots)

    def test_drop_snapshot_that_another_host_was_removing(self):
        """Who came first was killed and left it in the snapshots' trash."""
        stored = self.volumes[base.VOLUME]

        def trash():
            stored.trash['then'] = stored.snapshots.pop('then')

        self.cluster.on('remove_snap', trash)
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual(({}, {}), (stored.snapshots, stored.trash))

    def test_drop_snapshot_that_is_gone_meanwhile(self):
        stored = self.volumes[base.VOLUME]
        self.cluster.on('remove_snap', stored.snapshots.clear)
        stored.trash['then'] = fake_ceph.Snapshot(5, base.SIZE, {})
        self.cluster.on('remove_snap_by_id', stored.trash.clear)
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual(({}, {}), (stored.snapshots, stored.trash))

    def test_drop_snapshot_while_another_one_vanishes(self):
        """librbd says that the image is not there; but it is."""
        self.cluster.fail(
            'list_snaps', self.cluster.rbd.ImageNotFound('gone'), times=1
        )
        self.assertRaises(
            exceptions.CephError,
            *(self.source.drop_snapshot, base.VOLUME, 'then'),
        )
        self.source.drop_snapshot(base.VOLUME, 'then')
        self.assertEqual({}, self.volumes[base.VOLUME].snapshots)

    def test_drop_snapshot_is_fine_without_one(self):
        before = self.cluster.state()
        self.source.drop_snapshot(base.VOLUME, 'never')
        self.source.drop_snapshot('no-volume', 'never')
        self.assertEqual(before, self.cluster.state())


@ddt.ddt
class LookTestCase(PoolTestCase):
    """What is learnt of an image without any change to it."""

    def test_used_counts_the_objects_that_are_there(self):
        used = 2 * fake_ceph.BLOCK
        self.assertEqual(used, self.source.used(base.VOLUME))

    def test_used_counts_what_a_parent_has(self):
        self.inherit()
        self.assertEqual([2], list(self.volumes[base.VOLUME].blocks))
        self.assertEqual(2 * fake_ceph.BLOCK, self.source.used(base.VOLUME))

    def test_used_at_a_snapshot(self):
        self.source.snapshot(base.VOLUME, 'then')
        self.volumes[base.VOLUME].blocks.clear()
        self.assertEqual(0, self.source.used(base.VOLUME))
        self.assertEqual(
            2 * fake_ceph.BLOCK, self.source.used(base.VOLUME, 'then')
        )

    @ddt.data({'features': 61 - 16}, {'flags': 2}, {'flags': 3})
    def test_used_is_not_known_without_a_valid_object_map(self, changes):
        """To walk over all objects instead could take hours."""
        for name, value in changes.items():
            setattr(self.volumes[base.VOLUME], name, value)
        self.cluster.fail('diff_iterate', AssertionError())
        self.assertIsNone(self.source.used(base.VOLUME))

    def test_id_stays_whatever_the_name(self):
        first = self.source.id(base.VOLUME)
        self.assertTrue(first)
        self.source.rename(base.VOLUME, 'other')
        self.assertEqual(first, self.source.id('other'))
        self.volumes[base.VOLUME] = fake_ceph.Stored(1)
        self.assertNotIn(self.source.id(base.VOLUME), (first, ''))

    def test_what_is_not_there_has_no_id(self):
        self.assertEqual('', self.source.id('no-volume'))


@ddt.ddt
class RenameTestCase(PoolTestCase):
    def test_rename(self):
        stored = self.volumes[base.VOLUME]
        self.source.rename(base.VOLUME, 'other')
        self.assertEqual({'other': stored}, self.volumes)

    def test_a_taken_name(self):
        self.volumes['other'] = fake_ceph.Stored(1)
        before = self.cluster.state()
        error = self.assertRaises(
            exceptions.ImageExists, self.source.rename, base.VOLUME, 'other'
        )
        self.assertIn('volumes/other', str(error))
        self.assertEqual(before, self.cluster.state())

    def test_the_old_name_that_librbd_could_not_remove(self):
        self.cluster.keeps_names = True
        self.source.rename(base.VOLUME, 'other')
        self.assertEqual(['other'], [*self.volumes])
        self.assertEqual(set(), self.cluster.unlisted)

    def test_the_old_name_that_cannot_be_removed_at_all(self):
        self.cluster.keeps_names = True
        self.cluster.fail(
            'remove_object', self.cluster.rados.TimedOut('no answer')
        )
        error = self.assertRaises(
            exceptions.CephError, self.source.rename, base.VOLUME, 'other'
        )
        self.assertIn('renaming volumes/', str(error))

    @ddt.data(0, 1)
    def test_one_that_broke_off_is_finished(self, steps):
        self.cluster.fail(
            'rename', self.timeout(), when='half', skip=steps, times=1
        )
        rbd_id = self.source.id(base.VOLUME)
        self.assertRaises(
            exceptions.CephError, self.source.rename, base.VOLUME, 'other'
        )
        self.assertEqual({base.VOLUME, 'other'}, {*self.volumes})
        self.source.finish_rename(base.VOLUME, 'other', rbd_id)
        self.assertEqual(['other'], [*self.volumes])
        self.assertEqual(set(), self.cluster.unlisted)

    def test_one_that_did_not_break_off_is_not_finished(self):
        rbd_id = self.source.id(base.VOLUME)
        self.source.finish_rename(base.VOLUME, 'other', rbd_id)
        self.assertEqual([base.VOLUME], [*self.volumes])


class FlattenTestCase(PoolTestCase):
    def setUp(self):
        super().setUp()
        self.progress = ceph.Progress()

    def test_progress(self):
        self.inherit()
        self.source.flatten(base.VOLUME, self.progress)
        # The fake reports before each of two objects.
        self.assertEqual((1, 2), (self.progress.done, self.progress.total))

    def test_it_stops(self):
        self.inherit()
        before = self.cluster.state()
        self.progress.stopped = True
        error = self.assertRaises(
            exceptions.CephError,
            self.source.flatten,
            base.VOLUME,
            self.progress,
        )
        self.assertIn('OperationCanceled', str(error))
        self.assertEqual(before, self.cluster.state())

    def test_it_is_fine_without_a_parent(self):
        before = self.cluster.state()
        self.source.flatten(base.VOLUME, self.progress)
        self.assertEqual(before, self.cluster.state())
        self.assertEqual(0, self.progress.total)


class CutShortTestCase(PoolTestCase):
    def setUp(self):
        super().setUp()
        self.source.snapshot(base.VOLUME, 'then')

    def test_a_copy_under_way_ends(self):
        self.cluster.on(
            'copy', lambda: self.target.cut_short(base.IMAGE), when='half'
        )
        self.assertRaises(
            exceptions.CephError,
            self.source.copy,
            base.VOLUME,
            'then',
            self.target,
            base.IMAGE,
        )
        self.assertEqual({}, self.images[base.IMAGE].blocks)
        self.target.remove(base.IMAGE)
        self.assertEqual({}, self.images)

    def test_a_copy_that_has_not_begun(self):
        self.assertRaises(
            exceptions.CephError, self.target.cut_short, base.IMAGE
        )


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

    def test_remove_does_not_take_an_image_for_gone_that_is_listed(self):
        """librbd says not found where it cannot move it to the trash."""
        self.images[base.IMAGE] = fake_ceph.Stored(base.SIZE)
        self.cluster.fail(
            'remove', self.cluster.rbd.ImageNotFound('no'), times=1
        )
        self.assertRaises(exceptions.CephError, self.target.remove, base.IMAGE)
        self.target.remove(base.IMAGE)
        self.assertEqual({}, self.images)

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
        ('flatten', 'flatten', 'volumes', (ceph.Progress(),)),
        ('id', 'id', 'volumes', ()),
        ('used', 'diff_iterate', 'volumes', ()),
        ('cut_short', 'resize', 'volumes', ()),
        ('rename', 'rename', 'volumes', ('new',)),
        ('is_clone', 'parent_info', 'volumes', ()),
    )

    def setUp(self):
        super().setUp()
        self.volumes[base.VOLUME].snapshots['then'] = fake_ceph.Snapshot(
            1, base.SIZE, dict(base.BLOCKS)
        )
        self.inherit()

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
        ('used', ()),
        ('rename', ('new',)),
        ('flatten', (ceph.Progress(),)),
        ('cut_short', ()),
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
