# SPDX-License-Identifier: Apache-2.0
"""Uploads through the store for Glance, to a Swift that has its faults."""

import configparser
import itertools
import pathlib
from unittest import mock

import ddt
import glance_store
from glance_store._drivers.swift import store as upstream
from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload.tests.unit.upload import glance_store_case
from cinder_rbd_offload.upload import glance_store as our_store
from cinder_rbd_offload.upload import resend
from cinder_rbd_offload.upload import store_opts

IMAGE = glance_store_case.IMAGE
SEGMENT = glance_store_case.SEGMENT
SIZE = glance_store_case.SIZE
DATA = glance_store_case.DATA
KINDS = glance_store_case.KINDS
Stream = glance_store_case.Stream

# Faults that pass, and what the path of the request ends with; those of the
# first three happen within the body of the image, or of a segment.
PASSING = (
    {'how': 'reset'},
    {'how': 'lost'},
    {'how': 'stall'},
    {'how': 'corrupt'},
    {'how': 401},
    {'how': 408},
    {'how': 429, 'headers': (('Retry-After', '0'),)},
    {'how': 498},
    {'how': 500},
    {'how': 503, 'times': 5},
    {'how': 503, 'early': True},
    {'how': 507},
)


@ddt.ddt
class FaultsTestCase(glance_store_case.StoreTestCase):
    """Faults that pass, and faults that do not."""

    @ddt.idata(itertools.product(KINDS, range(len(PASSING))))
    @ddt.unpack
    def test_a_fault_that_passes(self, kind, number):
        segmented, known = kind
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        where = f'{IMAGE}-00002' if segmented else IMAGE
        self.order(**{'where': where, **PASSING[number]})
        answer = self.add(store, size=SIZE if known else 0)
        self.assertEqual(0, self.swift.faults[0].times)
        self.assert_stored(answer, store)
        self.assertEqual(5 if segmented else 1, len(self.swift.objects))
        self.assert_buffer_empty()

    @ddt.data(*KINDS)
    @ddt.unpack
    def test_bytes_that_are_sent_again(self, segmented, known):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        self.order(503, where=f'{IMAGE}.*', times=2)
        self.add(store, size=SIZE if known else 0)
        again = self.swift.received - SIZE
        self.assertEqual(2 * (SEGMENT if segmented else SIZE), again)

    @ddt.data(*KINDS)
    @ddt.unpack
    def test_a_fault_that_stays(self, segmented, known):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        where = f'{IMAGE}-00003' if segmented else IMAGE
        self.order(503, where=where, times=6)
        error = self.assertRaises(
            glance_store.BackendException,
            self.add,
            store,
            size=SIZE if known else 0,
        )
        self.assertIn('503', str(error))
        self.assert_nothing_left()

    def test_a_manifest_that_fails(self):
        self.order(503, where=IMAGE, times=6)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_a_manifest_that_a_fault_meets(self):
        self.order('lost', where=IMAGE)
        self.order(401, where=IMAGE)
        store = self.store()
        self.assert_stored(self.add(store), store)

    def test_what_arrived_unseen_is_removed(self):
        self.order('lost', where='00002', times=6)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_faults_while_it_is_undone(self):
        self.order(413, where='00003')
        self.order(503, method='DELETE', times=2)
        self.order(429, method='DELETE')
        self.order(401, method='DELETE')
        self.order('lost', method='DELETE')
        self.assertRaises(glance_store.StorageFull, self.add, self.store())
        self.assert_nothing_left()

    def test_swift_is_gone_while_it_is_undone(self):
        self.order(507, where='00003', times=6)
        self.order('reset', method='DELETE', times=100)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        deletions = [m for m, _path in self.swift.requests if m == 'DELETE']
        # All attempts for the first, and one for each of the others.
        self.assertEqual(resend.ATTEMPTS + 2, len(deletions))

    def test_an_image_that_is_there(self):
        self.order(409, where=IMAGE)
        self.swift.containers.add('glance')
        self.swift.objects[f'glance/{IMAGE}'] = b'other'
        self.assertRaises(glance_store.Duplicate, self.add, self.store())
        self.assertEqual({f'glance/{IMAGE}': b'other'}, self.swift.objects)

    def test_a_token_that_is_refused_twice(self):
        self.order(401, where='00002', times=2)
        store = self.store()
        self.assert_stored(self.add(store), store)

    def test_no_token_will_do(self):
        self.order(401, where='00002', times=3)
        self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assert_nothing_left()

    def test_the_container_is_asked_for_again(self):
        self.order(503, method='HEAD')
        self.order(401, method='HEAD')
        self.order(503, where='glance')
        self.order(401, where='glance')
        store = self.store()
        self.assert_stored(self.add(store), store)


