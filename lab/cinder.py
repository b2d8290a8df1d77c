# SPDX-License-Identifier: Apache-2.0
"""Cinder, with several back ends on one pool: upstream's driver and ours.

Of ours there is one as it comes, ``offload``, and one for each method.
"""

import os
import secrets
import sys

import openstack.exceptions

from lab import client
from lab import cloud
from lab import mariadb
from lab import rabbitmq
from lab import service
from lab import swift

METHODS = ('copy', 'clone_flatten', 'instant')
BACKENDS = ('upstream', 'offload', *METHODS)


def _section(backend: str) -> str:
    """Write a back end's section of cinder.conf."""
    lines = [f'[{backend}]', f'volume_backend_name = {backend}']
    if backend == 'upstream':
        lines.append('volume_driver = cinder.volume.drivers.rbd.RBDDriver')
    else:
        lines.append(cloud.lines('cinder backend'))
    if backend in METHODS:
        lines.append(f'rbd_offload_method = {backend}')
    return '\n'.join(lines) + '\n'


class Cinder(service.Service):
    """One of Cinder's processes; all share one cinder.conf and one folder."""

    # The back ends that it reports for; '' is a service without any.
    reports_for: tuple[str, ...] = ('',)

    @property
    def conf(self) -> str:
        """The path of cinder.conf."""
        return str(self.state.folder('cinder') / 'cinder.conf')

    def configure(self) -> None:
        """Write cinder.conf."""
        base = self.state.folder('cinder')
        helper = '' if os.geteuid() == 0 else 'sudo -n '
        self.state.write(
            base / 'cinder.conf',
            'cinder.conf',
            base=base,
            backends=', '.join(BACKENDS),
            default=cloud.lines('cinder DEFAULT'),
            sections='\n'.join(map(_section, BACKENDS)),
            database=mariadb.url(self.state, 'cinder'),
            name=self.state.name,
            port=self.state.port('cinder'),
            broker=rabbitmq.RabbitMQ(self.state).url,
            auth_url=client.auth_url(self.state),
            password=self.state.password('cinder'),
            etc=f'{sys.prefix}/etc/cinder',
            ceph_conf=self.state.root / 'ceph' / 'ceph.conf',
            privsep=f'{helper}{service.program("privsep-helper")}',
            key=self.state.once('key', lambda: secrets.token_hex(32)),
            service_user=cloud.lines('cinder service_user'),
            stores=self._stores(),
            options=self.options,
        )

    def _stores(self) -> str:
        """Write what of cinder.conf concerns Glance's Swift."""
        if not self.state.get('swift'):
            return ''
        return (
            f'image_upload_swift_stores = {swift.DIRECT}:{swift.REFERENCE}\n'
            f'image_upload_swift_config_file = {swift.accounts(self.state)}\n'
            f'image_upload_swift_region = {client.REGION}\n'
        )

    def command(self) -> list[str]:
        """Return the command of the process."""
        return [service.program(self.name), '--config-file', self.conf]

    def env(self) -> dict[str, str]:
        """Keep temporary files in the lab, and its programs in reach."""
        programs = os.path.dirname(sys.executable)
        return {
            'TMPDIR': str(self.state.folder('cinder/tmp')),
            'PATH': f'{programs}:{os.environ["PATH"]}',
        }

    def ready(self) -> bool:
        """Tell whether the process has reported since it was started."""
        storage = client.connect(self.state, 'admin').block_storage
        reported = {
            one.host.partition('@')[2]
            for one in storage.services(binary=self.name)
            if one.updated_at and one.updated_at > self.process.started_at
        }
        return reported.issuperset(self.reports_for)


class CinderApi(Cinder):
    """The block storage API, with the database and the volume types."""

    name = 'cinder-api'
    needs = ('keystone', 'rabbitmq')

    def prepare(self) -> None:
        """Make the database."""
        self.run(
            service.program('cinder-manage'),
            *('--config-file', self.conf, 'db', 'sync'),
        )

    def ready(self) -> bool:
        """Tell whether a tenant can list volumes."""
        storage = client.connect(self.state, 'tenant').block_storage
        list(storage.volumes())
        return True

    def furnish(self) -> None:
        """Make a volume type for each back end."""
        storage = client.connect(self.state, 'admin').block_storage
        for name in BACKENDS:
            try:
                storage.create_type(
                    name=name, extra_specs={'volume_backend_name': name}
                )
            except openstack.exceptions.ConflictException:
                continue


class CinderScheduler(Cinder):
    """The scheduler."""

    name = 'cinder-scheduler'
    needs = ('cinder-api',)


class CinderVolume(Cinder):
    """The volume service, one child process for each back end."""

    name = 'cinder-volume'
    needs = ('cinder-api', 'ceph-osd', 'ceph-mgr', 'glance', 'brick-keyring')
    reports_for = BACKENDS

    def env(self) -> dict[str, str]:
        """Choose between eventlet, Cinder's default, and native threads."""
        native = '1' if self.state.get('native') else ''
        return super().env() | {'OS_CINDER_DISABLE_EVENTLET_PATCHING': native}
