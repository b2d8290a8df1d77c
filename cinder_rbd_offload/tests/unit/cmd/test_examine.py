# SPDX-License-Identifier: Apache-2.0
"""Everything is looked at, and what cannot be asked is a finding."""

import dataclasses
import json
import sys
from unittest import mock

import ddt

from cinder_rbd_offload.ceph import rights
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import examine
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.tests.unit.cmd import base

CHECKS = [
    *(
        'service token',
        'recovery',
        'glance api',
        'stores',
        'quota',
        'ceph',
        'clones',
    ),
    *('pools', 'caps', 'data pool', 'object size', 'route'),
]


@ddt.ddt
class ExamineTestCase(base.TestCase):
    def examine(self, **request):
        conf = config.load([self.path])
        return list(examine.examine(conf, examine.Request(**request)))

    def bad(self, found):
        return [one for one in found if one.level != finding.Level.OK]

    def test_all_is_well(self):
        found = self.examine()
        self.assertEqual([], self.bad(found))
        self.assertEqual(CHECKS, list(dict.fromkeys(x.check for x in found)))
        self.assertEqual(
            ['', 'fast', 'slow'], list(dict.fromkeys(x.backend for x in found))
        )
        self.assertEqual(self.before, self.cluster.state())

    def test_what_two_backends_share_is_tried_once(self):
        with mock.patch.object(
            rights, 'try_all', autospec=True, side_effect=rights.try_all
        ) as tried:
            self.examine()
        tried.assert_called_once()

    def test_one_backend(self):
        found = self.examine(backend='slow')
        self.assertEqual({'', 'slow'}, {one.backend for one in found})

    def test_a_timeout_is_set_where_there_is_none(self):
        with mock.patch.object(
            examine.ceph, 'connect', autospec=True
        ) as connect:
            connect.side_effect = exceptions.BindingsMissing(ImportError())
            self.examine()
            self.assertEqual(20, connect.call_args.args[0].timeout)
            self.write(base.CONF + '[slow]\nrados_connect_timeout = 3\n')
            self.examine()
            self.assertEqual(3, connect.call_args.args[0].timeout)

    def test_unreachable(self):
        self.cluster.fail('connect', self.cluster.rados.TimedOut('late'))
        first, second = self.bad(self.examine())
        self.assertEqual(('ceph', 'fast'), (first.check, first.backend))
        self.assertEqual(('ceph', 'slow'), (second.check, second.backend))

    @ddt.data('rados', 'rbd')
    def test_no_bindings(self, module):
        with mock.patch.dict(sys.modules, {module: None}):
            bad = self.bad(self.examine(backend='fast'))
        self.assertIn('python3-rbd', bad[0].remedy)

    @ddt.data(('osd get-require-min-compat-client', 'clones'), ('df', 'pools'))
    @ddt.unpack
    def test_monitors_that_do_not_answer(self, command, check):
        del self.cluster.answers[command]
        (bad,) = self.bad(self.examine(backend='fast'))
        self.assertEqual(check, bad.check)

    def test_no_pool_for_volumes(self):
        self.write(base.CONF + '[slow]\nrbd_pool = none\n')
        (bad,) = self.bad(self.examine())
        self.assertEqual(('pools', 'slow'), (bad.check, bad.backend))

    def test_no_pool_for_images(self):
        store = dataclasses.replace(base.SEEN.stores[0], pool='none')
        self.look.return_value = dataclasses.replace(
            base.SEEN, stores=(store,)
        )
        (bad,) = self.bad(self.examine(backend='fast'))
        self.assertIn("the store's pool in Glance", bad.remedy)

    def test_no_store_is_known(self):
        self.look.return_value = dataclasses.replace(base.SEEN, stores=None)
        found = self.examine(backend='fast')
        self.assertEqual(['stores'], [one.check for one in self.bad(found)])
        self.assertNotIn('route', {one.check for one in found})

    def test_a_right_is_missing(self):
        self.cluster.denied.add('images')
        (bad,) = self.bad(self.examine(backend='fast'))
        self.assertEqual('caps', bad.check)
        self.assertIn('ceph auth caps client.cinder', bad.remedy)

    def test_data_pool_by_option(self):
        self.write(
            base.CONF + '[slow]\nrbd_offload_data_pools = ceph:volumes\n'
        )
        found = self.examine(backend='slow')
        (one,) = [x for x in found if x.check == 'data pool']
        self.assertIn('made here is in pool volumes', one.text)

    def test_instant(self):
        self.write(base.CONF + '[fast]\nrbd_offload_method = instant\n')
        found = self.examine(backend='fast')
        self.assertEqual([], self.bad(found))
        self.assertIn('only an upload shows', ' '.join(x.text for x in found))

    def test_what_earlier_uploads_found_counts(self):
        self.cluster.objects['volumes']['rbd_offload.journal'] = {
            'clones in images/': json.dumps({'does': True, 'at': 1})
        }
        found = self.examine(backend='fast')
        route = next(one for one in found if one.check == 'route')
        self.assertIn('instant, since Glance was seen', route.text)

    def straight(self, **options):
        """Have the default store be one that is gone straight to."""
        path = self.folder / 'swift.conf'
        path.write_text(
            '[ref1]\nauth_address = http://k/v3\nuser = s:g\nkey = geheim\n'
        )
        values = {
            'image_upload_swift_stores': 'objects:ref1',
            'image_upload_swift_config_file': path,
        } | options
        lines = [f'{name} = {value}' for name, value in values.items()]
        self.write(base.CONF + '[fast]\n' + '\n'.join(lines))
        objects = glance.Store('objects', 'swift', True, container='glance')
        self.look.return_value = dataclasses.replace(
            base.SEEN, stores=(objects,)
        )

    @ddt.data('auto', 'off')
    def test_straight_to_swift(self, method):
        self.straight(rbd_offload_method=method)
        found = self.examine(backend='fast')
        self.assertEqual([], self.bad(found))
        texts = ' '.join(one.text for one in found)
        self.assertIn('A raw upload goes straight to Swift: ', texts)
        self.assertIn('under swift+reference://ref1/glance/', texts)
        self.assertIn('An upload as qcow2/bare is streamed', texts)

    def test_an_account_that_cannot_be_read(self):
        self.straight(image_upload_swift_config_file='/none')
        (bad,) = self.bad(self.examine(backend='fast'))
        self.assertEqual(('swift', 'fast'), (bad.check, bad.backend))
        self.assertIn('/none', bad.text)

    @ddt.data(
        {'image_upload_method': 'stock'}, {'image_upload_swift_stores': ''}
    )
    def test_nothing_goes_straight_to_swift(self, options):
        self.straight(**options)
        (bad,) = self.bad(self.examine(backend='fast'))
        self.assertEqual('route', bad.check)
        self.assertIn('A raw upload is streamed', bad.text)

    def test_volume(self):
        found = self.examine(backend='fast', volume=base.VOLUME)
        (one,) = [x for x in found if x.check == 'volume']
        self.assertIn(f'volume-{base.VOLUME} in pool volumes', one.text)

    def test_no_volume(self):
        found = self.examine(backend='fast', volume='none')
        (bad,) = self.bad(found)
        self.assertEqual('volume', bad.check)
        self.assertNotIn('route', {one.check for one in found})

    def test_no_backend(self):
        self.assertRaises(
            exceptions.ConfigUnusable, self.examine, backend='none'
        )
