# SPDX-License-Identifier: Apache-2.0
"""The Ceph capabilities that an upload needs, as the command that gives them.

What the deployment guides give, and what an upload needs on Glance's pool.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import re
import shlex


def ceph_caps_line(
    user: str | None,
    pools: Iterable[str],
    present: Mapping[str, str] | None = None,
) -> str:
    """Return the command that gives a cephx user what an upload needs.

    ``ceph auth caps`` replaces all capabilities of a user, so the line has
    those that it keeps, too.

    :param user: without ``client.``; None for librados' own
    :param pools: the pools of the volumes and of Glance's images
    :param present: the user's capabilities, as far as they are known: a text
        for each kind of daemon
    """
    named = [
        'profile rbd pool='
        + (pool if re.fullmatch(r'[\w.-]+', pool) else f'"{pool}"')
        for pool in dict.fromkeys(pools)
    ]
    words = [f'client.{user or "admin"}']
    caps = {kind: text for kind, text in (present or {}).items() if text}
    for kind, needed in {
        'mon': ['profile rbd'],
        'osd': named,
        'mgr': named,
    }.items():
        have = [part.strip() for part in caps.get(kind, '').split(',')]
        if 'allow *' not in have:
            caps[kind] = ', '.join(
                dict.fromkeys([*filter(None, have), *needed])
            )
    for kind, text in caps.items():
        words += [kind, text]
    return 'ceph auth caps ' + ' '.join(map(shlex.quote, words))
