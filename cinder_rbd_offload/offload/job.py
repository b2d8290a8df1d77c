# SPDX-License-Identifier: Apache-2.0
"""One upload inside the cluster: from where to where, and how far it is."""

import dataclasses

from cinder_rbd_offload import ceph
from cinder_rbd_offload.offload import journal

# How the snapshot of a volume begins that an image is made from, and the RBD
# image that is not yet whole.
PREFIX = 'offload-'


class Work:
    """The operation that runs now, and whether it is to stop.

    :ivar progress: how far it is
    :ivar copying: whether it is one that reports nothing by itself, and that
        only :meth:`ceph.Pool.cut_short` stops
    """

    def __init__(self) -> None:
        self.progress = ceph.Progress()
        self.copying = False
        self._reason: Exception | None = None

    @property
    def stopped(self) -> bool:
        """Whether the upload is to end."""
        return self._reason is not None

    def stop(self, reason: Exception) -> None:
        """Have the operation that runs end, and no other begin."""
        self._reason = self._reason or reason
        self.progress.stopped = True

    def check(self) -> None:
        """Raise the reason to stop, if there is one."""
        if self._reason:
            raise self._reason


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What every step of an upload needs to know.

    :param source: the volume's pool
    :param target: Glance's pool
    :param record: the upload's entry in the journal
    :param work: the operation that runs
    """

    source: ceph.Pool
    target: ceph.Pool
    record: journal.Record
    work: Work = dataclasses.field(default_factory=Work)

    @property
    def volume(self) -> str:
        """The volume's RBD image."""
        return self.record.entry.volume

    @property
    def image_id(self) -> str:
        """The Glance image, whose id names the new RBD image."""
        return self.record.entry.image_id

    @property
    def snapshot(self) -> str:
        """The snapshot of the volume that the image is made from."""
        return PREFIX + self.image_id

    @property
    def draft(self) -> str:
        """What the new RBD image is called until it is whole."""
        return PREFIX + self.image_id

    def undo(self) -> None:
        """Remove whatever the upload has made; fine if it is not there.

        The image in Glance must not point to it.

        :raises TakenOver: when another host works on the upload now
        :raises CephError: when some of it is still there
        """
        # Whoever stood still for long may have been overtaken unawares.
        self.record.update()
        rbd_id = self.record.entry.rbd_id
        if rbd_id:
            self.target.finish_rename(self.draft, self.image_id, rbd_id)
        self.target.remove(self.draft)
        # The pool is listed only where the name does not open the image.
        if rbd_id and (
            self.target.id(self.image_id) == rbd_id
            or self.target.listed_id(self.image_id) == rbd_id
        ):
            self.target.remove(self.image_id)
        self.source.drop_snapshot(self.volume, self.snapshot)
