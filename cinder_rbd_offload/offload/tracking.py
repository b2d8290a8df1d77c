# SPDX-License-Identifier: Apache-2.0
"""Closes an upload's entry in the journal when the upload has ended."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan

LOG = logging.getLogger(__name__)

# After these there is something left to do, or somebody else who does it.
_OPEN = (
    exceptions.LocationUnknown,
    exceptions.NotUndone,
    exceptions.TakenOver,
)

_UNFINISHED = (journal.Stage.PUBLISHING, journal.Stage.STREAMING)


@contextlib.contextmanager
def tracked(
    record: journal.Record, release: Callable[[str], None]
) -> Iterator[None]:
    """Take the entry out at the end, unless recovery is to go on with it.

    What ends the process, or the greenthread, leaves the entry as well.

    :param release: ends the delegation of an upload
    """
    try:
        yield
    except _OPEN:
        raise
    except Exception:
        _close(record, release)
        raise
    entry = record.entry
    flattens = (
        entry.stage is journal.Stage.PUBLISHED
        and entry.method == plan.Method.INSTANT.value
    )
    # An upload that ended well is a good one, whatever the entry says. But
    # then something is left that is to be removed.
    if flattens or entry.stage in _UNFINISHED:
        return
    _close(record, release)


def entrust(
    record: journal.Record,
    delegate: Callable[[str], str],
    release: Callable[[str], None],
) -> None:
    """Have the image's owner delegate, and write that to the entry.

    :param delegate: returns the delegation that ends when the entry says
    :param release: ends it, if it cannot be written
    :raises OffloadError: when it could not be written
    """
    trust = delegate(record.entry.expires)
    try:
        record.update(trust=trust)
    except Exception:
        release(trust)
        raise


def _close(record: journal.Record, release: Callable[[str], None]) -> None:
    release(record.entry.trust)
    try:
        record.strike()
    # Recovery finds nothing left to do, and takes it out.
    except Exception as exc:
        LOG.debug('The entry of %s stays: %s', record.entry.image_id, exc)
