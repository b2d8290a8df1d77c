# SPDX-License-Identifier: Apache-2.0
"""What is asked of Glance is asked with the right powers, and read rightly."""

import urllib.parse

import ddt
from glanceclient import exc

from cinder_rbd_offload import glance
from cinder_rbd_offload.tests.unit import base


@ddt.ddt
class GlanceTestCase(base.TestCase):
    def test_stores(self):
        """As Glance writes them: the flag as text, the properties by type."""
        self.assertEqual(
            (
                glance.Store('web', 'http'),
                glance.Store(
                    *('ceph', 'rbd', True, 'images', 'a-fsid', 8 << 20)
                ),
            ),
            self.api().stores(),
        )

    @ddt.data(
        ({'default': True}, {'default': True}),
        ({'default': 'True'}, {'default': True}),
        ({'default': 'false'}, {}),
        ({'properties': None}, {}),
        ({'properties': {'pool': 'p'}}, {'pool': 'p'}),
        ({'properties': {'pool': 'p', 'fsid': None}}, {'pool': 'p'}),
        ({'properties': {'chunk_size': 8388608}}, {'chunk_size': 8388608}),
        ({'properties': {'chunk_size': None}}, {}),
        ({'description': 'of no interest', 'weight': 0}, {}),
    )
    @ddt.unpack
    def test_store(self, answer, expected):
        self.assertEqual(
            glance.Store('id', 'rbd', **expected),
            glance.Store.from_answer({'id': 'id', 'type': 'rbd'} | answer),
        )

    @ddt.data(
        ('queued', False, glance.ImageState.IDLE),
        ('queued', True, glance.ImageState.BUSY),
        ('saving', False, glance.ImageState.BUSY),
        ('uploading', False, glance.ImageState.BUSY),
        ('importing', True, glance.ImageState.BUSY),
        ('active', False, glance.ImageState.ACTIVE),
        ('active', True, glance.ImageState.ACTIVE),
        ('deactivated', False, glance.ImageState.ACTIVE),
        ('killed', False, glance.ImageState.GONE),
        ('deleted', False, glance.ImageState.GONE),
        ('pending_delete', False, glance.ImageState.GONE),
        ('not heard of yet', False, glance.ImageState.BUSY),
    )
    @ddt.unpack
    def test_state(self, status, locked, expected):
        image = self.glance.images[base.IMAGE]
        image.update(status=status, size=1)
        if locked:
            image['os_glance_import_task'] = 'a task'
        self.assertIs(expected, self.api().state(base.IMAGE, 1))

    @ddt.data(
        ('active', None), ('active', 0), ('active', 2), ('deactivated', 2)
    )
    @ddt.unpack
    def test_data_of_another_size_is_not_ours(self, status, size):
        self.glance.images[base.IMAGE].update(status=status, size=size)
        self.assertIs(glance.ImageState.OTHER, self.api().state(base.IMAGE, 1))

    @ddt.data(
        # As a Glance with one store, or of an earlier release, answers.
        ({}, (), glance.ImageState.ACTIVE),
        ({}, ('web',), glance.ImageState.ACTIVE),
        ({'stores': ''}, ('web',), glance.ImageState.ACTIVE),
        ({'stores': 'ceph'}, ('web',), glance.ImageState.ACTIVE),
        ({'stores': 'web'}, ('web', 'files'), glance.ImageState.OTHER),
        ({'stores': 'web,files'}, ('web', 'files'), glance.ImageState.OTHER),
        # Copied there later.
        ({'stores': 'web,ceph'}, ('web', 'files'), glance.ImageState.ACTIVE),
        # Nothing is known of it: it may be ours, by a new name.
        ({'stores': 'new'}, ('web', 'files'), glance.ImageState.ACTIVE),
        ({'stores': 'web'}, (), glance.ImageState.ACTIVE),
    )
    @ddt.unpack
    def test_data_in_other_stores_only_is_not_ours(self, shown, others, state):
        self.glance.images[base.IMAGE].update(status='active', size=1, **shown)
        self.assertIs(state, self.api().state(base.IMAGE, 1, others))

    @ddt.data(True, False)
    def test_an_image_that_may_be_protected(self, protected):
        """A user can ask Cinder for that."""
        self.glance.images[base.IMAGE]['protected'] = protected
        self.api().delete(base.IMAGE)
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.api().delete(base.IMAGE)

    def test_an_image_that_may_not_be_deleted(self):
        self.glance.fail('delete', exc.HTTPForbidden('a policy'))
        self.assertRaises(exc.HTTPForbidden, self.api().delete, base.IMAGE)

    def test_an_image_that_is_not_found_is_gone(self):
        self.glance.delete(base.IMAGE)
        self.assertIs(glance.ImageState.GONE, self.api().state(base.IMAGE, 1))

    def test_an_image_that_is_not_found_in_another_language(self):
        self.glance.fail(
            'get', exc.HTTPNotFound(f'Kein Abbild mit ID {base.IMAGE}')
        )
        self.assertIs(glance.ImageState.GONE, self.api().state(base.IMAGE, 1))

    @ddt.data(
        '',
        'default backend - 404',
        f'The requested URL /v2/images/{base.IMAGE} was not found.',
        f'{{"error": "Not Found", "path": "/v2/images/{base.IMAGE}"}}',
    )
    def test_a_glance_that_is_not_found_says_nothing_of_an_image(self, text):
        """Its data would be removed, although the image is active."""
        self.glance.fail('get', exc.HTTPNotFound(text))
        self.assertRaises(exc.HTTPNotFound, self.api().state, base.IMAGE, 1)

    @ddt.data(exc.HTTPForbidden(), exc.CommunicationError('refused'))
    def test_an_error_is_no_state(self, error):
        self.glance.fail('get', error)
        self.assertRaises(type(error), self.api().state, base.IMAGE, 1)

    def test_a_location_is_added_as_glance_takes_it(self):
        """With the role service, and without validation data."""
        self.images[base.IMAGE] = self.volumes[base.VOLUME]
        self.pool('images').seal(base.IMAGE)
        self.api().add_location(base.IMAGE, base.URL)
        self.clock.sleep(1)
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))

    def test_delete(self):
        self.api().delete(base.IMAGE)
        self.assertEqual({}, self.glance.images)

    def test_delete_is_fine_without_an_image(self):
        self.glance.delete(base.IMAGE)
        self.api().delete(base.IMAGE)

    def test_an_image_that_cannot_be_deleted(self):
        self.glance.fail('delete', exc.HTTPForbidden('protected'))
        self.assertRaises(exc.HTTPForbidden, self.api().delete, base.IMAGE)

    @ddt.data(
        ({'image_size_total': {'limit': 10, 'usage': 4}}, 6 << 20),
        ({'image_size_total': {'limit': 10, 'usage': 10}}, 0),
        ({'image_size_total': {'limit': 10, 'usage': 12}}, 0),
        ({'image_size_total': {'limit': -1, 'usage': 4}}, None),
        ({'image_count_total': {'limit': 10, 'usage': 4}}, None),
        ({}, None),
    )
    @ddt.unpack
    def test_size_left(self, usage, left):
        self.glance.usage = usage
        self.assertEqual(left, self.api().size_left())

    def test_a_glance_without_quotas(self):
        self.glance.fail('get_usage', exc.HTTPNotFound())
        self.assertIsNone(self.api().size_left())

    def test_quotas_that_cannot_be_read(self):
        self.glance.fail('get_usage', exc.HTTPServiceUnavailable())
        self.assertRaises(exc.HTTPServiceUnavailable, self.api().size_left)

    def test_quotas_are_those_of_the_owner(self):
        asked = []

        def as_owner(method, *args, **kwargs):
            asked.append((method, args, kwargs))
            return {}

        glance.Glance(as_owner, self.fail, self.fail).size_left()
        self.assertEqual([('get_usage', (), {'controller': 'info'})], asked)

    def test_the_message_is_the_newest_task_s(self):
        self.glance.tasks[base.IMAGE] = [
            {'created_at': '2026-11-21T10:00:01Z', 'message': 'second'},
            {'created_at': '2026-11-21T10:00:02Z', 'message': 'third'},
            {'created_at': '2026-11-21T10:00:00Z', 'message': 'first'},
        ]
        self.assertEqual('third', self.api().task_message(base.IMAGE))

    @ddt.data(
        {},
        {'tasks': []},
        {'tasks': [{'created_at': '', 'message': None}]},
        {'tasks': [{'created_at': ''}]},
    )
    def test_there_may_be_no_message(self, answer):
        api = glance.Glance(lambda *_args: answer, self.fail, self.fail)
        self.assertEqual('', api.task_message(base.IMAGE))


