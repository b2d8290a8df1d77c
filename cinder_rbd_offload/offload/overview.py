# SPDX-License-Identifier: Apache-2.0
"""What is under way in a pool, as an operator wants to see it."""

from collections.abc import Iterable
import dataclasses

from cinder_rbd_offload import ceph
from cinder_rbd_offload.offload import journal


@dataclasses.dataclass(frozen=True, slots=True)
class Upload:
    """One upload, or the flattening that follows it.

    :param backend: the back end's section of cinder.conf
    :param host: the host that works on it
    :param stage: how far it has come; ``flattening`` where the image is
        active, and still reads the volume's data
    :param percent: of the stage; None where nobody knows
    :param moved: the bytes moved so far, as an estimate
    :param total: the bytes to move, as an estimate
    :param seconds: since it began
    :param reason: why it goes the way it goes
    """

    backend: str
    image: str
    volume: str
    host: str
    stage: str
    method: str
    percent: int | None
    moved: int
    total: int
    seconds: int
    reason: str


def uploads(
    entries: Iterable[journal.Entry],
    tasks: Iterable[ceph.Task],
    now: float,
) -> list[Upload]:
    """Show what is under way by entries of the journal, the oldest first.

    :param tasks: those of the manager
    :param now: seconds since the epoch
    """
    progress = {(task.pool, task.image): task.progress for task in tasks}
    return [
        _upload(entry, progress.get((entry.pool, entry.image_id)), now)
        for entry in sorted(entries, key=lambda entry: entry.started)
        if entry.stage is not journal.Stage.ENDED
    ]


def _upload(
    entry: journal.Entry, flattened: float | None, now: float
) -> Upload:
    stage, part = entry.stage.value, None
    if entry.stage is journal.Stage.PUBLISHED:
        stage, part = 'flattening', flattened
    elif entry.total:
        part = min(entry.done / entry.total, 1.0)
    host, _at, backend = entry.host.partition('@')
    return Upload(
        backend=backend,
        image=entry.image_id,
        volume=entry.volume_id,
        host=host,
        stage=stage,
        method=entry.method,
        percent=None if part is None else int(100 * part),
        moved=int(entry.bytes * (part or 0)),
        total=entry.bytes,
        seconds=max(int(now - entry.started), 0),
        reason=entry.reason,
    )
