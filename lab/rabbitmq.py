# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ, with an Erlang port mapper of its own."""

from kombu import connection

from lab import service

USER = 'lab'


class PortMapper(service.Service):
    """epmd; without it RabbitMQ would leave a shared one behind."""

    name = 'epmd'

    def command(self) -> list[str]:
        """Return the command of epmd."""
        port = str(self.state.port(self.name))
        return ['epmd', '-address', '127.0.0.1', '-port', port]

    def ready(self) -> bool:
        """Tell whether epmd answers."""
        port = str(self.state.port(self.name))
        return 'up and running' in self.run('epmd', '-port', port, '-names')


class RabbitMQ(service.Service):
    """The message broker of Cinder."""

    name = 'rabbitmq'
    needs = ('epmd',)

    @property
    def url(self) -> str:
        """The broker's URL, as oslo.messaging reads it."""
        password = self.state.password(self.name)
        port = self.state.port(self.name)
        return f'rabbit://{USER}:{password}@127.0.0.1:{port}/'

    def configure(self) -> None:
        """Write rabbitmq.conf and the list of plugins: none."""
        self.state.write(
            self.folder / 'rabbitmq.conf',
            'rabbitmq.conf',
            port=self.state.port(self.name),
            user=USER,
            password=self.state.password(self.name),
        )
        (self.folder / 'plugins').write_text('[].\n')

    def command(self) -> list[str]:
        """Return the broker's command; the one in PATH is for root only."""
        return ['/usr/lib/rabbitmq/bin/rabbitmq-server']

    def env(self) -> dict[str, str]:
        """Return what keeps the broker inside its folder and on 127.0.0.1."""
        return {
            'HOME': str(self.folder),
            'ERL_EPMD_ADDRESS': '127.0.0.1',
            'ERL_EPMD_PORT': str(self.state.port('epmd')),
            'RABBITMQ_NODENAME': 'lab@localhost',
            'RABBITMQ_DIST_PORT': str(self.state.port('rabbitmq-dist')),
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': (
                '-kernel inet_dist_use_interface {127,0,0,1}'
            ),
            'RABBITMQ_CONFIG_FILE': str(self.folder / 'rabbitmq.conf'),
            'RABBITMQ_CONF_ENV_FILE': str(self.folder / 'none'),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(self.folder / 'plugins'),
            'RABBITMQ_MNESIA_BASE': str(self.folder / 'mnesia'),
            'RABBITMQ_PID_FILE': str(self.folder / 'pid'),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_LOG_BASE': str(self.folder),
        }

    def ready(self) -> bool:
        """Tell whether a client can log in."""
        with connection.Connection(
            hostname='127.0.0.1',
            port=self.state.port(self.name),
            userid=USER,
            password=self.state.password(self.name),
            connect_timeout=2,
        ) as broker:
            return bool(broker.connect())
