# SPDX-License-Identifier: Apache-2.0
"""The cluster in memory is true to Ceph's own bindings.

What can be seen of the bindings without a cluster is compared with them; the
refusals that the code under test relies on are written down here.
"""

import errno
import importlib

import ddt

from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base

CLASSES = {
    'rbd': {'Image': fake_ceph.Image, 'RBD': fake_ceph.RBD},
    'rados': {
        'Rados': fake_ceph.Rados,
        'Ioctx': fake_ceph.Ioctx,
        'WriteOpCtx': fake_ceph.WriteOp,
        'ReadOpCtx': fake_ceph.ReadOp,
    },
}
OURS = {'cluster', 'images', 'require_usable'}


@ddt.ddt
class BindingsTestCase(base.TestCase):
    @ddt.data(('rbd', fake_ceph.errors.rbd), ('rados', fake_ceph.errors.rados))
    @ddt.unpack
    def test_errors_have_the_same_ancestors(self, module, errors):
        real = importlib.import_module(module)
        for name, error in vars(errors).items():
            self.assertEqual(
                [cls.__name__ for cls in getattr(real, name).__mro__],
                [cls.__name__ for cls in error.__mro__],
            )

    @ddt.data('rbd', 'rados')
    def test_no_method_is_made_up(self, module):
        real = importlib.import_module(module)
        for name, fake in CLASSES[module].items():
            methods = {n for n in dir(fake) if not n.startswith('_')} - OURS
            self.assertLessEqual(methods, set(dir(getattr(real, name))))

    @ddt.data('rbd', 'rados')
    def test_constants_have_the_same_values(self, module):
        real = importlib.import_module(module)
        numbers = {
            name: value
            for name, value in vars(getattr(self.cluster, module)).items()
            if isinstance(value, int)
        }
        self.assertTrue(numbers)
        self.assertEqual(
            {name: getattr(real, name) for name in numbers}, numbers
        )

    @ddt.data('rbd', 'rados')
    def test_no_name_of_a_module_is_made_up(self, module):
        real = importlib.import_module(module)
        names = set(vars(getattr(self.cluster, module)))
        self.assertLessEqual(names, set(dir(real)))

    @ddt.data('rbd', 'rados')
    def test_an_error_of_the_bindings_has_its_number(self, module):
        """Where no class of its own tells it, as of a failed comparison."""
        real = importlib.import_module(module)
        number = errno.ECANCELED
        self.assertEqual(number, real.OSError('x', errno=number).errno)


