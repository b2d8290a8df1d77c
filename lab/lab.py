# SPDX-License-Identifier: Apache-2.0
"""The lab: its services, and bringing them up in the order of their needs."""

from collections.abc import Callable
import concurrent.futures
import pathlib
import shutil
import threading
import time

from lab import ceph
from lab import cinder
from lab import glance
from lab import keystone
from lab import mariadb
from lab import rabbitmq
from lab import service
from lab import state as lab_state
from lab import swift as lab_swift

SERVICES: tuple[type[service.Service], ...] = (
    ceph.Monitor,
    ceph.Manager,
    ceph.Osd,
    ceph.BrickKeyring,
    rabbitmq.PortMapper,
    rabbitmq.RabbitMQ,
    mariadb.MariaDB,
    keystone.Keystone,
    glance.Glance,
    cinder.CinderApi,
    cinder.CinderScheduler,
    cinder.CinderVolume,
)
SECOND_CEPH = (ceph.SecondMonitor, ceph.SecondManager, ceph.SecondOsd)
SWIFT = (
    lab_swift.Accounts,
    lab_swift.Containers,
    lab_swift.Objects,
    lab_swift.Proxy,
)


class Lab:
    """One lab.

    :param root: its state folder
    :param say: takes a line of progress
    """

    def __init__(
        self, root: pathlib.Path, say: Callable[[str], None] = print
    ) -> None:
        self.state = lab_state.State(root)
        self._say = say

    @property
    def services(self) -> dict[str, service.Service]:
        """The lab's services by name, each after those that it needs."""
        kinds = list(SERVICES)
        if self.state.get('ceph2'):
            kinds += SECOND_CEPH
        if self.state.get('swift'):
            kinds += SWIFT
        return {kind.name: kind(self.state) for kind in kinds}

    def up(
        self,
        ceph2: bool = False,
        native: bool | None = None,
        swift: bool = False,
    ) -> None:
        """Bring up every service that does not run.

        :param ceph2: also a second Ceph cluster, as a store of Glance's
        :param native: run cinder-volume with native threads; None leaves it
        :param swift: also Swift, as a store of Glance's
        :raises Failed: when a service does not come up
        """
        self.state.lock()
        started = time.monotonic()
        for name, wanted in {'ceph2': ceph2, 'swift': swift}.items():
            if wanted and not self.state.get(name):
                self.state.set(name, True)
                # Both have it in their configuration.
                self.services['cinder-volume'].down()
                self.services['glance'].down()
        if native is not None and native != self.state.get('native', False):
            self.state.set('native', native)
            self.services['cinder-volume'].down()
        self._say(f'{self.state.name} in {self.state.root}')
        self._up_all()
        self._say(f'up in {time.monotonic() - started:.0f} s')

    def _up_all(self) -> None:
        """Bring up all services at once, each as soon as its needs are up."""
        services = self.services
        done = {name: threading.Event() for name in services}
        failures: list[BaseException] = []

        def bring_up(one: service.Service) -> None:
            try:
                for need in one.needs:
                    done[need].wait()
                if not failures:
                    self._up_one(one)
            except BaseException as exc:
                failures.append(exc)
                for other in services.values():
                    other.given_up.set()
            finally:
                done[one.name].set()

        with concurrent.futures.ThreadPoolExecutor(len(services)) as pool:
            list(pool.map(bring_up, services.values()))
        if failures:
            raise failures[0]

    def _up_one(self, one: service.Service) -> None:
        started = time.monotonic()
        news = one.up()
        seconds = time.monotonic() - started
        what = f'ready in {seconds:.1f} s' if news else 'runs'
        self._say(f'  {one.name:17} {what}')

    def down(self, *names: str) -> None:
        """End services, those first that need others.

        :param names: the services to end; all, where none is named
        """
        self.state.lock()
        for name, one in reversed(self.services.items()):
            if names and name not in names:
                continue
            if one.running() or one.process.died:
                one.down()
                self._say(f'  {name:17} ended')

    def configure(self, name: str, options: list[str]) -> None:
        """Start a service anew with options of its own, and no others.

        :param options: each is ``SECTION.OPTION=VALUE``
        :raises Failed: when the service does not come up
        """
        self.state.lock()
        self.state.set(f'options of {name}', options)
        one = self.services[name]
        one.down()
        self._up_one(one)

    def problems(self) -> dict[str, str]:
        """Say for each service what is wrong with it; nothing is ''."""
        return {name: one.problem() for name, one in self.services.items()}

    def purge(self) -> None:
        """End every service and remove the state folder."""
        self.down()
        shutil.rmtree(self.state.root)
