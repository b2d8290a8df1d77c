# SPDX-License-Identifier: Apache-2.0
"""Glance, with an RBD store (the default), a file store, and others."""

import sys

from lab import client
from lab import cloud
from lab import mariadb
from lab import service
from lab import state as lab_state
from lab import swift
from lab import wsgi


class Glance(service.Service):
    """The image service."""

    name = 'glance'
    needs: tuple[str, ...] = ('keystone', 'ceph-osd')

    def __init__(self, state: lab_state.State) -> None:
        super().__init__(state)
        # Those that a lab may have or not: store -> type.
        self.more_stores: dict[str, str] = {}
        if state.get('ceph2'):
            self.more_stores['ceph2'] = 'rbd'
            self.needs = (*self.needs, 'ceph2-osd')
        if state.get('swift'):
            self.more_stores['swift'] = 'swift'
            self.more_stores[swift.DIRECT] = 'swift_resumable'
            self.needs = (*self.needs, swift.Proxy.name)

    def configure(self) -> None:
        """Write glance-api.conf, and the accounts of the Swift store."""
        accounts = swift.accounts(self.state)
        self.state.write(
            accounts,
            'swift-store.conf',
            reference=swift.REFERENCE,
            auth_url=client.auth_url(self.state),
            user=f'{swift.PROJECT}:{swift.OWNER}',
            password=self.state.password(swift.OWNER),
        )
        self.state.write(
            self.folder / 'glance-api.conf',
            'glance-api.conf',
            base=self.folder,
            database=mariadb.url(self.state, 'glance'),
            port=self.state.port(self.name),
            auth_url=client.auth_url(self.state),
            password=self.state.password(self.name),
            paste=f'{sys.prefix}/etc/glance/glance-api-paste.ini',
            ceph_conf=self.state.root / 'ceph' / 'ceph.conf',
            ceph2_conf=self.state.root / 'ceph2' / 'ceph.conf',
            more=''.join(
                f', {name}:{kind}' for name, kind in self.more_stores.items()
            ),
            accounts=accounts,
            reference=swift.REFERENCE,
            region=client.REGION,
            direct=swift.DIRECT,
            default=cloud.lines('glance DEFAULT'),
            authtoken=cloud.lines('glance keystone_authtoken'),
            options=self.options,
        )

    def env(self) -> dict[str, str]:
        """Return where glance-api.conf is, and the lab itself."""
        return client.python_path() | {
            'OS_GLANCE_CONFIG_DIR': str(self.folder)
        }

    def prepare(self) -> None:
        """Make the database."""
        self.run(
            service.program('glance-manage'),
            *('--config-file', self.folder / 'glance-api.conf', 'db_sync'),
        )

    def command(self) -> list[str]:
        """Return the command of the image service."""
        return wsgi.command('glance', self.state.port(self.name))

    def ready(self) -> bool:
        """Tell whether a tenant can list images."""
        list(client.connect(self.state, 'tenant').image.images())
        return True
