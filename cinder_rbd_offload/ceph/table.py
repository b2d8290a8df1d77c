# SPDX-License-Identifier: Apache-2.0
"""Records that all hosts of a back end share, in the omap of one object.

Whoever changes a record says what it was. The OSD compares and changes in one
operation, so of two hosts that mean to change the same record one succeeds.
"""

import errno
from typing import Any

from cinder_rbd_offload.ceph import errors

# Records that one read returns.
_PAGE = 1000


class Table:
    """The records.

    :param rados: the ``rados`` module of the Ceph distribution
    :param ioctx: an open I/O context of the pool; the caller closes it
    """

    OBJECT = 'rbd_offload.journal'

    def __init__(self, rados: Any, ioctx: Any) -> None:
        self._rados = rados
        self._ioctx = ioctx
        self._pool: str = ioctx.name

    def read(self) -> dict[str, str]:
        """Return all records by their keys."""
        with self._doing('reading'):
            found: dict[str, str] = {}
            while page := self._page(max(found, default='')):
                found |= page
            return found

    def swap(self, key: str, old: str, new: str) -> bool:
        """Change a record, unless somebody else has changed it before.

        :param old: what the record is now; '' for one that does not exist
        :param new: what it is to be; '' takes it away
        :returns: False where the record was not ``old``; nothing was changed
        """
        with self._doing('writing'):
            with self._rados.WriteOpCtx() as operation:
                # The comparison needs an object to look at.
                operation.new(self._rados.LIBRADOS_CREATE_IDEMPOTENT)
                operation.omap_cmp(key, old)
                if new:
                    self._ioctx.set_omap(operation, (key,), (new.encode(),))
                else:
                    self._ioctx.remove_omap_keys(operation, (key,))
                try:
                    self._ioctx.operate_write_op(operation, self.OBJECT)
                except self._rados.Error as exc:
                    if getattr(exc, 'errno', None) == errno.ECANCELED:
                        return False
                    raise
        return True

    def _page(self, after: str) -> dict[str, str]:
        with self._rados.ReadOpCtx() as operation:
            records, _result = self._ioctx.get_omap_vals(
                operation, after, '', _PAGE
            )
            try:
                self._ioctx.operate_read_op(operation, self.OBJECT)
            except self._rados.ObjectNotFound:
                return {}
            # One that cannot be read must not hide the others.
            return {
                key: value.decode(errors='replace') for key, value in records
            }

    def _doing(self, doing: str) -> Any:
        return errors.named(
            self._rados, f'{doing} {self._pool}/{self.OBJECT}', self._pool
        )
