# SPDX-License-Identifier: Apache-2.0
"""What is asked of the monitors and the manager."""

import dataclasses
import errno
import json
from typing import Any

from cinder_rbd_offload.ceph import errors
from cinder_rbd_offload import exceptions

# From this release of required clients on, a clone needs no protected
# snapshot, and its parent's snapshot may be removed before it.
_CLONE_V2 = 'mimic'

# Seconds for which a connection is shut out: longer than any machine may stand
# still. Ceph's own default is an hour.
_SHUT_OUT_SECONDS = 7 * 24 * 60 * 60

# Seconds that the manager has to answer; one that is away keeps a command.
_MANAGER_SECONDS = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A task of the manager's.

    :param pool: the pool of the image that it works on
    :param image: the image's name
    :param progress: how much of it is done, from 0 to 1
    """

    pool: str
    image: str
    progress: float


class Cluster:
    """One cluster.

    :param rados: the ``rados`` module of the Ceph distribution
    :param handle: a connected ``rados.Rados``
    """

    def __init__(self, rados: Any, handle: Any) -> None:
        self._rados = rados
        self._handle = handle

    def fsid(self) -> str:
        """Return the cluster's id."""
        with errors.named(self._rados, "asking the cluster's id", ''):
            return str(self._handle.get_fsid())

    def client(self) -> str:
        """Return what the cluster knows this connection by."""
        return str(self._handle.get_addrs())

    def keyring(self) -> str:
        """Return the path of the keyring that this connection was made by.

        librados takes more than one, with commas.
        """
        return str(self._handle.conf_get('keyring') or '')

    def shut_out(self, client: str) -> None:
        """Have the cluster refuse whatever a connection still asks for.

        What it has open is closed. Its host can connect anew.

        :param client: see :meth:`client`; fine if it is gone
        :raises CephNotPermitted: when the cephx user lacks the capability
        """
        doing = f'shutting out client {client}'
        with errors.named(self._rados, doing, '', daemon='monitor'):
            self._handle.blocklist_add(client, _SHUT_OUT_SECONDS)

    def has_clone_v2(self) -> bool:
        """Tell whether clones are made without a protected snapshot."""
        release = self._monitor('osd get-require-min-compat-client').strip()
        # Releases are named in the order of the alphabet.
        return release >= _CLONE_V2

    def free(self, pool: str) -> int:
        """Return the bytes that clients can still write to a pool."""
        pools = json.loads(self._monitor('df', detail='detail'))['pools']
        stats = next((p['stats'] for p in pools if p['name'] == pool), None)
        if stats is None:
            raise exceptions.CephError(
                f'looking for free space in pool {pool}',
                LookupError('there is no such pool'),
            )
        left = int(stats['max_avail'])
        if quota := stats.get('quota_bytes'):
            left = min(left, quota - stats['stored'])
        return max(left, 0)

    def add_flatten(self, pool: str, image: str) -> None:
        """Have the manager flatten an image, after what it has to do now.

        :raises CephNotPermitted: when the cephx user lacks the capability
        """
        self._manager(
            f'to flatten {pool}/{image}',
            pool,
            prefix='rbd task add flatten',
            image_spec=f'{pool}/{image}',
        )

    def tasks(self) -> tuple[Task, ...]:
        """List the images that the manager flattens, now or later."""
        found = json.loads(
            self._manager('for its tasks', '', prefix='rbd task list')
        )
        return tuple(
            Task(
                one['refs']['pool_name'],
                one['refs']['image_name'],
                float(one.get('progress', 0)),
            )
            for one in found
            if one['refs']['action'] == 'flatten'
        )

    def _monitor(self, prefix: str, **words: str) -> str:
        command = json.dumps({'prefix': prefix, 'format': 'json'} | words)
        doing = f"asking the monitors '{prefix}'"
        with errors.named(self._rados, doing, ''):
            answer = self._handle.mon_command(command, b'')
        return self._read(*answer, doing=doing, pool='', daemon='monitor')

    def _manager(self, doing: str, pool: str, **command: str) -> str:
        doing = f"asking the manager's module rbd_support {doing}"
        with errors.named(self._rados, doing, pool):
            answer = self._handle.mgr_command(
                json.dumps(command), b'', timeout=_MANAGER_SECONDS
            )
        return self._read(*answer, doing=doing, pool=pool, daemon='manager')

    def _read(
        self,
        result: int,
        output: Any,
        message: str,
        *,
        doing: str,
        pool: str,
        daemon: str,
    ) -> str:
        if result in (-errno.EACCES, -errno.EPERM):
            raise exceptions.CephNotPermitted(doing, pool, daemon)
        if result:
            raise exceptions.CephError(doing, OSError(-result, message))
        return output.decode() if isinstance(output, bytes) else str(output)
