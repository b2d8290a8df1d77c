# SPDX-License-Identifier: Apache-2.0
"""All that is asked of Keystone: to act for a user after a crash.

Only the owner of a private image sees whether it is active, and only the owner
deletes it. While an upload runs, the owner's token does for both; a host that
cleans up after a crash has no such token. So the owner delegates the role that
this takes to Cinder's own user, by a trust that ends with the upload. A trust
is no secret: it is of use to that user only.
"""

from collections.abc import Collection
import contextlib
import datetime
import secrets
from typing import Any

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import plugin
from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint
import tenacity

# Sees and deletes any image (Glance's policy context_is_admin).
ADMIN = 'admin'

# What Glance asks of an owner who deletes an image.
_MEMBER = 'member'

# The longest that an upload, and the recovery from its crash, may take.
_LIFETIME = datetime.timedelta(days=7)
_SPREAD = 24 * 60 * 60

# The other end may close a connection that was idle just when it is used.
_again = tenacity.retry(
    retry=tenacity.retry_if_exception_type(ks_exceptions.ConnectFailure),
    stop=tenacity.stop_after_attempt(3),
    reraise=True,
)


def expiry() -> str:
    """Choose when a delegation is to end, if nothing ends it before.

    It tells the delegation from all others: a host that dies in the moment
    after Keystone has made it knows nothing else of it. Keystone's database
    keeps whole seconds, and no two delegations of the same users that end in
    the same one.
    """
    ends = datetime.datetime.now(datetime.UTC) + _LIFETIME
    ends += datetime.timedelta(seconds=secrets.randbelow(_SPREAD))
    return f'{ends:%Y-%m-%dT%H:%M:%S}.000000Z'


class Trusts:
    """The delegations to one user, who is Cinder itself.

    :param session: how to reach Keystone
    :param auth: the user whom others delegate to
    :param own: the user that Cinder is where it asks Glance by itself
    """

    def __init__(
        self,
        session: ks_session.Session,
        auth: Any,
        own: Any,
    ) -> None:
        self._session = session
        self._auth = auth
        self._own = own
        self._url = f'{auth.auth_url.rstrip("/").removesuffix("/v3")}/v3'

    @_again
    def needed(self) -> bool:
        """Tell whether Cinder needs one to see and delete any image.

        :raises keystoneauth1.exceptions.ClientException: when Keystone
            cannot be asked
        """
        access = self._own.get_access(self._session)
        return ADMIN not in access.role_names

    def create(
        self,
        token: str,
        user_id: str,
        project_id: str,
        roles: Collection[str],
        expires: str,
    ) -> str:
        """Have a user delegate what cleaning up takes; return the trust.

        :param token: the user's token
        :param roles: the names of the roles that the token has
        :param expires: when it ends by itself; see :func:`expiry`
        :raises keystoneauth1.exceptions.ClientException: when Keystone
            refuses, as it does with a restricted application credential
        """
        names = {_MEMBER} if _MEMBER in roles else set(roles)
        trust = {
            'trustor_user_id': user_id,
            'project_id': project_id,
            'impersonation': True,
            'roles': [{'name': name} for name in sorted(names)],
            'expires_at': expires,
        }
        try:
            return self._create(token, trust)
        except ks_exceptions.ConnectFailure:
            # The request may have arrived all the same.
            return self.find(expires) or self._create(token, trust)

    def _create(self, token: str, trust: dict[str, Any]) -> str:
        answer = self._session.request(
            f'{self._url}/OS-TRUST/trusts',
            'POST',
            auth=token_endpoint.Token(self._url, token),
            json={'trust': trust | self._trustee()},
        )
        return str(answer.json()['trust']['id'])

    def _trustee(self) -> dict[str, str]:
        return {'trustee_user_id': self._auth.get_user_id(self._session)}

    @_again
    def find(self, expires: str) -> str:
        """Find a delegation by when it ends; '' for none.

        :raises keystoneauth1.exceptions.ClientException: when Keystone
            cannot be asked
        """
        answer = self._session.request(
            f'{self._url}/OS-TRUST/trusts',
            'GET',
            auth=self._auth,
            params=self._trustee(),
        )
        trusts = answer.json()['trusts']
        found = [one['id'] for one in trusts if one['expires_at'] == expires]
        return str(found[0]) if len(found) == 1 else ''

    @_again
    def delete(self, trust: str, auth: plugin.BaseAuthPlugin) -> None:
        """End a delegation; fine if it has ended.

        :param auth: Cinder's user as the one who delegated
        :raises keystoneauth1.exceptions.ClientException: when Keystone
            cannot be reached
        """
        with contextlib.suppress(
            ks_exceptions.NotFound, ks_exceptions.Unauthorized
        ):
            self._session.request(
                f'{self._url}/OS-TRUST/trusts/{trust}', 'DELETE', auth=auth
            )
