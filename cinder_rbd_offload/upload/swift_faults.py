# SPDX-License-Identifier: Apache-2.0
"""What goes wrong between here and Swift, and when to try again.

Retried with pauses that grow, until the faults have lasted too long (see
:mod:`cinder_rbd_offload.upload.patience`):

* no connection, one that breaks, one that is silent
* 401, with a new token, but not for ever
* 408, 429, 498, 499 and 5xx, after Retry-After where the answer has it
* an object that arrived with another MD5 than it left with

All else is final, such as 403, 404 and 413.
"""

from collections.abc import Callable
import contextlib
import json
from typing import Any
from typing import TypeVar

from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging
import requests

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import answers
from cinder_rbd_offload.upload import patience as patience_

LOG = logging.getLogger(__name__)

# How often one request may find that Swift does not take its token.
TOKENS = 3

_FULL = 507

# How many characters of Swift's answers are shown.
_SHOWN = 300

T = TypeVar('T')

Fault = patience_.Fault


class TokenFault(Fault):
    """Swift did not take the token."""


class FullFault(Fault):
    """Swift has no room; it asks several disks, and others another time."""


def run(
    patience: patience_.Patience,
    check: Callable[[], None],
    doing: str,
    once: Callable[[], T],
) -> T:
    """Make attempts of a request until one does not end with a fault.

    :param check: raises what is to end it all
    :raises SwiftFull: when Swift had no room to the end
    :raises SwiftRefused: when Swift does not take any token
    :raises SwiftLost: when the faults lasted too long
    """
    tokens = 0

    def tell(fault: Fault, pause: float) -> None:
        nonlocal tokens
        tokens += isinstance(fault, TokenFault)
        if tokens >= TOKENS:
            raise fault
        LOG.info(
            'Swift: %(doing)s is tried again in %(pause).1f s: %(cause)s',
            {'doing': doing, 'pause': pause, 'cause': fault},
        )

    try:
        return patience.run(once, check, tell)
    except TokenFault as exc:
        raise exceptions.SwiftRefused(doing, str(exc)) from exc
    except FullFault as exc:
        raise exceptions.SwiftFull(doing, str(exc)) from exc
    except Fault as exc:
        raise exceptions.SwiftLost(doing, patience.seconds, exc) from exc


def judge(answer: requests.Response, doing: str) -> None:
    """Raise what an answer of Swift means, unless it is a good one.

    :raises Fault: when another attempt may do
    :raises SwiftRefused: when none will
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
    """
    told = answer.status_code in (202, 400)
    text, errors = _final(answer.text if told else '')
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


def _final(body: str) -> tuple[str, list[list[Any]]]:
    """Read the body of the answer to a manifest.

    What stands between here and Swift may put a body of its own there.

    :returns: the status, and the errors: each has an object and what it is;
        none of what is in another form
    """
    final: Any = None
    with contextlib.suppress(ValueError):
        final = json.loads(body)
    if not isinstance(final, dict):
        return '', []
    errors = final.get('Errors')
    if not isinstance(errors, list) or not all(
        isinstance(error, list) and error for error in errors
    ):
        errors = []
    return str(final.get('Response Status') or ''), errors


def _judge(status: int, text: str, pause: float, doing: str) -> None:
    """Raise what a status that is no good one means."""
    if status == _FULL:
        raise FullFault(text, pause)
    if answers.passes(status):
        raise Fault(text, pause)
    raise exceptions.SwiftRefused(doing, text)
