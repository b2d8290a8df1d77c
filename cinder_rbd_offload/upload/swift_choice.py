# SPDX-License-Identifier: Apache-2.0
"""Which uploads go straight to Swift, and what their locations are."""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any

from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload import glance
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_layout
from cinder_rbd_offload.upload import swift_reference


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What an operator has chosen; see the options image_upload_swift_*.

    :param references: a Glance store -> a section of the file
    """

    references: Mapping[str, str]
    config_file: str
    access: swift_reference.Access
    settings: swift.Settings

    @classmethod
    def of(cls, config: Any) -> 'Options':
        """Read the options of a back end.

        :param config: has each as an attribute
        """
        return cls(
            config.image_upload_swift_stores,
            config.image_upload_swift_config_file,
            swift_reference.Access(
                config.image_upload_swift_interface,
                config.image_upload_swift_region,
                config.image_upload_swift_cafile,
                config.image_upload_swift_endpoint,
            ),
            swift.Settings(
                config.image_upload_swift_workers,
                config.image_upload_swift_segment_size * units.Mi,
                config.image_upload_retry_timeout,
                config.image_upload_timeout,
            ),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Where one image goes.

    :param url: its location, once it is there
    """

    sink: swift.SwiftSink
    url: str


def reason_against(store: glance.Store, options: Options) -> str:
    """Say why an upload to a store does not go straight to Swift.

    :returns: '' where it does
    """
    if store.id not in options.references:
        return f'image_upload_swift_stores does not name the store {store.id}'
    if store.type != 'swift':
        return f'the store {store.id} is of type {store.type}, not swift'
    if not store.container:
        return (
            f'the store {store.id} keeps each image in the account of its '
            'owner (swift_store_multi_tenant), which only Glance writes to'
        )
    return ''


def target(
    store_id: str,
    container: str,
    options: Options,
    image_id: str,
    check: Callable[[], None] = lambda: None,
) -> Target:
    """Return where an image goes, or has gone to.

    Nothing is asked of Swift yet.

    :param store_id: a store that :func:`reason_against` had nothing against
    :param container: the store's
    :param check: called between pieces of data; what it raises ends it
    :raises ConfigUnusable: when the account cannot be read
    """
    if store_id not in options.references:
        raise exceptions.ConfigUnusable(
            f'image {image_id} was on its way to the Glance store {store_id}. '
            'Name that store in image_upload_swift_stores once more, until '
            'the upload is settled'
        )
    account = swift_reference.read(
        options.config_file, options.references[store_id]
    )
    url = account.location(container, swift_layout.image_name(image_id))
    sink = swift.SwiftSink(
        account,
        options.access,
        container,
        image_id,
        options.settings,
        check,
    )
    return Target(sink, url)


def reach(
    store_id: str, container: str, options: Options, image_id: str
) -> swift.SwiftSink:
    """Return what an earlier upload has sent.

    It does not bear faults for long: recovery comes again.

    :raises ConfigUnusable: when the account cannot be read
    """
    settings = dataclasses.replace(options.settings, patience=swift.SOON)
    options = dataclasses.replace(options, settings=settings)
    return target(store_id, container, options, image_id).sink
