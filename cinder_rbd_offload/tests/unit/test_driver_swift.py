# SPDX-License-Identifier: Apache-2.0
"""What goes straight to Swift: whole and registered, or nothing of it."""

import pathlib
from unittest import mock

from cinder import exception
import ddt
import fixtures
from glanceclient import exc

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import recover
from cinder_rbd_offload.tests import fake_large_objects
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.tests.unit import test_driver_stream
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_client

DATA = test_driver_stream.DATA
Stage = journal.Stage
Wrong = fake_large_objects.Wrong
WHOLE = f'{base.IMAGE}.image'

FILE = """
[ref1]
auth_address = {url}/v3
user = service:glance
key = {key}
"""


class SwiftTestCase(test_driver_stream.StreamingTestCase):
    """A driver that sends straight to a Swift, which Glance reads.

    :ivar stages: those of the entry when Swift and Glance were asked
    """

    def setUp(self):
        self.swift = fake_large_objects.Swift()
        self.addCleanup(self.swift.close)
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.path = folder / 'swift.conf'
        self.path.write_text(
            FILE.format(url=self.swift.url, key=self.swift.password)
        )
        self.adds = mock.Mock(side_effect=self.register)
        super().setUp()

    def as_owner(self, _context):
        return self.api(self.adds)

    def start_over(self):
        super().start_over()
        config = self.driver.configuration
        config.image_upload_swift_stores = {'objects': 'ref1'}
        config.image_upload_swift_config_file = str(self.path)
        config.image_upload_swift_segment_size = 4
        config.image_upload_timeout = 5
        self.volume.volume_type.extra_specs['image_service:store_id'] = (
            'objects'
        )
        self.glance.stores.append(
            {
                'id': 'objects',
                'type': 'swift',
                'properties': {'container': self.swift.container},
            }
        )
        self.glance.elsewhere = self.size
        self.swift.objects.clear()
        self.stages = []
        self.swift.wrong = self.note
        self.offered = []

    def note(self, method, name):
        """Look at the entry at each request to Swift."""
        entry = self.entry()
        if entry and entry.stage not in self.stages:
            self.stages.append(entry.stage)

    def register(self, image_id, url, metadata):
        self.note('POST', url)
        self.offered.append(url)
        self.glance.add_location(image_id, url, metadata)

    def size(self, url):
        """As Glance does it: by the object that a location names."""
        if not url.startswith('swift+'):
            return None
        found = self.swift.objects.get(url.rpartition('/')[2])
        return found and found.size

    def die(self, method, name):
        """Have the process die before a request to Swift."""
        real = swift_client.Client._send

        def send(this, one, other, *args, **kwargs):
            if one == method and other.endswith(name):
                raise KeyboardInterrupt
            return real(this, one, other, *args, **kwargs)

        with mock.patch.object(
            swift_client.Client, '_send', autospec=True, side_effect=send
        ):
            self.assertRaises(KeyboardInterrupt, self.upload)

    def restart(self):
        """Begin a new process, and look for what the last one has left."""
        self.driver.check_for_setup_error()
        self.recover()

    def assertSent(self):
        self.ordinary.assert_not_called()
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])
        self.assertEqual(DATA, self.swift.read(WHOLE))
        self.assertEqual(self.before, self.cluster.state())
        self.assertIsNone(self.entry())

    def assertNothing(self):
        """Require that neither Swift, Ceph nor the journal has anything."""
        self.assertEqual({}, self.swift.objects)
        self.assertEqual(self.before, self.cluster.state())

    def sweep(self):
        """Let the time pass in which a store may list what it did not."""
        self.recover()
        self.assertEqual(Stage.SWEEPING, self.entry().stage)
        with mock.patch.object(recover, 'SETTLING', -1):
            self.recover()
        self.assertIsNone(self.entry())


