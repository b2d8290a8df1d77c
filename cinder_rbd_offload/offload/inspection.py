# SPDX-License-Identifier: Apache-2.0
"""Keeps data that Glance might refuse from becoming an image unseen.

Glance inspects what is uploaded to it, but not what a location names. A
tenant who writes the header of another format to a volume would get past its
checks. So the same inspectors look at the volume here, and whatever they do
not find harmless beyond doubt is sent to Glance, which gives the verdict, by
its own options.
"""

import io
from typing import Protocol

from oslo_utils.imageutils import format_inspector

# Bytes that are looked at. The inspectors decide within less: the farthest
# that they look for a header is VHDX's, below 512 KiB.
HEAD = 1 << 20


# A text at the start that the inspector of VMDK takes for a descriptor.
_DESCRIPTOR = b'createtype="'


class Readable(Protocol):
    """What can be read at any place, such as a source of the upload room."""

    size: int

    def pread(self, offset: int, length: int) -> bytes:
        """Return the bytes at an offset."""
        ...


def doubt_of(readable: Readable) -> str:
    """Say what Glance could have against data; see :func:`doubt`.

    :raises CephError: when it could not be read
    """
    return doubt(readable.pread(0, min(HEAD, readable.size)))


def doubt(head: bytes) -> str:
    """Say what Glance could have against data as a raw image.

    The rules are those of an upload (glance/location.py of Glance 33,
    set_data): one format, and one that is safe. An ISO that is bootable as a
    disk has two; Glance takes it as an ISO only.

    Where the verdict depends on how the data happens to be cut when it
    arrives, there is doubt: the inspector of VHDX registers one of its regions
    a chunk late, and that of VMDK reads a descriptor within the first chunk.

    :param head: the first :data:`HEAD` bytes of the data, or all of it
    :returns: the reason to doubt, or '' if Glance takes the data for sure
    """
    wrapper = format_inspector.InspectWrapper(io.BytesIO(head))
    try:
        wrapper.read(len(head))
        if len(head) < HEAD:
            wrapper.close()
        found = {str(one): one for one in wrapper.formats or ()}
        if not found:
            return 'its format does not show at its start'
        if 'vhdx' in found:
            return 'it has the header of a VHDX'
        if head[:512].isascii() and _DESCRIPTOR in head.lower():
            return 'it may be the descriptor of a VMDK'
        if len(found) > 1:
            return f'it is of several formats at once: {", ".join(found)}'
        name, inspector = found.popitem()
        if name != 'raw':
            inspector.safety_check()
    # The inspectors parse what a tenant wrote: any error is one of the data.
    except Exception as exc:
        return f'its format is not safe: {exc}'
    return ''
