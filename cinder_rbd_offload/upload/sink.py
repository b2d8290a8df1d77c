# SPDX-License-Identifier: Apache-2.0
"""Sends an image's data to Glance, until Glance has it whole.

Glance keeps nothing of an upload that broke off, so each attempt begins at
the start of the source. What an error means, the image tells, once Glance has
done with the broken request::

    queued            Glance has dropped what arrived: the data is sent again
    saving            the broken request is still at work: wait
    active            the answer was lost; the checksum tells whose data it is
    not found         the user deleted the image

At the end the size and the checksum that Glance has recorded are compared
with what was read. An image that Glance has acknowledged, and that differs,
is deleted.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import http
import time
from typing import Any
from typing import Protocol

from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import answers

ImageState = glance_api.ImageState

LOG = logging.getLogger(__name__)

# Seconds between two looks at an image.
INTERVAL = 0.5

# The longest pause before a further attempt, in seconds, if Glance names none.
LONGEST_PAUSE = 30

# Passing for Glance only. A conflict is what a request meets while a broken
# one is still at work, or after it was carried out. A token that has expired
# is replaced when it is refused.
_PASSING = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.CONFLICT)


class Put(Protocol):
    """Sends a body as an image's data, as the image's owner.

    :raises keystoneauth1.exceptions.ClientException: when there is no answer
    """

    def __call__(
        self, image_id: str, body: body_.Body, headers: Mapping[str, str]
    ) -> Any: ...


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long faults are borne.

    :param attempts: how often data is sent, at most
    :param seconds: how long no data may flow because of faults
    :param now: a monotonic clock, in seconds
    :param sleep: waits for a number of seconds
    """

    attempts: int
    seconds: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class _Fault(Exception):
    """An attempt broke off; another may succeed.

    :param pause: seconds that Glance wants to be left alone, or 0
    """

    def __init__(self, reason: str, pause: float = 0) -> None:
        super().__init__(reason)
        self.pause = pause


class GlanceSink:
    """One image's upload to Glance.

    :param put: sends the data
    :param glance: asks as the image's owner
    :param headers: those that choose a store, and the like
    :param check: raises what is to end the upload
    """

    def __init__(
        self,
        put: Put,
        glance: glance_api.Glance,
        image_id: str,
        headers: Mapping[str, str],
        patience: Patience,
        check: Callable[[], None],
    ) -> None:
        self._put = put
        self._glance = glance
        self._image_id = image_id
        self._headers = headers
        self._patience = patience
        self._check = check
        self._attempts = 0
        self._flowed = patience.now()

    def send(self, body: body_.Body) -> None:
        """Send the data until the image is active with it.

        :raises NoRoom: when it would exceed a limit of Glance's
        :raises ImageGone: when the image was deleted
        :raises ImageTaken: when other data made it active
        :raises UploadMismatch: when Glance recorded other data; the image is
            deleted
        :raises UploadFailed: when it failed otherwise
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Fault),
            stop=lambda _state: self._exhausted(),
            wait=self._pause,
            before_sleep=self._say,
            sleep=self._patience.sleep,
            reraise=True,
        )
        try:
            acknowledged = retrying(self._attempt, body)
        except _Fault as fault:
            raise exceptions.UploadFailed(
                self._image_id, str(fault), self._attempts
            ) from fault
        self._verify(body, acknowledged)

    def _attempt(self, body: body_.Body) -> bool:
        """Send the data once; tell whether Glance said that it has it.

        :raises _Fault: when it has not, but might if asked again
        """
        self._check()
        headers = dict(self._headers)
        if body.len is not None:
            headers['x-openstack-image-size'] = str(body.len)
        body.sent = 0
        try:
            response = self._put(self._image_id, body, headers)
            if response.ok:
                return True
            fault = self._judge(response, body.len or body.sent)
        except ks_exceptions.ClientException as exc:
            fault = _Fault(str(exc))
        finally:
            if body.sent:
                self._attempts += 1
                self._flowed = self._patience.now()
        self._await_idle(body.sent, fault)
        return False

    def _judge(self, response: Any, size: int) -> _Fault:
        """Return the fault that an answer tells of; raise what is final."""
        status = response.status_code
        error = glance_exc.from_response(response, response.content)
        reason = f'HTTP {status} {error.details or response.reason}'
        if status == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise exceptions.NoRoom(
                self._image_id, size, f'Glance refuses it: {reason}'
            )
        if status in _PASSING or answers.passes(status):
            return _Fault(reason, answers.pause(response.headers))
        if status in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
            # The one question that it leaves open has its answer there.
            return _Fault(reason)
        raise exceptions.UploadFailed(
            self._image_id, reason, self._attempts + 1
        )

    def _await_idle(self, size: int, fault: _Fault) -> None:
        """Wait until an image shows what an attempt has come to.

        :returns: when the image is active, with whatever data
        :raises _Fault: the one given, when the data may be sent again
        """
        deadline = self._patience.now() + self._patience.seconds
        while True:
            self._check()
            try:
                state = self._glance.state(self._image_id, size)
            # Glance may be away altogether.
            except Exception as exc:
                LOG.debug('Looking at image %s: %r', self._image_id, exc)
                state = ImageState.BUSY
            if state is ImageState.GONE:
                raise exceptions.ImageGone(self._image_id) from fault
            if state in glance_api.TAKEN:
                return
            if state is ImageState.IDLE:
                raise fault
            if self._patience.now() > deadline:
                raise exceptions.UploadFailed(
                    *(self._image_id, str(fault), self._attempts)
                ) from fault
            self._patience.sleep(INTERVAL)

    def _verify(self, body: body_.Body, acknowledged: bool) -> None:
        """Compare what Glance has recorded with what was read."""
        deadline = self._patience.now() + self._patience.seconds
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_not_exception_type(
                glance_exc.HTTPNotFound
            ),
            stop=lambda _state: self._patience.now() > deadline,
            wait=tenacity.wait_fixed(INTERVAL),
            sleep=self._patience.sleep,
            reraise=True,
        )
        try:
            size, md5 = retrying(self._glance.recorded, self._image_id)
        except glance_exc.HTTPNotFound as exc:
            raise exceptions.ImageGone(self._image_id) from exc
        except Exception as exc:
            reason = f'Glance does not tell what it has got: {exc}'
            raise exceptions.UploadFailed(
                self._image_id, reason, self._attempts
            ) from exc
        # A Glance without MD5 records none.
        if size == body.sent and md5 in ('', body.md5()):
            return
        if not acknowledged:
            raise exceptions.ImageTaken(self._image_id)
        self._glance.delete(self._image_id)
        raise exceptions.UploadMismatch(
            self._image_id, (body.sent, body.md5()), (size, md5)
        )

    def _exhausted(self) -> bool:
        waited = self._patience.now() - self._flowed
        return (
            self._attempts >= self._patience.attempts
            or waited > self._patience.seconds
        )

    def _pause(self, state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        fault = state.outcome.exception()
        assert isinstance(fault, _Fault)
        return fault.pause or tenacity.wait_random_exponential(
            multiplier=1, max=LONGEST_PAUSE
        )(state)

    def _say(self, state: tenacity.RetryCallState) -> None:
        assert state.outcome is not None and state.next_action is not None
        LOG.warning(
            'The upload of image %(image)s broke off and begins again in '
            '%(pause).1f s: %(error)s',
            {
                'image': self._image_id,
                'pause': state.next_action.sleep,
                'error': state.outcome.exception(),
            },
        )
