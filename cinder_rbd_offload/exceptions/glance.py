# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in Glance, or with what it has."""

from cinder_rbd_offload.exceptions import base


class FormatDoubtful(base.OffloadError):
    """The data has a format that an ordinary upload might refuse.

    :param reason: what was found
    """

    def __init__(self, volume: str, reason: str) -> None:
        super().__init__(
            f'{volume} is not plainly a raw disk: {reason}. The checks of an '
            'ordinary upload decide about it'
        )


class NoRoom(base.OffloadError):
    """The image would exceed a limit, and in any other way as well."""

    retriable = False

    def __init__(self, image_id: str, size: int, limit: str) -> None:
        super().__init__(
            f'image {image_id} would have {size} bytes, and {limit}'
        )


class PoolFull(NoRoom):
    """The pool of Glance's store has no room for the image."""


class NotPublished(base.OffloadError):
    """Glance has not taken the data, and never will: it may be removed."""


class LocationRefused(NotPublished):
    """Glance did not take the location, and can no longer do so.

    :param reason: what Glance said, as far as it said anything
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f'Glance refused the location {url}: {reason}. Check that the '
            "credentials of Glance's store can read it, that the user of "
            '[service_user] (or of [glance], where that names one) in '
            'cinder.conf has the role service, and see the log of glance-api'
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


class LocationUnknown(base.OffloadError):
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


class NotDelegated(base.OffloadError):
    """Only its owner can see whether an image took its data."""

    retriable = False

    def __init__(self, image_id: str, url: str) -> None:
        super().__init__(
            f'only the owner of image {image_id} can see whether it is '
            f'active with the data at {url}. Give the user of [glance] in '
            'cinder.conf, or where that names none the user of '
            '[service_user], the role admin, and recovery sees it as well'
        )