@ddt.ddt
class EarlierTestCase(glance_store_case.StoreTestCase):
    """Segments are there that an earlier upload of the image has left."""

    # As long as its own first segment, and a few bytes of a second.
    SHORT = DATA[: SEGMENT + 5]

    def leave(self, *ends):
        """Leave objects, as a process does that is killed."""
        self.swift.containers.add('glance')
        for end in ends:
            self.swift.objects[f'glance/{IMAGE}{end}'] = b'other'

    def puts(self):
        return [
            path for method, path in self.swift.requests if method == 'PUT'
        ]

    @ddt.data(0, len(SHORT))
    def test_one_that_was_killed(self, size):
        self.leave(*(f'-{number:05d}' for number in range(1, 8)))
        store = self.store()
        answer = self.add(store, self.SHORT, size)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))

    def test_one_whose_removal_failed(self):
        self.order(503, where='-00004', times=6)
        self.order(503, method='DELETE', times=100)
        store = self.store()
        self.assertRaises(glance_store.BackendException, self.add, store)
        self.assertEqual(3, len(self.swift.objects))
        self.swift.faults.clear()
        answer = self.add(store, self.SHORT, 0)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))
        self.assertIn(
            'An earlier upload has left 1 objects in container glance, from '
            f'{IMAGE}-00003 to {IMAGE}-00003',
            self.logs.output,
        )

    def test_names_that_no_upload_gives(self):
        self.leave('-00000', '-00001-x', '-other', '-00002a')
        store = self.store()
        self.assert_stored(self.add(store), store)
        self.assertEqual(5, len(self.swift.objects))

    def test_what_is_of_other_images_stays(self):
        self.leave('2-00003', '')
        other = f'{IMAGE[:-1]}d-00003'
        self.swift.objects[f'glance/{other}'] = b'other'
        store = self.store()
        self.assert_stored(self.add(store), store)
        self.assertIn(f'glance/{other}', self.swift.objects)
        self.assertIn(f'glance/{IMAGE}2-00003', self.swift.objects)

    def test_more_than_one_answer_lists(self):
        self.swift.page = 2
        self.leave(*(f'-{number:05d}' for number in range(1, 8)))
        store = self.store()
        answer = self.add(store, self.SHORT, 0)
        self.assert_stored(answer, store, self.SHORT)
        self.assertEqual(3, len(self.swift.objects))

    @ddt.data('GET', 'DELETE')
    def test_faults_that_pass(self, method):
        self.leave('-00009')
        self.order(503, method=method, times=2)
        self.order(401, method=method)
        self.order('lost', method=method)
        store = self.store()
        self.assert_stored(self.add(store), store)

    @ddt.data(('GET', 503), ('GET', 403), ('DELETE', 503), ('DELETE', 403))
    @ddt.unpack
    def test_nothing_is_published_that_may_be_wrong(self, method, status):
        self.leave('-00009')
        where = '' if method == 'GET' else '-00009'
        self.order(status, where=where, method=method, times=6)
        error = self.assertRaises(
            glance_store.BackendException, self.add, self.store()
        )
        self.assertIn('Got error from Swift', str(error))
        self.assertIn(str(status), str(error))
        self.assertNotIn(f'glance/{IMAGE}', self.puts())
        self.assertEqual({f'glance/{IMAGE}-00009'}, set(self.swift.objects))

    def test_an_image_of_one_object_asks_for_none(self):
        store = self.store()
        store.large_object_size = 2 * SIZE
        self.assert_stored(self.add(store), store)
        self.assertNotIn('GET', dict(self.swift.requests))


