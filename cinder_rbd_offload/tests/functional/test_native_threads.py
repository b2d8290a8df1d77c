# SPDX-License-Identifier: Apache-2.0
"""Cinder's other concurrency mode: native threads instead of eventlet."""

import re

from cinder_rbd_offload.tests.functional import base


class NativeThreadsTest(base.FunctionalTestCase):
    """The driver does in it what it does under eventlet."""

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self.restart, '--no-native-threads')
        self.restart('--native-threads')

    def restart(self, mode: str) -> None:
        done = self.run_lab('up', mode)
        self.assertEqual(0, done.returncode, done.stderr)

    def test_an_offloaded_and_a_streamed_upload(self) -> None:
        log = self.cinder_log.read_text()
        modes = re.findall(r'oslo_service\.backend\._(\w+)', log)
        self.assertEqual('threading', modes[-1])

        volume = self.make_filled_volume()
        self.assert_made_inside(self.upload(volume), volume)

        kind = self.make_type(**{'image_service:store_id': 'files'})
        volume = self.make_filled_volume(kind)
        image = self.upload(volume)
        self.assert_left_the_cluster(image, volume, 'of type file')
        self.assert_same_bytes(image, volume)
