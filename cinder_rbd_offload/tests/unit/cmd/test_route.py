# SPDX-License-Identifier: Apache-2.0
"""What is said of an upload's way is what the plan says."""

import struct
from unittest import mock

import ddt
from oslotest import base

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import route
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import inspection

OK, WARNING, ERROR = finding.Level
CEPH = glance.Store('ceph', 'rbd', True, 'images', 'here')
SECOND = glance.Store('second', 'rbd', False, 'images2', 'here')
FAR = glance.Store('far', 'rbd', False, 'images', 'there')
FILES = glance.Store('files', 'file')
# A qcow2 whose data is in a file beneath it.
BACKED = struct.pack(
    '>4sIQIIQIIQQ', b'QFI\xfb', 3, 512, 11, 16, 1 << 30, 0, 1, 65536, 131072
).ljust(inspection.HEAD, b'\0')
RAW = bytes(inspection.HEAD)


@ddt.ddt
class RouteTestCase(base.BaseTestCase):
    def check(
        self,
        *stores,
        store=None,
        method='auto',
        is_clone=False,
        known=None,
        options=None,
    ):
        backend = config.Backend(
            *('a', 'a', 'volumes', ceph.Settings(), 4),
            {'rbd_offload_method': method},
        )
        facts = route.facts(
            backend,
            'here',
            stores,
            store,
            True,
            survey.ImageSeen(8, is_clone, RAW),
        )
        return list(route.check(facts, known or {}, options))

    def test_inside(self):
        first, *others = self.check(CEPH, FILES, FAR)
        self.assertEqual({OK}, {one.level for one in [first, *others]})
        self.assertIn('stays in the cluster', first.text)
        for text in (
            'image_service:store_id = files in the volume type an upload is',
            'image_service:store_id = far in the volume type an upload is str',
            'as qcow2/bare is streamed',
            'as raw/compressed is streamed',
        ):
            self.assertIn(text, ' '.join(one.text for one in others))

    @ddt.data(
        ({'method': 'copy'}, 'copy, since'),
        ({'method': 'copy', 'is_clone': True}, 'clone_flatten, since'),
        ({'known': {'ceph': True}}, 'instant, since'),
        ({'known': {'second': True}}, 'clone_flatten, since'),
        ({'store': 'second', 'known': {'second': True}}, 'instant, since'),
    )
    @ddt.unpack
    def test_method(self, options, text):
        self.assertIn(text, self.check(CEPH, SECOND, **options)[0].text)

    def test_off(self):
        one = self.check(CEPH, SECOND, method='off')[0]
        self.assertEqual(WARNING, one.level)
        self.assertIn('rbd_offload_method = auto', one.remedy)

    def test_another_store_would_do(self):
        first, second, *_ = self.check(CEPH, SECOND, FILES, store='files')
        self.assertEqual(WARNING, first.level)
        self.assertIn('one of: ceph, second;', first.remedy)
        self.assertIn('stays in the cluster', second.text)

    @ddt.data([], [FILES], [FAR, FILES])
    def test_no_store_would_do(self, stores):
        self.assertEqual(ERROR, self.check(*stores)[0].level)

    def test_another_store_is_gone_straight_to(self):
        options = mock.Mock(references={'objects': 'ref1'})
        objects = glance.Store('objects', 'swift', container='glance')
        _first, other, *_ = self.check(CEPH, objects, options=options)
        self.assertIn(
            'image_service:store_id = objects in the volume type an upload '
            'goes straight to Swift',
            other.text,
        )

    def test_no_such_store(self):
        first = self.check(CEPH, store='none')[0]
        self.assertEqual(WARNING, first.level)
        self.assertIn('no store none', first.text)


class VolumeTestCase(base.BaseTestCase):
    def check(self, seen):
        (one,) = route.volume(seen, 'volumes', 'volume-1')
        return one

    def test_plainly_raw(self):
        one = self.check(survey.ImageSeen(1, True, RAW))
        self.assertEqual(OK, one.level)
        self.assertIn('volumes is a clone, and', one.text)

    def test_doubtful(self):
        one = self.check(survey.ImageSeen(1, False, BACKED))
        self.assertEqual(WARNING, one.level)
        self.assertIn('has no parent. Its upload is streamed', one.text)

    def test_missing(self):
        self.assertEqual(ERROR, self.check(None).level)
