# SPDX-License-Identifier: Apache-2.0
"""A Ceph cluster: one monitor, one manager, one OSD on a sparse file."""

import contextlib
import json
import pathlib
from typing import ClassVar
import uuid

from lab import cloud
from lab import service

POOLS = ('volumes', 'images')
CAPS = {
    user: cloud.options(f'ceph {user}', POOLS) for user in ('cinder', 'glance')
}
# What reads the parent of an image that is not flattened yet.
READS_VOLUMES = ', profile rbd-read-only pool=volumes'


class Daemon(service.Service):
    """A daemon of the cluster; all share one ceph.conf and one folder."""

    cluster: ClassVar[str] = 'ceph'
    daemon: ClassVar[str]

    @property
    def base(self) -> pathlib.Path:
        """The cluster's folder."""
        return self.state.folder(self.cluster)

    @property
    def conf(self) -> pathlib.Path:
        """The cluster's ceph.conf; it names the keyring of each user."""
        return self.base / 'ceph.conf'

    @property
    def fsid(self) -> str:
        """The cluster's id."""
        return self.state.once(
            f'{self.cluster} fsid', lambda: str(uuid.uuid4())
        )

    def configure(self) -> None:
        """Write ceph.conf."""
        self.state.write(
            self.conf,
            'ceph.conf',
            fsid=self.fsid,
            base=self.base,
            port_v1=self.state.port(f'{self.cluster}-v1'),
            port_v2=self.state.port(f'{self.cluster}-v2'),
        )

    def command(self) -> list[str]:
        """Return the daemon's command."""
        kind, name = self.daemon.split('.')
        return [f'ceph-{kind}', '-f', '--id', name, '-c', str(self.conf)]

    def keyring(self, user: str) -> pathlib.Path:
        """Return the file of a user's key."""
        return self.base / f'{user}.keyring'

    def admin(self, *words: str, given: str = '') -> str:
        """Run a ``ceph`` command as client.admin."""
        return self.run(
            'ceph',
            '--connect-timeout',
            '10',
            '-c',
            self.conf,
            *words,
            given=given,
        )

    def set_caps(self, user: str, **changes: str) -> None:
        """Give a user what it has in the lab, with changes.

        :param changes: what is '' is taken away
        """
        caps = CAPS[user] | changes
        words = [word for cap in caps.items() if cap[1] for word in cap]
        self.admin('auth', 'caps', f'client.{user}', *words)

    def let_glance_read_volumes(self) -> None:
        """Give Glance's user what the method ``instant`` needs."""
        self.set_caps('glance', osd=CAPS['glance']['osd'] + READS_VOLUMES)


class Monitor(Daemon):
    """The monitor, with the keys of all daemons and of client.admin."""

    name = 'ceph-mon'
    daemon = 'mon.a'

    def prepare(self) -> None:
        """Make the keys and the monitor's store."""
        keys = self.folder / 'bootstrap.keyring'
        everything = ('--cap', 'mon', 'allow *')
        self.run(
            'ceph-authtool', '-C', keys, '--gen-key', '-n', 'mon.', *everything
        )
        admin = self.keyring('client.admin')
        self.run(
            *('ceph-authtool', '-C', admin, '--gen-key', '-n', 'client.admin'),
            *everything,
            *('--cap', 'osd', 'allow *', '--cap', 'mgr', 'allow *'),
        )
        self.run('ceph-authtool', keys, '--import-keyring', admin)
        monmap = self.folder / 'monmap'
        v1, v2 = (self.state.port(f'{self.cluster}-{v}') for v in ('v1', 'v2'))
        self.run(
            *('monmaptool', '--create', '--clobber', '--fsid', self.fsid),
            *('--addv', 'a', f'[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]', monmap),
        )
        self.run(
            *('ceph-mon', '--mkfs', '--id', 'a', '-c', self.conf),
            *('--monmap', monmap, '--keyring', keys),
        )

    def ready(self) -> bool:
        """Tell whether the monitor has a quorum."""
        return bool(json.loads(self.admin('quorum_status'))['quorum'])

    def furnish(self) -> None:
        """Let clone v2 be used, as any cluster of the last years does."""
        for option, value in cloud.options('ceph cluster').items():
            self.admin('osd', f'set-{option.replace("_", "-")}', value)


