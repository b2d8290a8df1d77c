# SPDX-License-Identifier: Apache-2.0
"""Connections to the Swift account of one upload, and the tokens for them.

They come from glance_store's own manager of connections. It is opened with
the first request to Swift, so that a fault of Keystone's is one of a request,
and the request is made again if the fault may pass.
"""

from collections.abc import Callable
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from oslo_log import log as logging
import swiftclient

LOG = logging.getLogger(__name__)


class Account:
    """The way to the account that an image goes to.

    :param open_manager: returns glance_store's own manager of connections
    """

    def __init__(self, open_manager: Callable[[], Any]) -> None:
        self._open_manager = open_manager
        self._manager: Any = None
        self._refused = False

    def connect(self) -> swiftclient.Connection:
        """Return a connection with a token that should do.

        :raises keystoneauth1.exceptions.ClientException: when Keystone gives
            none
        """
        if self._manager is None:
            self._manager = self._open()
        if self._refused:
            self._refresh()
        try:
            return self._manager.get_connection()
        except ks_exceptions.ClientException:
            # The token is only about to expire. Swift says when it has.
            return self._manager.connection

    def renew(self) -> bool:
        """Have the next connection get a new token; False if none can."""
        if self._manager.allow_reauth:
            self._manager.client.session.invalidate()
            self._refused = True
        return self._refused

    def close(self) -> None:
        """Revoke the trust that the manager may have; log if that fails.

        The manager's own end does not: it takes the trust's id from the
        client, which has none where it was made from a session.
        """
        # To ask the manager for its client would make one, with a trust.
        client: Any = getattr(self._manager, '_client', None)
        trust = client and client.session.auth.trust_id
        if not trust:
            return
        try:
            client.trusts.delete(trust)
        # Whatever it is, the image is stored, or not, as it was before.
        except Exception as error:
            LOG.warning(
                'Trust %(trust)s of an upload is not revoked: %(error)s',
                {'trust': trust, 'error': error},
            )

    def _open(self) -> Any:
        try:
            return self._open_manager()
        # glance_store has an error of its own where there is no endpoint.
        # Keystone's tells whether to ask again.
        except Exception as error:
            if isinstance(error.__context__, ks_exceptions.ClientException):
                raise error.__context__ from None
            raise

    def _refresh(self) -> None:
        """Replace the token; the manager cannot once it is invalidated."""
        manager = self._manager
        headers = manager.client.session.get_auth_headers()
        manager.connection = manager.store.get_store_connection(
            headers[manager.AUTH_HEADER_NAME], manager.storage_url
        )
        self._refused = False
