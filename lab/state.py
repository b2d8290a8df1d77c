# SPDX-License-Identifier: Apache-2.0
"""The state folder: what a lab must remember between two commands.

``lab.json`` holds the lab's name, the ports, the passwords and the settings.
The folder is readable by its owner only, since it holds keys.
"""

from collections.abc import Callable
import fcntl
import json
import os
import pathlib
import random
import secrets
import socket
import string
import sys
import threading
from typing import Any

# Below the range from which Linux takes the ports of outgoing connections, so
# that none of those takes a port of ours while its service is down.
PORTS = range(20000, 30000)

TEMPLATES = pathlib.Path(__file__).parent / 'templates'


class State:
    """A lab's folder and its remembered values.

    :param root: the state folder; made when it is missing
    """

    def __init__(self, root: pathlib.Path) -> None:
        os.umask(0o077)
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        self._file = self.root / 'lab.json'
        # The services come up in threads.
        self._guard = threading.RLock()
        self._values: dict[str, Any] = (
            json.loads(self._file.read_text()) if self._file.exists() else {}
        )

    def lock(self) -> None:
        """Keep other commands off this lab until this process ends.

        :raises SystemExit: when another command is at work on it
        """
        self._lock = (self.root / 'lock').open('w')
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f'another command is at work on the lab in {self.root}')

    def folder(self, name: str) -> pathlib.Path:
        """Return a folder of the lab's, made when it is missing."""
        path = self.root / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    def get(self, key: str, default: Any = None) -> Any:
        """Return a remembered value."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> Any:
        """Remember a value, across a crash too, and return it."""
        with self._guard:
            self._values[key] = value
            draft = self._file.with_suffix('.new')
            draft.write_text(json.dumps(self._values, indent=2) + '\n')
            draft.replace(self._file)
        return value

    def once(self, key: str, make: Callable[[], str]) -> str:
        """Return a remembered value; the first time, make it."""
        with self._guard:
            return str(self.get(key) or self.set(key, make()))

    @property
    def name(self) -> str:
        """A name that no other lab on this machine has."""
        return self.once('name', lambda: f'lab-{secrets.token_hex(3)}')

    def password(self, purpose: str) -> str:
        """Return the password for a purpose, made once and then kept."""
        return self.once(f'password {purpose}', lambda: secrets.token_hex(12))

    def port(self, purpose: str) -> int:
        """Return the port for a purpose, chosen free and then kept."""
        with self._guard:
            ports = self.get('ports', {})
            if purpose not in ports:
                ports[purpose] = _free_port(set(ports.values()))
                self.set('ports', ports)
            return int(ports[purpose])

    def write(
        self, target: pathlib.Path, template: str, **values: Any
    ) -> None:
        """Write a configuration file from a template of :mod:`lab`."""
        text = string.Template((TEMPLATES / template).read_text())
        target.write_text(text.substitute(values))


def _free_port(taken: set[int]) -> int:
    for port in random.sample(PORTS, len(PORTS)):
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                continue
        return port
    sys.exit(f'no port of {PORTS} is free on 127.0.0.1')
