# SPDX-License-Identifier: Apache-2.0
"""The door for Cinder: the RBD driver, with upload-to-image offloaded.

In cinder.conf, in the section of an RBD back end::

    volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver

All but the upload of images is left to Cinder's own RBD driver, and so is an
upload that does not qualify, or whose offload fails before Glance has taken
the data.
"""

from collections.abc import Iterator
import contextlib
import functools
import socket
import sys
import threading
from typing import Any
import uuid

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as base_rbd

from cinder import context as cinder_context
from cinder.image import glance as cinder_glance
from cinder.image import image_utils
from cinder import interface
from cinder import objects
from cinder import utils
from cinder.volume import configuration
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_log import log as logging
from oslo_service import loopingcall
from oslo_utils import units

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import frames
from cinder_rbd_offload import glance
from cinder_rbd_offload import identity
from cinder_rbd_offload import keystone
from cinder_rbd_offload.metrics import meter
from cinder_rbd_offload.offload import attempt
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import manageable
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import recover
from cinder_rbd_offload.offload import tracking
from cinder_rbd_offload.offload import watch
from cinder_rbd_offload import opts
from cinder_rbd_offload import straight
from cinder_rbd_offload import streaming
from cinder_rbd_offload.upload import convert
from cinder_rbd_offload.upload import form
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_choice
from cinder_rbd_offload import user_messages
from cinder_rbd_offload import volume_status

LOG = logging.getLogger(__name__)

_OPTS = opts.driver_opts + opts.upload_opts

cfg.CONF.register_opts(_OPTS, group=configuration.SHARED_CONF_GROUP)

# Cinder before 29 has no word for it: it always runs on eventlet.
_on_native_threads = getattr(utils, 'tpool_wrap', None) or base_rbd.tpool.Proxy


