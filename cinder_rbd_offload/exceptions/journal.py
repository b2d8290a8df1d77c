# SPDX-License-Identifier: Apache-2.0
"""What becomes of an upload that others go on with."""

from cinder_rbd_offload.exceptions import base


class EntryUnknown(base.OffloadError):
    """An entry may or may not be in the journal.

    If it is, recovery will delete the image under whoever uploads it.

    :param image_id: the Glance image
    :param cause: the error of the writing
    """

    retriable = False

    def __init__(self, image_id: str, cause: Exception) -> None:
        super().__init__(
            f'the upload of image {image_id} could not be entered in the '
            f'journal, and it is unknown what of it is there: {cause}. '
            'Nothing was uploaded; upload the volume again when Ceph answers'
        )


class TakenOver(base.OffloadError):
    """Another host has taken this one for dead, and finishes its work."""

    retriable = False

    def __init__(self, image_id: str) -> None:
        super().__init__(
            f'the upload of image {image_id} was taken over by another host '
            'that shares the pool, since this one gave no sign of life; the '
            'image shows how it ends'
        )


class NotUndone(base.OffloadError):
    """The upload failed, and so did the removal of what it had made.

    The journal has it; the recovery of any host of the back end goes on.
    """

    retriable = False

    def __init__(self, image_id: str, cause: Exception) -> None:
        super().__init__(
            f'the upload of image {image_id} failed: {cause}. What it has '
            'left is removed once the storage can be reached'
        )
