# SPDX-License-Identifier: Apache-2.0
"""Cinder has what the driver takes hold of.

The table is of the seams, so that a release of Cinder that lacks one is told
by its name and not by a failed upload; ``tools/try_cinder.sh`` runs this on
other releases than the one that is installed.
"""

import importlib
import inspect
import operator

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as base_rbd

from cinder import context
from cinder import exception
from cinder.image import glance as cinder_glance
from cinder.image import image_utils
from cinder import interface
from cinder.message import api as message_api
from cinder.message import message_field
from cinder import objects
from cinder import service_auth
from cinder.volume import configuration
from cinder.volume import driver
from cinder.volume import volume_utils
import ddt
from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload.cmd import config
from cinder_rbd_offload import driver as offload_driver
from cinder_rbd_offload import opts
from cinder_rbd_offload import user_messages

OWNERS = {
    'RADOSClient': base_rbd.RADOSClient,
    'RBDDriver': base_rbd.RBDDriver,
    'rbd': base_rbd,
    'context': context,
    'exception': exception,
    'glance': cinder_glance,
    'image_utils': image_utils,
    'interface': interface,
    'message_api': message_api,
    'service_auth': service_auth,
    'volume_utils': volume_utils,
}

# How each is called, or overridden: positional arguments by count.
CALLED = (
    ('RADOSClient', ('driver',), ()),
    ('RBDDriver.check_for_setup_error', ('self',), ()),
    (
        'RBDDriver.copy_volume_to_image',
        ('self', 'context', 'volume', 'image_service', 'image_meta'),
        (),
    ),
    (
        'RBDDriver.get_manageable_snapshots',
        ('self', 'snapshots', 'marker', 'limit', 'offset', 'keys', 'dirs'),
        (),
    ),
    ('RBDDriver.get_driver_options', (), ()),
    ('context.get_admin_context', (), ()),
    ('exception.ImageLimitExceeded', ('message',), ()),
    ('exception.VolumeNotFound', (), ('volume_id',)),
    ('glance.get_api_servers', ('context',), ()),
    (
        'image_utils.check_image_conversion_disable',
        ('disk_format', 'volume_format', 'image_id'),
        ('upload',),
    ),
    ('interface.volumedriver', ('class',), ()),
    ('message_api.API', (), ()),
    (
        'message_api.API.create',
        ('self', 'context', 'action'),
        ('resource_uuid', 'detail'),
    ),
    ('rbd.RBDDriverException', (), ('reason',)),
    ('service_auth.get_auth_plugin', ('context',), ('auth',)),
    ('service_auth.get_service_auth_plugin', (), ()),
    ('volume_utils.image_conversion_dir', (), ()),
    (
        'volume_utils.paginate_entries_list',
        ('entries', 'marker', 'limit', 'offset', 'keys', 'dirs'),
        (),
    ),
)


@ddt.ddt
class SeamsTestCase(base.BaseTestCase):
    @ddt.data(*CALLED)
    @ddt.unpack
    def test_a_call(self, name, args, kwargs):
        owner, _dot, rest = name.partition('.')
        found = OWNERS[owner]
        if rest:
            found = operator.attrgetter(rest)(found)
        inspect.signature(found).bind(*args, **dict.fromkeys(kwargs))

    def test_a_connection(self):
        for name in ('__enter__', '__exit__', 'features'):
            self.assertTrue(hasattr(base_rbd.RADOSClient, name), name)

    def test_what_blocks_runs_on_native_threads(self):
        wrap = offload_driver._on_native_threads
        wrapped = wrap(self)
        self.assertEqual(self.id(), wrapped.id())

    def test_the_sentences_of_messages_are_there(self):
        self.assertIn(
            message_field.Action.COPY_VOLUME_TO_IMAGE, message_field.Action.ALL
        )
        for _kind, detail in user_messages.DETAILS:
            self.assertIn(detail, message_field.Detail.ALL)

    @ddt.data(
        'service_user.send_service_user_token',
        'service_user.auth_type',
        'glance.auth_type',
        'compression_format',
        'enabled_backends',
        'glance_api_insecure',
        'glance_ca_certificates_file',
        'glance_certfile',
        'glance_keyfile',
        'glance_request_timeout',
        'image_compress_on_upload',
    )
    def test_an_option(self, name):
        operator.attrgetter(name)(cfg.CONF)

    def test_the_options_of_a_back_end(self):
        """What the commands read is called so, and is so by default."""
        # It cannot be imported before the objects are there.
        objects.register_all()
        manager = importlib.import_module('cinder.volume.manager')
        theirs = {
            one.dest: one
            for one in (
                *base_rbd.RBD_OPTS,
                *driver.volume_opts,
                *manager.volume_backend_opts,
            )
        }
        self.assertEqual(
            opts.BACKEND_DEFAULTS, configuration.SHARED_CONF_GROUP
        )
        for one in config.BACKEND_OPTS:
            if one.dest == 'volume_driver':
                # Here a back end that names none is none of ours.
                self.assertIn(one.dest, theirs)
                continue
            self.assertIs(type(theirs[one.dest]), type(one))
            self.assertEqual(theirs[one.dest].default, one.default, one.dest)

    def test_a_volume(self):
        objects.register_all()
        volume = objects.Volume()
        for name in ('get_by_id', 'conditional_update'):
            self.assertTrue(callable(getattr(volume, name)), name)
        for name in (
            *('glance_metadata', 'id', 'size'),
            *('volume_attachment', 'volume_type'),
        ):
            self.assertIn(name, {*volume.fields, *dir(volume)})
