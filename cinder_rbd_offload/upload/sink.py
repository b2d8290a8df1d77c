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
is deleted, as far as Glance lets it.
"""

from collections.abc import Callable
from collections.abc import Mapping
import http
from typing import Any
from typing import Protocol

from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.upload import answers
from cinder_rbd_offload.upload import body as body_
from cinder_rbd_offload.upload import patience as patience_

ImageState = glance_api.ImageState
Fault = patience_.Fault

LOG = logging.getLogger(__name__)

# Seconds between two looks at an image.
INTERVAL = 0.5

# Passing for Glance only. A conflict is what a request meets while a broken
# one is still at work, or after it was carried out. A token that has expired
# is replaced when it is refused.
_PASSING = (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.CONFLICT)

# Characters of an answer that is not in Glance's form.
_DETAIL = 300


class Put(Protocol):
    """Sends a body as an image's data, as the image's owner.

    :raises keystoneauth1.exceptions.ClientException: when there is no answer
    """

    def __call__(
        self, image_id: str, body: body_.Body, headers: Mapping[str, str]
    ) -> Any: ...


class GlanceSink:
    """One image's upload to Glance.

    :param put: sends the data
    :param glance: asks as the image's owner
    :param headers: those that choose a store, and the like
    :param patience: its attempts are how often data is sent, at most
    :param check: raises what is to end the upload
    :param reject: called before an image is deleted that has other data than
        was sent; it raises nothing
    """

    def __init__(
        self,
        put: Put,
        glance: glance_api.Glance,
        image_id: str,
        headers: Mapping[str, str],
        patience: patience_.Patience,
        check: Callable[[], None],
        reject: Callable[[], None] = lambda: None,
    ) -> None:
        self._put = put
        self._glance = glance
        self._image_id = image_id
        self._headers = headers
        self._patience = patience
        self._check = check
        self._reject = reject
        self._attempts = 0
        # When a broken request has to be over.
        self._until: float | None = None

    def send(self, body: body_.Body) -> None:
        """Send the data until the image is active with it.

        :raises NoRoom: when it would exceed a limit of Glance's
        :raises ImageGone: when the image was deleted
        :raises ImageTaken: when other data made it active
        :raises UploadMismatch: when Glance recorded other data; the error
            tells whether the image is deleted
        :raises UploadFailed: when it failed otherwise
        """
        try:
            acknowledged = self._patience.run(
                lambda: self._attempt(body), self._check, self._say
            )
        except Fault as fault:
            raise self._failed(fault) from fault
        self._verify(body, acknowledged)

    def _attempt(self, body: body_.Body) -> bool:
        """Send the data once; tell whether Glance said that it has it.

        :raises Fault: when it has not, but might if asked again
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
            fault = Fault(str(exc))
        fault.flowed = body.sent > 0
        self._attempts += fault.flowed
        if fault.flowed or self._until is None:
            self._until = self._patience.now() + self._patience.seconds
        self._await_idle(body.sent, fault, self._until)
        return False

    def _judge(self, response: Any, size: int) -> Fault:
        """Return the fault that an answer tells of; raise what is final."""
        status = response.status_code
        reason = f'HTTP {status} {_detail(response) or response.reason}'
        if status == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise exceptions.NoRoom(
                self._image_id, size, f'Glance refuses it: {reason}'
            )
        if status in _PASSING or answers.passes(status):
            return Fault(reason, answers.pause(response.headers))
        if status in (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE):
            # The one question that it leaves open has its answer there.
            return Fault(reason)
        raise exceptions.UploadFailed(
            self._image_id, reason, self._attempts + 1
        )

    def _await_idle(self, size: int, fault: Fault, until: float) -> None:
        """Wait until an image shows what an attempt has come to.

        :param until: for how long, at most
        :returns: when the image is active, with whatever data
        :raises Fault: the one given, when the data may be sent again
        """
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
            idle = state is ImageState.IDLE
            if idle and self._attempts < self._patience.attempts:
                raise fault
            if idle or self._patience.now() >= until:
                raise self._failed(fault) from fault
            self._patience.wait(INTERVAL, self._check)

    def _verify(self, body: body_.Body, acknowledged: bool) -> None:
        """Compare what Glance has recorded with what was read."""
        try:
            size, md5 = self._patience.run(
                self._recorded, self._check, self._say_quietly
            )
        except Fault as fault:
            reason = f'Glance does not tell what it has got: {fault}'
            raise self._failed(reason) from fault
        # Before the end, what was sent is not the image's data: a request that
        # was refused at once has sent none, and an empty image is no success.
        # A Glance without MD5 records none.
        if body.whole and size == body.sent and md5 in ('', body.md5()):
            return
        if not acknowledged:
            raise exceptions.ImageTaken(self._image_id)
        self._reject()
        raise exceptions.UploadMismatch(
            self._image_id,
            (body.sent, body.md5()),
            (size, md5),
            self._delete(),
        )

    def _recorded(self) -> tuple[int, str]:
        try:
            return self._glance.recorded(self._image_id)
        except glance_exc.HTTPNotFound as exc:
            raise exceptions.ImageGone(self._image_id) from exc
        except Exception as exc:
            raise Fault(str(exc)) from exc

    def _delete(self) -> str:
        """Delete the image; return why that was not possible, or ''."""

        def once() -> None:
            try:
                self._glance.delete(self._image_id)
            except glance_exc.HTTPForbidden:
                raise
            except Exception as exc:
                raise Fault(str(exc)) from exc

        try:
            # Whatever is to end the upload, this image must not stay.
            self._patience.run(once, lambda: None, self._say_quietly)
        except (Fault, glance_exc.HTTPForbidden) as exc:
            return str(exc)
        return ''

    def _failed(self, reason: object) -> exceptions.UploadFailed:
        return exceptions.UploadFailed(
            self._image_id, str(reason), self._attempts
        )

    def _say(self, fault: Fault, pause: float) -> None:
        LOG.warning(
            'The upload of image %(image)s broke off and begins again in '
            '%(pause).1f s: %(error)s',
            {'image': self._image_id, 'pause': pause, 'error': fault},
        )

    def _say_quietly(self, fault: Fault, _pause: float) -> None:
        LOG.debug('Asking of image %s: %s', self._image_id, fault)


def _detail(response: Any) -> str:
    """Return what an answer says of an error."""
    try:
        error = glance_exc.from_response(response, response.content)
    # What a proxy answers in Glance's place need not have its form.
    except (AttributeError, KeyError, TypeError, ValueError):
        return ' '.join(response.text[:_DETAIL].split())
    return str(error.details or '')
