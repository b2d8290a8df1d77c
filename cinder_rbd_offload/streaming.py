# SPDX-License-Identifier: Apache-2.0
"""One upload whose data leaves the cluster: straight to Swift, or to Glance.

What goes straight to Swift takes steps like those inside the cluster::

    step        what it adds                                   journal
    snapshot    <volume>@offload-<image id>                    sending
    inspect
    send        objects in the container of Glance's store
    publish     a location in Glance                           registering
    release     takes the volume's snapshot away again

A step that fails has everything removed, and then the data goes to Glance.
"""

from collections.abc import Mapping
import contextlib
import dataclasses

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import limits
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.offload import refusals
from cinder_rbd_offload.offload import watch
from cinder_rbd_offload.upload import form as form_
from cinder_rbd_offload.upload import sink
from cinder_rbd_offload.upload import stream
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_choice

LOG = logging.getLogger(__name__)

Stage = journal_.Stage


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The options of a back end.

    :param ahead: the bytes that one upload reads ahead, at most
    :param patience: how long faults of Glance are borne
    :param swift: what goes straight to Swift
    :param location_timeout: seconds that Glance has to take a location
    :param image_size_cap: the bytes of the largest image that Glance takes
    """

    ahead: int
    patience: sink.Patience
    swift: swift_choice.Options
    location_timeout: float
    image_size_cap: int


@dataclasses.dataclass(frozen=True, slots=True)
class Streaming:
    """One upload, and all that it needs.

    :param connection: to the volume's cluster; its pool is the volume's
    :param record: the upload's entry in the journal
    :param glance: asks as the owner of the image
    :param put: sends data to Glance
    :param headers: what Glance is told beside the data
    :param form: what to send
    :param store_id: Glance's store that the volume's type names; None for the
        default one
    """

    settings: Settings
    connection: ceph.Connection
    journal: journal_.Journal
    record: journal_.Record
    glance: glance_api.Glance
    put: sink.Put
    headers: Mapping[str, str]
    form: form_.Form
    store_id: str | None

    def run(self) -> bool:
        """Send the volume's data.

        :returns: False where it cannot be converted here
        :raises OffloadError: when that failed
        """
        return self._sent_to_swift() or self._sent_to_glance()

    def _job(self) -> tuple[job_.Job, stream.Origin]:
        source = self.connection.source
        job = job_.Job(source, source, self.record)
        origin = stream.Origin(
            *(source, job.volume, job.snapshot, self.settings.ahead),
            self.connection.on_native_threads,
        )
        return job, origin

    def _sent_to_glance(self) -> bool:
        """Send it to Glance; tell whether it could be converted."""
        job, origin = self._job()
        self.record.update(
            stage=Stage.STREAMING,
            method='stream',
            bytes=job.source.size(job.volume),
            store='',
        )
        target = sink.GlanceSink(
            *(self.put, self.glance, job.image_id, self.headers),
            *(self.settings.patience, job.work.check),
        )
        try:
            with watch.Watch(job, self.glance):
                if stream.stream(
                    *(origin, self.form, target),
                    *(job.work.check, job.work.progress.report),
                ):
                    self.record.update(stage=Stage.STARTED)
        except exceptions.ConversionFailed as exc:
            if not exc.retriable:
                raise
            LOG.warning(
                "Image %(image)s is converted in the way of Cinder's RBD "
                'driver: %(error)s',
                {'image': job.image_id, 'error': exc},
            )
            return False
        return True

    def _sent_to_swift(self) -> bool:
        """Send it straight to Swift; tell whether that was possible."""
        image_id = self.record.entry.image_id
        try:
            store = self._swift_store()
            if store is None:
                return False
            if isinstance(store, str):
                LOG.info(
                    'Image %(image)s goes through Glance: %(reason)s',
                    {'image': image_id, 'reason': store},
                )
                return False
            job, origin = self._job()
            with watch.Watch(job, self.glance):
                self._send_to_swift(job, origin, store)
        except exceptions.OffloadError as exc:
            if not exc.retriable:
                raise
            LOG.warning(
                'Image %(image)s goes through Glance, since it could not be '
                'sent straight to Swift: %(error)s',
                {'image': image_id, 'error': exc},
            )
            return False
        # Nor may an error that nobody foresaw cost the user the upload.
        except Exception:
            LOG.exception(
                'Image %s goes through Glance after an unexpected error',
                image_id,
            )
            return False
        return True

    def _swift_store(self) -> glance_api.Store | str | None:
        """Return the store that it goes to; or say why to none directly.

        :returns: None where none is ever gone to directly
        """
        if not self.settings.swift.references:
            return None
        if self.form.disk_format != 'raw' or self.form.compressed:
            return 'only a raw image has the bytes of the volume'
        try:
            stores = self.glance.stores()
        # To send the data through Glance will succeed, or say what is wrong.
        except Exception as exc:
            return f'Glance did not name its stores: {exc}'
        store = plan.find_store(stores, self.store_id)
        if isinstance(store, str):
            return store
        against = swift_choice.reason_against(store, self.settings.swift)
        if not against and refusals.recall(self.journal, store):
            against = (
                f'within a day, Glance has refused a location in {store.id}'
            )
        return against or store

    def _send_to_swift(
        self, job: job_.Job, origin: stream.Origin, store: glance_api.Store
    ) -> None:
        container = store.container or ''
        target = swift_choice.target(
            *(store.id, container, self.settings.swift),
            *(job.image_id, job.work.check),
        )
        data = _Claimed(target.sink, self.record)
        publication = publish.Publication(
            *(self.glance, data, job.image_id, target.url),
            self.settings.location_timeout,
        )
        self.record.update(
            stage=Stage.SENDING,
            method='swift',
            store=store.id,
            container=container,
            location=target.url,
        )
        try:
            size = self._send(job, origin, target.sink)
            self.record.update(stage=Stage.REGISTERING)
            publication.run(size)
        except exceptions.TakenOver:
            raise
        except exceptions.LocationUnknown:
            # That may last; the volume need not wait for it.
            origin.drop()
            raise
        except Exception as exc:
            self._undo(origin, target.sink, exc)
            if isinstance(exc, exceptions.LocationRefused):
                refusals.remember(self.journal, store)
            raise
        # The image is active. Whoever reads the entry finds that out.
        with contextlib.suppress(exceptions.OffloadError):
            if origin.drop():
                self.record.update(stage=Stage.STARTED)

    def _send(
        self, job: job_.Job, origin: stream.Origin, target: swift.SwiftSink
    ) -> int:
        """Have the data in Swift; return the bytes of the image."""
        origin.take()
        with origin.opened() as source:
            size = source.size
            limits.check(
                *(job.image_id, size, None, self.settings.image_size_cap),
                *(self.glance.size_left(), 0, ''),
            )
            self.record.update(
                size=size,
                bytes=job.source.used(job.volume, job.snapshot) or size,
            )
            readable = origin.native(source)
            head = readable.pread(0, min(inspection.HEAD, size))
            if reason := inspection.doubt(head):
                raise exceptions.FormatDoubtful(job.volume, reason)
            target.send(
                readable, lambda done: job.work.progress.report(done, size)
            )
        return size

    def _undo(
        self,
        origin: stream.Origin,
        target: swift.SwiftSink,
        cause: Exception,
    ) -> None:
        """Remove what there is.

        :raises NotUndone: when some of it is still there
        """
        image_id = self.record.entry.image_id
        # The volume need not wait for Swift.
        dropped = origin.drop()
        try:
            # From here on there is nothing to publish any more.
            self.record.update(stage=Stage.SENDING)
            target.remove()
        except exceptions.TakenOver:
            raise
        # Whatever hinders it, recovery has another try.
        except Exception as exc:
            LOG.warning(
                'What the upload of image %(image)s has left in Swift is not '
                'yet removed: %(error)s',
                {'image': image_id, 'error': exc},
            )
            raise exceptions.NotUndone(image_id, cause) from cause
        if not dropped:
            raise exceptions.NotUndone(image_id, cause) from cause


@dataclasses.dataclass(frozen=True, slots=True)
class _Claimed:
    """What is in Swift, as long as no other host has taken the upload over.

    Ceph shuts out a host that comes back after that; Swift does not.
    """

    sink: swift.SwiftSink
    record: journal_.Record

    def withdraw(self) -> None:
        self.record.update()
        self.sink.withdraw()

    def restore(self) -> None:
        self.record.update()
        self.sink.restore()
