# SPDX-License-Identifier: Apache-2.0
"""Hands finished data to Glance, and learns whether Glance took it.

Glance takes a location in a task that runs after the request was answered,
so neither a good answer nor an error says how it ended. The image does::

    active, as ours would be  taken
    active, otherwise         the user gave it other data
    queued, import lock set   the task runs
    queued, no import lock    the task failed, or the request never arrived
    not found                 the user deleted the image

Otherwise is with another size, or in none of the stores that ours may be in.

An idle image, which is queued without the lock, is offered the location again
a few times: an offer too many is refused, and does no harm. But a request that
is still on its way could arrive at any later time. So before the data may be
removed it is withdrawn, so that the location names nothing any more, and the
image is looked at again: if it is still idle, no task can succeed from here
on. If a task got in between, the data is put back, the same as before, and the
wait goes on.

While Glance cannot be asked, nothing is concluded. At the deadline the
outcome is unknown and the data stays.
"""

from collections.abc import Callable
from collections.abc import Collection
import time
from typing import Protocol

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api

ImageState = glance_api.ImageState

LOG = logging.getLogger(__name__)

# Seconds between two looks at the image. The task takes 0.1 to 0.2 s on an
# idle Glance, and a look 0.02 s.
INTERVAL = 0.1

# How often a location is offered, and the seconds before the second offer; the
# third comes after twice as many, and so on. Of several at once Glance loses
# some to deadlocks in its database: as an error 500, or as a task that fails.
OFFERS = 4
PAUSE = 0.25


class Data(Protocol):
    """What a location names."""

    def withdraw(self) -> None:
        """Have the location name nothing; fine if it does not."""
        ...

    def restore(self) -> None:
        """Have the location name the data again; fine if it does."""
        ...


class Sealed:
    """Data that is an RBD image, whose location names a snapshot of it.

    :param pool: Glance's pool
    :param image: the RBD image
    """

    def __init__(self, pool: ceph.Pool, image: str) -> None:
        self._pool = pool
        self._image = image

    def withdraw(self) -> None:
        """Take the snapshot away."""
        self._pool.drop_snapshot(self._image, ceph.GLANCE_SNAPSHOT)

    def restore(self) -> None:
        """Have the snapshot there."""
        self._pool.seal(self._image)


class Publication:
    """One image's way to ``active``.

    :param data: whole, and where the location says
    :param image_id: the Glance image
    :param url: the location that names the data
    :param elsewhere: the stores that it is not in; see ``glance.elsewhere``
    :param timeout: seconds that Glance has
    :param now: a monotonic clock, in seconds
    :param sleep: waits for a number of seconds
    """

    def __init__(
        self,
        glance: glance_api.Glance,
        data: Data,
        image_id: str,
        url: str,
        elsewhere: Collection[str],
        timeout: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._glance = glance
        self._data = data
        self._image_id = image_id
        self.url = url
        self._elsewhere = elsewhere
        self._timeout = timeout
        self._now = now
        self._sleep = sleep
        # Both are False where a step began and nobody saw it end.
        self._usable, self._withdrawn = True, False

    def run(self, size: int) -> None:
        """Register the location and wait until the image is active.

        After a refusal it can be run again; what was withdrawn is put back.

        :param size: the size of the data in bytes
        :raises LocationRefused: when Glance will not take it; the data may
            be removed and the image uploaded in another way
        :raises ImageGone: when the image was deleted; remove the data
        :raises ImageTaken: when other data made it active; remove the data
        :raises LocationUnknown: when Glance gave no clear answer in time;
            the data must stay
        """
        try:
            if not self._usable:
                self._restore()
            self._run(size)
        except (exceptions.NotPublished, exceptions.TakenOver):
            raise
        except BaseException as exc:
            if not self._usable:
                self._try(self._restore)
            known = isinstance(exc, exceptions.LocationUnknown)
            if known or not isinstance(exc, Exception):
                raise
            raise exceptions.LocationUnknown(
                self._image_id, self.url, self._timeout
            ) from exc

    def _run(self, size: int) -> None:
        deadline = self._now() + self._timeout
        reason = self._offer()
        offers = 1
        while self._now() < deadline:
            state = self._state(size)
            if state is ImageState.GONE:
                raise exceptions.ImageGone(self._image_id)
            if state is ImageState.OTHER:
                raise exceptions.ImageTaken(self._image_id)
            if state is ImageState.IDLE and self._withdrawn:
                raise exceptions.LocationRefused(
                    self.url, reason or self._task_message()
                )
            if state is ImageState.IDLE and offers < OFFERS:
                self._sleep(PAUSE * offers)
                reason = self._offer()
                offers += 1
                continue
            if state is ImageState.IDLE:
                self._try(self._withdraw)
                continue
            if state is not None and not self._usable:
                self._try(self._restore)
            if state is ImageState.ACTIVE and self._usable:
                return
            self._sleep(INTERVAL)
        raise exceptions.LocationUnknown(
            self._image_id, self.url, self._timeout
        )

    def _offer(self) -> str:
        """Send the request; return what went wrong, which proves nothing."""
        try:
            self._glance.add_location(self._image_id, self.url)
        except exceptions.TakenOver:
            raise
        except Exception as exc:
            LOG.debug('Adding a location to image %s: %r', self._image_id, exc)
            return f'{type(exc).__name__}: {exc}'
        return ''

    def _state(self, size: int) -> ImageState | None:
        """Look at the image; None while Glance cannot be asked."""
        try:
            return self._glance.state(self._image_id, size, self._elsewhere)
        except Exception as exc:
            LOG.debug('Looking at image %s: %r', self._image_id, exc)
            return None

    def _withdraw(self) -> None:
        """Make the location unusable for any task that starts from now on."""
        self._usable = False
        self._data.withdraw()
        self._withdrawn = True

    def _restore(self) -> None:
        """Make the location usable again, for a task that is under way."""
        self._withdrawn = False
        self._data.restore()
        self._usable = True

    def _try(self, step: Callable[[], None]) -> None:
        """Take a step; one that fails is due again after the next look."""
        try:
            step()
        except exceptions.TakenOver:
            raise
        # Whatever it is, the outcome is open, and that must not be left so.
        except Exception as exc:
            LOG.debug('Image %s: %s', self._image_id, exc)
            self._sleep(INTERVAL)

    def _task_message(self) -> str:
        try:
            message = self._glance.task_message(self._image_id)
        # It only adorns an error that is reported anyway.
        except Exception as exc:
            message = f'and does not tell why ({exc})'
        return message or 'without a message'
