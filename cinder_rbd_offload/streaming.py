# SPDX-License-Identifier: Apache-2.0
"""One upload whose data leaves the cluster: straight to Swift, or to Glance.

Where the first is not possible, or fails, the second is done.
"""

from collections.abc import Mapping
import contextlib
import dataclasses

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import watch
from cinder_rbd_offload import straight
from cinder_rbd_offload.upload import form as form_
from cinder_rbd_offload.upload import patience as patience_
from cinder_rbd_offload.upload import sink
from cinder_rbd_offload.upload import stream

LOG = logging.getLogger(__name__)

Stage = journal_.Stage


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The options of a back end.

    :param ahead: the bytes that one upload reads ahead, at most
    :param patience: how long faults of Glance are borne
    :param straight: those of what goes straight to Swift
    """

    ahead: int
    patience: patience_.Patience
    straight: straight.Settings


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
            source,
            job.volume,
            job.snapshot,
            ahead=self.settings.ahead,
            native=self.connection.on_native_threads,
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
            self.put,
            self.glance,
            job.image_id,
            self.headers,
            self.settings.patience,
            check=job.work.check,
            reject=self._reject,
        )
        try:
            with watch.Watch(job, self.glance):
                if stream.stream(
                    origin,
                    self.form,
                    target,
                    check=job.work.check,
                    report=job.work.progress.report,
                ):
                    # The image is active. Whoever reads the entry finds out.
                    with contextlib.suppress(exceptions.OffloadError):
                        self.record.update(stage=Stage.STARTED)
        except (exceptions.ConversionFailed, exceptions.FormatDoubtful) as exc:
            if not exc.retriable:
                raise
            LOG.warning(
                "Image %(image)s is converted in the way of Cinder's RBD "
                'driver: %(error)s',
                {'image': job.image_id, 'error': exc},
            )
            return False
        return True

    def _reject(self) -> None:
        """Have recovery delete the image, if this process cannot."""
        # Even where nobody will know, there is still the attempt.
        with contextlib.suppress(exceptions.OffloadError):
            self.record.update(stage=Stage.REJECTED)

    def _sent_to_swift(self) -> bool:
        """Send it straight to Swift; tell whether that was possible."""
        image_id = self.record.entry.image_id
        way = straight.Straight(
            self.settings.straight, self.journal, self.record, self.glance
        )
        try:
            store = way.store(self.form, self.store_id)
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
                way.send(job, origin, store)
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
