# SPDX-License-Identifier: Apache-2.0
"""An image straight from a snapshot to Swift, past Glance.

It becomes what Glance would have made of it, an object of the image's id in
the container of Glance's store, and Glance reads and deletes it as its own.
The order of the steps lets a crash leave nothing that looks whole::

    segments of data   several at a time; each checked by its MD5
    the zeros          one object, however many zeros there are
    inner manifests    the whole's, and its parts' if there are over 1000 lines
    the manifest       from here on there is an image, which Swift has checked

The image's own manifest has one line, that of the whole. So who knows nothing
but the image's name can take it away and put it back, also after a crash.

:meth:`SwiftSink.remove` takes away whatever is there, and touches no object of
another name than those that this module gives.
"""

from collections.abc import Callable
from collections.abc import Sequence
from concurrent import futures
import dataclasses
import functools
from typing import Any

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import swift_body
from cinder_rbd_offload.upload import swift_client
from cinder_rbd_offload.upload import swift_data
from cinder_rbd_offload.upload import swift_faults
from cinder_rbd_offload.upload import swift_layout
from cinder_rbd_offload.upload import swift_reference

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may set.

    :param workers: segments that are sent at the same time
    :param segment: the most bytes of one; a fault costs at most as many
    :param patience: seconds that the faults of one request may last
    :param timeout: seconds that a connection may be silent
    """

    workers: int = 4
    segment: int = 64 * swift_layout.MIB
    patience: float = swift_faults.PATIENCE
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
        self._halt = swift_data.Halt(check)
        session = account.session(access)
        patience = self._settings.patience
        client = functools.partial(
            swift_client.Client,
            session,
            swift_reference.address(session, access),
            container,
            self._settings.timeout,
        )
        self._client = client(
            swift_faults.Patience(patience, self._halt.pause)
        )
        # What is to be undone is undone, whoever has had the upload stopped.
        self._cleaner = client(swift_faults.Patience(patience))
        # Whatever may be there, though a listing does not show it yet.
        self._names: set[str] = set()

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
            source.size, source.extents(), self._settings.segment
        )
        data = swift_data.Data(
            *(self._client, self._image_id, source, layout),
            *(self._halt, outcome, self._names.add, progress),
        )
        pieces = data.send(self._settings.workers)
        zero = self._send_zeros(data, swift_layout.zeros(source.size, pieces))
        lines = swift_layout.entries(source.size, pieces, zero, self._image_id)
        inner = swift_layout.nest(
            lines, self._image_id, min(most, swift_layout.MAX_ENTRIES)
        )
        for entry, group in inner:
            self._halt.check()
            self._names.add(entry.name)
            self._put_manifest(self._client, entry.name, group)
        self._put_manifest(self._client, self._image_id, [entry])
        self._verify(source.size)
        outcome.segments, outcome.lines = len(pieces), len(lines)
        LOG.info('Image %s is in Swift: %s', self._image_id, outcome)
        return outcome

    def whole(self) -> bool:
        """Tell whether all of the image is there, though maybe withdrawn."""
        name = swift_layout.whole_name(self._image_id)
        return self._cleaner.head(name) is not None

    def withdraw(self) -> None:
        """Take the image away, and leave its data there; fine if it is gone.

        A location that names it is of no use from here on.
        """
        self._cleaner.delete(self._image_id)

    def restore(self) -> None:
        """Have the image there again, which somebody sent before.

        :raises SwiftRefused: when it is not there as a whole
        """
        name = swift_layout.whole_name(self._image_id)
        headers = self._cleaner.head(name)
        if headers is None:
            raise exceptions.SwiftRefused(
                f'restoring image {self._image_id}', f'there is no {name}'
            )
        size = int(headers['Content-Length'])
        etag = headers['Etag'].strip('"')
        whole = swift_layout.Entry(name, etag, size, size)
        self._put_manifest(self._cleaner, self._image_id, [whole])

    def remove(self) -> None:
        """Take away whatever was made of the image; fine if it is not there.

        No active image may point to it. An object of the image's id that
        Glance itself has made is left alone, with its segments. Swift may
        show objects late that were written in the last moments before a
        crash: do this again after some minutes.
        """
        headers = self._cleaner.head(self._image_id) or {}
        if headers.get('X-Static-Large-Object', '').lower() == 'true':
            self._cleaner.delete(self._image_id)
        for name in self._cleaner.names(f'{self._image_id}-'):
            if swift_layout.is_ours(self._image_id, name):
                self._names.add(name)
        self._delete()

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
        headers = self._client.head(self._image_id) or {}
        found = headers.get('Content-Length')
        if found != str(size):
            raise exceptions.SwiftRefused(
                f'image {self._image_id}',
                f'it has {found} bytes in Swift, and {size} in Ceph',
            )

    def _delete(self) -> None:
        """Delete our objects, several at a time."""
        with futures.ThreadPoolExecutor(self._settings.workers) as pool:
            # Every one is tried, and then the first error is raised.
            results = [
                pool.submit(self._cleaner.delete, name) for name in self._names
            ]
        for result in results:
            result.result()
        self._names.clear()
