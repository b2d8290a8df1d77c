# SPDX-License-Identifier: Apache-2.0
"""Sends a request to Swift again when a fault has broken it.

swiftclient does so by itself, but it cannot replace a token that it was given,
does not repeat after a 429, and where a body cannot be read again it raises
that in place of the fault. So its own retries are off while these are made::

    no answer, 408, 429, 498, 499, 5xx    again, after a pause
    401 of Swift                          again, with a new token
    any other answer                      final
    a body that cannot be read again      final: the fault is raised

The first line is that of Keystone as well, which a token comes from.
"""

from collections.abc import Callable
from collections.abc import Iterable
import http
import math
import operator
import time
from typing import TypeVar

from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging
import swiftclient
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import answers
from cinder_rbd_offload.upload import swift_faults

LOG = logging.getLogger(__name__)

# How often a request is made, at most.
ATTEMPTS = 6

# How many tokens one attempt takes, before Swift's refusal is final.
TOKENS = 3

# Seconds between two attempts.
PAUSE = tenacity.wait_exponential_jitter(initial=1, max=16, jitter=1)

# The longest pause that Swift may ask for, in seconds.
LONGEST_PAUSE = 60

# Seconds that faults may hold up the removal of a failed upload's objects.
CLEAN_UP = 300

T = TypeVar('T')

Stop = Callable[[tenacity.RetryCallState], bool]

_STOP = tenacity.stop_after_attempt(ATTEMPTS)


class Sender:
    """Makes requests to one account, until they are answered.

    To glance_store's helpers, it is a connection that makes those requests
    which they make.

    :param connect: returns the connection, with a token that should do;
        raises keystoneauth's errors where Keystone gives none
    :param renew: sees to it that connect returns one with a new token; False
        if there is none to be had
    :param sleep: waits for a number of seconds
    :param now: a monotonic clock, in seconds
    """

    def __init__(
        self,
        connect: Callable[[], swiftclient.Connection],
        renew: Callable[[], bool],
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._renew = renew
        self._sleep = sleep
        self._now = now

    def send(
        self,
        call: Callable[[swiftclient.Connection], T],
        rewind: Callable[[], object] = lambda: None,
        stop: Stop = _STOP,
    ) -> T:
        """Make a request, and again after faults that pass.

        :param call: makes it
        :param rewind: called before it is made again; raises RewindRefused
            where that cannot be
        :param stop: told of each fault that passes, tells whether it is final
        :raises swiftclient.ClientException: Swift's answer, if it is final
        :raises keystoneauth1.exceptions.ClientException: when Keystone gives
            no token
        :raises OSError: when there was no answer
        """

        def before_sleep(state: tenacity.RetryCallState) -> None:
            assert state.next_action is not None
            fault = _fault(state)
            _rewind(rewind, fault)
            LOG.warning(
                'A request to Swift is repeated in %(pause).1f s: %(fault)s',
                {'pause': state.next_action.sleep, 'fault': fault},
            )

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(_passes),
            stop=stop,
            wait=_pause,
            sleep=self._sleep,
            before_sleep=before_sleep,
            reraise=True,
        )(self._attempt, call, rewind)

    def head_container(self, container: str) -> None:
        """Ask for a container."""
        self.send(lambda connection: connection.head_container(container))

    def put_container(self, container: str) -> None:
        """Make a container."""
        self.send(lambda connection: connection.put_container(container))

    def list_objects(self, container: str, prefix: str) -> list[str]:
        """Return the names of all objects that begin so."""
        _headers, found = self.send(
            lambda connection: connection.get_container(
                container, prefix=prefix, full_listing=True
            )
        )
        return [each['name'] for each in found]

    def delete_object(self, container: str, name: str) -> None:
        """Remove an object, or find that it is gone."""
        try:
            self.send(operator.methodcaller('delete_object', container, name))
        except swiftclient.ClientException as error:
            if not _answers(error, http.HTTPStatus.NOT_FOUND):
                raise

    def delete_container(self, container: str) -> None:
        """Remove a container if it is empty; say in the log if that fails."""
        try:
            self.send(
                operator.methodcaller('delete_container', container),
                stop=_STOP | tenacity.stop_after_delay(CLEAN_UP),
            )
        # As with objects. One that is not empty has somebody's.
        except Exception as error:
            if not _answers(
                error, http.HTTPStatus.NOT_FOUND, http.HTTPStatus.CONFLICT
            ):
                LOG.warning(
                    'A failed upload may have left container %(container)s: '
                    '%(cause)s',
                    {'container': container, 'cause': error},
                )

    def delete_objects(self, container: str, names: Iterable[str]) -> bool:
        """Remove objects, and say in the log which are left.

        Once a fault has outlasted its attempts, each further object is tried
        once. When CLEAN_UP seconds have gone by since the first fault, no
        more are: as many objects as there may be, the client waits.

        :returns: whether all of them are gone
        """
        attempts = ATTEMPTS
        first = math.inf
        cause: BaseException | None = None
        left = []

        def late() -> bool:
            return self._now() - first >= CLEAN_UP

        def stop(state: tenacity.RetryCallState) -> bool:
            nonlocal first, cause
            first = min(first, self._now())
            cause = _fault(state)
            return state.attempt_number >= attempts or late()

        for name in names:
            if late():
                left.append(name)
                continue
            delete = operator.methodcaller('delete_object', container, name)
            try:
                self.send(delete, stop=stop)
            # What the upload ended with is raised, and none of these.
            except Exception as error:
                if _answers(error, http.HTTPStatus.NOT_FOUND):
                    continue
                left.append(name)
                cause = error
                if _passes(error):
                    attempts = 1
        if left:
            LOG.warning(
                'A failed upload may have left %(count)d objects in container '
                '%(container)s, from %(first)s to %(last)s: %(cause)s',
                {
                    'count': len(left),
                    'container': container,
                    'first': min(left),
                    'last': max(left),
                    'cause': cause,
                },
            )
        return not left

    def _attempt(
        self,
        call: Callable[[swiftclient.Connection], T],
        rewind: Callable[[], object],
    ) -> T:
        for _token in range(TOKENS - 1):
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


def _fault(state: tenacity.RetryCallState) -> BaseException:
    """Return what an attempt ended with."""
    assert state.outcome is not None
    fault = state.outcome.exception()
    assert fault is not None
    return fault


def _answers(error: Exception, *statuses: int) -> bool:
    """Tell whether it is Swift's answer, and one of these."""
    return (
        isinstance(error, swiftclient.ClientException)
        and error.http_status in statuses
    )


def _passes(error: BaseException) -> bool:
    """Tell whether a fault may pass."""
    if isinstance(error, swiftclient.ClientException):
        return answers.passes(error.http_status or 0)
    if isinstance(error, ks_exceptions.ClientException):
        meaning = swift_faults.translate(error, 'a request to Keystone')
        return isinstance(meaning, swift_faults.Fault)
    # A certificate stays what it is.
    return isinstance(error, OSError) and 'certificate' not in str(error)


def _pause(state: tenacity.RetryCallState) -> float:
    headers = getattr(_fault(state), 'http_response_headers', None) or {}
    return max(PAUSE(state), min(answers.pause(headers), LONGEST_PAUSE))