class Manager(Daemon):
    """The manager, whose rbd_support module flattens and removes images."""

    name = 'ceph-mgr'
    daemon = 'mgr.x'
    needs = ('ceph-mon',)

    def prepare(self) -> None:
        """Make the manager's key."""
        key = self.admin(
            *('auth', 'get-or-create', self.daemon, 'mon'),
            *('allow profile mgr', 'osd', 'allow *', 'mds', 'allow *'),
        )
        self.keyring(self.daemon).write_text(key)

    def ready(self) -> bool:
        """Tell whether the manager is active and takes RBD tasks."""
        self.admin('rbd', 'task', 'list')
        return True


class Osd(Daemon):
    """The OSD, and in the running cluster the pools and users."""

    name = 'ceph-osd'
    daemon = 'osd.0'
    needs = ('ceph-mon',)

    def prepare(self) -> None:
        """Make the OSD known and its store."""
        self.state.folder(f'{self.cluster}/osd')
        # Remembered, so that a second try makes no second OSD.
        osd_id = self.state.once(
            f'{self.name} uuid', lambda: str(uuid.uuid4())
        )
        secret = self.state.once(
            f'{self.name} secret',
            lambda: self.run('ceph-authtool', '--gen-print-key').strip(),
        )
        self.admin(
            *('osd', 'new', osd_id, '-i', '-'),
            given=json.dumps({'cephx_secret': secret}),
        )
        self.run(
            *('ceph-authtool', '-C', self.keyring(self.daemon)),
            *('-n', self.daemon, '--add-key', secret),
        )
        self.run(
            *('ceph-osd', '--mkfs', '--id', '0', '--osd-uuid', osd_id),
            *('-c', self.conf),
        )

    def ready(self) -> bool:
        """Tell whether the OSD is up."""
        return (
            json.loads(self.admin('osd', 'stat', '-f', 'json'))['num_up_osds']
            == 1
        )

    def furnish(self) -> None:
        """Make the pools, and the users with their keyrings."""
        have = json.loads(self.admin('osd', 'pool', 'ls', '-f', 'json'))
        for pool in POOLS:
            if pool not in have:
                self.admin('osd', 'pool', 'create', pool)
                self.run('rbd', '-c', self.conf, 'pool', 'init', pool)
        for user, caps in CAPS.items():
            name = f'client.{user}'
            words = [word for cap in caps.items() for word in cap]
            self.admin('auth', 'get-or-create', name, *words)
            self.admin('auth', 'caps', name, *words)
            self.keyring(name).write_text(self.admin('auth', 'get', name))


class BrickKeyring(service.Service):
    """A link in /etc/ceph to the key of client.cinder.

    os-brick, through which the upstream driver uploads, reads the key from
    there whatever ceph.conf says. It builds the file's name from the cluster
    name in cinder.conf, for which we use the lab's, so labs do not meet.
    """

    name = 'brick-keyring'
    needs = ('ceph-osd',)

    @property
    def link(self) -> pathlib.Path:
        """Where os-brick looks."""
        return pathlib.Path(
            f'/etc/ceph/{self.state.name}.client.cinder.keyring'
        )

    @property
    def keyring(self) -> pathlib.Path:
        """Where the key is."""
        return self.state.folder('ceph') / 'client.cinder.keyring'

    def launch(self) -> None:
        """Make the link."""
        self._as_root('ln', '-sfn', str(self.keyring), str(self.link))

    def running(self) -> bool:
        """Tell whether the link is there and ours."""
        with contextlib.suppress(OSError):
            return self.link.readlink() == self.keyring
        return False

    def ready(self) -> bool:
        """Tell whether the key can be read through the link."""
        return bool(self.link.read_text())

    def down(self) -> None:
        """Remove the link."""
        if self.running():
            self._as_root('rm', str(self.link))

    def _as_root(self, *command: str) -> None:
        try:
            self.run(*command)
        except service.Failed:
            self.run('sudo', '-n', *command)


class SecondMonitor(Monitor):
    """The monitor of a second cluster."""

    name = 'ceph2-mon'
    cluster = 'ceph2'


class SecondManager(Manager):
    """The manager of a second cluster."""

    name = 'ceph2-mgr'
    cluster = 'ceph2'
    needs = ('ceph2-mon',)


class SecondOsd(Osd):
    """The OSD of a second cluster."""

    name = 'ceph2-osd'
    cluster = 'ceph2'
    needs = ('ceph2-mon',)