@ddt.ddt
class RefusalsTestCase(base.TestCase):
    """A volume with the snapshots ``plain`` and ``kept``, one protected."""

    def setUp(self):
        super().setUp()
        self.ioctx = fake_ceph.Ioctx(self.cluster, 'volumes')
        self.addCleanup(self.ioctx.close)
        self.handle = self.cluster.rbd.Image(self.ioctx, base.VOLUME)
        self.addCleanup(self.handle.close)
        self.handle.create_snap('plain')
        self.handle.create_snap('kept')
        self.handle.protect_snap('kept')

    @ddt.data(
        ('create_snap', 'plain', 'ImageExists'),
        ('remove_snap', 'kept', 'ImageBusy'),
        ('remove_snap', 'none', 'ImageNotFound'),
        ('protect_snap', 'kept', 'ImageBusy'),
        ('unprotect_snap', 'plain', 'InvalidArgument'),
        ('unprotect_snap', 'none', 'ImageNotFound'),
        ('is_protected_snap', 'none', 'ImageNotFound'),
    )
    @ddt.unpack
    def test_snapshot(self, method, snapshot, error):
        before = self.cluster.state()
        self.assertRaises(
            getattr(self.cluster.rbd, error),
            getattr(self.handle, method),
            snapshot,
        )
        self.assertEqual(before, self.cluster.state())

    def test_an_image_with_snapshots_or_writers_is_not_removed(self):
        rbd = self.cluster.rbd
        remove = rbd.RBD().remove
        self.assertRaises(
            rbd.ImageHasSnapshots, remove, self.ioctx, base.VOLUME
        )
        self.volumes[base.VOLUME].snapshots.clear()
        self.assertRaises(rbd.ImageBusy, remove, self.ioctx, base.VOLUME)
        self.handle.close()
        remove(self.ioctx, base.VOLUME)
        self.assertRaises(rbd.ImageNotFound, remove, self.ioctx, base.VOLUME)

    def test_a_closed_handle_is_of_no_use(self):
        self.handle.close()
        self.assertRaises(
            self.cluster.rbd.InvalidArgument, self.handle.list_snaps
        )

    @ddt.data({'read_only': True}, {'snapshot': 'plain'})
    def test_a_handle_for_reading_does_not_write(self, how):
        handle = self.cluster.rbd.Image(self.ioctx, base.VOLUME, **how)
        self.addCleanup(handle.close)
        self.assertRaises(
            self.cluster.rbd.ReadOnlyImage, handle.write, b'x', 0
        )

    def test_a_snapshot_keeps_what_was_there(self):
        self.handle.write(b'new', fake_ceph.BLOCK - 1)
        past = self.cluster.rbd.Image(self.ioctx, base.VOLUME, 'plain')
        self.addCleanup(past.close)
        self.assertEqual(b'new', self.handle.read(fake_ceph.BLOCK - 1, 3))
        self.assertEqual(b'a\0\0', past.read(fake_ceph.BLOCK - 1, 3))

    def test_a_rename_takes_no_name_that_is_in_use(self):
        self.volumes['other'] = fake_ceph.Stored(1)
        rbd = self.cluster.rbd
        for source, target, error in (
            (base.VOLUME, 'other', rbd.ImageExists),
            ('none', 'new', rbd.ImageNotFound),
        ):
            self.assertRaises(
                error, rbd.RBD().rename, self.ioctx, source, target
            )

    def test_what_has_no_parent_is_not_flattened(self):
        rbd = self.cluster.rbd
        self.assertRaises(rbd.ImageNotFound, self.handle.parent_info)
        self.assertRaises(
            rbd.InvalidArgument, self.handle.flatten, lambda *_progress: 0
        )

    def test_nothing_is_written_beyond_the_end(self):
        """Nor does a copy, which then fails."""
        rbd = self.cluster.rbd
        self.handle.resize(0)
        self.assertRaises(rbd.InvalidArgument, self.handle.write, b'x', 0)
        target = rbd.Image(self.ioctx, base.VOLUME, 'plain')
        self.addCleanup(target.close)
        self.cluster.on(
            'copy',
            lambda: setattr(self.volumes['copied'], 'size', 0),
            when='half',
        )
        self.assertRaises(
            rbd.InvalidArgument, target.copy, self.ioctx, 'copied', 61
        )


class TableRefusalsTestCase(base.TestCase):
    """A comparison that fails changes nothing, and has its number."""

    def setUp(self):
        super().setUp()
        self.ioctx = fake_ceph.Ioctx(self.cluster, 'volumes')
        self.addCleanup(self.ioctx.close)

    def write(self, old, new):
        rados = self.cluster.rados
        with rados.WriteOpCtx() as operation:
            operation.new(rados.LIBRADOS_CREATE_IDEMPOTENT)
            operation.omap_cmp('key', old)
            self.ioctx.set_omap(operation, ('key',), (new,))
            self.ioctx.operate_write_op(operation, 'object')

    def test_comparison(self):
        self.write('', b'first')
        error = self.assertRaises(
            self.cluster.rados.OSError, self.write, '', b'second'
        )
        self.assertEqual(errno.ECANCELED, error.errno)
        self.assertEqual(
            {'object': {'key': b'first'}}, self.cluster.omap['volumes']
        )

    def test_a_missing_object(self):
        rados = self.cluster.rados
        with rados.WriteOpCtx() as operation:
            operation.omap_cmp('key', '')
            self.assertRaises(
                rados.ObjectNotFound,
                self.ioctx.operate_write_op,
                operation,
                'none',
            )
        with rados.ReadOpCtx() as operation:
            self.ioctx.get_omap_vals(operation, '', '', 10)
            self.assertRaises(
                rados.ObjectNotFound,
                self.ioctx.operate_read_op,
                operation,
                'none',
            )
