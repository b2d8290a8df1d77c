# SPDX-License-Identifier: Apache-2.0
"""The accounts of Glance's Swift stores, by reference.

The file is the one of Glance's option ``swift_store_config_file``, with a
section for each account (glance_store/_drivers/swift/utils.py)::

    [ref1]
    auth_address = https://keystone.example.org:5000/v3
    user = service:glance
    key = secret
    user_domain_id = default
    project_domain_id = default

An application credential may stand in place of user and key. Nothing here
puts a secret into a message, a log or a ``repr``.
"""

from collections.abc import Callable
import configparser
import dataclasses
import functools

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.identity import v3
from keystoneauth1 import session as ks_session

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import swift_location

# Seconds that Keystone may be silent.
TIMEOUT = 60

_DOMAINS = (
    ('user_domain_id', 'user_domain_name'),
    ('project_domain_id', 'project_domain_name'),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """How this host reaches Swift; the same as in glance-api.conf.

    :param interface: of the endpoint of the service object-store
    :param region: '' for any
    :param ca_file: what certificates are checked with; '' for the system's
    :param endpoint: the URL of the account, where it is not the one that
        Keystone's catalog has
    """

    interface: str = 'public'
    region: str = ''
    ca_file: str = ''
    endpoint: str = ''


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """One section of the file.

    :param reference: its name
    :param auth_address: Keystone, with its version
    :param user: ``project:user``; '' where there is an application credential
    :param domains: of the user and of the project
    """

    reference: str
    auth_address: str
    user: str = ''
    key: str = dataclasses.field(default='', repr=False)
    credential_id: str = ''
    credential_secret: str = dataclasses.field(default='', repr=False)
    domains: tuple[tuple[str, str], ...] = ()

    def session(self, access: Access) -> ks_session.Session:
        """Return a session with the account's credentials."""
        auth: v3.Password | v3.ApplicationCredential
        if self.credential_id:
            auth = v3.ApplicationCredential(
                self.auth_address,
                self.credential_secret,
                application_credential_id=self.credential_id,
            )
        else:
            project, user = self.user.split(':')
            domains = dict(self.domains)
            auth = v3.Password(
                self.auth_address,
                password=self.key,
                username=user,
                project_name=project,
                user_domain_id=domains.get('user_domain_id'),
                user_domain_name=domains.get('user_domain_name'),
                project_domain_id=domains.get('project_domain_id'),
                project_domain_name=domains.get('project_domain_name'),
            )
        return ks_session.Session(
            auth, verify=access.ca_file or True, timeout=TIMEOUT
        )

    def location(self, container: str, name: str) -> str:
        """Write an object's location; there is no secret in it.

        Glance registers it with the store of this package only.
        """
        return f'{swift_location.SCHEME}://{self.reference}/{container}/{name}'


def read(path: str, reference: str) -> Account:
    """Read one account from the file.

    :raises ConfigUnusable: when it is not there, or not whole
    """
    parser = configparser.ConfigParser()
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
        section = {
            name: _unquoted(value) for name, value in parser.items(reference)
        }
    except configparser.NoSectionError as exc:
        raise _unusable(path, f'has no section [{reference}]') from exc
    # Errors of the parser may quote a line, and it may have a key in it.
    except (ValueError, configparser.Error) as exc:
        raise _unusable(path, f'is malformed ({type(exc).__name__})') from None
    except OSError as exc:
        raise _unusable(path, f'cannot be read: {exc.strerror}') from exc
    names = ('application_credential_id', 'application_credential_secret')
    if not all(section.get(name) for name in names):
        names = ('user', 'key')
    for name in ('auth_address', *names):
        if not section.get(name):
            raise _unusable(path, f'has no {name} in [{reference}]')
    account = Account(
        reference,
        section['auth_address'],
        domains=tuple(_domains(section)),
    )
    identity, secret = (section[name] for name in names)
    if names[0] == 'user':
        if identity.count(':') != 1:
            raise _unusable(
                path, f'has a user in [{reference}] that is no project:user'
            )
        return dataclasses.replace(account, user=identity, key=secret)
    return dataclasses.replace(
        account, credential_id=identity, credential_secret=secret
    )


def address(session: ks_session.Session, access: Access) -> Callable[[], str]:
    """Return what finds the URL of the account that a session is of.

    What it returns raises keystoneauth1.exceptions.ClientException when
    Keystone cannot be asked, or does not know of any Swift.
    """
    return functools.partial(_address, session, access)


def _address(session: ks_session.Session, access: Access) -> str:
    found = access.endpoint or session.get_endpoint(
        service_type='object-store',
        interface=access.interface,
        region_name=access.region or None,
    )
    if not found:
        raise ks_exceptions.EndpointNotFound(
            f'no {access.interface} endpoint of type object-store'
        )
    return str(found)


def _domains(section: dict[str, str]) -> list[tuple[str, str]]:
    """Return the domains as Glance understands them."""
    pairs = []
    for ident, name in _DOMAINS:
        given = [
            (key, section[key]) for key in (ident, name) if section.get(key)
        ]
        pairs += given or [(ident, 'default')]
    return pairs


def _unquoted(value: str) -> str:
    """Take off the quotes that Glance takes off.

    :raises ValueError: when the closing one is missing
    """
    if value[:1] in ('"', "'"):
        if len(value) == 1 or value[-1] != value[0]:
            raise ValueError('a quote is not closed')
        return value[1:-1]
    return value


def _unusable(path: str, reason: str) -> exceptions.ConfigUnusable:
    return exceptions.ConfigUnusable(
        f'{path}, which image_upload_swift_config_file names, {reason}. Give '
        'it the contents of the file that swift_store_config_file names in '
        'glance-api.conf'
    )
