# SPDX-License-Identifier: Apache-2.0
"""The door for Cinder: the RBD driver, with upload-to-image offloaded.

In cinder.conf, in the section of an RBD back end::

    volume_driver = cinder_rbd_offload.driver.RBDOffloadDriver

All but the upload of images is left to Cinder's own RBD driver, and so is an
upload that does not qualify, or whose offload fails before Glance has taken
the data.
"""

import contextlib
import copy
import functools
from typing import Any

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as base_rbd

from cinder import context as cinder_context
from cinder.image import glance as cinder_glance
from cinder import interface
from cinder import objects
from cinder import service_auth
from cinder import utils
from cinder.volume import configuration
from oslo_config import cfg
from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import probe
from cinder_rbd_offload.offload import protocol
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload import opts

LOG = logging.getLogger(__name__)

cfg.CONF.register_opts(opts.driver_opts, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class RBDOffloadDriver(base_rbd.RBDDriver):
    """Cinder's RBD driver; image uploads stay inside the Ceph cluster.

    Version history:

    .. code-block:: none

        0.1.0 - Uploads by copy, or clone and flatten, and a Glance location
    """

    VERSION = '0.1.0'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(opts.driver_opts)

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        """Return the options of the RBD driver, and ours."""
        return super().get_driver_options() + opts.driver_opts

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
        :raises RBDDriverException: when the upload failed, and the ordinary
            way cannot take it over
        """
        names = {'image': image_meta['id']}
        try:
            names['volume'] = volume.id
            api = self._glance(context, image_service)
            choice = plan.decide(self._facts(api, volume, image_meta))
            names['reason'] = choice.reason
            if choice.store is not None:
                LOG.info(
                    'Image %(image)s of volume %(volume)s stays in the '
                    'cluster: %(reason)s',
                    names,
                )
                self._offload(
                    api, choice.store, choice.methods, volume, image_meta['id']
                )
                return
            LOG.info(
                'Image %(image)s of volume %(volume)s is uploaded in the '
                'ordinary way: %(reason)s',
                names,
            )
        except exceptions.OffloadError as exc:
            if not exc.retriable:
                raise base_rbd.RBDDriverException(reason=exc) from exc
            LOG.warning(
                'Image %(image)s of volume %(volume)s is uploaded in the '
                'ordinary way after the offload failed: %(reason)s',
                names | {'reason': exc},
            )
        # Nor may an error that nobody foresaw cost the user the upload.
        except Exception:
            LOG.exception(
                'Image %(image)s is uploaded in the ordinary way after an '
                'unexpected error',
                names,
            )
        super().copy_volume_to_image(
            context, volume, image_service, image_meta
        )

    def get_manageable_snapshots(
        self, *args: Any, **kwargs: Any
    ) -> list[dict[str, Any]]:
        """List snapshots that a user may take over; ours are not among them.

        Those that an upload is made from are gone when it ends.
        """
        return [
            entry
            for entry in super().get_manageable_snapshots(*args, **kwargs)
            if not entry['reference']['source-name'].startswith(
                job_.SNAPSHOT_PREFIX
            )
        ]

    def _glance(
        self,
        context: cinder_context.RequestContext,
        image_service: cinder_glance.GlanceImageService,
    ) -> glance.Glance:
        client = cinder_glance.GlanceClientWrapper()
        # Glance names its stores to the role service, which Cinder's own user
        # has in [service_user], or in [glance] where that is set.
        own = copy.copy(context)
        own.user_auth_plugin = (
            service_auth.get_service_auth_plugin() or context.user_auth_plugin
        )
        return glance.Glance(
            as_owner=functools.partial(client.call, context),
            as_service=functools.partial(
                client.call, own, privileged_user=True
            ),
            add_location=functools.partial(
                image_service.add_location, context
            ),
        )

    def _facts(
        self,
        api: glance.Glance,
        volume: objects.Volume,
        image_meta: dict[str, Any],
    ) -> plan.Facts:
        specs = volume.volume_type.extra_specs if volume.volume_type else {}
        facts = plan.Facts(
            disk_format=image_meta['disk_format'],
            container_format=image_meta['container_format'],
            store_id=specs.get('image_service:store_id'),
            method=self.configuration.rbd_offload_method,
        )

        def look() -> tuple[str, bool]:
            with base_rbd.RADOSClient(self) as client:
                pool = self._pool(client, client.ioctx)
                return (
                    str(client.cluster.get_fsid()),
                    pool.is_clone(volume.name),
                )

        return probe.gather(facts, api, look)

    def _offload(
        self,
        api: glance.Glance,
        store: glance.Store,
        methods: tuple[plan.Method, ...],
        volume: objects.Volume,
        image_id: str,
    ) -> None:
        """Make the image inside the cluster, in the pool of a store."""
        with contextlib.ExitStack() as stack:
            client = stack.enter_context(base_rbd.RADOSClient(self))
            try:
                ioctx = client.cluster.open_ioctx(store.pool)
            except self.rados.Error as exc:
                raise exceptions.CephError(
                    f'opening pool {store.pool}', exc
                ) from exc
            stack.callback(ioctx.close)
            job = job_.Job(
                source=self._pool(client, client.ioctx),
                volume=volume.name,
                target=self._pool(client, ioctx),
                image_id=image_id,
            )
            publication = publish.Publication(
                api,
                job.target,
                image_id,
                glance.rbd_location(store, image_id, ceph.GLANCE_SNAPSHOT),
                self.configuration.rbd_offload_location_timeout,
            )
            protocol.upload(job, methods, publication)

    def _pool(self, client: base_rbd.RADOSClient, ioctx: Any) -> ceph.Pool:
        """Put a pool's blocking calls on native threads, as Cinder does."""
        pool = ceph.Pool(self.rbd, ioctx, client.features)
        return utils.tpool_wrap(pool)
