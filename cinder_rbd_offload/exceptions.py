# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, in one tree.

::

    OffloadError
    +-- CephError            a Ceph operation failed
    |   +-- CephNotPermitted the cephx user lacks a capability
    |   +-- CephUnreachable  there is no connection to the cluster
    |   +-- ImageExists      the image's name is taken in Glance's pool
    +-- BindingsMissing      Ceph's Python modules are not installed
    +-- ConfigUnusable       cinder.conf does not say what is needed of it
    +-- ConversionFailed     a program that converts or compresses has failed
    |   +-- NoSpace          its temporary file did not fit
    +-- FormatDoubtful       Glance should judge the data as it uploads it
    +-- NoRoom               the image would exceed a limit
    +-- NotPublished         Glance has not taken the data, and never will
    |   +-- LocationRefused  Glance did not take the location
    |   +-- ImageGone        the image was deleted while it was being made
    |   +-- ImageTaken       the image became active with other data
    +-- LocationUnknown      Glance may or may not have taken the location
    +-- TakenOver            another host has taken the upload over
    +-- SwiftError           an upload straight to Swift failed
    |   +-- SwiftFull        there is no room for it
    |   +-- SwiftLost        the faults lasted too long
    |   +-- SwiftRefused     Swift does not take it, and never will
    +-- NotDelegated         nobody may ask Glance on the owner's behalf
    +-- NotUndone            what a failed upload has left could not be removed
    +-- UploadFailed         Glance has not got the data that was sent
    +-- UploadMismatch       Glance has recorded other data than was sent
    +-- SpoolFull            there is no room to keep an upload's data
    +-- RewindRefused        data that is asked for again was not kept
    +-- SourceFailed         the data of an upload could not be read
    |   +-- SourceEnded      it ended before its size was reached
    |   +-- SourceExceeds    it goes on after its size was reached

Every message names the cause and the remedy. ``retriable`` answers the one
question that the caller has: may the same image be uploaded in the ordinary
way now? Where it is true, whatever the offload had made has been undone.
"""

import errno
import io


class OffloadError(Exception):
    """Root of the tree; never raised itself."""

    retriable = True


class CephError(OffloadError):
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
        OffloadError.__init__(
            self,
            f'{doing} is not permitted: the cephx user of this backend '
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
        OffloadError.__init__(
            self,
            f'connecting to the Ceph cluster of '
            f'{conf or "the default ceph.conf"} as client.{user or "admin"} '
            f'failed: {type(cause).__name__}: {cause}. Check rbd_ceph_conf, '
            'rbd_user and rbd_cluster_name in cinder.conf, that the keyring '
            'can be read, and that this host reaches the monitors',
        )


class BindingsMissing(OffloadError):
    """Ceph's Python modules are not installed.

    :param cause: the error of the import
    """

    def __init__(self, cause: ImportError) -> None:
        super().__init__(
            f"Ceph's Python modules cannot be imported: {cause}. Install the "
            "distribution's packages python3-rados and python3-rbd (PyPI has "
            'none), and use a Python environment that sees them'
        )


class ConfigUnusable(OffloadError):
    """cinder.conf does not say what is needed of it.

    :param reason: what is wrong, and the remedy
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"Cinder's configuration cannot be used: {reason}")


class ConversionFailed(OffloadError):
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
        OffloadError.__init__(
            self,
            f'{doing} failed: {self.cause}. Free some, or have '
            'image_conversion_dir in cinder.conf name a larger file system',
        )


class ImageExists(CephError):
    """An RBD image of the image's id exists already, and is not ours."""

    def __init__(self, pool: str, image: str) -> None:
        OffloadError.__init__(
            self,
            f'{pool}/{image} exists already and was left alone: if no '
            'image in Glance uses it, remove it',
        )


class FormatDoubtful(OffloadError):
    """The data has a format that Glance might refuse; it is to judge.

    :param reason: what was found
    """

    def __init__(self, volume: str, reason: str) -> None:
        super().__init__(
            f'{volume} is not plainly a raw disk: {reason}. Glance inspects '
            'what it is sent, and decides'
        )


