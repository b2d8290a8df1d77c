# SPDX-License-Identifier: Apache-2.0
"""Lets Glance register what was uploaded past it to an account by reference.

A store whose ``swift_store_config_file`` is set writes locations such as
``swift+config://ref1/glance/an-image``, and Glance refuses to register one:
anybody who may add locations could get at all that is in the account. For
this, the same under a scheme of its own is registered, and only for services::

    swift+reference://ref1/glance/an-image

The classes here are put before those of glance_store's Swift store, as a mixin
each, by the store that this package has for Glance.
"""

from typing import Any

# Of a registered location, and of those that Glance's store writes.
SCHEME = 'swift+reference'
CONFIG = 'swift+config'

_SERVICE = 'service'


class LocationMixin:
    """For glance_store's ``StoreLocation``.

    :ivar registered: whether the location is such a one
    """

    registered = False

    def parse_uri(self, uri: str) -> None:
        """Read a location; a registered one is the same as Glance's own."""
        scheme, found, rest = uri.partition('://')
        self.registered = scheme == SCHEME
        if self.registered:
            uri = f'{CONFIG}{found}{rest}'
        super().parse_uri(uri)  # type: ignore[misc]


class StoreMixin:
    """For glance_store's Swift store; its option turns it on."""

    store_conf: Any
    container: str

    def get_schemes(self) -> tuple[str, ...]:
        """Return the schemes of all locations that the store reads."""
        return (*super().get_schemes(), SCHEME)  # type: ignore[misc]

    @property
    def url_prefix(self) -> Any:
        """How the locations of this store begin.

        Glance hands it to ``str.startswith``, which takes several as well.
        """
        prefix = super().url_prefix  # type: ignore[misc]
        if not self.store_conf.swift_register_references:
            return prefix
        if not prefix or not prefix.startswith(f'{CONFIG}://'):
            return prefix
        return prefix, SCHEME + prefix.removeprefix(CONFIG)

    def get_size(
        self, location: Any, connection: Any = None, context: Any = None
    ) -> int:
        """Return the bytes of an object; 0 keeps it from being registered."""
        found = location.store_location
        if found.registered and not (
            self.store_conf.swift_register_references
            and found.container == self.container
            and _is_service(context)
        ):
            return 0
        size: int = super().get_size(  # type: ignore[misc]
            location, connection, context
        )
        return size


def _is_service(context: Any) -> bool:
    """Tell whether a request of Glance's came from a service."""
    if context is None:
        return False
    roles = {*context.roles, *context.service_roles}
    return context.is_admin or _SERVICE in roles
