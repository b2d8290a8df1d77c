# SPDX-License-Identifier: Apache-2.0
"""Sends a request to Swift again when a fault has broken it.

swiftclient does so by itself, but it cannot replace a token that it was given,
does not repeat after a 429, and where a body cannot be read again it raises
that in place of the fault. So its own retries are off while these are made::

    no answer, 408, 429, 498, 499, 5xx    again, after a pause
    401                                   again, with a new token
    any other answer                      final
    a body that cannot be read again      final: the fault is raised
"""

from collections.abc import Callable
import http
from typing import TypeVar

from oslo_log import log as logging
import swiftclient
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import answers

LOG = logging.getLogger(__name__)

# How often a request is made, at most.
ATTEMPTS = 6

# Seconds between two attempts.
PAUSE = tenacity.wait_exponential_jitter(initial=1, max=16, jitter=1)

# The longest pause that Swift may ask for, in seconds.
LONGEST_PAUSE = 60

T = TypeVar('T')


class Sender:
    """Makes requests to one account, until they are answered.

    To glance_store's helpers, it is a connection that makes those requests
    which they make.

    :param connect: returns the connection, with a token that should do
    :param renew: sees to it that connect returns one with a new token; False
        if there is none to be had
    """

    def __init__(
        self,
        connect: Callable[[], swiftclient.Connection],
        renew: Callable[[], bool],
    ) -> None:
        self._connect = connect
        self._renew = renew
        self._unreachable = False

    def send(
        self,
        call: Callable[[swiftclient.Connection], T],
        rewind: Callable[[], object] = lambda: None,
        attempts: int = ATTEMPTS,
    ) -> T:
        """Make a request, and again after faults that pass.

        :param call: makes it
        :param rewind: called before it is made again; raises RewindRefused
            where that cannot be
        :raises swiftclient.ClientException: Swift's answer, if it is final
        :raises OSError: when there was none
        """

        def before_sleep(state: tenacity.RetryCallState) -> None:
            assert state.outcome is not None
            assert state.next_action is not None
            fault = state.outcome.exception()
            assert fault is not None
            _rewind(rewind, fault)
            LOG.warning(
                'A request to Swift is repeated in %(pause).1f s: %(fault)s',
                {'pause': state.next_action.sleep, 'fault': fault},
            )

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            stop=tenacity.stop_after_attempt(attempts),
            wait=_pause,
            before_sleep=before_sleep,
            reraise=True,
        )(self._attempt, call, rewind)

    def head_container(self, container: str) -> None:
        """Ask for a container."""
        self.send(lambda connection: connection.head_container(container))

    def put_container(self, container: str) -> None:
        """Make a container."""
        self.send(lambda connection: connection.put_container(container))

    def delete_object(self, container: str, name: str) -> None:
        """Remove an object, if it is there.

        Once Swift could not be reached, each further object is tried once.
        """
        try:
            self.send(
                lambda connection: connection.delete_object(container, name),
                attempts=1 if self._unreachable else ATTEMPTS,
            )
        except swiftclient.ClientException as error:
            if error.http_status != http.HTTPStatus.NOT_FOUND:
                raise
        except OSError:
            self._unreachable = True
            raise

    def _attempt(
        self,
        call: Callable[[swiftclient.Connection], T],
        rewind: Callable[[], object],
    ) -> T:
        try:
            return self._once(call)
        except swiftclient.ClientException as error:
            if error.http_status != http.HTTPStatus.UNAUTHORIZED:
                raise
            if not self._renew():
                raise
            _rewind(rewind, error)
        return self._once(call)

    def _once(self, call: Callable[[swiftclient.Connection], T]) -> T:
        connection = self._connect()
        retries, connection.retries = connection.retries, 0
        url, token = connection.url, connection.token
        try:
            return call(connection)
        except Exception:
            # Where the answer came before the body's end, the connection is
            # of no more use. And after a 401 it knows no account any more.
            connection.close()
            connection.url, connection.token = url, token
            raise
        finally:
            connection.retries = retries


def _rewind(rewind: Callable[[], object], fault: BaseException) -> None:
    try:
        rewind()
    except exceptions.RewindRefused as refused:
        raise fault from refused


def _passes(error: BaseException) -> bool:
    """Tell whether a fault may pass."""
    if isinstance(error, swiftclient.ClientException):
        return answers.passes(error.http_status or 0)
    # A certificate stays what it is.
    return isinstance(error, OSError) and 'certificate' not in str(error)


def _pause(state: tenacity.RetryCallState) -> float:
    assert state.outcome is not None
    fault = state.outcome.exception()
    headers = getattr(fault, 'http_response_headers', None) or {}
    return max(PAUSE(state), min(answers.pause(headers), LONGEST_PAUSE))