@ddt.ddt
class StraightTestCase(SwiftTestCase):
    def test_whole(self):
        self.upload()
        self.assertSent()
        self.assertEnded()
        self.assertEqual([Stage.SENDING, Stage.REGISTERING], self.stages)
        self.assertEqual([], self.entries)

    def test_no_secret_is_told(self):
        seen = []
        self.glance.elsewhere = lambda url: seen.append(self.entry())
        self.upload()
        self.assertEqual({Stage.REGISTERING}, {one.stage for one in seen})
        told = [self.logs.output, *self.offered]
        told += [one.to_text() for one in seen]
        self.assertNotIn(self.swift.password, ''.join(told))

    @ddt.data('web', 'none')
    def test_another_store(self, store):
        self.volume.volume_type.extra_specs['image_service:store_id'] = store
        self.upload()
        self.assertStreamed()
        self.assertNothing()
        self.assertIn('goes through Glance: ', self.logs.output)

    def test_another_form(self):
        self.upload('raw', 'compressed')
        self.assertIn('only a raw image', self.logs.output)
        self.assertNothing()

    def test_glance_does_not_name_its_stores(self):
        self.glance.service_role = False
        self.upload()
        self.assertStreamed()
        self.assertIn('did not name its stores', self.logs.output)

    def test_the_options_are_wrong(self):
        self.path.unlink()
        self.upload()
        self.assertStreamed()
        self.assertIn('WARNING Image', self.logs.output)
        self.assertIn('cannot be read', self.logs.output)

    def test_another_format_is_glances_to_judge(self):
        self.patch(inspection, 'doubt', return_value='it is a qcow2')
        self.upload()
        self.assertStreamed()
        self.assertNothing()

    def test_a_limit(self):
        self.driver.configuration.rbd_offload_image_size_cap = 1
        self.assertFails('image_size_cap', exception.ImageLimitExceeded)
        self.assertNothing()
        self.assertEnded()


