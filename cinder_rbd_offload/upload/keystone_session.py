# SPDX-License-Identifier: Apache-2.0
"""Sessions with Keystone that are not silent for ever.

glance_store makes several of them for one client, and uses the first ones
before it returns the last: for a store of several tenants it asks for tokens
of the user and of Glance, and for a trust. It gives none of them a timeout,
and keystoneauth's is none.

So the store's module gets this one in place of keystoneauth's, of which it
uses the sessions alone. The timeout is that of whoever makes a client just
now, in this thread or greenthread; without one it is keystoneauth's.
"""

from collections.abc import Iterator
import contextlib
import contextvars
from typing import Any

from keystoneauth1 import session

_timeout: contextvars.ContextVar[float | None] = contextvars.ContextVar(
    'timeout', default=None
)


class Session(session.Session):
    """A session with the timeout that is in force where it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault('timeout', _timeout.get())
        super().__init__(*args, **kwargs)


@contextlib.contextmanager
def timeout(seconds: float) -> Iterator[None]:
    """Give a timeout to the sessions that are made meanwhile."""
    token = _timeout.set(seconds)
    try:
        yield
    finally:
        _timeout.reset(token)
