# SPDX-License-Identifier: Apache-2.0
"""A rename that broke off on the way is brought to its end.

librbd takes four steps, each a request of its own; what a crash between two
of them leaves is built here, object by object.
"""

from typing import Any
import uuid

import rbd as librbd

from cinder_rbd_offload import ceph
from cinder_rbd_offload.tests.functional import base


class RenameTest(base.FunctionalTestCase):
    """The state after each of the steps, on the real cluster."""

    def setUp(self) -> None:
        super().setUp()
        name = str(uuid.uuid4())
        self.old, self.new = f'offload-{name}', name
        self.ioctx = self.enterContext(self.pool('images'))
        self.images = ceph.Pool(librbd, self.ioctx, ceph.Shape(61))
        librbd.RBD().create(self.ioctx, self.old, base.GIB)
        self.addCleanup(self.remove)
        self.rbd_id = self.images.id(self.old)

    def remove(self) -> None:
        """Remove the image by the name that it has."""
        for name in {self.old, self.new} & {*librbd.RBD().list(self.ioctx)}:
            librbd.RBD().remove(self.ioctx, name)

    def finish(self) -> None:
        """Finish it, and require that nothing tells of the old name."""
        self.images.finish_rename(self.old, self.new, self.rbd_id)
        self.assertEqual(self.rbd_id, self.images.id(self.new))
        self.assertEqual('', self.images.id(self.old))
        listed = {*librbd.RBD().list(self.ioctx)}
        self.assertEqual({self.new}, listed & {self.old, self.new})
        self.remove()
        left = {one.key for one in self.ioctx.list_objects()}
        self.assertEqual(set(), {key for key in left if self.new in key})

    def content(self, name: str) -> Any:
        """Return what the object of a name holds."""
        return self.ioctx.read(f'rbd_id.{name}')

    def test_the_new_name_is_written(self) -> None:
        self.ioctx.write_full(f'rbd_id.{self.new}', self.content(self.old))
        self.finish()

    def test_the_directory_is_changed(self) -> None:
        content = self.content(self.old)
        librbd.RBD().rename(self.ioctx, self.old, self.new)
        self.ioctx.write_full(f'rbd_id.{self.old}', content)
        self.finish()

    def test_it_has_not_begun(self) -> None:
        self.images.finish_rename(self.old, self.new, self.rbd_id)
        self.assertEqual(self.rbd_id, self.images.id(self.old))

    def test_it_is_at_its_end(self) -> None:
        self.images.rename(self.old, self.new)
        self.finish()
