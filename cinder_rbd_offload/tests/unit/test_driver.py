# SPDX-License-Identifier: Apache-2.0
"""The door for Cinder: what stays in the cluster, what is Cinder's own.

The driver, its parts and Cinder's Glance client and image service are the
real ones down to the requests; behind these are a cluster and a Glance in
memory. Cinder's own ``copy_volume_to_image`` is replaced, to see whether it
was left to it.
"""

from unittest import mock

from cinder import context
from cinder import exception
from cinder import objects
from cinder.volume import configuration
from cinder.volume.drivers import rbd as base_rbd
import ddt
from glanceclient import exc
from oslo_config import cfg

from cinder_rbd_offload import driver
from cinder_rbd_offload import identity
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload import opts
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload import user_messages
from cinder_rbd_offload import volume_status

VOLUME_ID = '4c39c3c7-168f-4b32-b585-77f1b3bf0a38'
FAR_STORE = {
    'id': 'far',
    'type': 'rbd',
    'properties': {'pool': 'images', 'fsid': 'b-fsid'},
}

# How the log says that an image is not made inside the cluster.
LEAVES = ('does not stay in the cluster', 'is uploaded by Cinder')


def configured(**values):
    """Return a back end's section of cinder.conf, our options as they are."""
    defaults = opts.driver_opts + opts.upload_opts
    ours = {option.dest: option.default for option in defaults}
    theirs = {
        'enable_deferred_deletion': False,
        'rados_connect_timeout': -1,
        'rados_connection_interval': 0,
        'rados_connection_retries': 1,
        'rbd_ceph_conf': '/etc/ceph/ceph.conf',
        'rbd_cluster_name': 'ceph',
        'rbd_concurrent_flatten_operations': 3,
        'rbd_keyring_conf': None,
        'rbd_pool': 'volumes',
        'rbd_secret_uuid': None,
        'rbd_user': 'cinder',
        'volume_backend_name': 'ceph',
    }
    conf = mock.Mock(spec=configuration.Configuration)
    conf.configure_mock(**ours | theirs | values)
    return conf


class DriverTestCase(base.TestCase):
    """A driver that is set up, a volume of Cinder's, and its own Glance.

    :cvar upload_method: the option image_upload_method
    :cvar frees: whether volumes are really freed
    :ivar ordinary: Cinder's own upload
    :ivar looping: makes the loop in which unfinished uploads are looked for
    """

    upload_method = 'stock'
    frees = False

    def setUp(self):
        objects.register_all()
        self.ordinary = self.patch(base_rbd.RBDDriver, 'copy_volume_to_image')
        self.looping = self.patch(
            driver.loopingcall, 'FixedIntervalLoopingCall'
        )
        self.messages = self.patch(user_messages.message_api, 'API')
        self.released = self.patch(identity, 'release')
        if not self.frees:
            self.free = self.patch(volume_status, 'free')
        self.patch(identity, 'delegate', return_value='a-trust')
        self.patch(identity, 'find', return_value='')
        self.patch(identity, 'act_for', side_effect=self.act_for)
        super().setUp()
        self.use_the_clock()
        self.patch(identity, 'as_owner', side_effect=self.as_owner)
        self.context = context.get_admin_context()
        self.service = driver.cinder_glance.GlanceImageService()

    def start_over(self):
        super().start_over()
        self.driver = driver.RBDOffloadDriver(
            configuration=configured(
                rbd_offload_method='copy',
                rbd_offload_location_timeout=10,
                image_upload_method=self.upload_method,
            ),
            rbd=self.cluster.rbd,
            rados=self.cluster.rados,
            host='here@ceph',
        )
        # As Cinder's own do_setup has it, before any failover.
        self.driver._active_config = self.driver._get_target_config(None)
        self.driver.check_for_setup_error()
        self.cluster.reached.clear()
        self.volume = objects.Volume(
            id=VOLUME_ID, _name_id=None, volume_type=None, size=1
        )
        self.volumes[self.volume.name] = self.volumes.pop(base.VOLUME)
        self.before = self.cluster.state()

    def as_owner(self, _context):
        return self.api()

    def act_for(self, trust):
        return self.api() if trust == 'a-trust' else None

    def patch(self, target, name, **kwargs):
        patcher = mock.patch.object(target, name, autospec=True, **kwargs)
        self.addCleanup(patcher.stop)
        return patcher.start()

    def upload(self, disk_format='raw', container_format='bare'):
        self.meta = {
            'id': base.IMAGE,
            'disk_format': disk_format,
            'container_format': container_format,
        }
        self.driver.copy_volume_to_image(
            self.context, self.volume, self.service, self.meta
        )

    def recover(self):
        """Do what the loop does each time."""
        (recover, *args) = self.looping.call_args.args
        recover(*args)

    def assertOffloaded(self):
        self.ordinary.assert_not_called()
        self.assertSealed()
        self.assertTrue(self.glance.owns(base.IMAGE, base.URL))
        self.assertEqual(self.before['volumes'], self.volumes)
        self.assertEnded()

    def assertOrdinary(self, level, reason, entered=True):
        """Require that nothing was done, and that the log tells why."""
        self.assertLeftToCinder()
        (line,) = [
            line
            for line in self.logs.output.splitlines()
            if any(text in line for text in LEAVES)
        ]
        self.assertTrue(line.startswith(level), line)
        # Of an error that nobody foresaw it is in the traceback below.
        self.assertIn(reason, self.logs.output if level == 'ERROR' else line)
        self.assertEnded(entered)

    def assertLeftToCinder(self):
        self.ordinary.assert_called_once_with(
            self.driver, self.context, self.volume, self.service, self.meta
        )
        self.assertEqual(self.before, self.cluster.state())
        self.assertEqual('queued', self.glance.images[base.IMAGE]['status'])

    def assertFails(self, reason, error=base_rbd.RBDDriverException):
        raised = self.assertRaises(error, self.upload)
        self.assertIn(reason, str(raised))
        self.ordinary.assert_not_called()
        self.assertEqual(self.before['volumes'], self.volumes)

    def assertEnded(self, entered=True):
        """Require that nothing of the upload is left to anybody.

        :param entered: whether it ever was in the journal
        """
        self.assertIsNone(self.entry())
        released = [mock.call('a-trust')] if entered else []
        self.assertEqual(released, self.released.mock_calls)


