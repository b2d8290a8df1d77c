# SPDX-License-Identifier: Apache-2.0
"""Streams a volume to Glance, from a snapshot, so that it is one instant."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
from typing import Any
from typing import Protocol

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import form as form_
from cinder_rbd_offload.upload import source as source_

LOG = logging.getLogger(__name__)


class Sink(Protocol):
    """Where the data goes."""

    def send(self, body: body_.Body) -> None:
        """Send it all, and see that it arrived."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """What an upload is read from.

    :param volume: the volume's RBD image
    :param snapshot: what to call its snapshot, which is temporary
    :param ahead: the bytes that are read ahead, at most
    :param native: puts an object's blocking methods on native threads
    """

    pool: ceph.Pool
    volume: str
    snapshot: str
    ahead: int
    native: Callable[[Any], Any]

    def take(self) -> None:
        """Make the snapshot.

        :raises CephError: when it cannot be made
        """
        self.pool.snapshot(self.volume, self.snapshot)

    @contextlib.contextmanager
    def opened(self) -> Iterator[source_.Source]:
        """Have the snapshot open; its methods block.

        :raises CephError: when it cannot be opened
        """
        source = source_.Source(
            self.pool.open_snapshot(self.volume, self.snapshot), self.ahead
        )
        with contextlib.closing(self.native(source)):
            yield source

    def drop(self) -> bool:
        """Remove the snapshot; tell whether it is gone."""
        try:
            self.pool.drop_snapshot(self.volume, self.snapshot)
        # Recovery has another try.
        except Exception as exc:
            LOG.warning(
                'Snapshot %(snapshot)s of %(volume)s is not yet removed: '
                '%(error)s',
                {
                    'snapshot': self.snapshot,
                    'volume': self.volume,
                    'error': exc,
                },
            )
            return False
        return True


def stream(
    origin: Origin,
    form: form_.Form,
    sink: Sink,
    check: Callable[[], None],
    report: Callable[[int, int], object],
) -> bool:
    """Send a volume's data.

    :param form: what to send of it
    :param check: raises what is to end the upload
    :param report: takes what is done, and how much that is of what
    :returns: False where the image is whole, and the snapshot could not be
        removed
    :raises NotUndone: when it failed, and the snapshot could not be removed
    :raises TakenOver: when another host has taken the upload over
    :raises OffloadError: when it failed
    """
    names = (origin.pool.name, origin.volume, origin.snapshot)
    origin.take()
    try:
        with origin.opened() as source:

            def used() -> int | None:
                return origin.pool.used(origin.volume, origin.snapshot)

            def look(done: float) -> None:
                report(int(done * source.size), source.size)
                check()

            with form.content(source, names, used, look) as (begin, size):
                body = body_.Body(
                    begin,
                    size,
                    check=check,
                    report=lambda read: report(read, size or 0),
                    native=origin.native,
                )
                with contextlib.closing(body):
                    sink.send(body)
    # The snapshot is for whoever has taken it over.
    except exceptions.TakenOver:
        raise
    except Exception as exc:
        if not origin.drop():
            image_id = origin.snapshot.partition('-')[2]
            raise exceptions.NotUndone(image_id, exc) from exc
        raise
    return origin.drop()
