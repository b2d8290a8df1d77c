# SPDX-License-Identifier: Apache-2.0
"""Keystone, with the projects, users and endpoints of the lab."""

from collections.abc import Mapping
import getpass
import grp
import os

from lab import client
from lab import mariadb
from lab import service
from lab import state as lab_state
from lab import wsgi

# Who there is: name -> (project, roles). The service users have the role
# service and nothing else; the tenant is no administrator.
USERS = {
    'cinder': ('service', ('service',)),
    'glance': ('service', ('service',)),
    'tenant': ('tenant', ('member', 'reader')),
}
# Service -> (type, path below its port).
ENDPOINTS = {'glance': ('image', ''), 'cinder': ('block-storage', '/v3')}


class Keystone(service.Service):
    """The identity service."""

    name = 'keystone'
    needs = ('mariadb',)

    def configure(self) -> None:
        """Write keystone.conf."""
        self.state.write(
            self.folder / 'keystone.conf',
            'keystone.conf',
            base=self.folder,
            database=mariadb.url(self.state, 'keystone'),
        )

    def env(self) -> dict[str, str]:
        """Return where keystone.conf is, and the lab itself."""
        return client.python_path() | {
            'OS_KEYSTONE_CONFIG_DIR': str(self.folder)
        }

    def prepare(self) -> None:
        """Make the database, the keys, and the administrator."""
        me = (
            *('--keystone-user', getpass.getuser()),
            *('--keystone-group', grp.getgrgid(os.getgid()).gr_name),
        )
        self._manage('db_sync')
        self._manage('fernet_setup', *me)
        self._manage('credential_setup', *me)
        url = client.auth_url(self.state)
        self._manage(
            *('bootstrap', '--bootstrap-region-id', client.REGION),
            *('--bootstrap-password', self.state.password('admin')),
            *('--bootstrap-public-url', url, '--bootstrap-internal-url', url),
        )

    def command(self) -> list[str]:
        """Return the command of the identity service."""
        return wsgi.command('keystone', self.state.port(self.name))

    def ready(self) -> bool:
        """Tell whether the administrator gets a token."""
        return bool(client.connect(self.state, 'admin').auth_token)

    def furnish(self) -> None:
        """Make the projects, users, roles and endpoints that are missing."""
        furnish(self.state, USERS, ENDPOINTS)

    def _manage(self, *words: str) -> None:
        conf = str(self.folder / 'keystone.conf')
        self.run(
            *(service.program('keystone-manage'), '--config-file', conf),
            *words,
        )


def furnish(
    state: lab_state.State,
    users: Mapping[str, tuple[str, tuple[str, ...]]],
    endpoints: Mapping[str, tuple[str, str]],
) -> None:
    """Make what is missing of some users and endpoints.

    :param users: name -> (project, roles)
    :param endpoints: service -> (type, path below its port)
    """
    identity = client.connect(state, 'admin').identity
    for name, (project_name, roles) in users.items():
        project = identity.find_project(project_name) or (
            identity.create_project(name=project_name, domain_id='default')
        )
        user = identity.find_user(name) or identity.create_user(
            name=name, password=state.password(name), domain_id='default'
        )
        for role in roles:
            identity.assign_project_role_to_user(
                project, user, identity.find_role(role)
            )
    for name, (kind, path) in endpoints.items():
        if not identity.find_service(name):
            registered = identity.create_service(name=name, type=kind)
            identity.create_endpoint(
                service_id=registered.id,
                interface='public',
                region_id=client.REGION,
                url=f'http://127.0.0.1:{state.port(name)}{path}',
            )