@ddt.ddt
class ChoiceTestCase(DriverTestCase):
    def test_inside_the_cluster(self):
        self.upload()
        self.assertOffloaded()

    def test_the_option_turns_it_off(self):
        self.driver.configuration.rbd_offload_method = 'off'
        self.upload()
        self.assertLeftToCinder()
        self.assertEqual([], self.cluster.reached)
        self.assertNotIn('Image ', self.logs.output)

    def test_the_store_of_the_volume_type(self):
        self.glance.stores[1]['default'] = 'false'
        self.volume.volume_type = objects.VolumeType(
            extra_specs={'image_service:store_id': 'ceph'}
        )
        self.upload()
        self.assertOffloaded()

    def test_a_volume_type_that_names_no_store(self):
        self.volume.volume_type = objects.VolumeType(extra_specs={})
        self.upload()
        self.assertOffloaded()

    @ddt.data(
        ('qcow2', 'bare', 'the image is qcow2/bare'),
        ('raw', 'compressed', 'the image is raw/compressed'),
    )
    @ddt.unpack
    def test_another_format(self, disk_format, container_format, reason):
        self.upload(disk_format, container_format)
        self.assertOrdinary('INFO', reason)
        # Nobody has looked at the volume.
        self.assertNotIn(('open', 'before'), self.cluster.reached)

    @ddt.data(
        ('web', 'of type http, not rbd'),
        ('far', 'in another Ceph cluster: b-fsid, not a-fsid'),
        ('none', 'Glance has no store none'),
    )
    @ddt.unpack
    def test_another_store(self, store_id, reason):
        self.glance.stores.append(FAR_STORE)
        self.volume.volume_type = objects.VolumeType(
            extra_specs={'image_service:store_id': store_id}
        )
        self.upload()
        self.assertOrdinary('INFO', reason)

    def test_glance_does_not_name_its_stores(self):
        """Then no upload stays in the cluster, whatever is asked for."""
        self.glance.service_role = False
        self.upload()
        self.assertOrdinary('WARNING', 'the role service')


class ManageableSnapshotsTestCase(DriverTestCase):
    UUID = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'

    def listed(self, marker=None, limit=10, offset=0, direction='asc'):
        entries = self.driver.get_manageable_snapshots(
            [], marker, limit, offset, ['reference'], [direction]
        )
        return [entry['reference']['source-name'] for entry in entries]

    def setUp(self):
        super().setUp()
        volume = self.pool('volumes')
        for name in (self.UUID, 'mine', f'offload-{base.IMAGE}', 'yours'):
            volume.snapshot(self.volume.name, name)
        # The look is at the driver alone.
        self.addCleanup(self.volumes[self.volume.name].snapshots.clear)
        self.addCleanup(self.volumes[self.volume.name].trash.clear)

    def test_the_snapshots_of_uploads_are_hidden(self):
        self.assertEqual([self.UUID, 'mine', 'yours'], self.listed())

    def test_what_an_instant_upload_leaves_to_ceph_is_hidden(self):
        """And a user's snapshot of such a name is not."""
        name = f'offload-{base.IMAGE}'
        volumes = self.pool('volumes')
        target = self.pool('images')
        volumes.clone(self.volume.name, name, target, 'a-clone', lasting=True)
        volumes.drop_snapshot(self.volume.name, name)
        self.assertEqual(1, len(volumes.trashed(self.volume.name)))
        self.assertEqual([self.UUID, 'mine', 'yours'], self.listed())

    def test_no_page_is_short_of_what_is_hidden(self):
        self.assertEqual(['yours'], self.listed(limit=1, direction='desc'))
        self.assertEqual(
            ['yours'], self.listed(marker='{"source-name": "mine"}', limit=1)
        )
        self.assertEqual(['mine'], self.listed(limit=1, offset=1))


