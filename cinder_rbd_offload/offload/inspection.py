# SPDX-License-Identifier: Apache-2.0
"""Keeps data that Glance might refuse from becoming an image unseen.

Glance inspects what is uploaded to it, but not what a location names. A
tenant who writes the header of another format to a volume would get past its
checks. So the same inspectors look at the volume here, and whatever they do
not find harmless beyond doubt is sent to Glance, which gives the verdict, by
its own options.
"""

import io

from oslo_utils.imageutils import format_inspector

# Bytes that are looked at. The inspectors decide within less: the farthest
# that they look for a header is VHDX's, below 512 KiB.
HEAD = 1 << 20


def doubt(head: bytes) -> str:
    """Say what Glance could have against data as a raw image.

    The rules are those of an upload (glance/location.py, set_data): one
    format, or an ISO that is bootable as a disk; and one that is safe.

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
        if found.keys() == {'iso', 'gpt'}:
            del found['gpt']
        if len(found) > 1:
            return f'it is of several formats at once: {", ".join(found)}'
        name, inspector = found.popitem()
        if name != 'raw':
            inspector.safety_check()
    # The inspectors parse what a tenant wrote: any error is one of the data.
    except Exception as exc:
        return f'its format is not safe: {exc}'
    return ''
