# SPDX-License-Identifier: Apache-2.0
"""Remembers for a day that Glance has refused a location of a store.

Glance does not tell whether a store registers what others have written. To
find it out costs the transfer of a whole image, so it is found out once.
"""

from collections.abc import Callable
import time

from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import journal as journal_

# Seconds: after that somebody may have configured it.
_DAY = 24 * 60 * 60


def remember(
    journal: journal_.Journal,
    store: glance_api.Store,
    now: Callable[[], float] = time.time,
) -> None:
    """Keep for later uploads that Glance has just refused one."""
    journal.remember(_what(store), str(now()))


def recall(
    journal: journal_.Journal,
    store: glance_api.Store,
    now: Callable[[], float] = time.time,
) -> bool:
    """Tell whether Glance has refused one within a day."""
    try:
        return now() - float(journal.recall(_what(store))) <= _DAY
    # Nothing, or what another version has written.
    except ValueError:
        return False


def _what(store: glance_api.Store) -> str:
    return f'refusal in {store.id}'
