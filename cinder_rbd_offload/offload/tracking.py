# SPDX-License-Identifier: Apache-2.0
"""Closes an upload's entry in the journal when the upload has ended.

What Cinder does after an upload is still to come: it frees the volume. A crash
may keep it from that, so the entry stays until recovery has its next look. It
is not done here, or the volume might be in use for something else when Cinder
sets its status.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib

from oslo_log import log as logging

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance as glance_api
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import plan

LOG = logging.getLogger(__name__)

# After these there is something left to do, or somebody else who does it.
_OPEN = (
    exceptions.LocationUnknown,
    exceptions.NotUndone,
    exceptions.TakenOver,
)

_UNFINISHED = (
    journal.Stage.PUBLISHING,
    journal.Stage.STREAMING,
    journal.Stage.SENDING,
    journal.Stage.REGISTERING,
)


@contextlib.contextmanager
def tracked(
    record: journal.Record,
    glance: glance_api.Glance,
    release: Callable[[str], None],
) -> Iterator[None]:
    """Close the entry at the end, unless recovery is to go on with it.

    What ends the process, or the greenthread, leaves the entry as well.

    :param glance: asks as the owner of the image
    :param release: ends the delegation of an upload
    """
    try:
        yield
    except _OPEN:
        raise
    except Exception:
        if _discarded(glance, record.entry):
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

    Where it cannot be written, the entry is taken out, and the image may be
    uploaded otherwise.

    :param delegate: returns the delegation that ends when the entry says
    :param release: ends it, if it cannot be written
    :raises EntryUnknown: when the entry may be there all the same
    :raises OffloadError: when it could not be written
    """
    trust = delegate(record.entry.expires)
    try:
        record.update(trust=trust)
    except Exception as exc:
        release(trust)
        try:
            record.strike()
        except exceptions.OffloadError:
            # Recovery would delete the image under the ordinary upload.
            raise exceptions.EntryUnknown(record.entry.image_id, exc) from exc
        raise


def _discarded(glance: glance_api.Glance, entry: journal.Entry) -> bool:
    """Delete an image without its data; tell whether that is done."""
    image_id = entry.image_id
    try:
        if (
            entry.stage is journal.Stage.REJECTED
            or glance.state(image_id, 0) not in glance_api.TAKEN
        ):
            glance.delete(image_id)
    # Recovery deletes it.
    except Exception as exc:
        LOG.debug('Image %s is not yet deleted: %s', image_id, exc)
        return False
    return True


def _close(record: journal.Record, release: Callable[[str], None]) -> None:
    release(record.entry.trust)
    try:
        record.update(stage=journal.Stage.ENDED)
    # Recovery finds nothing left to do, and takes it out.
    except Exception as exc:
        LOG.debug('The entry of %s stays: %s', record.entry.image_id, exc)
