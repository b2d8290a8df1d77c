# SPDX-License-Identifier: Apache-2.0
"""The lab that the faults happen in, and the means to cause them."""

from collections.abc import Callable
import contextlib
import os
import pathlib
import signal
import sys
from typing import ClassVar

from faults import trace
from lab import ceph
from lab import cinder
from lab import client
from lab import lab as lab_lab
from lab import service

# Where the lab remembers how many hosts there are.
HOSTS = 'faults hosts'
BACKENDS = tuple(name for name in cinder.BACKENDS if name != 'upstream')

# Seconds that Glance has for a location, instead of two minutes: a round in
# which Glance forgets what it was doing takes as long.
LOCATION_TIMEOUT = 20
# Seconds after which the OSD forgets a client that died, instead of 30: until
# then it counts as one that has the image open.
WATCH_TIMEOUT = 5


class CinderVolume(cinder.CinderVolume):
    """The volume service of the first host, with its steps instrumented."""

    host: ClassVar[str] = 'lab'

    def configure(self) -> None:
        """Write cinder.conf, and what differs on this host."""
        super().configure()
        lines = ['[DEFAULT]', f'host = {self.host}']
        lines.append(f'enabled_backends = {", ".join(BACKENDS)}')
        if self.state.get(HOSTS) == 2:
            lines.append('cluster = lab')
        lines.append('[backend_defaults]')
        lines.append(f'rbd_offload_location_timeout = {LOCATION_TIMEOUT}')
        (self.folder / 'faults.conf').write_text('\n'.join(lines) + '\n')

    def command(self) -> list[str]:
        """Return the command of the instrumented service."""
        return [
            *(sys.executable, '-m', 'faults.cinder_volume'),
            *('--config-file', self.conf),
            *('--config-file', str(self.folder / 'faults.conf')),
        ]

    def env(self) -> dict[str, str]:
        """Return where trace and orders are, and this package itself."""
        return (
            super().env()
            | client.python_path()
            | {'FAULTS_DIR': str(self.state.folder('faults'))}
        )

    def ready(self) -> bool:
        """Tell whether each back end has reported since the start."""
        storage = client.connect(self.state, 'admin').block_storage
        reported = {
            one.host
            for one in storage.services(binary='cinder-volume')
            if one.updated_at and one.updated_at > self.process.started_at
        }
        return reported.issuperset(
            f'{self.host}@{backend}' for backend in BACKENDS
        )


class SecondCinderVolume(CinderVolume):
    """The volume service of a second host on the same pools."""

    name = 'cinder-volume-2'
    host = 'lab2'


class Lab(lab_lab.Lab):
    """A lab with volume services to be killed, on one host or on two."""

    @property
    def services(self) -> dict[str, service.Service]:
        """The lab's services by name, each after those that it needs."""
        services = super().services
        services[CinderVolume.name] = CinderVolume(self.state)
        if self.state.get(HOSTS) == 2:
            second = SecondCinderVolume(self.state)
            services[second.name] = second
        return services


class Stage:
    """A running lab in which services are killed.

    :param root: the lab's state folder
    :param hosts: how many hosts have a volume service: 1 or 2
    :param say: takes a line of progress
    """

    def __init__(
        self, root: pathlib.Path, hosts: int, say: Callable[[str], None]
    ) -> None:
        self.lab = Lab(root, say)
        self._found_running = any(
            one.running() for one in self.lab.services.values()
        )
        self.state = self.lab.state
        self.folder = self.state.folder('faults')
        self.trace = trace.Trace(self.folder)
        self._wanted = hosts
        self.hosts = tuple(
            kind.name for kind in (CinderVolume, SecondCinderVolume)[:hosts]
        )

    def up(self) -> None:
        """Bring the lab up, with the instrumented cinder-volume.

        :raises Failed: when a service does not come up
        """
        if self.state.get(HOSTS) != self._wanted:
            # What runs does so as a host of another cluster, or as the
            # service that is not instrumented.
            for kind in (SecondCinderVolume, CinderVolume):
                kind(self.state).down()
            self.state.set(HOSTS, self._wanted)
        self.lab.up()
        self.services = self.lab.services
        if not self.processes():
            for name in self.hosts:
                self.services[name].down()
                self.launch(name)
        ceph.Osd(self.state).admin(
            *('config', 'set', 'osd', 'osd_client_watch_timeout'),
            str(WATCH_TIMEOUT),
        )

    def down(self) -> None:
        """End what was started here.

        In a lab that ran before, that is the instrumented cinder-volume;
        ``lab up`` starts the plain one.
        """
        self.lab.down(*(self.hosts if self._found_running else ()))
        self.state.set(HOSTS, None)

    def processes(self) -> dict[tuple[str, str], int]:
        """Return the process of each host and back end that is ready."""
        alive = {
            pid
            for name in self.hosts
            for pid in self.services[name].process.members()
        }
        found = self.trace.processes()
        return {key: pid for key, pid in found.items() if pid in alive}

    def await_processes(self) -> None:
        """Wait until every back end is served on every host.

        :raises Failed: when they are not in time
        """
        wanted = len(BACKENDS) * len(self.hosts)
        service.wait(
            'the processes of cinder-volume',
            lambda: len(self.processes()) == wanted,
        )

    def kill(self, name: str) -> None:
        """Kill a service with all its processes, as a loss of power does."""
        for pid in self.services[name].process.members():
            send(pid, signal.SIGKILL)

    def launch(self, name: str) -> None:
        """Start a service again and wait until it is ready."""
        one = self.services[name]
        one.configure()
        one.launch()
        one.await_ready()


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