@ddt.ddt
class SourceTestCase(glance_store_case.StoreTestCase):
    """Data that is not what it should be, or does not come."""

    @ddt.idata(itertools.product(KINDS, (OSError('a client'), KeyError('x'))))
    @ddt.unpack
    def test_a_client_that_went_away(self, kind, gone):
        segmented, known = kind
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            type(gone),
            store.add,
            IMAGE,
            Stream(DATA[:-1], gone),
            SIZE if known else 0,
            'sha512',
        )
        self.assertIs(gone, error)
        puts = [
            path for method, path in self.swift.requests if method == 'PUT'
        ]
        self.assertEqual(len(set(puts)), len(puts))
        self.assert_nothing_left()

    @ddt.data(True, False)
    def test_data_that_ends_early(self, segmented):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            glance_store.Invalid, self.add, store, DATA[:-1]
        )
        self.assertIn(f'expected {SIZE} bytes, got {SIZE - 1}', str(error))
        self.assert_nothing_left()

    @ddt.data(True, False)
    def test_data_that_goes_on(self, segmented):
        store = self.store()
        if not segmented:
            store.large_object_size = 2 * SIZE
        error = self.assertRaises(
            glance_store.Invalid, self.add, store, DATA + b'x'
        )
        self.assertIn(f'expected {SIZE} bytes', str(error))
        self.assert_nothing_left()

    @ddt.idata(itertools.product((True, False), repeat=2))
    @ddt.unpack
    def test_an_end_that_nobody_can_see(self, segmented, buffered):
        """It is the source that failed, and not Swift."""
        store = self.store(buffered)
        if not segmented:
            store.large_object_size = 2 * SIZE
        gone = OSError('a client')
        error = self.assertRaises(
            OSError, store.add, IMAGE, Stream(DATA, gone), SIZE, 'sha512'
        )
        self.assertIs(gone, error)
        self.assertEqual({}, self.swift.objects)

    @ddt.idata(
        itertools.product(
            (True, False), (1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 2 * SEGMENT)
        )
    )
    @ddt.unpack
    def test_sizes(self, known, size):
        store = self.store()
        data = DATA[:size]
        answer = self.add(store, data, size if known else 0)
        self.assert_stored(answer, store, data)

    def test_upstream_gives_the_last_segment_a_wrong_length(self):
        self.swift.patience = 0.3
        store = self.store(buffered=False, make=upstream.Store)
        error = self.assertRaises(
            glance_store.BackendException, self.add, store
        )
        self.assertIn('failure and no ability to reset', str(error))
        store = self.store(buffered=False)
        self.assert_stored(self.add(store), store)

    def test_no_data(self):
        store = self.store()
        self.assert_stored(self.add(store, b'', 0), store, b'')

    def test_a_signature_is_verified_with_each_byte_once(self):
        self.order('reset', where='00002')
        verifier = mock.Mock()
        self.add(self.store(), verifier=verifier)
        seen = [call.args[0] for call in verifier.update.call_args_list]
        self.assertEqual(DATA, b''.join(seen))


class TypeTestCase(base.BaseTestCase):
    """Glance sees a store of a type that it knows."""

    def setUp(self):
        super().setUp()
        self.conf = cfg.ConfigOpts()
        self.conf.register_opt(cfg.DictOpt('enabled_backends'))
        self.conf([])
        self.conf.set_default(
            'enabled_backends',
            {'a': store_opts.TYPE, 'b': 'swift', 'c': 'rbd'},
        )
        glance_store.register_store_opts(self.conf)
        for group in ('a', 'b', 'backend_defaults'):
            self.conf.register_opts(our_store.OPTIONS, group=group)

    def test_it_is_shown_as_swift(self):
        store = our_store.Store(self.conf, 'a')
        self.assertIsInstance(store, our_store.SingleTenantStore)
        self.assertEqual(
            {'a': 'swift', 'b': 'swift', 'c': 'rbd'},
            self.conf.enabled_backends,
        )

    def test_each_kind(self):
        self.conf.set_override('swift_store_multi_tenant', True, 'a')
        store = our_store.Store(self.conf, 'a')
        self.assertIsInstance(store, our_store.MultiTenantStore)

    def test_its_options_are_listed(self):
        names = {option.name for option in our_store.Store.OPTIONS}
        self.assertLessEqual(
            {'swift_store_container', 'swift_upload_buffer_budget'}, names
        )

    def test_the_entry_point(self):
        setup = configparser.ConfigParser()
        setup.read(pathlib.Path(our_store.__file__).parents[2] / 'setup.cfg')
        self.assertEqual(
            f'{store_opts.TYPE} = {our_store.__name__}:Store',
            setup['entry_points']['glance_store.drivers'].strip(),
        )
