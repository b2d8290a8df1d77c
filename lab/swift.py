# SPDX-License-Identifier: Apache-2.0
"""Swift on one node, with Keystone, as a store of Glance's.

One proxy and one server each for accounts, containers and objects, which
keep a single copy in a folder. The file system of the state folder must have
extended attributes.
"""

import getpass
import http.client
import pathlib
import secrets
import sys
from typing import Any
from typing import ClassVar

import swiftclient

from lab import client
from lab import keystone
from lab import service
from lab import state as lab_state

# The owner of the account that Glance keeps its images in.
OWNER = 'glance-swift'
PROJECT = 'service'
# What images say instead of the owner's name and password.
REFERENCE = 'ref1'
# The Glance store that Cinder sends images to directly.
DIRECT = 'objects'

USERS = {
    'swift': (PROJECT, ('service',)),
    OWNER: (PROJECT, ('member',)),
}
ENDPOINTS = {'swift': ('object-store', '/v1/AUTH_%(project_id)s')}

DEVICE = 'disk'
# 2 to the power of it is the number of partitions.
PART_POWER = '6'


class Server(service.Service):
    """One of Swift's servers; all share one folder with their settings."""

    kind: ClassVar[str]
    template = 'swift-storage.conf'
    # Processes; 0 is one that has no children.
    workers = 0

    @property
    def base(self) -> pathlib.Path:
        """The folder of swift.conf and the rings."""
        return self.state.folder('swift')

    @property
    def port(self) -> int:
        """The port that the server listens on."""
        return self.state.port(self.name)

    def configure(self) -> None:
        """Write swift.conf and the server's own configuration."""
        self.state.write(
            self.base / 'swift.conf',
            'swift.conf',
            prefix=self.state.once('swift prefix', secrets.token_urlsafe),
            suffix=self.state.once('swift suffix', secrets.token_urlsafe),
        )
        self.state.write(
            self.base / f'{self.kind}-server.conf',
            self.template,
            base=self.base,
            kind=self.kind,
            port=self.port,
            user=getpass.getuser(),
            workers=self.workers,
            auth_url=client.auth_url(self.state),
            password=self.state.password('swift'),
        )

    def command(self) -> list[str]:
        """Return the command of the server."""
        conf = self.base / f'{self.kind}-server.conf'
        return [sys.executable, '-m', 'lab.swift_server', self.kind, str(conf)]

    def env(self) -> dict[str, str]:
        """Return where the lab is."""
        return client.python_path()

    def ready(self) -> bool:
        """Tell whether the server answers."""
        link = http.client.HTTPConnection('127.0.0.1', self.port, timeout=5)
        try:
            link.request('GET', '/healthcheck')
            return link.getresponse().read() == b'OK'
        finally:
            link.close()


class Storage(Server):
    """A server that keeps something, and the ring that says where."""

    def prepare(self) -> None:
        """Make the folder of the data, and the ring."""
        self.state.folder(f'swift/devices/{DEVICE}')
        builder = self.base / f'{self.kind}.builder'
        # What an earlier try has left.
        builder.unlink(missing_ok=True)
        ring = (service.program('swift-ring-builder'), builder)
        self.run(*ring, 'create', PART_POWER, '1', '0')
        device = f'r1z1-127.0.0.1:{self.port}/{DEVICE}'
        self.run(*ring, 'add', device, '1')
        self.run(*ring, 'rebalance')


class Accounts(Storage):
    """The server of accounts: lists of containers."""

    name = 'swift-account'
    kind = 'account'


class Containers(Storage):
    """The server of containers: lists of objects."""

    name = 'swift-container'
    kind = 'container'


class Objects(Storage):
    """The server of objects."""

    name = 'swift-object'
    kind = 'object'
    workers = 2


class Proxy(Server):
    """What clients talk to, and what they need in Keystone."""

    name = 'swift-proxy'
    kind = 'proxy'
    template = 'swift-proxy.conf'
    workers = 2
    needs = ('keystone', 'swift-account', 'swift-container', 'swift-object')

    @property
    def port(self) -> int:
        """The port that the service has in Keystone's catalog."""
        return self.state.port('swift')

    def furnish(self) -> None:
        """Make the users and the endpoint."""
        keystone.furnish(self.state, USERS, ENDPOINTS)


def accounts(state: lab_state.State) -> pathlib.Path:
    """Return the file with the accounts of Glance's stores."""
    return state.folder('glance') / 'swift-store.conf'


def account(state: lab_state.State) -> Any:
    """Return a swiftclient.Connection to the account of Glance's images."""
    return swiftclient.Connection(
        authurl=client.auth_url(state),
        user=OWNER,
        key=state.password(OWNER),
        tenant_name=PROJECT,
        auth_version='3',
        os_options={
            'region_name': client.REGION,
            'user_domain_id': 'default',
            'project_domain_id': 'default',
        },
    )
