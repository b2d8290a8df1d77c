# SPDX-License-Identifier: Apache-2.0
"""What goes wrong where data is sent."""

import errno
import io

from cinder_rbd_offload.exceptions import base


class ConversionFailed(base.OffloadError):
    """A program that converts or compresses the data has failed.

    :param doing: what it was to do
    :param cause: how it ended, and what it said
    """

    def __init__(self, doing: str, cause: str) -> None:
        self.cause = cause
        super().__init__(
            f'{doing} failed: {cause}. Check that qemu-img, its block driver '
            'for RBD, and gzip are installed, and that the user of '
            'cinder-volume may read ceph.conf and the keyring'
        )


class NoSpace(ConversionFailed):
    """The directory of temporary files has too little space.

    In the ordinary way the same image takes more.

    :param needed: in bytes, at most
    :param free: in bytes
    """

    retriable = False

    def __init__(
        self, doing: str, directory: str, needed: int, free: int
    ) -> None:
        self.cause = (
            f'it needs up to {needed} bytes in {directory}, where {free} '
            'bytes are free'
        )
        base.OffloadError.__init__(
            self,
            f'{doing} failed: {self.cause}. Free some, or have '
            'image_conversion_dir in cinder.conf name a larger file system',
        )


class UploadFailed(base.OffloadError):
    """Glance has not got the data that was sent to it.

    :param reason: what Glance, or the way to it, said last
    :param attempts: how often data was sent
    """

    retriable = False

    def __init__(self, image_id: str, reason: str, attempts: int) -> None:
        super().__init__(
            f'sending the data of image {image_id} failed: {reason} (data '
            f'was sent {attempts} times, from the start each time). The log '
            'of glance-api says more; then upload the volume again'
        )


class UploadMismatch(base.OffloadError):
    """Glance has recorded other data than was sent; the image is deleted.

    :param sent: size in bytes and MD5 of what was read
    :param recorded: those that Glance has recorded
    :param left: why it could not be deleted, or '' where it was
    """

    retriable = False

    def __init__(
        self,
        image_id: str,
        sent: tuple[int, str],
        recorded: tuple[int, str],
        left: str = '',
    ) -> None:
        done = 'so it was deleted'
        if left:
            done = f'and it could not be deleted: {left}. Delete it'
        super().__init__(
            f'image {image_id} has {recorded[0]} bytes of MD5 {recorded[1]}, '
            f'where {sent[0]} bytes of MD5 {sent[1]} were sent, {done}. The '
            'network or a store corrupts data: find out which before you '
            'upload the volume again'
        )


class SwiftError(base.OffloadError):
    """An upload straight to Swift failed."""


class SwiftFull(SwiftError):
    """Swift had no room for the image, for as long as it was asked.

    :param doing: what was attempted, for example ``writing an-object``
    :param answer: what Swift said
    """

    def __init__(self, doing: str, answer: str) -> None:
        super().__init__(
            f'{doing} failed, because Swift has no room: {answer}. Look at '
            'the disks of the cluster'
        )


class SwiftLost(SwiftError):
    """One request to Swift failed again and again.

    :param doing: what was attempted
    :param seconds: how long
    :param cause: what went wrong last
    """

    def __init__(self, doing: str, seconds: float, cause: Exception) -> None:
        super().__init__(
            f'{doing} failed in Swift for {seconds:.0f} s, the last time '
            f'because of: {cause}. Check that this host reaches Keystone and '
            'the proxy servers of Swift, and that those are well'
        )


class SwiftRefused(SwiftError):
    """Swift, or Keystone before it, does not take a request.

    :param doing: what was attempted
    :param answer: what was said
    """

    def __init__(self, doing: str, answer: str) -> None:
        super().__init__(
            f'{doing} was refused: {answer}. Check that the reference in the '
            'file that image_upload_swift_config_file names has the '
            "credentials of Glance's store, that the store's container "
            'exists, and, with 413, their quotas'
        )


class SpoolFull(base.OffloadError):
    """There is no room to keep an upload's data.

    :param reason: what is used up
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f'there is no room in the upload buffer: {reason}')


class RewindRefused(base.OffloadError, io.UnsupportedOperation):
    """Data that is asked for again was not kept.

    It is also what a file raises that cannot seek (ESPIPE): glanceclient,
    requests and botocore know it, and then do as with any other stream.

    :param position: where to
    :param reason: why the data is gone
    """

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(
            f'the upload cannot go back to byte {position}: {reason}. Send '
            'the data again from its source'
        )
        self.errno = errno.ESPIPE


class SourceFailed(base.OffloadError):
    """The data of an upload could not be read.

    Not an OSError, whatever the cause is: a client that repeats what the
    network has broken must not take this for that.

    :ivar cause: the error of whoever gave the data
    """

    retriable = False

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f'the data of an upload could not be read: '
            f'{type(cause).__name__}: {cause}'
        )
        self.cause = cause


class SourceEnded(SourceFailed):
    """The data of an upload ended before its size was reached.

    :param expected: bytes that there should be
    :param actual: bytes that there were
    """

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            EOFError(f'{actual} bytes came of {expected}, and then the end')
        )
        self.expected = expected
        self.actual = actual


class SourceExceeds(SourceFailed):
    """The data of an upload goes on after its size was reached.

    :param expected: bytes that there should be
    :param actual: bytes that there are, at least
    """

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            ValueError(f'{actual} bytes and more came, not {expected}')
        )
        self.expected = expected
        self.actual = actual
