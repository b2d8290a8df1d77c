# SPDX-License-Identifier: Apache-2.0
"""What an answer of Glance's or Swift's says of asking again."""

from collections.abc import Mapping
import email.utils
import http
import time

# Passing, though they blame the client. The last two are Swift's and nginx's:
# too many requests, and a body that did not come to its end.
_PASSING = frozenset(
    {
        http.HTTPStatus.REQUEST_TIMEOUT,
        http.HTTPStatus.TOO_MANY_REQUESTS,
        498,
        499,
    }
)


def passes(status: int) -> bool:
    """Tell whether the same request may succeed later."""
    return status in _PASSING or status // 100 == 5


def pause(headers: Mapping[str, str]) -> float:
    """Return for how many seconds a server asks to be left alone.

    :param headers: those of an answer; their names have no case
    :returns: what Retry-After says, in either of its forms; 0 for nothing
    """
    value = str(headers.get('Retry-After', '')).strip()
    if value.isdecimal():
        return float(value)
    try:
        when = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(when.timestamp() - time.time(), 0.0)
