# SPDX-License-Identifier: Apache-2.0
"""Images whose data is in an erasure-coded pool."""

import contextlib
from typing import Any

from cinder_rbd_offload.tests.functional import base
from lab import ceph

METHODS = ('copy', 'clone_flatten', 'instant')


class DataPoolTest(base.FunctionalTestCase):
    """Our images are where Glance's own are, however that is said."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.cluster.forget)
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.erasure = self.stack.enter_context(
            self.cluster.erasure_coded_pool()
        )
        for user in ('cinder', 'glance'):
            osd = ceph.CAPS[user]['osd'] + f', profile rbd pool={self.erasure}'
            self.stack.enter_context(self.cluster.caps(user, osd=osd))

    def check(self) -> None:
        images = []
        for kind in METHODS:
            volume = self.make_filled_volume(kind)
            image = self.upload(volume)
            self.assert_made_inside(image, volume)
            self.assertEqual(self.erasure, self.data_pool(image), kind)
            images.append(image)
        # The pool goes with the test, so its images must go before.
        for image in images:
            self.await_hash(image.id)
            self.delete_image(image.id)

    def data_pool(self, image: Any) -> str:
        info = self.cluster.rbd('info', f'images/{image.id}')
        return str(info.get('data_pool'))

    def test_the_default_of_glances_pool(self) -> None:
        config = ('config', 'pool')
        option = ('images', 'rbd_default_data_pool')
        self.cluster.change(*config, 'set', *option, self.erasure)
        self.stack.callback(self.cluster.change, *config, 'remove', *option)
        self.check()

    def test_the_option_of_the_driver(self) -> None:
        options = [
            f'{kind}.rbd_offload_data_pools=ceph:{self.erasure}'
            for kind in METHODS
        ]
        self.configure('cinder-volume', *options)
        self.check()
