# SPDX-License-Identifier: Apache-2.0
"""Finishes or undoes what the journal has of uploads that nobody works on.

That is after a crash of this host or another, and after an upload that ended
with something left to do. See :mod:`cinder_rbd_offload.offload.journal` for
what each stage may have left behind.
"""

from collections.abc import Callable
from collections.abc import Container
import contextlib
import time
from typing import Protocol

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import flattening
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.offload import watch

LOG = logging.getLogger(__name__)

Stage = journal_.Stage

# Stages of uploads past the target pool that leave the volume's snapshot.
_SNAPSHOT = (
    Stage.STREAMING,
    Stage.REJECTED,
    Stage.SENDING,
    Stage.REGISTERING,
)

# Seconds in which a store may come to list objects that it did not list when
# a crash was cleaned up after. If all is well Swift lists them at once;
# otherwise its updater does, which by default makes a pass in 300 s or more.
SETTLING = 3600


class Sent(publish.Data, Protocol):
    """What was sent to Glance's store, past Glance."""

    def whole(self) -> bool:
        """Tell whether all of it is there, though it may be withdrawn."""
        ...

    def remove(self) -> None:
        """Remove all of it that the store lists; fine if there is none."""
        ...


def _urgency(item: tuple[str, journal_.Record]) -> bool:
    """Sort what has to be flattened, which may take long, behind the rest."""
    return item[1].entry.stage is Stage.PUBLISHED


