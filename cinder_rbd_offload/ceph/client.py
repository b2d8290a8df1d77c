# SPDX-License-Identifier: Apache-2.0
"""A connection to a Ceph cluster, for those who have none of Cinder's."""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import importlib
import json
import os
from typing import Any

from cinder_rbd_offload.ceph import cluster as ceph_cluster
from cinder_rbd_offload.ceph import connection as ceph_connection
from cinder_rbd_offload.ceph import errors
from cinder_rbd_offload import exceptions

# What librados calls the limits that Cinder's driver sets from
# rados_connect_timeout.
TIMEOUTS = (
    'rados_osd_op_timeout',
    'rados_mon_op_timeout',
    'client_mount_timeout',
)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How to connect, in the terms of Cinder's options.

    :param user: the cephx user without ``client.``; None for librados' own
    :param conf: the path of ceph.conf; '' for those that librados looks for
    :param cluster: the cluster's name, from which librados makes the names of
        files
    :param timeout: seconds for each operation; below 0, librados' own limits
    """

    user: str | None = None
    conf: str = ''
    cluster: str = 'ceph'
    timeout: int = -1


class Client:
    """A connection.

    :param rados: the module ``rados``
    :param rbd: the module ``rbd``
    :param handle: a ``rados.Rados`` that is connected
    """

    def __init__(self, rados: Any, rbd: Any, handle: Any) -> None:
        self.rados = rados
        self.rbd = rbd
        self.handle = handle

    def cluster(self) -> ceph_cluster.Cluster:
        """Return the cluster, for what is asked of it as a whole."""
        return ceph_cluster.Cluster(self.rados, self.handle)

    def features(self) -> int:
        """Return the features that new images get, as bits."""
        with errors.named(self.rados, 'reading rbd_default_features', ''):
            return int(self.handle.conf_get('rbd_default_features'))

    def ioctx(self, pool: str) -> contextlib.AbstractContextManager[Any]:
        """Open an I/O context of a pool, and close it in any case.

        :raises CephError: when there is no such pool
        """
        return ceph_connection.opened(self.rados, self.handle, pool)

    @contextlib.contextmanager
    def connection(self, pool: str) -> Iterator[ceph_connection.Connection]:
        """Open a back end's pool, as the driver has it.

        :raises CephError: when there is no such pool
        """
        with self.ioctx(pool) as ioctx:
            yield ceph_connection.Connection(
                self.rados, self.rbd, self.handle, ioctx, self.features()
            )

    def ask_monitors(self, prefix: str, **words: str) -> str:
        """Carry out a command of the monitors', and return the answer.

        :raises OSError: with the error number that the monitors gave
        """
        return _answer(self.handle.mon_command, prefix, words)

    def ask_manager(self, prefix: str, **words: str) -> str:
        """Carry out a command of the manager's, and return the answer.

        :raises OSError: with the error number that the manager gave
        """
        return _answer(self.handle.mgr_command, prefix, words)


def _answer(
    command: Callable[..., tuple[int, Any, str]],
    prefix: str,
    words: Mapping[str, str],
) -> str:
    code, output, message = command(
        json.dumps({'prefix': prefix, 'format': 'json'} | dict(words)), b''
    )
    if code:
        # A timeout is given as a positive number.
        raise OSError(abs(code), message or os.strerror(abs(code)))
    return output.decode() if isinstance(output, bytes) else str(output)


@contextlib.contextmanager
def connect(settings: Settings) -> Iterator[Client]:
    """Connect to a cluster, and close the connection in any case.

    :raises BindingsMissing: when Ceph's Python modules cannot be imported
    :raises CephUnreachable: when no monitor answers, ceph.conf cannot be read,
        or the user or its key is wrong
    """
    rados, rbd = _bindings()
    try:
        handle = rados.Rados(
            rados_id=settings.user,
            clustername=settings.cluster,
            conffile=settings.conf,
        )
    except rados.Error as exc:
        raise exceptions.CephUnreachable(
            settings.user, settings.conf, exc
        ) from exc
    try:
        try:
            if settings.timeout >= 0:
                for option in TIMEOUTS:
                    handle.conf_set(option, str(settings.timeout))
            handle.connect()
        except rados.Error as exc:
            raise exceptions.CephUnreachable(
                settings.user, settings.conf, exc
            ) from exc
        yield Client(rados, rbd, handle)
    finally:
        handle.shutdown()


def _bindings() -> tuple[Any, Any]:
    """Import ``rados`` and ``rbd``, which come with Ceph and not from PyPI."""
    try:
        return importlib.import_module('rados'), importlib.import_module('rbd')
    except ImportError as exc:
        raise exceptions.BindingsMissing(exc) from exc
