# SPDX-License-Identifier: Apache-2.0
"""What the user who asked for an upload is told of its failure.

Cinder keeps a message as the number of one of its own sentences, which
cinder-api looks up when the user lists messages. No driver can say anything
else. Cinder's manager writes one message for each failed upload::

    the error's class           sentence
    ImageLimitExceeded          Not enough quota resource for operation.
    any other                   Failed to upload volume to image at backend.

So an error of ours becomes the one of these two classes that is true. Where
another of Cinder's sentences says more, a message with that one is written
first, as Cinder does itself where it makes volumes from images.
"""

from collections.abc import Iterator
import contextlib
from typing import Any

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as base_rbd

from cinder import context as cinder_context
from cinder import exception as cinder_exception
from cinder.message import api as message_api
from cinder.message import message_field
from oslo_log import log as logging

from cinder_rbd_offload import exceptions

LOG = logging.getLogger(__name__)

Detail = message_field.Detail

# What has no room for the image.
_NO_ROOM = (exceptions.NoRoom, exceptions.SwiftFull)

# Sentences that are true of errors; the name of the last tells of backups,
# and its sentence does not.
DETAILS = (
    (
        cinder_exception.ImageConversionNotAllowed,
        Detail.IMAGE_FORMAT_UNACCEPTABLE,
    ),
    (exceptions.SnapshotFailed, Detail.SNAPSHOT_CREATE_ERROR),
    (exceptions.NotUndone, Detail.BACKUP_CREATE_CLEANUP_ERROR),
)


@contextlib.contextmanager
def translated(
    context: cinder_context.RequestContext, volume: Any
) -> Iterator[None]:
    """Raise our errors as those that Cinder knows, and write messages.

    :param volume: the one that is uploaded
    :raises ImageLimitExceeded: when the image would exceed a limit
    :raises RBDDriverException: for every other error of ours
    """
    try:
        yield
    except Exception as exc:
        for kind, detail in DETAILS:
            if isinstance(exc, kind):
                _write(context, volume, detail)
        if not isinstance(exc, exceptions.OffloadError):
            raise
        if any(isinstance(one, _NO_ROOM) for one in (exc, exc.__cause__)):
            raise cinder_exception.ImageLimitExceeded(str(exc)) from exc
        raise base_rbd.RBDDriverException(reason=exc) from exc


def _write(
    context: cinder_context.RequestContext,
    volume: Any,
    detail: tuple[str, str],
) -> None:
    try:
        message_api.API().create(
            context,
            message_field.Action.COPY_VOLUME_TO_IMAGE,
            resource_uuid=volume.id,
            detail=detail,
        )
    # Cinder writes its own message, and the log has the error itself.
    except Exception as exc:
        LOG.warning('A message to the user was not written: %s', exc)
