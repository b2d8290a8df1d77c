# SPDX-License-Identifier: Apache-2.0
"""One upload from the facts to its end, as far as it goes inside the cluster.

What does not qualify, and what fails in a way that leaves the image free to
be uploaded otherwise, leaves the cluster: that is another's work.
"""

from collections.abc import Mapping
import contextlib
import dataclasses
import threading

from oslo_log import log as logging

from cinder_rbd_offload import caps
from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import findings
from cinder_rbd_offload.offload import job as job_
from cinder_rbd_offload.offload import journal as journal_
from cinder_rbd_offload.offload import limits
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.offload import probe
from cinder_rbd_offload.offload import protocol
from cinder_rbd_offload.offload import publish
from cinder_rbd_offload.offload import watch

LOG = logging.getLogger(__name__)

# Seconds between two looks of an upload that waits for its turn.
_TURN = 0.5

_LEAVES = (
    'Image %(image)s of volume %(volume)s does not stay in the cluster: '
    '%(reason)s'
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The options of a back end.

    :param user: the cephx user; None for librados' own
    :param slots: one for each upload that may work at the same time
    :param location_timeout: seconds that Glance has to take a location
    :param image_size_cap: the bytes of the largest image that Glance takes
    :param data_pools: the pool of the data, by Glance store
    """

    user: str | None
    slots: threading.Semaphore
    location_timeout: float
    image_size_cap: int
    data_pools: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """One upload, and all that it needs.

    :param facts: those that Cinder knows
    :param connection: to the volume's cluster; its pool is the volume's
    :param record: the upload's entry in the journal
    :param glance: asks as the owner of the image
    """

    facts: plan.Facts
    settings: Settings
    connection: ceph.Connection
    journal: journal_.Journal
    record: journal_.Record
    glance: glance_api.Glance

    def run(self) -> bool:
        """Make the image inside the cluster, if that is possible.

        :returns: False where the data is to leave the cluster; then the pools
            are as they were
        :raises OffloadError: when that cannot be done either; it is one that
            is not retriable
        """
        entry = self.record.entry
        names = {'image': entry.image_id, 'volume': entry.volume}
        store = None
        try:
            facts = probe.gather(
                self.facts,
                self.glance,
                self.connection,
                self.journal,
                entry.volume,
            )
            choice = plan.decide(facts)
            store = choice.store
            names['reason'] = choice.reason
            self.record.update(reason=choice.reason)
            if store is not None:
                LOG.info(
                    'Image %(image)s of volume %(volume)s stays in the '
                    'cluster: %(reason)s',
                    names,
                )
                self._offload(store, choice.methods, facts)
                return True
            # It may qualify, and is sent away because something is broken.
            if facts.stores_error:
                LOG.warning(_LEAVES, names)
            else:
                LOG.info(_LEAVES, names)
        except exceptions.OffloadError as exc:
            if not exc.retriable:
                raise
            LOG.warning(
                'Image %(image)s of volume %(volume)s does not stay in the '
                'cluster, since the offload failed: %(reason)s',
                names | {'reason': self._explain(exc, store)},
            )
        # Nor may an error that nobody foresaw cost the user the upload.
        except Exception:
            LOG.exception(
                'Image %(image)s does not stay in the cluster, since there '
                'was an unexpected error',
                names,
            )
        return False

    def _explain(
        self, exc: exceptions.OffloadError, store: glance_api.Store | None
    ) -> str:
        """Put an error in words; a missing capability with what gives it.

        :param store: where the image was to go, if that is known
        """
        if not isinstance(exc, exceptions.CephNotPermitted):
            return str(exc)
        pools = [self.connection.source.name, exc.pool]
        if store:
            pools += [store.pool or '', self._data_pool(store)]
        line = caps.ceph_caps_line(self.settings.user, filter(None, pools))
        return (
            f"{exc}. This gives it all of them (and replaces what 'ceph auth "
            f"get' shows, so add that): {line}"
        )

    def _offload(
        self,
        store: glance_api.Store,
        methods: tuple[plan.Method, ...],
        facts: plan.Facts,
    ) -> None:
        shape = ceph.Shape(
            self.connection.source.shape.features,
            store.chunk_size,
            self._data_pool(store),
        )
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(
                self.connection.open_pool(store.pool or '', shape)
            )
            job = job_.Job(self.connection.source, target, self.record)
            stack.enter_context(watch.Watch(job, self.glance))
            data_pool = shape.data_pool or target.name
            self._check_limits(job, facts, data_pool)
            self.record.update(
                bytes=facts.used or 0,
                elsewhere=glance_api.elsewhere(store, facts.stores or ()),
            )
            waited = self._await_turn(job)
            stack.callback(self.settings.slots.release)
            if waited:
                # Others have used the room.
                self._check_limits(job, facts, data_pool)
            url = glance_api.rbd_location(
                store, job.image_id, ceph.GLANCE_SNAPSHOT
            )
            reads_through = protocol.upload(
                job,
                methods,
                publish.Publication(
                    self.glance,
                    publish.Sealed(target, job.image_id),
                    job.image_id,
                    url,
                    self.record.entry.elsewhere,
                    self.settings.location_timeout,
                ),
                self.connection.cluster,
            )
        if reads_through is not None:
            self._remember(store, reads_through)

    def _data_pool(self, store: glance_api.Store) -> str:
        return self.settings.data_pools.get(store.id, '')

    def _check_limits(
        self, job: job_.Job, facts: plan.Facts, pool: str
    ) -> None:
        """Require that there is room now.

        :param pool: that of the data
        :raises NoRoom: when the image would exceed a limit
        """
        limits.check(
            job.image_id,
            size=facts.size,
            used=facts.used,
            size_cap=self.settings.image_size_cap,
            quota=self.glance.size_left(),
            free=self.connection.cluster.free(pool),
            pool=pool,
        )

    def _await_turn(self, job: job_.Job) -> bool:
        """Wait until the upload may work; tell whether that took any time."""
        slots = self.settings.slots
        if slots.acquire(blocking=False):
            return False
        self.record.update(stage=journal_.Stage.WAITING)
        LOG.info('Image %s waits for its turn', job.image_id)
        while not slots.acquire(timeout=_TURN):
            job.work.check()
        return True

    def _remember(self, store: glance_api.Store, reads_through: bool) -> None:
        try:
            findings.remember(
                self.journal, findings.clones(store), reads_through
            )
        # It only helps later uploads to choose.
        except Exception as exc:
            LOG.debug('Not remembered of store %s: %s', store.id, exc)
