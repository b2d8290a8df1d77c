# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between here and Swift, and when to try again.

Retried with pauses that grow, until the faults have lasted too long:

* no connection, one that breaks, one that is silent
* 401, with a new token, but not for ever
* 408, 429, 498, 499 and 5xx, after Retry-After where the answer has it
* an object that arrived with another MD5 than it left with

All else is final, such as 403, 404, 413 and 507.
"""

from collections.abc import Callable
import contextlib
import json
import time
from typing import Any, TypeVar

from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging
import requests
import tenacity

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import answers

LOG = logging.getLogger(__name__)

# Seconds that the faults of one request may last.
PATIENCE = 300.0

# The longest pause between two attempts, in seconds, unless Swift asks for
# more.
LONGEST_PAUSE = 30.0

# How often one request may find that Swift does not take its token.
TOKENS = 3

_FULL = (507,)

# How many characters of Swift's answers are shown.
_SHOWN = 300

T = TypeVar('T')


class Fault(Exception):
    """An attempt failed, and the next one may not.

    :param pause: the seconds that Swift asks for
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


class TokenFault(Fault):
    """Swift did not take the token."""


class Patience:
    """How one request is tried again.

    :param seconds: how long its faults may last
    :param sleep: waits for a number of seconds; may raise to end it all
    :param now: a monotonic clock, in seconds
    """

    def __init__(
        self,
        seconds: float = PATIENCE,
        sleep: Callable[[float], Any] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._now = now

    def run(self, doing: str, once: Callable[[], T]) -> T:
        """Make attempts until one does not end with a fault.

        :raises SwiftRefused: when Swift does not take any token
        :raises SwiftLost: when the faults lasted too long
        """
        first = 0.0
        tokens = 0

        def failed(state: tenacity.RetryCallState) -> bool:
            nonlocal first, tokens
            assert state.outcome is not None
            first = first or self._now()
            tokens += isinstance(state.outcome.exception(), TokenFault)
            spent = self._now() - first + state.upcoming_sleep
            return tokens >= TOKENS or spent > self._seconds

        def tell(state: tenacity.RetryCallState) -> None:
            assert state.outcome is not None
            LOG.info(
                'Swift: %(doing)s is tried again in %(pause).1f s: %(cause)s',
                {
                    'doing': doing,
                    'pause': state.upcoming_sleep,
                    'cause': state.outcome.exception(),
                },
            )

        try:
            return tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(Fault),
                wait=_pause,
                stop=failed,
                sleep=self._sleep,
                before_sleep=tell,
                reraise=True,
            )(once)
        except TokenFault as exc:
            raise exceptions.SwiftRefused(doing, str(exc)) from exc
        except Fault as exc:
            raise exceptions.SwiftLost(doing, self._seconds, exc) from exc


def judge(answer: requests.Response, doing: str) -> None:
    """Raise what an answer of Swift means, unless it is a good one.

    :raises Fault: when another attempt may do
    :raises SwiftRefused: when none will
    :raises SwiftFull: when there is no room
    """
    if answer.status_code // 100 == 2:
        return
    text = f'{answer.status_code} {answer.reason}: {answer.text[:_SHOWN]}'
    if answer.status_code == 401:
        raise TokenFault(text)
    _judge(answer.status_code, text, answers.pause(answer.headers), doing)


def judge_manifest(answer: requests.Response, doing: str) -> None:
    """Raise what the answer to a manifest means, unless it is a good one.

    :raises Fault: when another attempt may do
    :raises SwiftRefused: when an object is not what the manifest says
    :raises SwiftFull: when there is no room
    """
    final = {}
    if answer.status_code in (202, 400):
        with contextlib.suppress(ValueError):
            final = json.loads(answer.text)
    text = str(final.get('Response Status') or '')
    errors = final.get('Errors') or []
    if answer.status_code == 202:
        # It was sent before Swift looked at the objects.
        if not text[:3].isdecimal():
            raise Fault('its answer broke off')
        status = int(text[:3])
    elif not errors:
        return judge(answer, doing)
    else:
        status = answer.status_code
    if status // 100 == 2:
        return None
    shown = f'{text or status}: {errors}'[:_SHOWN]
    # Swift could not look at some of the objects just now.
    if errors and all(str(error[-1])[:1] == '5' for error in errors):
        raise Fault(shown)
    return _judge(status, shown, 0, doing)


def translate(exc: Exception, doing: str) -> Exception:
    """Return what an error of keystoneauth means.

    :returns: a Fault when another attempt may do, SwiftRefused when not
    """
    text = f'{type(exc).__name__}: {exc}'[:_SHOWN]
    # These come from Keystone: the session raises none of Swift's answers.
    if isinstance(exc, ks_exceptions.HttpError):
        status = exc.http_status
        if not answers.passes(status):
            return exceptions.SwiftRefused(doing, f'Keystone: {text}')
    elif isinstance(exc, ks_exceptions.SSLError):
        if 'certificate' in text.lower():
            return exceptions.SwiftRefused(doing, text)
    elif not isinstance(exc, ks_exceptions.ConnectionError):
        return exceptions.SwiftRefused(doing, text)
    return Fault(text)


def _judge(status: int, text: str, pause: float, doing: str) -> None:
    """Raise what a status that is no good one means."""
    if status in _FULL:
        raise exceptions.SwiftFull(doing, text)
    if answers.passes(status):
        raise Fault(text, pause)
    raise exceptions.SwiftRefused(doing, text)


_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)


def _pause(state: tenacity.RetryCallState) -> float:
    assert state.outcome is not None
    return max(_backoff(state), getattr(state.outcome.exception(), 'pause', 0))
