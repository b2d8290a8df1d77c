# SPDX-License-Identifier: Apache-2.0
"""The lab that the faults happen in, and the means to cause them."""

from collections.abc import Callable
import contextlib
import os
import pathlib
import signal
import sys

from faults import trace
from lab import ceph
from lab import cinder
from lab import client
from lab import lab as lab_lab
from lab import service

BACKENDS = tuple(name for name in cinder.BACKENDS if name != 'upstream')

# Seconds that Glance has for a location, instead of two minutes: a round in
# which Glance forgets what it was doing takes as long.
LOCATION_TIMEOUT = 20
# Seconds after which the OSD forgets a client that died, instead of 30: until
# then it counts as one that has the image open.
WATCH_TIMEOUT = 5


class CinderVolume(cinder.CinderVolume):
    """The volume service with its steps instrumented."""

    def configure(self) -> None:
        """Write cinder.conf, and what differs in this lab."""
        super().configure()
        (self.folder / 'faults.conf').write_text(
            '[backend_defaults]\n'
            f'rbd_offload_location_timeout = {LOCATION_TIMEOUT}\n'
        )

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


class Osd(ceph.Osd):
    """The OSD, which soon forgets a client that died."""

    def furnish(self) -> None:
        """Make pools and users, and set the time."""
        super().furnish()
        self.admin(
            *('config', 'set', 'osd', 'osd_client_watch_timeout'),
            str(WATCH_TIMEOUT),
        )


class Lab(lab_lab.Lab):
    """A lab with services to be killed."""

    kinds = tuple(
        {'cinder-volume': CinderVolume, 'ceph-osd': Osd}.get(kind.name, kind)
        for kind in lab_lab.SERVICES
    )

    @property
    def services(self) -> dict[str, service.Service]:
        """The lab's services by name, each after those that it needs."""
        return {kind.name: kind(self.state) for kind in self.kinds}


class Stage:
    """A running lab in which services are killed.

    :param root: the lab's state folder
    :param say: takes a line of progress
    """

    def __init__(self, root: pathlib.Path, say: Callable[[str], None]) -> None:
        self.lab = Lab(root, say)
        self.state = self.lab.state
        self.folder = self.state.folder('faults')
        self.trace = trace.Trace(self.folder)
        self.services = self.lab.services

    def up(self) -> None:
        """Bring the lab up, with the instrumented cinder-volume."""
        self.lab.up()
        # A lab that ran before may have the plain one.
        if not self.processes():
            self.services['cinder-volume'].down()
            self.launch('cinder-volume')

    def processes(self) -> dict[str, int]:
        """Return the process of each back end that is ready, by pid."""
        alive = set(self.services['cinder-volume'].process.members())
        found = trace.processes(self.trace.since(0))
        return {
            backend: pid
            for backend, pid in found.items()
            if pid in alive and backend in BACKENDS
        }

    def await_processes(self) -> None:
        """Wait until every back end is served.

        :raises Failed: when they are not in time
        """
        service.wait(
            'the processes of cinder-volume',
            lambda: len(self.processes()) == len(BACKENDS),
        )

    def kill(self, name: str) -> None:
        """Kill a service with all its processes, as a loss of power does."""
        for pid in self.services[name].process.members():
            send(pid, signal.SIGKILL)

    def launch(self, name: str) -> None:
        """Start a service again and wait until it is ready."""
        one = self.services[name]
        one.launch()
        one.await_ready()


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, which may have ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