@ddt.ddt
class FaultsTestCase(SwiftTestCase):
    def test_swift_is_away_for_too_long(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=503) if method == 'PUT' and name == WHOLE else None
        )
        self.upload()
        self.assertStreamed()
        self.assertNothing()
        self.assertIn('could not be sent straight to Swift', self.logs.output)

    def test_swift_is_full(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=507) if method == 'PUT' else None
        )
        self.upload()
        self.assertStreamed()
        self.assertNothing()
        self.assertIn('has no room', self.logs.output)

    def test_swift_is_full_for_a_moment(self):
        full = [Wrong(status=507)]
        self.swift.wrong = lambda method, name: (
            full.pop() if full and method == 'PUT' else None
        )
        self.upload()
        self.assertSent()

    def test_there_is_no_container(self):
        """Until Glance has made it with the first image of its own."""
        self.glance.stores[-1]['properties']['container'] = 'not-there'
        self.upload()
        self.assertThroughGlance('404')

    def test_the_key_is_another(self):
        self.path.write_text(FILE.format(url=self.swift.url, key='rotated'))
        self.upload()
        self.assertThroughGlance('Keystone: Unauthorized')
        self.assertEqual(0, self.clock.time)

    def test_no_token_will_do(self):
        self.swift.expired.update(f'token-{n}' for n in range(99))
        self.upload()
        self.assertThroughGlance('401')

    def test_the_account_may_do_nothing(self):
        self.swift.wrong = lambda method, name: Wrong(status=403)
        self.upload()
        self.assertThroughGlance('403')

    def test_keystone_cannot_be_reached(self):
        """That is borne once."""
        self.path.write_text(FILE.format(url='http://127.0.0.1:1', key='x'))
        self.upload()
        self.assertThroughGlance('failed in Swift for 300 s')
        self.assertLessEqual(self.clock.time, 300)

    def test_swift_goes_away_and_stays_away(self):
        """What is there is left to recovery, and soon."""
        self.swift.wrong = lambda method, name: (
            Wrong(status=503) if self.swift.objects else None
        )
        self.assertFails('failed in Swift for 300 s')
        self.assertEqual(Stage.SENDING, self.entry().stage)
        self.assertLessEqual(self.clock.time, 300 + 8 + swift.SOON)
        self.swift.wrong = lambda method, name: None
        self.recover()
        self.sweep()
        self.assertNothing()

    def assertThroughGlance(self, reason):
        """Require that it was streamed, and that recovery is not needed."""
        self.assertStreamed()
        self.assertNothing()
        self.assertIn('could not be sent straight to Swift', self.logs.output)
        self.assertIn(reason, self.logs.output)

    def test_glance_refuses_the_location(self):
        self.glance.elsewhere = lambda url: None
        self.upload()
        self.assertStreamed()
        self.assertNothing()
        self.assertIn(
            'refused the location swift+reference://', self.logs.output
        )

    def test_it_is_not_offered_again_within_a_day(self):
        self.glance.elsewhere = lambda url: None
        self.upload()
        self.restart()
        self.glance.create(base.IMAGE)
        self.offered.clear()
        self.upload()
        self.assertStreamed(released=2)
        self.assertEqual([], self.offered)
        self.assertIn('within a day, Glance has refused', self.logs.output)

    def test_glance_takes_it_just_before_it_is_withdrawn(self):
        """A task that has begun ends well; the image is put back for it."""
        real, size = swift_client.Client.manifest, self.size
        self.glance.elsewhere = lambda url: None

        def manifest(this, name):
            if name == WHOLE:
                self.glance.elsewhere = size
                self.glance.add_location(base.IMAGE, self.offered[0], {})
                self.glance.stuck = True
                self.clock.sleep(0.1)
                self.glance.stuck = False
                self.clock.after(5, lambda: self.glance._activate(base.IMAGE))
            return real(this, name)

        self.patch(swift_client.Client, 'manifest', side_effect=manifest)
        self.upload()
        self.assertSent()

    def test_the_user_sends_as_much_to_another_store(self):
        def register(image_id, url, metadata):
            self.glance.take_other_data(image_id, len(DATA), 'ceph')

        self.adds.side_effect = register
        self.assertFails('data from elsewhere')
        self.assertNothing()
        self.assertEnded()

    def test_the_user_deletes_the_image(self):
        def gone(method, name):
            if name == WHOLE and base.IMAGE in self.glance.images:
                self.glance.delete(base.IMAGE)

        self.swift.wrong = gone
        self.assertFails('was deleted')
        self.assertNothing()
        self.assertEnded()

    def test_nothing_can_be_removed(self):
        self.swift.wrong = lambda method, name: (
            Wrong(status=403) if method == 'DELETE' or name == WHOLE else None
        )
        self.assertFails('failed')
        self.assertEqual(Stage.SENDING, self.entry().stage)
        self.swift.wrong = lambda method, name: None
        self.recover()
        self.assertNothing()
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.sweep()

    def test_glance_is_away_while_it_registers(self):
        self.glance.fail('add_image_location', exc.HTTPServiceUnavailable())
        self.glance.fail('get', exc.HTTPServiceUnavailable())
        self.assertFails('did not say within')
        self.assertEqual(Stage.REGISTERING, self.entry().stage)
        self.assertEqual(self.before['volumes'], self.volumes)
        self.glance.heal()
        self.recover()
        self.assertSent()


