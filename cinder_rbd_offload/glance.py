# SPDX-License-Identifier: Apache-2.0
"""All that is asked of Glance.

Who asks, and how Glance is reached, is handed in, so that this module knows
nothing of Cinder; see :mod:`cinder_rbd_offload.identity`.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import contextlib
import dataclasses
import enum
from typing import Any, Protocol
import urllib.parse

from glanceclient import exc as glance_exc

# Set on an image while a task of Glance's works on it, and taken off when the
# task ends, well or not (glance/api/v2/images.py, add_location).
IMPORT_LOCK = 'os_glance_import_task'


class Call(Protocol):
    """A request to Glance.

    :param method: a method of one of glanceclient's v2 controllers
    :param controller: the controller, where it is not that of images
    :param changes: what it changes of an image
    """

    def __call__(
        self,
        method: str,
        *args: Any,
        controller: str = 'images',
        **changes: Any,
    ) -> Any: ...


class AddLocation(Protocol):
    """glanceclient's ``add_image_location``, as one who may add locations.

    :param metadata: the location API's ``validation_data``, of which Glance
        takes nothing but an empty one here
    """

    def __call__(
        self, image_id: str, url: str, metadata: Mapping[str, Any]
    ) -> Any: ...


class ImageState(enum.Enum):
    """What an image is doing, as far as an added location goes."""

    IDLE = 'queued, and no task of Glance works on it'
    BUSY = 'a task of Glance, or an upload, is under way'
    ACTIVE = 'has its data'
    OTHER = 'has data of another size than ours, or in other stores only'
    GONE = 'deleted'


# The states of an image that has its data.
TAKEN = (ImageState.ACTIVE, ImageState.OTHER)


@dataclasses.dataclass(frozen=True, slots=True)
class Store:
    """One store of Glance, as ``GET /v2/info/stores/detail`` tells it.

    :param pool: the RBD pool, where the store is of type rbd
    :param fsid: the id of that pool's cluster; Glance tells it since 2025.1
    :param chunk_size: the bytes of an object of the images that Glance makes
        there; 0 where it does not tell
    :param container: where the store is of type swift and has one for all
    """

    id: str
    type: str
    default: bool = False
    pool: str | None = None
    fsid: str | None = None
    chunk_size: int = 0
    container: str | None = None

    @property
    def place(self) -> tuple[str | None, ...]:
        """Where its data is, as far as Glance tells."""
        return self.fsid, self.pool, self.container

    @classmethod
    def from_answer(cls, answer: Mapping[str, Any]) -> 'Store':
        """Read one entry of the answer's ``stores``."""
        properties = answer.get('properties') or {}
        return cls(
            id=answer['id'],
            type=answer['type'],
            default=str(answer.get('default')).lower() == 'true',
            pool=properties.get('pool'),
            fsid=properties.get('fsid'),
            chunk_size=int(properties.get('chunk_size') or 0),
            container=properties.get('container'),
        )


