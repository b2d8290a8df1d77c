# SPDX-License-Identifier: Apache-2.0
"""What becomes of an upload that others go on with."""

from cinder_rbd_offload.exceptions import base


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