@interface.volumedriver
class RBDOffloadDriver(base_rbd.RBDDriver):
    """Cinder's RBD driver; image uploads stay inside the Ceph cluster."""

    VERSION = '0.2.0'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(_OPTS)
        self._run = ''
        self._looping: loopingcall.FixedIntervalLoopingCall | None = None
        # The images that this process works on.
        self._uploads: set[str] = set()
        self._settings: attempt.Settings | None = None
        self._meter = meter.Meter(self.host or '')

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        """Return the options of the RBD driver, and ours."""
        return super().get_driver_options() + _OPTS

    def check_for_setup_error(self) -> None:
        """Check what the RBD driver needs, and look for unfinished uploads."""
        super().check_for_setup_error()
        # What the journal calls one run of this process. Cinder makes the
        # driver before it forks the process that sets it up.
        self._run = str(uuid.uuid4())
        config = self.configuration
        self._settings = attempt.Settings(
            config.rbd_user,
            threading.Semaphore(config.rbd_offload_max_uploads),
            config.rbd_offload_location_timeout,
            config.rbd_offload_image_size_cap,
            config.rbd_offload_data_pools,
        )
        self._meter = meter.Meter(
            self.host, config.rbd_offload_metrics_directory
        )
        self._meter.begin()
        recovery = recover.Recovery(
            find=identity.find,
            act_for=identity.act_for,
            release=identity.release,
            free=volume_status.free,
            reach=self._reach,
            timeout=config.rbd_offload_location_timeout,
        )
        # Cinder sets a process up again after some errors.
        if self._looping:
            self._looping.stop()
        self._looping = loopingcall.FixedIntervalLoopingCall(
            self._recover, recovery
        )
        self._looping.start(config.rbd_offload_recovery_interval)

    def copy_volume_to_image(
        self,
        context: cinder_context.RequestContext,
        volume: objects.Volume,
        image_service: cinder_glance.GlanceImageService,
        image_meta: dict[str, Any],
    ) -> None:
        """Make a Glance image of a volume.

        :param image_meta: has the keys ``id``, ``disk_format`` and
            ``container_format`` of a queued image
        :raises ImageLimitExceeded: when the image would exceed a limit
        :raises RBDDriverException: when the upload failed, and no other way
            can take it over
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(user_messages.translated(context, volume))
            upload = stack.enter_context(
                self._meter.measured(image_meta['id'], volume)
            )
            offloads = self.configuration.rbd_offload_method != 'off'
            streams = self.configuration.image_upload_method == 'stream'
            if offloads or streams:
                try:
                    api = identity.as_owner(context)
                    tracked = stack.enter_context(
                        self._tracked(context, volume, image_meta['id'], api)
                    )
                except (exceptions.EntryUnknown, exceptions.TakenOver):
                    raise
                # Without a journal there is still the ordinary upload, which
                # succeeds, or says what is wrong.
                except Exception as exc:
                    LOG.warning(
                        "Image %(image)s is uploaded by Cinder's own RBD "
                        'driver: it could not be entered in the journal: '
                        '%(error)s',
                        {'image': image_meta['id'], 'error': exc},
                    )
                else:
                    upload.record = tracked[1]
                    if offloads and self._offload(
                        *tracked, api, volume, image_meta
                    ):
                        return
                    if streams and self._stream(
                        *tracked, api, context, volume, image_meta
                    ):
                        return
                    stack.enter_context(_ordinary(*tracked))
            stack.enter_context(frames.cleared())
            super().copy_volume_to_image(
                context, volume, image_service, image_meta
            )

    def get_manageable_snapshots(
        self,
        cinder_snapshots: list[dict[str, str]],
        marker: Any,
        limit: int,
        offset: int,
        sort_keys: list[str],
        sort_dirs: list[str],
    ) -> list[dict[str, Any]]:
        """List snapshots that a user may take over; ours are not among them.

        Those that an upload is made from are gone when it ends.
        """
        # All, so that no page is short of what is left out.
        entries = super().get_manageable_snapshots(
            cinder_snapshots, None, sys.maxsize, 0, [], []
        )
        with self._connection() as connection:
            entries = manageable.only(entries, connection.source)
        return volume_utils.paginate_entries_list(
            entries, marker, limit, offset, sort_keys, sort_dirs
        )

    @contextlib.contextmanager
    def _connection(self) -> Iterator[ceph.Connection]:
        """Connect to Ceph, with its blocking calls on native threads."""
        with base_rbd.RADOSClient(self) as client:
            yield ceph.Connection(
                self.rados,
                self.rbd,
                client.cluster,
                client.ioctx,
                client.features,
                _on_native_threads,
            )

    def _journal(self, connection: ceph.Connection) -> journal_.Journal:
        return journal_.Journal(
            connection.table, self.host, self._run, socket.gethostname()
        )

    def _recover(self, recovery: recover.Recovery) -> None:
        """Look for unfinished uploads; what fails is due again next time."""
        try:
            with self._connection() as connection:
                journal = self._journal(connection)
                recovery.run(connection, journal, self._uploads)
        except Exception as exc:
            LOG.warning(
                'Unfinished uploads were not looked for, which is done again '
                'in rbd_offload_recovery_interval seconds: %s',
                exc,
            )

    @contextlib.contextmanager
    def _tracked(
        self,
        context: cinder_context.RequestContext,
        volume: objects.Volume,
        image_id: str,
        api: glance.Glance,
    ) -> Iterator[tuple[ceph.Connection, journal_.Record]]:
        """Have an upload in the journal, from here to its end."""
        # The same request, delivered twice.
        if image_id in self._uploads:
            raise exceptions.TakenOver(image_id)
        with self._connection() as connection:
            journal = self._journal(connection)
            # Before it is written, or recovery might take it for left over.
            self._uploads.add(image_id)
            try:
                record = journal.begin(
                    image_id,
                    volume.name,
                    volume.id,
                    connection.cluster.client(),
                    keystone.expiry(),
                )
                with watch.alive(record):
                    tracking.entrust(
                        record,
                        functools.partial(identity.delegate, context),
                        identity.release,
                    )
                    with tracking.tracked(record, api, identity.release):
                        yield connection, record
            finally:
                self._uploads.discard(image_id)

    def _offload(
        self,
        connection: ceph.Connection,
        record: journal_.Record,
        api: glance.Glance,
        volume: objects.Volume,
        image_meta: dict[str, Any],
    ) -> bool:
        """Make the image inside the cluster; tell whether it was."""
        facts = plan.Facts(
            disk_format=image_meta['disk_format'],
            container_format=image_meta['container_format'],
            store_id=_store_id(volume),
            method=self.configuration.rbd_offload_method,
        )
        assert self._settings is not None
        return attempt.Attempt(
            facts,
            self._settings,
            connection,
            self._journal(connection),
            record,
            api,
        ).run()

    def _stream(
        self,
        connection: ceph.Connection,
        record: journal_.Record,
        api: glance.Glance,
        context: cinder_context.RequestContext,
        volume: objects.Volume,
        image_meta: dict[str, Any],
    ) -> bool:
        """Send the volume's data; tell whether that was possible."""
        return streaming.Streaming(
            self._streams(),
            connection,
            self._journal(connection),
            record,
            api,
            identity.data_sender(
                context, self.configuration.image_upload_timeout
            ),
            _headers(volume),
            self._form(connection, image_meta),
            _store_id(volume),
        ).run()

    def _streams(self) -> streaming.Settings:
        config = self.configuration
        return streaming.Settings(
            config.image_upload_read_ahead * units.Mi,
            patience.Patience(
                config.image_upload_retry_timeout,
                config.image_upload_attempts,
            ),
            straight.Settings(
                swift_choice.Options.of(config),
                config.rbd_offload_location_timeout,
                config.rbd_offload_image_size_cap,
            ),
        )

    def _reach(self, entry: journal_.Entry) -> swift.SwiftSink:
        """Return what an upload past Glance has sent."""
        options = swift_choice.Options.of(self.configuration)
        return swift_choice.reach(
            entry.store, entry.container, options, entry.image_id
        )

    def _form(
        self, connection: ceph.Connection, image_meta: dict[str, Any]
    ) -> form.Form:
        """Return what an image is to be, and how it is made, by our options.

        :raises ImageConversionNotAllowed: when they forbid it
        """
        image_utils.check_image_conversion_disable(
            image_meta['disk_format'], 'raw', image_meta['id'], upload=True
        )
        return form.Form(
            image_meta['disk_format'],
            image_meta['container_format'] == 'compressed',
            convert.Settings(
                volume_utils.image_conversion_dir(),
                cfg.CONF.image_compress_on_upload,
                cfg.CONF.compression_format,
            ),
            # Those of the second cluster, after a failover.
            self._active_config['user'],
            self._active_config['conf'] or '',
            connection.cluster.keyring(),
            lambda source: inspection.doubt_of(
                connection.on_native_threads(source)
            ),
        )


def _store_id(volume: objects.Volume) -> str | None:
    """Return the Glance store that the volume's type names, if it does."""
    specs = volume.volume_type.extra_specs if volume.volume_type else {}
    return specs.get('image_service:store_id')


def _headers(volume: objects.Volume) -> dict[str, str]:
    """Return what Cinder's own driver tells Glance beside the data."""
    headers = {
        'x-image-meta-store': _store_id(volume),
        'x-openstack-base-image-ref': (volume.glance_metadata or {}).get(
            'image_id'
        ),
    }
    return {name: value for name, value in headers.items() if value}


@contextlib.contextmanager
def _ordinary(
    connection: ceph.Connection, record: journal_.Record
) -> Iterator[None]:
    """Show in the journal that Cinder's own driver uploads."""
    record.update(stage=journal_.Stage.ORDINARY, method=meter.ORDINARY)
    job = job_.Job(connection.source, connection.source, record)
    with watch.Watch(job):
        yield
