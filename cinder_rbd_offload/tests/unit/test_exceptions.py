# SPDX-License-Identifier: Apache-2.0
"""The tree of errors is the one drawn; each says the cause and the remedy."""

import inspect
import re

import ddt
from oslotest import base

from cinder_rbd_offload import exceptions

URL = 'rbd://fsid/images/id/snap'
CAUSE = TimeoutError('no answer')

# What the caller knows, and what its message has to add to it.
ERRORS = (
    (exceptions.CephError('copying a/b', CAUSE), 'TimeoutError: no answer'),
    (
        exceptions.CephNotPermitted('copying a/b', 'images'),
        'rbd-offload doctor',
    ),
    (exceptions.CephUnreachable('cinder', '/a/conf', CAUSE), 'rbd_ceph_conf'),
    (exceptions.PoolExhausted('copying a', 'images'), 'free some of it'),
    (exceptions.PoolMissing('images'), 'check rbd_pool'),
    (exceptions.SnapshotFailed('snapping a', CAUSE), 'rbd snap limit'),
    (exceptions.BindingsMissing(ImportError('rbd')), 'python3-rbd'),
    (exceptions.ConfigUnusable('no file'), 'cannot be used'),
    (
        exceptions.ConversionFailed('converting a', 'exit code 1: no'),
        'exit code 1: no. Check that qemu-img',
    ),
    (
        exceptions.NoSpace('converting a', '/tmp/c', 9, 7),
        'up to 9 bytes in /tmp/c, where 7 bytes are free. Free some',
    ),
    (exceptions.ImageExists('images', 'id'), 'remove it'),
    (
        exceptions.FormatDoubtful('volume-1', 'it is QED'),
        'ordinary upload decide',
    ),
    (exceptions.NoRoom('id', 7, 'the quota has 3'), 'the quota has 3'),
    (exceptions.PoolFull('id', 7, '7 of them are in use, no'), '7 of them'),
    (exceptions.LocationRefused(URL, 'HTTP 403'), 'the role service'),
    (exceptions.ImageGone('id'), 'nothing is left'),
    (exceptions.ImageTaken('id'), 'upload the volume again'),
    (
        exceptions.LocationUnknown('id', URL, 120),
        'recovery keeps or removes it',
    ),
    (exceptions.EntryUnknown('id', CAUSE), 'upload the volume again when'),
    (exceptions.TakenOver('id'), 'the image shows how it ends'),
    (exceptions.NotDelegated('id', URL), 'the role admin'),
    (exceptions.NotUndone('id', CAUSE), 'is removed once the storage'),
    (exceptions.UploadFailed('id', 'HTTP 503', 2), 'upload the volume again'),
    (
        exceptions.UploadMismatch('id', (7, 'ab'), (6, 'cd')),
        'so it was deleted. The network',
    ),
    (
        exceptions.UploadMismatch('id', (7, 'ab'), (6, 'cd'), 'HTTP 403'),
        'could not be deleted: HTTP 403. Delete it. The network',
    ),
    (exceptions.SwiftFull('writing a', 'HTTP 507'), 'the disks'),
    (exceptions.SwiftLost('writing a', 7, CAUSE), 'reaches Keystone'),
    (exceptions.SwiftRefused('writing a', 'HTTP 403'), 'the credentials'),
    (exceptions.SpoolFull('7 bytes are in use'), '7 bytes are in use'),
    (exceptions.RewindRefused(7, 'it was not kept'), 'from its source'),
    (exceptions.SourceFailed(CAUSE), 'TimeoutError: no answer'),
    (exceptions.SourceEnded(7, 3), '3 bytes came of 7'),
    (exceptions.SourceExceeds(7, 9), '9 bytes and more'),
)
RETRIABLE = {
    'BindingsMissing',
    'CephError',
    'CephNotPermitted',
    'CephUnreachable',
    'ConfigUnusable',
    'ConversionFailed',
    'FormatDoubtful',
    'ImageExists',
    'LocationRefused',
    'SwiftFull',
    'SwiftLost',
    'SwiftRefused',
    'PoolExhausted',
    'PoolMissing',
    'RewindRefused',
    'SnapshotFailed',
    'SpoolFull',
}


def defined():
    return dict(inspect.getmembers(exceptions, inspect.isclass))


def drawn():
    """Read the drawing: the name of each class, and its parent's."""
    parents = {}
    path = ['Exception']
    for line in inspect.getdoc(exceptions).splitlines():
        match = re.fullmatch(r' {4}([ |]*)(\+-- )?([A-Z]\w+)( .*)?', line)
        if match:
            depth = len(match[1] + (match[2] or '')) // 4
            parents[match[3]] = path[depth]
            path[depth + 1 :] = [match[3]]
    return parents


@ddt.ddt
class ExceptionsTestCase(base.BaseTestCase):
    def test_the_tree_is_the_one_drawn(self):
        self.assertEqual(
            {
                name: cls.__bases__[0].__name__
                for name, cls in defined().items()
            },
            drawn(),
        )

    def test_every_error_that_is_raised_is_looked_at_here(self):
        raised = {type(error).__name__ for error, _text in ERRORS}
        roots = {'OffloadError', 'NotPublished', 'SwiftError'}
        self.assertEqual(set(defined()) - roots, raised)

    @ddt.data(*ERRORS)
    @ddt.unpack
    def test_message_names_the_cause_or_the_remedy(self, error, text):
        self.assertIn(text, str(error))

    @ddt.data(*ERRORS)
    @ddt.unpack
    def test_what_the_caller_gave_is_in_the_message(self, error, _text):
        given = {
            'CephError': 'copying a/b',
            'CephNotPermitted': "OSD capability 'profile rbd pool=images'",
            'CephUnreachable': '/a/conf as client.cinder',
            'BindingsMissing': 'cannot be imported: rbd',
            'ConfigUnusable': 'no file',
            'ConversionFailed': 'converting a failed: ',
            'FormatDoubtful': 'volume-1 is not plainly a raw disk: it is QED',
            'ImageExists': 'images/id',
            'LocationRefused': f'{URL}: HTTP 403',
            'LocationUnknown': f'image id took the location {URL}',
            'NoRoom': 'image id would have 7 bytes',
            'NoSpace': 'converting a failed: ',
            'NotDelegated': f'it is active with the data at {URL}',
            'NotUndone': 'image id failed: no answer',
            'PoolExhausted': 'copying a failed: pool images',
            'PoolMissing': 'there is no pool images',
            'SnapshotFailed': 'snapping a failed: TimeoutError: no answer',
            'SwiftFull': 'writing a failed, ',
            'SwiftLost': 'writing a failed in Swift for 7 s',
            'SwiftRefused': 'writing a was refused: HTTP 403',
            'RewindRefused': 'byte 7: it was not kept',
            'SourceEnded': '3 bytes came of 7',
            'SourceExceeds': 'not 7',
            'SourceFailed': 'TimeoutError: no answer',
            'SpoolFull': '7 bytes are in use',
        }
        self.assertIn(given.get(type(error).__name__, 'image id'), str(error))

    @ddt.data(*ERRORS)
    @ddt.unpack
    def test_retriable(self, error, _text):
        self.assertEqual(type(error).__name__ in RETRIABLE, error.retriable)
