# SPDX-License-Identifier: Apache-2.0
"""Judges the Ceph side of a back end."""

from cinder_rbd_offload.ceph import survey
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import exceptions

Finding = finding.Finding

# Bytes below which a pool counts as nearly full.
_SCARCE = 10 << 30


def reached(fsid: str, user: str | None) -> Finding:
    """Tell that the cluster answers."""
    return finding.ok(
        'ceph', f'The cluster {fsid} answers to client.{user or "admin"}'
    )


def unreachable(error: Exception) -> Finding:
    """Tell that the cluster does not answer; the error has the remedy."""
    text, _dot, remedy = str(error).partition('. ')
    return finding.error('ceph', text, remedy)


def unanswered(check: str, error: Exception) -> Finding:
    """Tell that a question to the cluster failed."""
    ours = isinstance(error, exceptions.OffloadError)
    return finding.error(
        check,
        str(error) if ours else f'{type(error).__name__}: {error}',
        "See the state of the cluster with 'ceph -s'",
    )


def clone_format(v2: bool) -> Finding:
    """Judge the format of clones."""
    if v2:
        return finding.ok(
            'clones', 'Clones are of format 2: no snapshot is protected'
        )
    return finding.warning(
        'clones',
        'Clones are of format 1: until an image is flattened, the snapshot '
        'that it is made from stays protected, and the volume cannot be '
        'deleted',
        'Once no client is older than mimic, run: ceph osd '
        'set-require-min-compat-client mimic',
    )


def pool(seen: survey.PoolSeen, role: str, option: str) -> Finding:
    """Judge whether a pool can be used.

    :param role: what it is for
    :param option: where its name was found
    """
    if not seen.exists:
        return finding.error(
            'pools',
            f'The pool {seen.name} for {role} does not exist in this cluster',
            f'Correct {option}, or make the pool',
        )
    text = (
        f'The pool {seen.name} for {role} has room for '
        f'{seen.free / (1 << 30):.1f} GiB'
    )
    if seen.free < _SCARCE:
        return finding.warning(
            'pools',
            text,
            f'Add OSDs, or raise the quota of pool {seen.name} (see: ceph osd '
            'pool set-quota)',
        )
    return finding.ok('pools', text)


def data_pool(images: survey.PoolSeen, ours: str, store: str) -> Finding:
    """Compare where Glance and we keep the data of images.

    :param ours: the data pool of an image that we made in Glance's pool
    :param store: the Glance store
    """
    if not images.data_pools:
        return finding.ok(
            'data pool',
            f'The data of images that are made here is in pool {ours}; Glance '
            f'has none in pool {images.name} to compare',
        )
    theirs = images.data_pools - {ours}
    if not theirs:
        return finding.ok(
            'data pool',
            f'The data of images is in pool {ours}, for those that Glance has '
            'made and for those that are made here',
        )
    others = ', '.join(sorted(theirs))
    return finding.warning(
        'data pool',
        f'Some images in pool {images.name} have their data in {others}, but '
        f'images that are made here get it in {ours}',
        f'Set rbd_offload_data_pools = {store}:POOL in cinder.conf, unless '
        'the difference is wanted',
    )


def object_size(
    option: int, chunk_size: int, volumes: survey.PoolSeen, store: str
) -> Finding:
    """Tell the sizes of objects, in bytes.

    :param option: what ``rbd_store_chunk_size`` gives new volumes
    :param chunk_size: what Glance gives new images; 0 if it does not tell
    """
    usual = volumes.object_sizes or {option}
    text = f'Objects of volumes have {_mib(*usual)}'
    if chunk_size:
        text += (
            f'; those of images in store {store} have {_mib(chunk_size)}, '
            'whether Glance or an offloaded upload makes them'
        )
    if usual != {option}:
        text += f'. New volumes get {_mib(option)} (rbd_store_chunk_size)'
    return finding.ok('object size', text)


def _mib(*sizes: int) -> str:
    return ' or '.join(f'{size / (1 << 20):g} MiB' for size in sorted(sizes))
