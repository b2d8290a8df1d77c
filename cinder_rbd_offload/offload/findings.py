# SPDX-License-Identifier: Apache-2.0
"""What an upload has found Glance to do, kept for the later ones of any host.

Glance does not tell it, and to find it out costs the work of a whole image.
What it did once counts for good. What it did not do counts for a day: after
that somebody may have configured it.
"""

from collections.abc import Callable
import json
import time

from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import journal as journal_

_DAY = 24 * 60 * 60


def clones(store: glance_api.Store) -> str:
    """Name that Glance reads clones of volumes in a store of type rbd."""
    return f'clones in {store.pool}'


def locations(store: glance_api.Store) -> str:
    """Name that Glance registers what others have written to a store."""
    return f'locations in {store.id}'


def remember(
    journal: journal_.Journal,
    what: str,
    does: bool,
    now: Callable[[], float] = time.time,
) -> None:
    """Keep whether Glance does something.

    :param what: see :func:`clones` and :func:`locations`
    :param now: the time of day, in seconds
    """
    journal.remember(what, json.dumps({'does': does, 'at': now()}))


def recall(
    journal: journal_.Journal, what: str, now: Callable[[], float] = time.time
) -> bool | None:
    """Tell whether Glance does it; None for nothing that still counts."""
    try:
        value = json.loads(journal.recall(what))
        does, at = value['does'], value['at']
        if does is False and now() - at > _DAY:
            return None
    # Nothing, or what another version has written.
    except (KeyError, TypeError, ValueError):
        return None
    return bool(does)
