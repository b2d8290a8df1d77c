# SPDX-License-Identifier: Apache-2.0
"""Waits until nothing is wrong any more, and says what still is.

Two things only are excused, and counted by themselves: an upload whose process
was killed before the journal had it and its owner's trust, and one that
upstream's own upload had in hand when its process was killed or a service was
lost. The trace has to prove it. The harness then does what the user would do,
and deletes the image; everything else must be in order all the same.

That Glance, killed while it computes the hash of an active image, leaves its
lock on it for good, is Glance's own: see :mod:`faults.hashing`.
"""

import signal
import time

from faults import audit
from faults import faults
from faults import hashing
from faults import observe
from faults import stage as stage_
from faults import sweep
from faults import trace
from faults import volumes as volumes_

ACTIVE = 'active'
NOTHING = 'nothing'
NOT_BEGUN = 'not begun'
ORDINARY = 'ordinary'
BAD = 'bad'
OUTCOMES = (ACTIVE, NOTHING, ORDINARY, NOT_BEGUN, BAD)

# Seconds after which an excused upload is tidied away: until then Cinder may
# do so, or a delayed request may still arrive.
GRACE = 6.0
POLL = 0.3


class Settling:
    """Waits, in one lab.

    :param stage: the lab
    :param volumes: what is uploaded
    :param deadline: seconds until what is wrong counts
    """

    def __init__(
        self,
        stage: stage_.Stage,
        volumes: volumes_.Volumes,
        observer: observe.Observer,
        deadline: float,
    ) -> None:
        self._stage = stage
        self._volumes = volumes
        self._observer = observer
        self._deadline = deadline

    def run(
        self,
        uploads: list[volumes_.Upload],
        mark: int,
        losses: list[faults.Loss],
    ) -> tuple[list[str], list[str]]:
        """Return what is wrong in the end, and the outcome of each upload.

        :param mark: the place in the trace where the round begins
        :raises Failed: when cinder-volume does not come back
        """
        self._stage.await_processes()
        back = time.monotonic()
        excuses: dict[str, str] = {}
        forgive = any(loss.service == 'glance' for loss in losses)
        while True:
            waited = time.monotonic() - back
            seen, complaints = self._audit(forgive and waited > GRACE)
            if not complaints or waited > self._deadline:
                break
            if seen is not None and waited > GRACE:
                for upload in uploads:
                    self._excuse(upload, mark, losses, excuses, seen)
                self._tidy_files(mark)
            time.sleep(POLL)
        outcomes = []
        for upload in uploads:
            outcome, wrong = self._outcome(upload, seen, excuses, complaints)
            outcomes.append(outcome)
            complaints = complaints + wrong
        return complaints, outcomes

    def clear(self, uploads: list[volumes_.Upload]) -> list[str]:
        """Delete the images, and return what is wrong afterwards."""
        seen, _complaints = self._audit()
        locks = [i.lock for i in seen.images if i.lock] if seen else []
        folder = self._stage.state.folder('glance/tasks')
        with hashing.ended(folder, locks):
            for upload in uploads:
                self._volumes.delete_image(upload.image)
        deadline = time.monotonic() + self._deadline
        while True:
            seen, complaints = self._audit()
            if seen is not None:
                complaints += [f'{i.id} is still there' for i in seen.images]
            if not complaints or time.monotonic() > deadline:
                return [f'after the deletion: {bad}' for bad in complaints]
            time.sleep(POLL)

    def _audit(
        self, forgive: bool = False
    ) -> tuple[audit.Observation | None, list[str]]:
        """Look once, and complain also of not being able to.

        :param forgive: do not mind the locks of active images
        """
        try:
            seen = self._observer.look(self._volumes.expected)
        except Exception as exc:
            return None, [f'cannot look: {type(exc).__name__}: {exc}']
        if forgive:
            seen = audit.without_hashes(seen)
        return seen, audit.complaints(seen)

    def _tidy_files(self, mark: int) -> None:
        """Remove what each of upstream's uploads leaves, however it ends.

        That is a ceph.conf which os-brick writes.
        """
        events = self._stage.trace.since(mark)
        if any(event.event == 'ordinary ended' for event in events):
            folder = self._stage.state.folder('cinder/tmp')
            for path in folder.glob('brickrbd_*'):
                path.unlink(missing_ok=True)

    def _outcome(
        self,
        upload: volumes_.Upload,
        seen: audit.Observation | None,
        excuses: dict[str, str],
        complaints: list[str],
    ) -> tuple[str, list[str]]:
        """Return an upload's outcome, and what is wrong with its data."""
        if seen is None or any(upload.image in bad for bad in complaints):
            return BAD, []
        if upload.image in excuses:
            return excuses[upload.image], []
        if all(image.id != upload.image for image in seen.images):
            return NOTHING, []
        wrong = self._volumes.wrong(upload)
        return (BAD if wrong else ACTIVE), wrong

    def _excuse(
        self,
        upload: volumes_.Upload,
        mark: int,
        losses: list[faults.Loss],
        excuses: dict[str, str],
        seen: audit.Observation,
    ) -> None:
        """Tidy an upload away that nobody but upstream could have finished."""
        status = {image.id: image.status for image in seen.images}
        if status.get(upload.image) == 'active':
            return
        events = self._stage.trace.since(mark)
        excuse = excused(events, upload, losses)
        if not excuse:
            return
        disks = {disk.name: disk for disk in seen.image_pool}
        if upload.image in status:
            self._volumes.delete_image(upload.image)
        elif upload.image in disks:
            with self._observer.cluster() as cluster:
                with cluster.open_ioctx('images') as ioctx:
                    sweep.remove(ioctx, upload.image)
        elif seen.volumes.get(upload.volume.id) == 'uploading':
            self._volumes.reset(upload.volume)
        elif excuse == ORDINARY and _is_open(upload.volume, seen):
            # Upstream's upload, when it fails, leaves the volume open for as
            # long as the process lives.
            for key, pid in self._stage.processes().items():
                if key[1] == upload.volume.backend:
                    stage_.send(pid, signal.SIGKILL)
            self._stage.await_processes()
        else:
            return
        excuses[upload.image] = excuse


def _is_open(volume: volumes_.Volume, seen: audit.Observation) -> bool:
    """Tell whether a client has a volume open to write."""
    return any(
        disk.watchers
        for disk in seen.volume_pool
        if disk.name == f'volume-{volume.id}'
    )


def excused(
    events: list[trace.Event],
    upload: volumes_.Upload,
    losses: list[faults.Loss],
) -> str:
    """Return the excuse of an upload that came to nothing, or ''."""
    backend = upload.volume.backend
    spans = [
        (loss.begin, loss.end)
        for loss in losses
        if loss.backend in ('', backend)
    ] + [
        (event.time, event.time)
        for event in events
        if event.event == 'fired' and event.backend == backend
    ]
    if spans and not trace.begun(events, upload.image):
        return NOT_BEGUN
    for begin, end in spans:
        if trace.ordinary_during(events, upload.image, begin, end):
            return ORDINARY
    return ''