def rbd(name, pool='images', fsid='a-fsid'):
    return glance.Store(name, 'rbd', pool=pool, fsid=fsid)


def swift(name, container='glance'):
    return glance.Store(name, 'swift', container=container)


@ddt.ddt
class ElsewhereTestCase(base.TestCase):
    @ddt.data(
        (rbd('ours'), [rbd('ours')], ()),
        (rbd('ours'), [rbd('ours'), swift('s'), rbd('b', 'p')], ('s', 'b')),
        (rbd('ours'), [rbd('b', fsid='b-fsid')], ('b',)),
        # Glance may name this one, too, for what is in ours.
        (rbd('ours'), [rbd('same')], ()),
        # The location of this one may be the start of any.
        (rbd('ours'), [rbd('unknown', fsid=None)], ()),
        (
            swift('ours'),
            [rbd('r'), swift('same'), swift('s', 'c')],
            ('r', 's'),
        ),
        (swift('ours'), [swift('of-tenants', None)], ()),
    )
    @ddt.unpack
    def test_elsewhere(self, ours, stores, expected):
        self.assertEqual(expected, glance.elsewhere(ours, stores))


class RBDLocationTestCase(base.TestCase):
    def test_location(self):
        store = glance.Store('ceph', 'rbd', True, 'images', 'a-fsid')
        self.assertEqual(
            base.URL, glance.rbd_location(store, base.IMAGE, 'snap')
        )

    def test_no_part_passes_for_two(self):
        parts = ['a-fsid', 'my/pool', 'an image?', '100%']
        store = glance.Store('s', 'rbd', pool=parts[1], fsid=parts[0])
        url = glance.rbd_location(store, parts[2], parts[3])
        self.assertEqual(
            parts,
            [
                urllib.parse.unquote(part)
                for part in url.removeprefix('rbd://').split('/')
            ],
        )