@ddt.ddt
class FailureTestCase(DriverTestCase):
    @ddt.data('size', 'create_snap', 'metadata_list', 'protect_snap')
    def test_ceph_fails(self, operation):
        self.cluster.fail(operation, self.timeout())
        self.upload()
        self.assertOrdinary('WARNING', 'Timeout: no answer')

    def test_every_method_fails(self):
        self.cluster.fail('copy', self.timeout())
        self.cluster.fail('flatten', self.timeout())
        self.upload()
        self.assertOrdinary('WARNING', 'flattening images/')

    def test_a_capability_is_missing(self):
        self.cluster.fail('copy', self.cluster.rbd.PermissionError('no'))
        self.upload()
        self.assertOrdinary('WARNING', 'profile rbd pool=images')

    def test_the_pool_of_the_store_is_not_there(self):
        self.glance.stores[1]['properties']['pool'] = 'gone'
        self.upload()
        self.assertOrdinary('WARNING', 'there is no pool gone')

    def test_the_name_is_taken(self):
        self.images[base.IMAGE] = fake_ceph.Stored(1)
        self.before = self.cluster.state()
        self.upload()
        self.assertOrdinary('WARNING', f'images/{base.IMAGE} exists already')

    def test_glance_refuses_the_location(self):
        self.glance.blind = True
        self.upload()
        self.assertOrdinary('WARNING', f'refused the location {base.URL}')

    def test_glance_never_gets_the_location(self):
        self.glance.fail(
            'add_image_location', exception.GlanceConnectionFailed(reason='x')
        )
        self.upload()
        self.assertOrdinary('WARNING', 'GlanceConnectionFailed')

    @ddt.data('connect', 'open_ioctx')
    def test_the_cluster_cannot_be_reached(self, operation):
        """Cinder's own errors here; the ordinary way will repeat them."""
        self.cluster.fail(operation, self.cluster.rados.TimedOut('no'))
        self.upload()
        self.assertOrdinary('WARNING', 'not be entered in the journal', False)

    @ddt.data('get_fsid', 'mon_command')
    def test_the_cluster_does_not_answer(self, operation):
        self.cluster.fail(operation, self.cluster.rados.TimedOut('no'))
        self.upload()
        self.assertOrdinary('WARNING', 'TimedOut: no')

    def test_the_cluster_is_lost_after_the_choice(self):
        self.cluster.fail(
            'open_ioctx', self.cluster.rados.TimedOut('no'), skip=1
        )
        self.upload()
        self.assertOrdinary('WARNING', 'opening pool images failed')

    @ddt.data(('copy', RuntimeError), ('size', KeyError))
    @ddt.unpack
    def test_an_error_that_nobody_foresaw(self, operation, error):
        self.cluster.fail(operation, error('a surprise'))
        self.upload()
        self.assertOrdinary('ERROR', 'a surprise')

    def test_the_choice_itself_fails(self):
        self.patch(plan, 'decide', side_effect=ZeroDivisionError)
        self.upload()
        self.assertOrdinary('ERROR', 'ZeroDivisionError')

    def test_the_image_is_deleted(self):
        self.cluster.on('copy', lambda: self.glance.delete(base.IMAGE))
        self.assertFails('was deleted in Glance')
        self.assertEqual({}, self.images)
        self.assertEnded()

    def test_the_image_gets_other_data(self):
        self.cluster.on(
            'copy', lambda: self.glance.take_other_data(base.IMAGE, 1)
        )
        self.assertFails('data from elsewhere')
        self.assertEqual({}, self.images)
        self.assertEnded()

    @ddt.data(('free', 0), ('size_cap', 1))
    @ddt.unpack
    def test_a_limit(self, name, value):
        """Cinder's API tells the user this one's reason."""
        if name == 'free':
            self.cluster.free = value
        else:
            self.driver.configuration.rbd_offload_image_size_cap = value
            self.driver.check_for_setup_error()
        self.assertFails(
            f'would have {base.SIZE} bytes', exception.ImageLimitExceeded
        )
        self.assertEqual(self.before, self.cluster.state())
        self.assertEnded()

    def test_the_outcome_is_unknown(self):
        """The timeout is the back end's; what Glance may use is kept."""
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.assertFails('within 10 s')
        self.assertSealed()
        self.assertEqual(journal.Stage.PUBLISHING, self.entry().stage)
        self.released.assert_not_called()


class OptionsTestCase(DriverTestCase):
    def test_options_are_cinder_s_and_ours(self):
        names = {o.name for o in driver.RBDOffloadDriver.get_driver_options()}
        ours = {o.name for o in opts.driver_opts + opts.upload_opts}
        theirs = {o.name for o in base_rbd.RBDDriver.get_driver_options()}
        self.assertEqual(ours | theirs, names)
        self.assertFalse(ours & theirs)

    def test_every_back_end_has_them(self):
        """In the group of all back ends, and in one's own."""
        self.assertEqual(
            configuration.SHARED_CONF_GROUP, driver.opts.BACKEND_DEFAULTS
        )
        self.assertEqual(
            120, cfg.CONF.backend_defaults.rbd_offload_location_timeout
        )
        self.driver.configuration.append_config_values.assert_called_with(
            opts.driver_opts + opts.upload_opts
        )
