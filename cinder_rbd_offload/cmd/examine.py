# SPDX-License-Identifier: Apache-2.0
"""Looks at everything that an upload depends on, and has it judged."""

from collections.abc import Iterator
import dataclasses

from oslo_config import cfg

from cinder_rbd_offload import ceph
from cinder_rbd_offload.ceph import rights
from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import image_service as glance_client
from cinder_rbd_offload.cmd import route
from cinder_rbd_offload.cmd import swift
from cinder_rbd_offload.doctor import cluster
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload.doctor import image_service
from cinder_rbd_offload.doctor import permissions
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import findings
from cinder_rbd_offload.offload import inspection
from cinder_rbd_offload.offload import journal as journal_

Finding = finding.Finding

# By how to connect, and the pools of volumes, images and their data.
_Tried = dict[tuple[ceph.Settings, str, str, str], rights.Trials]


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What is to be looked at.

    :param backend: a single back end
    :param volume: a volume's id
    :param store: the Glance store that the volume type names
    """

    backend: str | None = None
    volume: str | None = None
    store: str | None = None


def examine(conf: cfg.ConfigOpts, request: Request) -> Iterator[Finding]:
    """Yield what is found, back end by back end.

    :raises ConfigUnusable: when cinder.conf has no back end of ours
    """
    backends = config.backends(conf, request.backend)
    seen = glance_client.look(conf)
    yield from image_service.check(seen)
    tried: _Tried = {}
    for backend in backends:
        examination = _Examination(conf, backend, request, seen, tried)
        for one in examination.run():
            yield one.of(backend.section)


class _Examination:
    """Of one back end.

    :param tried: what was tried for others, which is not tried again
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        backend: config.Backend,
        request: Request,
        seen: image_service.GlanceSeen,
        tried: _Tried,
    ) -> None:
        self._conf = conf
        self._backend = backend
        self._request = request
        self._stores = seen.stores
        self._tried = tried
        self._settings = backend.cluster

    def run(self) -> Iterator[Finding]:
        """Yield what is found; a question that fails is a finding."""
        try:
            with self._backend.connect() as client:
                yield from self._cluster(client)
        except (
            exceptions.CephUnreachable,
            exceptions.BindingsMissing,
        ) as exc:
            yield cluster.unreachable(exc)
        if self._backend.swift and self._stores is not None:
            yield from swift.check(self._stores, self._backend.swift)

    def _cluster(self, client: ceph.Client) -> Iterator[Finding]:
        check = 'ceph'
        try:
            fsid = client.cluster().fsid()
            yield cluster.reached(fsid, self._settings.user)
            check = 'clones'
            clone_v2 = client.cluster().has_clone_v2()
            yield cluster.clone_format(clone_v2)
            check = 'pools'
            volumes = survey.pool(client, self._backend.pool)
            yield cluster.pool(volumes, 'volumes', 'rbd_pool in cinder.conf')
            if not volumes.exists:
                return
            for store in self._near(fsid):
                yield from self._store(client, volumes, store)
            check = 'volume'
            yield from self._route(client, fsid, clone_v2)
        except (exceptions.CephError, OSError) as exc:
            yield cluster.unanswered(check, exc)

    def _near(self, fsid: str) -> list[glance.Store]:
        """List the stores in the back end's own cluster."""
        return [
            store
            for store in self._stores or ()
            if store.type == 'rbd' and store.fsid == fsid and store.pool
        ]

    def _store(
        self,
        client: ceph.Client,
        volumes: survey.PoolSeen,
        store: glance.Store,
    ) -> Iterator[Finding]:
        images = survey.pool(client, store.pool or '')
        yield cluster.pool(
            images, f'images of store {store.id}', "the store's pool in Glance"
        )
        if not images.exists:
            return
        user = self._settings.user
        pools = [volumes.name, images.name]
        data_pool = self._backend.options['rbd_offload_data_pools'].get(
            store.id, ''
        )
        key = (self._settings, volumes.name, images.name, data_pool)
        if key not in self._tried:
            self._tried[key] = rights.try_all(
                client, volumes.name, images.name, data_pool
            )
        trials = self._tried[key]
        if self._backend.options['rbd_offload_method'] == 'instant':
            yield permissions.instant(volumes.name)
        yield from permissions.check(
            trials, user, pools, survey.caps(client, user)
        )
        if trials.data_pool:
            yield cluster.data_pool(images, trials.data_pool, store.id)
        yield cluster.object_size(
            self._backend.object_size, store.chunk_size, volumes, store.id
        )

    def _route(
        self, client: ceph.Client, fsid: str, clone_v2: bool
    ) -> Iterator[Finding]:
        found = None
        if self._request.volume:
            name = config.volume_image(self._conf, self._request.volume)
            pool = self._backend.pool
            found = survey.image(client, pool, name, inspection.HEAD)
            yield from route.volume(found, pool, name)
            if found is None:
                return
        if self._stores is not None:
            yield from route.check(
                route.facts(
                    self._backend,
                    fsid,
                    self._stores,
                    self._request.store,
                    clone_v2,
                    found,
                ),
                self._known(client, fsid),
                self._backend.swift,
            )

    def _known(self, client: ceph.Client, fsid: str) -> dict[str, bool | None]:
        """Return what earlier uploads have found of Glance, by store."""
        try:
            with client.connection(self._backend.pool) as connection:
                journal = journal_.Journal(connection.table, host='', run='')
                return {
                    store.id: findings.recall(journal, findings.clones(store))
                    for store in self._near(fsid)
                }
        # Who may not read it is told so by the check of capabilities.
        except exceptions.CephNotPermitted:
            return {}
