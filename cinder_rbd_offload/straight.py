# SPDX-License-Identifier: Apache-2.0
"""One upload straight to Swift, in steps like those in Ceph.

::

    step        what it adds                                   journal
    snapshot    <volume>@offload-<image id>                    sending
    inspect
    send        objects in the container of Glance's store
    publish     a location in Glance                           registering
    release     takes the volume's snapshot away again

A step that fails has everything removed; where nothing was sent, Swift is not
asked.
"""

import contextlib
import dataclasses

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import findings
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import limits
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.upload import form as form_
from cinder_rbd_offload.upload import stream
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_choice

LOG = logging.getLogger(__name__)

Stage = journal_.Stage


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The options of a back end.

    :param swift: what goes straight to Swift
    :param location_timeout: seconds that Glance has to take a location
    :param image_size_cap: the bytes of the largest image that Glance takes
    """

    swift: swift_choice.Options
    location_timeout: float
    image_size_cap: int


@dataclasses.dataclass(frozen=True, slots=True)
class Straight:
    """One upload that may go straight to Swift.

    :param record: the upload's entry in the journal
    :param glance: asks as the owner of the image
    """

    settings: Settings
    journal: journal_.Journal
    record: journal_.Record
    glance: glance_api.Glance

    def store(
        self, form: form_.Form, store_id: str | None
    ) -> glance_api.Store | str | None:
        """Return the store that it goes to; or say why to none directly.

        What tells an image there from others is then in the entry.

        :param form: what to send
        :param store_id: the store that the volume's type names, if any
        :returns: None where none is ever gone to directly
        """
        if not self.settings.swift.references:
            return None
        if form.disk_format != 'raw' or form.compressed:
            return 'only a raw image has the bytes of the volume'
        try:
            stores = self.glance.stores()
        # To send the data through Glance will succeed, or say what is wrong.
        except Exception as exc:
            return f'Glance did not name its stores: {exc}'
        store = plan.find_store(stores, store_id)
        if isinstance(store, str):
            return store
        against = swift_choice.reason_against(store, self.settings.swift)
        taken = findings.locations(store)
        if not against and findings.recall(self.journal, taken) is False:
            against = (
                f'within a day, Glance has refused a location in {store.id}'
            )
        if against:
            return against
        self.record.update(elsewhere=glance_api.elsewhere(store, stores))
        return store

    def send(
        self, job: job_.Job, origin: stream.Origin, store: glance_api.Store
    ) -> None:
        """Send the data to a store, and have Glance take it.

        :raises OffloadError: when that failed, and everything is removed
        :raises NotUndone: when something is left
        :raises LocationUnknown: when Glance may still take it
        :raises TakenOver: when another host has taken the upload over
        """
        container = store.container or ''
        target = swift_choice.target(
            store.id,
            container,
            self.settings.swift,
            job.image_id,
            job.work.check,
        )
        data = _Claimed(target.sink, self.record)
        publication = publish.Publication(
            self.glance,
            data,
            job.image_id,
            target.url,
            self.record.entry.elsewhere,
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
                taken = findings.locations(store)
                findings.remember(self.journal, taken, False)
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
                job.image_id,
                size=size,
                used=None,
                size_cap=self.settings.image_size_cap,
                quota=self.glance.size_left(),
                free=0,
                pool='',
            )
            self.record.update(
                size=size,
                bytes=job.source.used(job.volume, job.snapshot) or size,
            )
            readable = origin.native(source)
            if reason := inspection.doubt_of(readable):
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
            # Whatever kept it from being begun keeps it from being listed.
            if target.started:
                target.remove(hasty=isinstance(cause, exceptions.SwiftLost))
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
