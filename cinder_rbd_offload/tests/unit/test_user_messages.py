# SPDX-License-Identifier: Apache-2.0
"""What a user reads in ``cinder message list`` after a failed upload.

The messages are those that Cinder's own code makes: its API object writes to
a database in memory, and its own functions choose and look up the sentences.
"""

import types
from unittest import mock

from cinder import exception
from cinder.message import api as message_api
from cinder.message import message_field
from cinder.volume.drivers import rbd as base_rbd
import ddt
from oslotest import base

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import user_messages

GENERIC = 'Failed to upload volume to image at backend.'
NO_ROOM = 'Not enough quota resource for operation.'
CLEANUP = 'Cleanup of temporary volume/snapshot failed.'
SECRETS = ('images', 'client.cinder', '10.0.0.1', 'password')
FULL = exceptions.SwiftFull('writing a', 'HTTP 413')


def undone(cause):
    error = exceptions.NotUndone('id', cause)
    error.__cause__ = cause
    return error


@ddt.ddt
class UserMessagesTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.written = []
        self.api = message_api.API.__new__(message_api.API)
        self.api.db = types.SimpleNamespace(
            message_create=lambda _context, record: self.written.append(record)
        )
        patcher = mock.patch.object(
            user_messages.message_api,
            'API',
            autospec=True,
            return_value=self.api,
        )
        self.made = patcher.start()
        self.addCleanup(patcher.stop)
        self.context = types.SimpleNamespace(
            project_id='a-project', request_id='req-1'
        )

    def upload(self, error):
        """Fail as Cinder's manager sees it; return the sentences."""
        try:
            with user_messages.translated(
                self.context, types.SimpleNamespace(id='a-volume')
            ):
                raise error
        except Exception as exc:
            self.raised = exc
        # As cinder.volume.manager does.
        self.api.create(
            self.context,
            message_field.Action.COPY_VOLUME_TO_IMAGE,
            resource_uuid='a-volume',
            exception=self.raised,
            detail=message_field.Detail.FAILED_TO_UPLOAD_VOLUME,
        )
        return [
            message_field.translate_detail(one['detail_id'])
            for one in self.written
        ]

    @ddt.data(
        (exceptions.NoRoom('id', 7, 'the pool images is full'), NO_ROOM),
        (FULL, NO_ROOM),
        (exceptions.ImageGone('id'), GENERIC),
        (exceptions.UploadFailed('id', '10.0.0.1: HTTP 503', 2), GENERIC),
        (exceptions.CephError('copying images/a', OSError()), GENERIC),
        (exceptions.NoSpace('a', '/tmp', 7, 3), GENERIC),
        (exception.ImageLimitExceeded(), NO_ROOM),
        (ZeroDivisionError('password'), GENERIC),
    )
    @ddt.unpack
    def test_one_message(self, error, sentence):
        self.assertEqual([sentence], self.upload(error))
        self.made.assert_not_called()

    @ddt.data(
        (
            exceptions.SnapshotFailed('snapping images/a', OSError()),
            *('Snapshot failed to create.', GENERIC),
        ),
        (undone(exceptions.CephError('a', OSError())), CLEANUP, GENERIC),
        (undone(FULL), CLEANUP, NO_ROOM),
        (
            exception.ImageConversionNotAllowed(image_id='id', reason='x'),
            'The image disk format must be the same as the volume format for '
            'the volume type you are requesting.',
            GENERIC,
        ),
    )
    @ddt.unpack
    def test_a_message_that_says_more(self, error, sentence, general):
        self.assertEqual([sentence, general], self.upload(error))
        for one in self.written:
            self.assertEqual('a-volume', one['resource_uuid'])
            self.assertEqual('VOLUME', one['resource_type'])
            self.assertEqual('req-1', one['request_id'])
            self.assertEqual('a-project', one['project_id'])
            self.assertEqual(
                'copy volume to image',
                message_field.translate_action(one['action_id']),
            )

    @ddt.data(
        exceptions.SnapshotFailed('snapping images/a', OSError('10.0.0.1')),
        undone(exceptions.CephError('client.cinder', OSError('password'))),
        exceptions.NoRoom('id', 7, 'images is full'),
    )
    def test_nothing_of_the_operator_s_is_in_it(self, error):
        sentences = self.upload(error)
        self.assertTrue(any(one in str(error) for one in SECRETS))
        told = str([*sentences, *map(dict, self.written)])
        for one in SECRETS:
            self.assertNotIn(one, told)

    @ddt.data(*(detail for _kind, detail in user_messages.DETAILS))
    def test_cinder_api_has_the_sentence(self, detail):
        """It would say that the error is unknown, if it had not."""
        self.assertEqual(
            detail[0], message_field.translate_detail_id(None, detail)
        )

    def test_a_sentence_of_our_own_is_not_possible(self):
        """Should this ever fail, there is a better way for all of it."""
        self.assertEqual(
            message_field.Detail.UNKNOWN_ERROR[0],
            message_field.translate_detail_id(None, ('100', 'our own words')),
        )

    def test_the_log_gets_the_whole_error(self):
        error = exceptions.CephError('copying images/a', OSError('10.0.0.1'))
        self.upload(error)
        self.assertIsInstance(self.raised, base_rbd.RBDDriverException)
        self.assertIn('copying images/a', str(self.raised))
        self.assertIs(error, self.raised.__cause__)

    def test_the_database_is_away(self):
        self.made.side_effect = ZeroDivisionError
        error = exceptions.SnapshotFailed('a', OSError())
        self.assertEqual([GENERIC], self.upload(error))
        self.assertIsInstance(self.raised, base_rbd.RBDDriverException)

    def test_success(self):
        with user_messages.translated(self.context, None):
            pass
        self.assertEqual([], self.written)
