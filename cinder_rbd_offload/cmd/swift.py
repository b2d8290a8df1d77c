# SPDX-License-Identifier: Apache-2.0
"""Judges what is to go straight to Swift."""

from collections.abc import Iterable
from collections.abc import Iterator

from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.offload import plan
from cinder_rbd_offload.upload import swift_choice

Finding = finding.Finding


def check(
    stores: Iterable[glance.Store], options: swift_choice.Options
) -> Iterator[Finding]:
    """Judge each store that the options name."""
    known = tuple(stores)
    for store_id in options.references:
        store = plan.find_store(known, store_id)
        if isinstance(store, str):
            against = f'Glance has no store {store_id}'
        else:
            against = swift_choice.reason_against(store, options)
        if against:
            yield finding.warning(
                'swift',
                f'Nothing goes straight to Swift for the store {store_id}: '
                f'{against}',
                'Correct image_upload_swift_stores in cinder.conf',
            )
        elif not isinstance(store, str):
            yield _account(store, options)


def _account(store: glance.Store, options: swift_choice.Options) -> Finding:
    """Judge whether a store's account can be read; Swift is not asked."""
    try:
        place = swift_choice.target(
            store.id, store.container or '', options, ''
        )
    except exceptions.ConfigUnusable as exc:
        text, _dot, remedy = str(exc).partition('. ')
        return finding.error(
            'swift',
            f'Uploads for the store {store.id} fail to go straight to Swift, '
            f'and go through Glance: {text}',
            remedy,
        )
    return finding.ok(
        'swift',
        f'Raw uploads for the store {store.id} go straight to Swift, under '
        f'{place.url.rpartition("/")[0]}/',
    )


def store(given: plan.Facts, options: swift_choice.Options | None) -> str:
    """Return the store that a raw upload goes straight to Swift for.

    :param given: with Glance's stores, and what the volume type names
    :param options: None where nothing goes straight to Swift
    :returns: '' where it does not
    """
    if options is None:
        return ''
    found = plan.find_store(given.stores or (), given.store_id)
    if isinstance(found, str) or swift_choice.reason_against(found, options):
        return ''
    return found.id
