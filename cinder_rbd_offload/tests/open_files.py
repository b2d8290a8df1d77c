# SPDX-License-Identifier: Apache-2.0
"""What the process of the tests has open."""

import contextlib
import os


def found(*beginnings):
    """Return what is open, of what begins so; other tests have other files.

    :param beginnings: of paths, or ``pipe:``
    """
    links = set()
    for number in os.listdir('/proc/self/fd'):
        # The one that lists the folder is in the list, and has gone.
        with contextlib.suppress(FileNotFoundError):
            links.add(os.readlink(f'/proc/self/fd/{number}'))
    return {link for link in links if link.startswith(beginnings)}