class Recovery:
    """The recovery of one host, with what it has seen of the others.

    :param find: returns a trust by when it ends, or '' for none
    :param act_for: returns Glance as somebody sees it by whom a trust was
        given, or None where that is not possible
    :param release: ends a trust
    :param free: lets a volume be used again, by its id in Cinder
    :param reach: returns what an upload past Glance has sent
    :param timeout: seconds that Glance has to make an image active
    :param now: a monotonic clock, in seconds
    """

    def __init__(
        self,
        find: Callable[[str], str],
        act_for: Callable[[str], glance_api.Glance | None],
        release: Callable[[str], None],
        free: Callable[[str], None],
        reach: Callable[[journal_.Entry], Sent],
        timeout: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._act_for = act_for
        self._release = release
        self._free = free
        self._reach = reach
        self._timeout = timeout
        self._now = now
        # What entries of other hosts were when they were seen to change.
        self._seen: dict[str, tuple[journal_.Entry, float]] = {}
        # Images whose volumes nobody else will free.
        self._bound: set[str] = set()
        # Since when images of which objects may turn up are swept.
        self._swept: dict[str, float] = {}

    def run(
        self,
        connection: ceph.Connection,
        journal: journal_.Journal,
        active: Container[str],
    ) -> None:
        """Go once through all entries.

        :param active: the images that this process works on
        :raises CephError: when the journal cannot be read
        """
        records = journal.records()
        self._seen = {k: v for k, v in self._seen.items() if k in records}
        self._swept = {k: v for k, v in self._swept.items() if k in records}
        self._bound &= records.keys()
        for image_id, record in sorted(records.items(), key=_urgency):
            if image_id in active or not self._dead(journal, record.entry):
                continue
            taken = False
            try:
                taken = self._take(connection, journal, record)
                if taken:
                    self._settle(connection, journal, record)
            # One that cannot be settled now must not keep the others.
            except Exception as exc:
                if taken:
                    self._leave(record, exc)
                LOG.warning(
                    'The upload of image %(image)s, which was left at stage '
                    '%(stage)s, is not settled yet: %(error)s',
                    {
                        'image': image_id,
                        'stage': record.entry.stage.value,
                        'error': exc,
                    },
                )

    def _take(
        self,
        connection: ceph.Connection,
        journal: journal_.Journal,
        record: journal_.Record,
    ) -> bool:
        """Make an entry that nobody works on this process's own."""
        entry = record.entry
        # Cinder frees the volume of an upload that ends while its process
        # lives. It may be in use for something else by now, as it may be
        # while objects are swept.
        if not (
            entry.freed
            or entry.stage is Stage.SWEEPING
            or journal.of_this_run(entry)
        ):
            self._bound.add(entry.image_id)
        taken = journal.take(record, connection.cluster.client())
        if not taken:
            self._bound.discard(entry.image_id)
        return taken

    def _leave(self, record: journal_.Record, cause: Exception) -> None:
        """Have whoever takes an entry next not shut this connection out.

        It would end what is done over it by then for other entries. But where
        not just Glance or Keystone failed it has to: a request to Ceph may
        still be on its way.
        """
        ours = isinstance(cause, exceptions.OffloadError)
        if ours and not isinstance(cause, exceptions.NotDelegated):
            return
        with contextlib.suppress(exceptions.OffloadError):
            self._put_back(record)

    def _put_back(self, record: journal_.Record) -> None:
        """Leave an entry for another look, of whatever host."""
        freed = record.entry.image_id not in self._bound
        record.update(clients=(), freed=freed)

    def _dead(self, journal: journal_.Journal, entry: journal_.Entry) -> bool:
        """Tell whether nobody works on an entry."""
        if journal.mine(entry):
            return True
        seen, since = self._seen.get(entry.image_id, (None, 0.0))
        if entry != seen:
            self._seen[entry.image_id] = (entry, self._now())
            return False
        return self._now() - since > journal_.LEASE

    def _settle(
        self,
        connection: ceph.Connection,
        journal: journal_.Journal,
        record: journal_.Record,
    ) -> None:
        """Do what is left to do of one upload."""
        if record.entry.stage is Stage.ENDED:
            self._let_go(record, journal)
            record.strike()
            return
        *before, own = record.entry.clients
        for client in before:
            connection.cluster.shut_out(client)
        record.update(clients=(own,))
        with contextlib.ExitStack() as stack:
            target = self._target(connection, record, stack)
            job = job_.Job(connection.source, target, record)
            stack.enter_context(watch.Watch(job))
            done = self._finish(job, connection.cluster, journal)
        if done or record.entry.stage is Stage.PUBLISHED:
            self._let_go(record, journal)
        if done:
            self._release(self._trust(record))
            record.strike()
        else:
            self._put_back(record)

    def _trust(self, record: journal_.Record) -> str:
        """Return the owner's trust; Keystone is asked, if it is not known."""
        if not record.entry.trust:
            record.update(trust=self._find(record.entry.expires))
        return record.entry.trust

    def _glance(self, record: journal_.Record) -> glance_api.Glance | None:
        """Return Glance as the image's owner sees it, where that is possible.

        Not before all is done for which nobody has to be asked.
        """
        return self._act_for(self._trust(record))

    def _target(
        self,
        connection: ceph.Connection,
        record: journal_.Record,
        stack: contextlib.ExitStack,
    ) -> ceph.Pool:
        """Open Glance's pool; return the volume's where there is none.

        Where it was removed there is nothing any more that an image could
        point to, and the entry names none from then on.
        """
        entry, source = record.entry, connection.source
        if entry.pool:
            try:
                return stack.enter_context(
                    connection.open_pool(entry.pool, source.shape)
                )
            except exceptions.PoolMissing:
                source.drop_snapshot(
                    entry.volume, job_.PREFIX + entry.image_id
                )
                record.update(stage=Stage.MAKING, pool='', rbd_id='')
        return source

    def _let_go(
        self, record: journal_.Record, journal: journal_.Journal
    ) -> None:
        """Free the volume, unless a later upload uses it by now."""
        entry = record.entry
        if entry.image_id in self._bound:
            entries = [one.entry for one in journal.records().values()]
            volumes = [one.volume_id for one in entries]
            if volumes.count(entry.volume_id) == 1:
                self._free(entry.volume_id)
            self._bound.discard(entry.image_id)
            # Whatever fails from here on, nobody frees it again.
            record.update(freed=True)

    def _finish(
        self, job: job_.Job, cluster: ceph.Cluster, journal: journal_.Journal
    ) -> bool:
        """Do what an entry's stage asks for; tell whether that was all."""
        entry = job.record.entry
        if entry.stage is Stage.PUBLISHED:
            return flattening.look_after(job, cluster)
        if entry.stage is Stage.SWEEPING:
            return self._sweep(entry)
        if entry.stage is Stage.PUBLISHING:
            job.target.finish_rename(job.draft, job.image_id, entry.rbd_id)
            if job.target.id(job.image_id) == entry.rbd_id:
                # Nothing of the volume is needed any more.
                job.source.drop_snapshot(entry.volume, job.snapshot)
                self._let_go(job.record, journal)
                data = publish.Sealed(job.target, entry.image_id)
                if self._publish(entry, self._glance(job.record), data):
                    job.record.update(stage=Stage.PUBLISHED)
                    self._say_finished(entry)
                    return flattening.look_after(job, cluster)
        if entry.stage in _SNAPSHOT:
            job.source.drop_snapshot(entry.volume, job.snapshot)
        if entry.stage is Stage.REGISTERING:
            self._let_go(job.record, journal)
            if self._register(entry, self._glance(job.record)):
                self._say_finished(entry)
                return True
        if entry.pool:
            job.undo()
        # However long Keystone and Glance cannot be asked.
        self._let_go(job.record, journal)
        self._delete(entry, self._glance(job.record))
        LOG.info(
            'The upload of image %(image)s, which was left at stage '
            '%(stage)s, is undone',
            {'image': entry.image_id, 'stage': entry.stage.value},
        )
        if not entry.store:
            return True
        job.record.update(stage=Stage.SWEEPING)
        return self._sweep(entry)

    def _say_finished(self, entry: journal_.Entry) -> None:
        LOG.info('The upload of image %s is finished', entry.image_id)

    def _register(
        self, entry: journal_.Entry, glance: glance_api.Glance | None
    ) -> bool:
        """Have Glance take what was sent past it; tell whether it has it."""
        sent = self._reach(entry)
        if sent.whole():
            return self._publish(entry, glance, sent)
        if glance is None:
            raise exceptions.NotDelegated(entry.image_id, entry.location)
        state = glance.state(entry.image_id, entry.size, entry.elsewhere)
        if state is glance_api.ImageState.BUSY:
            # A task of Glance's may yet make it active.
            raise exceptions.LocationUnknown(
                entry.image_id, entry.location, self._timeout
            )
        if state is not glance_api.ImageState.ACTIVE:
            return False
        # It may be ours, which the store does not show at the moment.
        LOG.warning(
            'Image %(image)s is active, and %(location)s is not there; '
            'nothing of it is removed',
            {'image': entry.image_id, 'location': entry.location},
        )
        return True

    def _sweep(self, entry: journal_.Entry) -> bool:
        """Remove what has turned up; tell whether nothing more will."""
        since = self._swept.setdefault(entry.image_id, self._now())
        self._reach(entry).remove()
        return self._now() - since > SETTLING

    def _publish(
        self,
        entry: journal_.Entry,
        glance: glance_api.Glance | None,
        data: publish.Data,
    ) -> bool:
        """Have Glance take the data; tell whether it did."""
        if glance is None:
            raise exceptions.NotDelegated(entry.image_id, entry.location)
        data.restore()
        publication = publish.Publication(
            glance,
            data,
            entry.image_id,
            entry.location,
            entry.elsewhere,
            self._timeout,
        )
        try:
            publication.run(entry.size)
        except exceptions.NotPublished as exc:
            LOG.info('%s', exc)
            return False
        return True

    def _delete(
        self, entry: journal_.Entry, glance: glance_api.Glance | None
    ) -> None:
        """Delete an image that will have no data, unless it has some."""
        if glance is None:
            LOG.warning(
                'Image %s has no data and may still be queued; only its owner '
                'or an administrator can see it: have one of them delete it',
                entry.image_id,
            )
            return
        if entry.stage is Stage.REJECTED:
            return glance.delete(entry.image_id)
        state = glance.state(entry.image_id, entry.size)
        # An image is being saved while its data is sent.
        idle = {glance_api.ImageState.IDLE}
        if entry.stage in (Stage.ORDINARY, Stage.STREAMING):
            idle.add(glance_api.ImageState.BUSY)
        if state in idle:
            glance.delete(entry.image_id)