class NoRoom(OffloadError):
    """The image would exceed a limit, and in the ordinary way as well."""

    retriable = False

    def __init__(self, image_id: str, size: int, limit: str) -> None:
        super().__init__(
            f'image {image_id} would have {size} bytes, and {limit}'
        )


class NotPublished(OffloadError):
    """Glance has not taken the data, and never will: it may be removed."""


class LocationRefused(NotPublished):
    """Glance did not take the location, and can no longer do so.

    :param reason: what Glance said, as far as it said anything
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f'Glance refused the location {url}: {reason}. Check that '
            "Glance's cephx user can read it, that the image service user "
            'has the role service, and see the log of glance-api'
        )


class ImageGone(NotPublished):
    """The image was deleted in Glance while its data was being made."""

    retriable = False

    def __init__(self, image_id: str) -> None:
        super().__init__(
            f'image {image_id} was deleted in Glance during the upload; '
            'nothing is left of it'
        )


class ImageTaken(NotPublished):
    """Somebody else gave the image its data; ours was removed again."""

    retriable = False

    def __init__(self, image_id: str) -> None:
        super().__init__(
            f'image {image_id} became active with data from elsewhere '
            'during the upload; upload the volume again as a new image'
        )


class LocationUnknown(OffloadError):
    """Whether Glance took the location could not be learnt in time.

    The data is kept: an active image may point to it.
    """

    retriable = False

    def __init__(self, image_id: str, url: str, seconds: float) -> None:
        super().__init__(
            f'Glance did not say within {seconds:.0f} s whether image '
            f'{image_id} took the location {url}. The data is kept, and once '
            'Glance answers, recovery keeps or removes it by what it says'
        )


class TakenOver(OffloadError):
    """Another host has taken this one for dead, and finishes its work."""

    retriable = False

    def __init__(self, image_id: str) -> None:
        super().__init__(
            f'the upload of image {image_id} was taken over by another host '
            'that shares the pool, since this one gave no sign of life; the '
            'image shows how it ends'
        )


class NotDelegated(OffloadError):
    """Whether an image took its data can only its owner see."""

    retriable = False

    def __init__(self, image_id: str, url: str) -> None:
        super().__init__(
            f'whether image {image_id} is active with the data at {url} can '
            'only its owner see. Give the user of [glance] or [service_user] '
            'in cinder.conf the role admin, and recovery sees it as well'
        )


class NotUndone(OffloadError):
    """The upload failed, and so did the removal of what it had made.

    The journal has it; the recovery of any host of the back end goes on.
    """

    retriable = False

    def __init__(self, image_id: str, cause: Exception) -> None:
        super().__init__(
            f'the upload of image {image_id} failed: {cause}. What it has '
            'left is removed once Ceph can be reached'
        )


class UploadFailed(OffloadError):
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


class UploadMismatch(OffloadError):
    """Glance has recorded other data than was sent; the image is deleted.

    :param sent: size in bytes and MD5 of what was read
    :param recorded: those that Glance has recorded
    """

    retriable = False

    def __init__(
        self, image_id: str, sent: tuple[int, str], recorded: tuple[int, str]
    ) -> None:
        super().__init__(
            f'image {image_id} has {recorded[0]} bytes of MD5 {recorded[1]}, '
            f'where {sent[0]} bytes of MD5 {sent[1]} were sent, so it was '
            'deleted. The network or a store corrupts data: find out which '
            'before you upload the volume again'
        )


class SwiftError(OffloadError):
    """An upload straight to Swift failed."""


class SwiftFull(SwiftError):
    """Swift has no room for the image, and Glance would find none either.

    :param doing: what was attempted, for example ``writing an-object``
    :param answer: what Swift said
    """

    retriable = False

    def __init__(self, doing: str, answer: str) -> None:
        super().__init__(
            f'{doing} failed, because Swift has no room: {answer}. Look at '
            "the quotas of the account and of the container of Glance's "
            'store, and at the disks of the cluster'
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
            "credentials of Glance's store, and that the store's container "
            'exists'
        )


class SpoolFull(OffloadError):
    """There is no room to keep an upload's data.

    :param reason: what is used up
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f'there is no room in the upload buffer: {reason}')


class RewindRefused(OffloadError, io.UnsupportedOperation):
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


class SourceFailed(OffloadError):
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