class Glance:
    """The questions, for one upload.

    :param as_owner: makes a request as the user who owns the image
    :param as_service: makes a request as Cinder itself, with the role service
    """

    def __init__(
        self, as_owner: Call, as_service: Call, add_location: AddLocation
    ) -> None:
        self._as_owner = as_owner
        self._as_service = as_service
        self._add_location = add_location

    def stores(self) -> tuple[Store, ...]:
        """List the stores with their pools; needs the role service."""
        answer = self._as_service('get_stores_info_detail')
        return tuple(map(Store.from_answer, answer['stores']))

    def add_location(self, image_id: str, url: str) -> None:
        """Ask Glance to take a location.

        Glance answers before it has tried to open the location: the image's
        state tells, later. An error does not tell either: the request may
        have arrived all the same, and may have been sent twice.
        """
        self._add_location(image_id, url, {})

    def state(
        self, image_id: str, size: int, elsewhere: Collection[str] = ()
    ) -> ImageState:
        """Tell what an image is doing.

        Neither the owner nor the role service may read the locations of a
        private image. So another size, or none but other stores, is the proof
        that its data is not ours.

        :param size: the size in bytes that our data would give it
        :param elsewhere: see :func:`elsewhere`
        :raises glanceclient.exc.HTTPNotFound: when not Glance says so, but
            what stands before it
        """
        try:
            image = self._as_owner('get', image_id)
        except glance_exc.HTTPNotFound as exc:
            if not _of_image(image_id, exc):
                raise
            return ImageState.GONE
        status = image['status']
        if status in ('active', 'deactivated'):
            # Glance tells them where it has several (enabled_backends), and
            # knows of each location in which one it is.
            stores = set(filter(None, (image.get('stores') or '').split(',')))
            others = stores and stores.issubset(elsewhere)
            ours = image.get('size') == size and not others
            return ImageState.ACTIVE if ours else ImageState.OTHER
        if status in ('deleted', 'pending_delete', 'killed'):
            return ImageState.GONE
        if status == 'queued' and not image.get(IMPORT_LOCK):
            return ImageState.IDLE
        return ImageState.BUSY

    def recorded(self, image_id: str) -> tuple[int, str]:
        """Return the size and the MD5 that Glance has recorded of an image.

        :returns: bytes, and hex digits; '' where Glance records no MD5
        :raises glanceclient.exc.HTTPNotFound: when there is no such image
        """
        image = self._as_owner('get', image_id)
        return int(image.get('size') or 0), image.get('checksum') or ''

    def delete(self, image_id: str) -> None:
        """Delete an image, protected or not; fine if it is not there."""
        with contextlib.suppress(glance_exc.HTTPNotFound):
            try:
                self._as_owner('delete', image_id)
            except glance_exc.HTTPForbidden:
                # Who asks Cinder for an upload may ask for protection.
                self._as_owner('update', image_id, protected=False)
                self._as_owner('delete', image_id)

    def size_left(self) -> int | None:
        """Return the bytes that the owner's quota still has for images.

        :returns: None where there is no such quota
        """
        try:
            usage = self._as_owner('get_usage', controller='info')
        except glance_exc.HTTPNotFound:
            return None
        total = usage.get('image_size_total')
        if total is None or total['limit'] < 0:
            return None
        # Both are in MiB (glance/quota/keystone.py).
        return max(total['limit'] - total['usage'], 0) << 20

    def task_message(self, image_id: str) -> str:
        """Return what Glance's last task on an image said of its failure."""
        answer = self._as_owner('get_associated_image_tasks', image_id)
        tasks = sorted(
            answer.get('tasks', ()), key=lambda task: task['created_at']
        )
        return (tasks and tasks[-1].get('message')) or ''


def _of_image(image_id: str, answer: Exception) -> bool:
    """Tell whether it is Glance that does not find an image.

    It names the image then, in whatever language (glance/db/__init__.py). A
    proxy that has lost Glance names the path, if anything.
    """
    text = str(answer)
    return image_id in text and f'/{image_id}' not in text


def elsewhere(store: Store, stores: Iterable[Store]) -> tuple[str, ...]:
    """Return the ids of the stores whose data is in another place.

    Glance finds the store of a location by its first part. So of several in
    one place it may name any, and one whose place it does not tell may be the
    same. After it was renamed, a store is none of these.

    :param store: the one that our data is in
    """
    return tuple(
        one.id
        for one in stores
        if one.type != store.type
        or ((one.fsid or one.container) and one.place != store.place)
    )


def rbd_location(store: Store, image: str, snapshot: str) -> str:
    """Write the location of an image in a store, as Glance's RBD store does.

    Each part is quoted, so that none can pass for two
    (glance_store/_drivers/rbd.py, StoreLocation).

    :param store: a store of type rbd whose pool and fsid are known
    """
    parts = (store.fsid or '', store.pool or '', image, snapshot)
    return 'rbd://' + '/'.join(urllib.parse.quote(p, safe='') for p in parts)
