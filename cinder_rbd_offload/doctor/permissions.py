# SPDX-License-Identifier: Apache-2.0
"""Judges what the back end's cephx user may do, from what was tried."""

from collections.abc import Mapping

from cinder_rbd_offload import caps as caps_
from cinder_rbd_offload.ceph import rights
from cinder_rbd_offload.doctor import finding

Finding = finding.Finding

CHECK = 'caps'

# What is lost without a capability for a daemon, where it is not all.
_WITHOUT = {
    'mon': 'Uploads work, but nothing that a crash leaves is ever cleaned up: '
    'before that, the connection of the host that died has to be shut out',
    'mgr': 'Uploads work, but the manager flattens no image in the '
    'background, so the method instant is not available',
}


def check(
    trials: rights.Trials,
    user: str | None,
    pools: list[str],
    caps: Mapping[str, str],
) -> list[Finding]:
    """Judge what was tried.

    :param user: the cephx user, without ``client.``
    :param pools: the pools that an upload touches
    :param caps: the capabilities that the user is known to have; empty if
        they could not be read
    """
    failed = [one for one in trials.done if one.error]
    refused = [one for one in failed if one.refused]
    wanted = [*pools, *filter(None, [trials.data_pool])]
    remedy = _remedy(user, wanted, caps)
    found = [_judge(one, user, remedy) for one in failed]
    if not refused:
        found.append(
            finding.ok(
                CHECK,
                f'client.{user or "admin"} may do all that an upload needs in '
                f'the pools {" and ".join(dict.fromkeys(wanted))} '
                f'({len(trials.done)} operations tried)',
            )
        )
    found += [
        finding.warning(
            CHECK,
            f'The check could not remove what it had made: {left}',
            "Remove it with 'rbd snap purge' and 'rbd rm', or 'rados rm'; "
            'nothing uses it',
        )
        for left in trials.left
    ]
    return found


def instant(pool: str) -> Finding:
    """Tell what the method instant needs that cannot be tried from here.

    :param pool: the pool of the volumes
    """
    return finding.ok(
        CHECK,
        "With the method instant Glance's own cephx user must be able to read "
        f"the pool {pool} ('profile rbd-read-only pool={pool}'), which only "
        'an upload shows; where it is not, another method is used',
    )


def _judge(trial: rights.Trial, user: str | None, remedy: str) -> Finding:
    where = f' in pool {trial.pool}' if trial.pool else ''
    text = (
        f'{_DOING[trial.daemon]}{trial.doing}{where} '
        + (
            f'is not permitted to client.{user or "admin"}'
            if trial.refused
            else 'failed'
        )
        + f' ({trial.error})'
    )
    if trial.daemon in _WITHOUT:
        text += f'. {_WITHOUT[trial.daemon]}'
    if not trial.refused:
        remedy = "See the state of the cluster with 'ceph -s'"
    make = finding.warning if trial.daemon == 'mgr' else finding.error
    return make(CHECK, text, remedy)


_DOING = {
    'osd': 'In the cluster, ',
    'mon': 'With the monitors, ',
    'mgr': "With the manager's module rbd_support, ",
}


def _remedy(
    user: str | None, pools: list[str], caps: Mapping[str, str]
) -> str:
    line = caps_.ceph_caps_line(user, pools, caps)
    if caps:
        return f'Run: {line}'
    name = f'client.{user or "admin"}'
    return (
        f'Run: {line} -- this replaces all capabilities of {name}, which it '
        f"may not read itself: add what 'ceph auth get {name}' shows beside "
        'these and is still needed'
    )
