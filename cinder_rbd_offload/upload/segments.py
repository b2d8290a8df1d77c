# SPDX-License-Identifier: Apache-2.0
"""An image in Swift: one object, or segments and their manifest.

It has the shape of glance_store's own images, a Dynamic Large Object: the
segments are named after the image, with a number that counts from 1.
"""

from contextlib import AbstractContextManager
import errno
import hashlib
import itertools
from typing import Any
from typing import Protocol

from oslo_log import log as logging
import swiftclient

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import digests
from cinder_rbd_offload.upload import reader as reader_
from cinder_rbd_offload.upload import resend

LOG = logging.getLogger(__name__)


class OpenReader(Protocol):
    """Opens a reader of the next bytes of an image.

    It has read(), bytes_read, is_zero_size, and reset() if it can be read
    again.
    """

    def __call__(
        self, length: int, md5: digests.Digest
    ) -> AbstractContextManager[Any]: ...


class Image:
    """The objects that one image is made of.

    :param source: the image's data, which the readers read as well
    :param open_reader: opens a reader of up to so many bytes, which an MD5
        takes in
    :param name: of the image's object
    :ivar names: of the objects that may be in Swift
    """

    def __init__(
        self,
        sender: resend.Sender,
        container: str,
        name: str,
        source: reader_.Stream,
        open_reader: OpenReader,
    ) -> None:
        self._sender = sender
        self._container = container
        self._name = name
        self._source = source
        self._open_reader = open_reader
        self.names: list[str] = []

    def store_whole(self, size: int, md5: digests.Hash) -> None:
        """Store it as one object.

        :param size: in bytes
        :param md5: of the image
        :raises SourceFailed: when its data cannot be read, or is of another
            size
        :raises swiftclient.ClientException: when Swift refused it
        :raises OSError: when Swift could not be reached
        """
        with self._open_reader(size, md5) as reader:
            self._put(self._name, reader, size, md5)
            # What is left of it is no surprise where Swift did not want it.
            if reader.bytes_read == size:
                self._check_end(size)

    def store_segments(
        self, size: int | None, length: int, md5: digests.Digest
    ) -> int:
        """Store it in segments; return its size.

        :param size: in bytes; None if it is not known
        :param length: of a segment, in bytes; the last one's may be less
        :param md5: of the image
        :raises: what :meth:`store_whole` does
        """
        stored = 0
        for number in itertools.count(1):
            left = length if size is None else min(length, size - stored)
            if not left:
                break
            own = hashlib.md5(usedforsecurity=False)
            try:
                with self._open_reader(
                    left, digests.Several(md5, own)
                ) as reader:
                    if reader.is_zero_size:
                        if size is not None:
                            raise exceptions.SourceEnded(left, 0)
                        break
                    self._put(
                        f'{self._name}-{number:05d}',
                        reader,
                        None if size is None else left,
                        own,
                    )
                    stored += reader.bytes_read
            except exceptions.SourceEnded as end:
                assert size is not None
                raise exceptions.SourceEnded(
                    size, stored + end.actual
                ) from end
        if size is not None:
            self._check_end(size)
        self._remove_stale()
        headers = {'X-Object-Manifest': f'{self._container}/{self._name}-'}
        self.names.append(self._name)
        self._sender.send(
            lambda connection: connection.put_object(
                self._container, self._name, None, headers=headers
            )
        )
        return stored

    def _remove_stale(self) -> None:
        """Remove what an earlier upload of the image has left.

        The manifest has the beginning of its segments' names, and no list of
        them: whatever is there by such a name would be part of the image.
        """
        there = self._sender.list_objects(self._container, f'{self._name}-')
        stale = sorted(set(there) - set(self.names))
        if stale:
            LOG.info(
                'An earlier upload has left %(count)d objects in container '
                '%(container)s, from %(first)s to %(last)s: removing them',
                {
                    'count': len(stale),
                    'container': self._container,
                    'first': stale[0],
                    'last': stale[-1],
                },
            )
        for name in stale:
            self._sender.delete_object(self._container, name)

    def _put(
        self, name: str, reader: Any, length: int | None, md5: digests.Hash
    ) -> None:
        """Store an object, and see to it that it is what was read."""

        def put(connection: swiftclient.Connection) -> None:
            etag = connection.put_object(
                self._container, name, reader, content_length=length
            )
            if etag and etag != md5.hexdigest():
                raise OSError(
                    errno.EBADMSG,
                    f'object {name} has the MD5 {etag} in Swift, and '
                    f'{md5.hexdigest()} was sent',
                )

        self.names.append(name)
        self._sender.send(put, getattr(reader, 'reset', _refuse))

    def _check_end(self, size: int) -> None:
        """See to it that there is no more data.

        :raises SourceExceeds: when there is
        :raises SourceFailed: when nobody can tell
        """
        if more := reader_.take(self._source, reader_.PIECE):
            raise exceptions.SourceExceeds(size, size + len(more))


def _refuse() -> None:
    raise exceptions.RewindRefused(0, 'no buffer is configured')
