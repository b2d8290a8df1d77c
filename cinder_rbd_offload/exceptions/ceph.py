# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in Ceph, and on the way to it."""

from cinder_rbd_offload.exceptions import base


class CephError(base.OffloadError):
    """A Ceph operation failed.

    :param doing: what was attempted, for example ``copying volumes/a@b``
    :param cause: the error that librbd or librados raised
    """

    def __init__(self, doing: str, cause: Exception) -> None:
        super().__init__(f'{doing} failed: {type(cause).__name__}: {cause}')


class CephNotPermitted(CephError):
    """The cephx user lacks a capability.

    :param doing: what was attempted
    :param pool: the pool that the capability is missing for; '' for any
    :param daemon: which of Ceph's has refused: ``OSD``, ``monitor`` or
        ``manager``
    """

    def __init__(self, doing: str, pool: str, daemon: str = 'OSD') -> None:
        self.pool = pool
        profile = f'profile rbd pool={pool}' if pool else 'profile rbd'
        base.OffloadError.__init__(
            self,
            f'{doing} is not permitted: the cephx user of this back end '
            f"(rbd_user) lacks the {daemon} capability '{profile}'. "
            "'rbd-offload doctor' tries all that it needs",
        )


class CephUnreachable(CephError):
    """There is no connection to the cluster.

    :param user: the cephx user, if cinder.conf names one
    :param conf: the path of ceph.conf, or ''
    :param cause: the error that librados raised
    """

    def __init__(self, user: str | None, conf: str, cause: Exception) -> None:
        base.OffloadError.__init__(
            self,
            f'connecting to the Ceph cluster of '
            f'{conf or "the default ceph.conf"} as client.{user or "admin"} '
            f'failed: {type(cause).__name__}: {cause}. Check rbd_ceph_conf, '
            'rbd_user and rbd_cluster_name in cinder.conf, that the keyring '
            'can be read, and that this host reaches the monitors',
        )


class ImageExists(CephError):
    """An RBD image of the image's id exists already, and is not ours."""

    def __init__(self, pool: str, image: str) -> None:
        base.OffloadError.__init__(
            self,
            f'{pool}/{image} exists already and was left alone: if no '
            'image in Glance uses it, remove it',
        )


class PoolMissing(CephError):
    """The cluster has no pool of that name."""

    def __init__(self, pool: str) -> None:
        base.OffloadError.__init__(
            self,
            f'there is no pool {pool} in the Ceph cluster: check rbd_pool in '
            "cinder.conf, and the pool of Glance's store",
        )


class PoolExhausted(CephError):
    """A pool became full, or reached its quota, while it was written to.

    :param doing: what was attempted
    :param pool: the pool
    """

    def __init__(self, doing: str, pool: str) -> None:
        base.OffloadError.__init__(
            self,
            f'{doing} failed: pool {pool}, or the pool of its data, is full '
            'or has reached its quota; free some of it, or add to it',
        )


class SnapshotFailed(CephError):
    """A volume's snapshot could not be taken.

    :param doing: what was attempted
    :param cause: the error that librbd raised
    """

    def __init__(self, doing: str, cause: Exception) -> None:
        base.OffloadError.__init__(
            self,
            f'{doing} failed: {type(cause).__name__}: {cause}. Look at the '
            "volume's limit of snapshots (rbd snap limit) and at the health "
            'of the cluster',
        )


class BindingsMissing(base.OffloadError):
    """Ceph's Python modules are not installed.

    :param cause: the error of the import
    """

    def __init__(self, cause: ImportError) -> None:
        super().__init__(
            f"Ceph's Python modules cannot be imported: {cause}. Install the "
            "distribution's packages python3-rados and python3-rbd (PyPI has "
            'none), and use a Python environment that sees them'
        )


class ConfigUnusable(base.OffloadError):
    """cinder.conf does not say what is needed of it.

    :param reason: what is wrong, and the remedy
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Cinder's configuration cannot be used: {reason}")
