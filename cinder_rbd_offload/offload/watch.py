# SPDX-License-Identifier: Apache-2.0
"""Looks after an upload while it works: signs of life, progress, the end.

librbd's operations block for as long as they take. So a thread beside them
changes the journal's entry every other second, writes the progress to the
log, and has the work stop when another host has taken the upload over. A
second one has it stop when the image is deleted in Glance. They are two, since
a Glance that is silent for a while must not make this host seem dead.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import threading
import time
from types import TracebackType

from oslo_log import log as logging
from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal

LOG = logging.getLogger(__name__)

# Seconds between two looks.
INTERVAL = 2

# Looks between two lines of progress in the log.
LOOKS_PER_LINE = 5

# Seconds for the last look to end.
_LAST = 10

# The stages in which the image has no data yet, and may be deleted.
_UNPUBLISHED = (
    journal.Stage.WAITING,
    journal.Stage.MAKING,
    journal.Stage.STREAMING,
    journal.Stage.SENDING,
)


@contextlib.contextmanager
def alive(record: journal.Record) -> Iterator[None]:
    """Give signs of life while nothing else changes an entry.

    Who waits for Keystone or Glance must not seem dead either.
    """
    ended = threading.Event()

    def show() -> None:
        seen = record.entry
        while not ended.wait(INTERVAL):
            if record.entry is seen:
                try:
                    record.update()
                except exceptions.TakenOver:
                    return
                # It is due again at the next look.
                except Exception as exc:
                    LOG.debug('Image %s: %s', seen.image_id, exc)
            seen = record.entry

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LAST)


class Watch:
    """A context in which an upload is looked after.

    :param job: the upload
    :param glance: asks for the image as its owner; None to leave that out
    """

    def __init__(
        self, job: job_.Job, glance: glance_api.Glance | None = None
    ) -> None:
        self._job = job
        self._glance = glance
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._looks = 0
        self._said = (time.monotonic(), 0.0)

    def __enter__(self) -> 'Watch':
        looks = [self.look] if self._glance is None else [self.look, self.ask]
        for look in looks:
            thread = threading.Thread(
                target=self._run, args=(look,), daemon=True
            )
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        # What never answers must not keep the upload from its end.
        deadline = time.monotonic() + _LAST
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def look(self) -> None:
        """Do once what is due in Ceph and the log."""
        self._take(self._measure, self._show, self._stop, self._say)

    def ask(self) -> None:
        """Ask Glance once whether the image is still wanted."""
        self._take(self._ask)

    def _take(self, *steps: Callable[[], None]) -> None:
        """Take steps, until the upload has ended."""
        for step in steps:
            if self._ended.is_set():
                return
            try:
                step()
            # What fails now is due again at the next look.
            except Exception as exc:
                LOG.debug('Image %s: %s', self._job.image_id, exc)

    def _run(self, look: Callable[[], None]) -> None:
        while not self._ended.wait(INTERVAL):
            look()

    def _measure(self) -> None:
        """See how far an operation is that does not report it."""
        job, progress = self._job, self._job.work.progress
        if job.work.copying:
            progress.done = job.target.used(job.draft) or 0
            progress.total = job.record.entry.bytes

    def _show(self) -> None:
        """Bring the journal up to date, which is the sign of life."""
        job, progress = self._job, self._job.work.progress
        try:
            job.record.update(done=progress.done, total=progress.total)
        except exceptions.TakenOver as exc:
            job.work.stop(exc)

    def _ask(self) -> None:
        """Stop the work on an image that is deleted, or has other data."""
        image_id, entry = self._job.image_id, self._job.record.entry
        if self._glance is None or entry.stage not in _UNPUBLISHED:
            return
        state = self._glance.state(image_id, entry.size)
        if state is glance_api.ImageState.GONE:
            self._job.work.stop(exceptions.ImageGone(image_id))
        # The stream may have come to its end just now.
        elif (
            state in glance_api.TAKEN
            and entry.stage is not journal.Stage.STREAMING
        ):
            self._job.work.stop(exceptions.ImageTaken(image_id))

    def _stop(self) -> None:
        if self._job.work.stopped and self._job.work.copying:
            self._job.target.cut_short(self._job.draft)

    def _say(self) -> None:
        self._looks += 1
        entry = self._job.record.entry
        if self._looks % LOOKS_PER_LINE or not entry.total:
            return
        (then, before), now = self._said, time.monotonic()
        # A copy may write more than was in use, since it writes whole objects.
        part = min(entry.done / entry.total, 1)
        moved = entry.bytes * part
        self._said = (now, moved)
        LOG.info(
            'Image %(image)s: %(percent)d %% done, about %(moved)d of '
            '%(bytes)d MiB, at %(rate).0f MiB/s',
            {
                'image': entry.image_id,
                'percent': 100 * part,
                'moved': moved // units.Mi,
                'bytes': entry.bytes // units.Mi,
                # Another method begins anew.
                'rate': max(moved - before, 0) / (now - then) / units.Mi,
            },
        )