@ddt.ddt
class CrashTestCase(SwiftTestCase):
    @ddt.data(('PUT', '.data-000000000'), ('PUT', WHOLE))
    @ddt.unpack
    def test_while_it_is_sent(self, method, name):
        self.die(method, name)
        self.restart()
        self.assertNothing()
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.free.assert_called_once()
        self.sweep()
        self.assertNothing()

    def test_the_container_is_gone(self):
        self.die('PUT', WHOLE)
        self.swift.objects.clear()
        self.swift.wrong = lambda method, name: Wrong(status=404)
        self.restart()
        self.sweep()

    def test_an_object_shows_late(self):
        self.die('PUT', WHOLE)
        late = {
            name: self.swift.objects.pop(name)
            for name in [*self.swift.objects]
        }
        self.restart()
        self.swift.objects.update(late)
        self.sweep()
        self.assertNothing()

    @ddt.data(False, True)
    def test_while_it_is_registered(self, arrives):
        def register(*request):
            if arrives:
                self.register(*request)
            raise KeyboardInterrupt

        self.adds.side_effect = register
        self.assertRaises(KeyboardInterrupt, self.upload)
        self.restart()
        self.assertSent()

    def test_when_all_was_done_and_the_image_deleted_since(self):
        self.cluster.fail('remove_snap', self.timeout(), times=1)
        self.upload()
        self.assertEqual(Stage.REGISTERING, self.entry().stage)
        self.glance.delete(base.IMAGE)
        self.swift.objects.clear()
        self.restart()
        self.assertNothing()
        self.sweep()

    def test_the_options_have_changed_since(self):
        """What is in Swift waits; volume and image do not."""
        self.die('PUT', WHOLE)
        config = self.driver.configuration
        config.image_upload_swift_stores = {}
        self.restart()
        self.assertIn('Name that store in', self.logs.output)
        self.assertEqual(Stage.SWEEPING, self.entry().stage)
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.assertEqual(self.before['volumes'], self.volumes)
        self.free.assert_called_once()
        self.assertNotEqual({}, self.swift.objects)
        config.image_upload_swift_stores = {'objects': 'ref1'}
        self.sweep()
        self.assertNothing()
        self.free.assert_called_once()

    def test_swift_is_away_afterwards(self):
        self.die('PUT', WHOLE)
        self.swift.wrong = lambda method, name: Wrong(status=503)
        self.restart()
        self.assertNotIn(base.IMAGE, self.glance.images)
        self.free.assert_called_once()
        self.swift.wrong = lambda method, name: None
        self.sweep()
        self.assertNothing()

    def test_it_was_withdrawn(self):
        self.die_at_the_offer()
        self.swift.objects[f'{base.IMAGE}.aside'] = self.swift.objects.pop(
            WHOLE
        )
        self.restart()
        self.assertSent()
        self.assertNotIn(f'{base.IMAGE}.aside', self.swift.objects)

    def die_at_the_offer(self):
        self.adds.side_effect = KeyboardInterrupt
        self.assertRaises(KeyboardInterrupt, self.upload)

    def test_its_owner_has_given_it_other_data(self):
        """Glance's own object has another name, and is left alone."""
        self.die_at_the_offer()
        size = self.entry().size
        self.glance.take_other_data(base.IMAGE, size, 'ceph')
        theirs = fake_large_objects.Object(b'theirs', 'e', None, 7)
        self.swift.objects[base.IMAGE] = theirs
        self.restart()
        self.sweep()
        self.assertEqual({base.IMAGE: theirs}, self.swift.objects)
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])

    def test_another_store_has_data_and_swift_does_not_show_ours(self):
        self.die_at_the_offer()
        self.glance.take_other_data(base.IMAGE, len(DATA), 'ceph')
        del self.swift.objects[WHOLE]
        self.assertNotEqual({}, self.swift.objects)
        self.restart()
        self.sweep()
        self.assertNothing()
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])

    def test_an_active_image_that_swift_does_not_show(self):
        """Nothing is removed that it may be made of."""
        self.die_at_the_offer()
        url = f'swift+reference://ref1/glance/{WHOLE}'
        self.glance.add_location(base.IMAGE, url, {})
        self.clock.sleep(10)
        there = dict(self.swift.objects)
        self.swift.wrong = lambda method, name: (
            Wrong(status=404) if method in ('HEAD', 'GET') else None
        )
        self.restart()
        self.assertEqual(there, self.swift.objects)
        self.assertEqual('active', self.glance.images[base.IMAGE]['status'])
        self.assertIn('nothing of it is removed', self.logs.output)

    def test_the_journal_fails_at_the_very_end(self):
        """A good upload is a good one."""
        real = journal.Record.update

        def update(this, **changes):
            if changes.get('stage') is Stage.STARTED:
                raise exceptions.CephError('writing', OSError('no'))
            return real(this, **changes)

        with mock.patch.object(
            journal.Record, 'update', autospec=True, side_effect=update
        ):
            self.upload()
        self.assertEqual(Stage.REGISTERING, self.entry().stage)
        self.recover()
        self.assertSent()
