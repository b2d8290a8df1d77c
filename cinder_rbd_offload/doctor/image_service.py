# SPDX-License-Identifier: Apache-2.0
"""Judges Glance, and the tokens with which it is asked."""

import dataclasses
import re

from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload import glance

Finding = finding.Finding

# The version of the image API that has the location API.
LOCATION_API = (2, 17)

SERVICE = 'service'
ADMIN = 'admin'


@dataclasses.dataclass(frozen=True, slots=True)
class ServerSeen:
    """One server of Glance's.

    :param versions: the ids of the API versions that it has, like ``v2.17``
    :param error: why they are not known
    """

    url: str
    versions: tuple[str, ...] = ()
    error: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class UserSeen:
    """A user of Cinder's, as a section of cinder.conf describes it.

    :param section: the section
    :param roles: those in the user's token
    :param error: why there is no token
    """

    section: str
    roles: frozenset[str] = frozenset()
    error: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class GlanceSeen:
    """What Glance answers to Cinder.

    :param service: the user of the service token; None where none is sent
    :param privileged: the user of ``[glance]``; None where it has none
    :param stores: None where Glance did not name them
    :param limits: the names of the limits that Keystone has for images
    :param trusts_error: why nobody can give a trust to the user of the
        service token; '' where one can, or none is needed
    """

    service: UserSeen | None = None
    privileged: UserSeen | None = None
    servers: tuple[ServerSeen, ...] = ()
    servers_error: str = ''
    stores: tuple[glance.Store, ...] | None = None
    stores_error: str = ''
    limits: frozenset[str] = frozenset()
    limits_error: str = ''
    trusts_error: str = ''


def check(seen: GlanceSeen) -> list[Finding]:
    """Judge all that is the same for every back end."""
    found = [*_tokens(seen), *_recovery(seen), *_servers(seen), _stores(seen)]
    # Whoever is not told the stores asks for nothing else either.
    return found if seen.stores is None else [*found, _quota(seen)]


def _tokens(seen: GlanceSeen) -> list[Finding]:
    users = [user for user in (seen.service, seen.privileged) if user]
    broken = [_no_token(user) for user in users if user.error]
    if broken:
        return broken
    roles = frozenset[str]().union(*(user.roles for user in users))
    if SERVICE not in roles:
        return [_no_service_role(users)]
    if seen.privileged and ADMIN not in seen.privileged.roles:
        return [
            finding.error(
                'service token',
                'Locations are added as the user of [glance], which has not '
                'the role admin and so does not see the private images of '
                'tenants',
                'Take auth_type out of [glance] (the user of [service_user] '
                'is enough), or give that user the role admin',
            )
        ]
    sections = ' and '.join(f'[{user.section}]' for user in users)
    return [
        finding.ok(
            'service token',
            f'Requests to Glance carry a token with the role service ('
            f'{sections})',
        )
    ]


def _recovery(seen: GlanceSeen) -> list[Finding]:
    """Judge what Glance is asked with when a crash is cleaned up after.

    What keeps uploads from going on at all is a finding on the service token.
    """
    users = [user for user in (seen.service, seen.privileged) if user]
    if not users or any(user.error for user in users):
        return []
    if seen.service is None:
        return [
            finding.warning(
                'recovery',
                'After a crash nobody but its owner can see and delete an '
                'image: send_service_user_token in [service_user] is not true',
                'Set send_service_user_token = true in [service_user], with '
                'the auth options of a user that has the role service',
            )
        ]
    own = seen.privileged or seen.service
    if ADMIN in own.roles:
        return [
            finding.ok(
                'recovery',
                'After a crash Glance is asked as the user of '
                f'[{own.section}], who has the role admin',
            )
        ]
    if seen.trusts_error:
        return [
            finding.warning(
                'recovery',
                'After a crash nobody but its owner can see and delete an '
                f'image: the user of [{own.section}] does not have the role '
                'admin, and Keystone has no trusts for that of '
                '[service_user]: '
                f'{seen.trusts_error}',
                'Have Keystone offer trusts (OS-TRUST) to the user of '
                '[service_user], and let it list its own (the policy '
                'identity:list_trusts_for_trustee), or give the user of '
                f'[{own.section}] the role admin',
            )
        ]
    return [
        finding.ok(
            'recovery',
            "After a crash Glance is asked as an image's owner, by a trust "
            'that is given to the user of [service_user] for the upload',
        )
    ]


def _no_token(user: UserSeen) -> Finding:
    return finding.error(
        'service token',
        f'The user of [{user.section}] gets no token: {user.error}',
        f'Correct the auth options in [{user.section}] (auth_type, auth_url, '
        'username, password, ...), and see that Keystone answers',
    )


def _no_service_role(users: list[UserSeen]) -> Finding:
    if not users:
        return finding.error(
            'service token',
            'Cinder sends no service token: send_service_user_token in '
            '[service_user] is not true, and [glance] names no user. Glance '
            'takes locations from the role service only',
            'Set send_service_user_token = true in [service_user], with the '
            'auth options of a user that has the role service',
        )
    sections = ' and '.join(f'[{user.section}]' for user in users)
    return finding.error(
        'service token',
        f'The user of {sections} does not have the role service: Glance '
        'neither names its stores to it nor takes its locations',
        'Run: openstack role add --user USER --project PROJECT service -- '
        f'with the username and project_name of {sections}',
    )


def _servers(seen: GlanceSeen) -> list[Finding]:
    if seen.servers_error:
        return [
            finding.error(
                'glance api',
                f'Glance is not found: {seen.servers_error}',
                'Set glance_api_servers in [DEFAULT], or see that Keystone '
                'answers and that its catalog has what glance_catalog_info '
                'names',
            )
        ]
    return [_server(server) for server in seen.servers]


def _server(server: ServerSeen) -> Finding:
    if server.error:
        return finding.error(
            'glance api',
            f'Glance does not answer at {server.url}: {server.error}',
            'See that glance-api runs there, and that this host reaches it',
        )
    newest = max(map(_number, server.versions), default=(0, 0))
    version = '.'.join(map(str, newest))
    if newest < LOCATION_API:
        return finding.error(
            'glance api',
            f'Glance at {server.url} has the image API {version}, and the '
            'location API comes with 2.17',
            'Upgrade Glance to 2025.1 or later',
        )
    return finding.ok(
        'glance api',
        f'Glance at {server.url} has the image API {version}, and with it the '
        'location API',
    )


def _number(version: str) -> tuple[int, ...]:
    found = re.fullmatch(r'v(\d+)\.(\d+)', version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _stores(seen: GlanceSeen) -> Finding:
    if seen.stores is None:
        return finding.error(
            'stores',
            f'Glance does not name its stores: {seen.stores_error}',
            'Glance needs enabled_backends (several stores, or one), and '
            'tells their details to the role service: see the finding on the '
            'service token',
        )
    names = ', '.join(
        f'{store.id} ({store.type}{", default" if store.default else ""})'
        for store in seen.stores
    )
    return finding.ok('stores', f'Glance has the stores {names}')


def _quota(seen: GlanceSeen) -> Finding:
    if seen.limits_error:
        return finding.warning(
            'quota',
            f'Glance does not tell whether it has quotas: {seen.limits_error}',
            'Nothing is to be done, unless users have quotas for images',
        )
    if not seen.limits:
        return finding.ok(
            'quota',
            'Glance counts images against no limits in Keystone. Whether '
            'user_storage_quota is set, it does not tell',
        )
    return finding.ok(
        'quota',
        'Glance counts images against limits in Keystone: '
        + ', '.join(sorted(seen.limits)),
    )
