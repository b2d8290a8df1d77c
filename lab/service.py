# SPDX-License-Identifier: Apache-2.0
"""What every service of a lab is."""

from collections.abc import Callable
import pathlib
import subprocess
import sys
import threading
import time
from typing import ClassVar

from lab import process
from lab import state as lab_state

# Seconds that any one step of any service may take. The slowest here is a
# database's first set-up, about 10 s on two cores.
DEADLINE = 120


class Failed(Exception):
    """A service did not come up; the message names the step and the log."""


class GivenUp(Failed):
    """There is no point in waiting any longer."""


class Service:
    """One service: a folder, a configuration, a process, a ready check.

    A subclass fills in the steps below. :meth:`up` takes them in order, each
    of them only where it is still due.
    """

    name: ClassVar[str]
    needs: tuple[str, ...] = ()

    def __init__(self, state: lab_state.State) -> None:
        self.state = state
        self.folder = state.folder(self.name)
        self.log = self.folder / f'{self.name}.log'
        self.process = process.Process(self.folder / 'process.json', self.log)
        # Set from another thread to end the wait for this service.
        self.given_up = threading.Event()

    # The steps of a subclass.

    def configure(self) -> None:
        """Write the configuration files."""

    def prepare(self) -> None:
        """Make the data that the process needs; done once in a lab's life."""

    def command(self) -> list[str]:
        """Return the command of the process, which stays in the foreground."""
        raise NotImplementedError

    def env(self) -> dict[str, str]:
        """Return what the process needs in its environment."""
        return {}

    def ready(self) -> bool:
        """Tell whether the service does its work; an error means not yet."""
        raise NotImplementedError

    def furnish(self) -> None:
        """Make what clients need in the running service; repeatable."""

    # What the lab calls.

    def up(self) -> bool:
        """Bring the service up; return False if it was up already."""
        furnished = self.folder / 'furnished'
        if not self.running():
            furnished.unlink(missing_ok=True)
            self.configure()
            prepared = self.folder / 'prepared'
            if not prepared.exists():
                self.prepare()
                prepared.touch()
            self.launch()
        self.await_ready()
        if furnished.exists():
            return False
        self.furnish()
        furnished.touch()
        return True

    def launch(self) -> None:
        """Start the process."""
        self.process.start(self.command(), self.env(), cwd=self.folder)

    def await_ready(self) -> None:
        """Wait until the service is ready.

        :raises Failed: when it is not in time, or its process has died
        """

        def check() -> bool:
            if self.process.died:
                raise GivenUp(f'{self.name} died; see {self.log}')
            if self.given_up.is_set():
                raise GivenUp(f'{self.name}: another service failed')
            return self.ready()

        wait(f'{self.name} ({self.log})', check)

    @property
    def options(self) -> str:
        """The options that ``lab configure`` gave the service, as text.

        Written at the end of its configuration they win over what is there.
        """
        return ''.join(
            '\n[{}]\n{}\n'.format(*option.split('.', 1))
            for option in self.state.get(f'options of {self.name}', ())
        )

    def running(self) -> bool:
        """Tell whether the process runs."""
        return self.process.pid is not None

    def down(self) -> None:
        """End the process and all that it started."""
        self.process.stop()

    def problem(self) -> str:
        """Say in a line what is wrong with the service, if anything is."""
        if self.process.died:
            return 'died'
        if not self.running():
            return 'not running'
        try:
            return '' if self.ready() else 'not ready'
        except Exception as exc:
            return f'not ready: {exc}'

    def run(self, *command: str | pathlib.Path, given: str = '') -> str:
        """Run a command to its end and return its output.

        :param given: what it gets on its standard input
        :raises Failed: when it fails or takes too long
        """
        try:
            done = subprocess.run(
                list(map(str, command)),
                input=given,
                capture_output=True,
                text=True,
                cwd=self.folder,
                timeout=DEADLINE,
                check=True,
            )
        except subprocess.CalledProcessError as exc:
            last_line = exc.stderr.strip().rpartition('\n')[2]
            with self.log.open('a') as log:
                log.write(f'{exc.stdout}{exc.stderr}')
            raise Failed(
                f'{self.name}: {command[0]} failed: {last_line} '
                f'(see {self.log})'
            ) from None
        except subprocess.TimeoutExpired:
            raise Failed(
                f'{self.name}: {command[0]} took over {DEADLINE} s'
            ) from None
        return done.stdout


def program(name: str) -> str:
    """Return the path of a program of this Python environment."""
    return str(pathlib.Path(sys.executable).parent / name)


def wait(
    what: str, check: Callable[[], bool], seconds: float = DEADLINE
) -> None:
    """Wait until a check holds; its errors mean not yet.

    :raises Failed: when it does not hold in time
    """
    deadline = time.monotonic() + seconds
    last = ''
    while time.monotonic() < deadline:
        try:
            if check():
                return
        except GivenUp:
            raise
        except Exception as exc:
            last = f': {exc}'
        time.sleep(0.2)
    raise Failed(f'{what} was not ready within {seconds:.0f} s{last}')
