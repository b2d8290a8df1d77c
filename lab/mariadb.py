# SPDX-License-Identifier: Apache-2.0
"""MariaDB, the database of Keystone, Glance and Cinder.

SQLite would do for one request at a time; of several uploads at once Glance
fails some then, because its database is locked.
"""

import getpass

import pymysql

from lab import service
from lab import state as lab_state

DATABASES = ('keystone', 'glance', 'cinder')
USER = 'lab'


class MariaDB(service.Service):
    """The database server."""

    name = 'mariadb'

    def configure(self) -> None:
        """Write the configuration, and the statements run at each start."""
        self.state.folder(f'{self.name}/tmp')
        self.state.write(
            self.folder / 'my.cnf',
            'my.cnf',
            base=self.folder,
            port=self.state.port(self.name),
            user=getpass.getuser(),
        )
        password = self.state.password(self.name)
        lines = [
            f"create user if not exists {USER} identified by '{password}';"
        ]
        for name in DATABASES:
            lines.append(f'create database if not exists {name};')
            lines.append(f'grant all on {name}.* to {USER};')
        (self.folder / 'init.sql').write_text('\n'.join(lines) + '\n')

    def prepare(self) -> None:
        """Make the system tables."""
        self.run(
            'mariadb-install-db',
            f'--defaults-file={self.folder / "my.cnf"}',
            '--auth-root-authentication-method=socket',
            '--skip-test-db',
        )

    def command(self) -> list[str]:
        """Return the command of the server."""
        return [
            '/usr/sbin/mariadbd',
            f'--defaults-file={self.folder / "my.cnf"}',
        ]

    def ready(self) -> bool:
        """Tell whether a client can log in."""
        pymysql.connect(
            host='127.0.0.1',
            port=self.state.port(self.name),
            user=USER,
            password=self.state.password(self.name),
            database=DATABASES[-1],
            connect_timeout=2,
        ).close()
        return True


def url(state: lab_state.State, database: str) -> str:
    """Return a database's URL, as SQLAlchemy reads it."""
    password = state.password(MariaDB.name)
    port = state.port(MariaDB.name)
    return f'mysql+pymysql://{USER}:{password}@127.0.0.1:{port}/{database}'
