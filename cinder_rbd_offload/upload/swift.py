# SPDX-License-Identifier: Apache-2.0
"""An image straight from a snapshot to Swift, bypassing Glance.

It becomes a large object in the container of Glance's store, which Glance
reads and deletes as it does its own. The order of the steps lets a crash leave
nothing that looks whole::

    segments of data   several at a time; each checked by its MD5
    the zeros          one object, however many zeros there are
    inner manifests    only where there are more lines than one may have
    the manifest       from here on there is an image, which Swift has checked

:meth:`SwiftSink.remove` takes away whatever is there. No object of another
name than those that this module gives is touched.
"""

from collections.abc import Callable
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
from typing import Any

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import patience as patience_
from cinder_rbd_offload.upload import swift_body
from cinder_rbd_offload.upload import swift_client
from cinder_rbd_offload.upload import swift_data
from cinder_rbd_offload.upload import swift_layout
from cinder_rbd_offload.upload import swift_reference

LOG = logging.getLogger(__name__)


# Seconds that the faults of one request are borne by whoever comes again.
SOON = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set.

    :param workers: segments that are sent at the same time
    :param segment: the most bytes of one; a fault costs at most as many
    :param patience: seconds that no data may flow because of faults of one
        request
    :param timeout: seconds that a connection may be silent
    """

    workers: int = 4
    segment: int = 64 * swift_layout.MIB
    patience: float = patience_.SECONDS
    timeout: float = swift_client.TIMEOUT


class SwiftSink:
    """One image in Swift.

    :param account: where the Glance store keeps its images
    :param access: how to get there
    :param container: of the Glance store; it must be there
    :param image_id: the Glance image
    :param check: called between pieces of data, by any thread; what it raises
        ends the upload
    """

    def __init__(
        self,
        account: swift_reference.Account,
        access: swift_reference.Access,
        container: str,
        image_id: str,
        settings: Settings | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings = settings or Settings()
        self._image_id = image_id
        self._image = swift_layout.image_name(image_id)
        self._aside = swift_layout.aside_name(image_id)
        self._halt = swift_data.Halt(check)
        session = account.session(access)
        patience = self._settings.patience
        # Whatever may be there, though a listing does not show it yet.
        self._names: set[str] = set()
        client = functools.partial(
            swift_client.Client,
            session,
            swift_reference.address(session, access),
            container,
            self._settings.timeout,
            written=self._names,
        )
        self._client = client(
            patience_.Patience(patience), check=self._halt.check
        )
        # What is to be undone is undone, whoever has had the upload stopped.
        self._cleaner = client(patience_.Patience(patience))
        # The same, where faults were borne for long enough, or it is tried
        # again anyway.
        self._hasty = client(patience_.Patience(min(patience, SOON)))

    def send(
        self,
        source: swift_body.Source,
        progress: Callable[[int], Any] = lambda done: None,
    ) -> swift_data.Outcome:
        """Have the image in Swift, whole.

        On an error, some of it may be there: remove it.

        :param progress: told the bytes of the image that are done, by any
            thread, one at a time
        :raises SwiftFull: when there is no room for it
        :raises SwiftLost: when faults lasted too long
        :raises SwiftRefused: when Swift will not take it
        :raises CephError: when the source cannot be read
        """
        outcome = swift_data.Outcome(source.size)
        most = self._client.most_entries(swift_layout.MAX_ENTRIES)
        layout = swift_layout.layout(
            source.size, source.extents(), self._settings.segment, most
        )
        data = swift_data.Data(
            self._client,
            self._image_id,
            source,
            layout,
            halt=self._halt,
            outcome=outcome,
            progress=progress,
        )
        pieces = data.send(self._settings.workers)
        zero = self._send_zeros(
            data, swift_layout.zeros(source.size, pieces, most)
        )
        lines = swift_layout.entries(source.size, pieces, zero)
        inner, outer = swift_layout.nest(lines, self._image_id, most)
        for entry, group in inner:
            self._halt.check()
            self._put_manifest(self._client, entry.name, group)
        self._put_manifest(self._client, self._image, outer)
        self._verify(source.size)
        outcome.pieces, outcome.lines = len(pieces), len(lines)
        LOG.info('Image %s is in Swift: %s', self._image_id, outcome)
        return outcome

    @property
    def started(self) -> bool:
        """Whether there may be anything of what :meth:`send` has sent."""
        return bool(self._names)

    def whole(self) -> bool:
        """Tell whether all of the image is there, though maybe withdrawn."""
        names = (self._image, self._aside)
        return any(self._cleaner.head(name) is not None for name in names)

    def withdraw(self) -> None:
        """Have no image there, and leave its data; fine if there is none.

        A location that names it is of no use from here on.
        """
        self._move(self._image, self._aside)

    def restore(self) -> None:
        """Have the image there again; fine if it was not withdrawn.

        :raises SwiftRefused: when it is not there at all
        """
        if self._hasty.head(self._image) is not None:
            self._hasty.delete(self._aside)
        elif not self._move(self._aside, self._image):
            raise exceptions.SwiftRefused(
                f'restoring image {self._image_id}',
                f'there is no {self._aside}',
            )

    def remove(self, hasty: bool = False) -> None:
        """Take away whatever was made of the image; fine if it is not there.

        No active image may point to it. Swift may show objects late that were
        written in the last moments before a crash: do this again after some
        minutes.

        :param hasty: bear faults for :data:`SOON` seconds only
        :raises SwiftLost: when faults lasted too long; some may be there still
        """
        prefix = swift_layout.prefix(self._image_id)
        cleaner = self._hasty if hasty else self._cleaner
        self._names.update(cleaner.names(prefix))
        with futures.ThreadPoolExecutor(self._settings.workers) as pool:
            waiting = [pool.submit(cleaner.delete, one) for one in self._names]
            futures.wait(waiting, return_when=futures.FIRST_EXCEPTION)
            # What one cannot, the others need not wait for as long.
            pool.shutdown(cancel_futures=True)
        for one in waiting:
            if not one.cancelled():
                one.result()
        self._names.clear()

    def _move(self, old: str, new: str) -> bool:
        """Have a manifest under another name; tell whether there is one."""
        text = self._hasty.manifest(old)
        if text is None:
            return False
        try:
            lines = swift_layout.read_manifest(text)
        except ValueError as exc:
            raise exceptions.SwiftRefused(f'reading {old}', str(exc)) from exc
        self._put_manifest(self._hasty, new, lines)
        self._hasty.delete(old)
        return True

    def _send_zeros(
        self, data: swift_data.Data, length: int
    ) -> swift_layout.Entry | None:
        """Have the object of zeros there, if there are any."""
        if not length:
            return None
        name = swift_layout.zeros_name(self._image_id)
        body = swift_body.Zeros(length, self._halt.check)
        data.put(name, body)
        return swift_layout.Entry(name, body.etag, length, length)

    def _put_manifest(
        self,
        client: swift_client.Client,
        name: str,
        lines: Sequence[swift_layout.Entry],
    ) -> None:
        client.put_manifest(
            name,
            swift_layout.manifest(client.container, lines),
            swift_layout.etag(lines),
        )

    def _verify(self, size: int) -> None:
        """Require that Swift has the image as a whole.

        :raises SwiftRefused: when it has another one
        """
        headers = self._client.head(self._image) or {}
        found = headers.get('Content-Length')
        if found != str(size):
            raise exceptions.SwiftRefused(
                f'image {self._image_id}',
                f'it has {found} bytes in Swift, and {size} in Ceph',
            )
