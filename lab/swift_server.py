# SPDX-License-Identifier: Apache-2.0
"""Runs one of Swift's servers with the lab's own swift.conf.

``swift_dir`` in a server's configuration is too late for that: storage
policies and limits are read when Swift is imported, from /etc/swift. So this
says where they are before the server is imported::

    python -m lab.swift_server proxy .../proxy-server.conf
"""

import importlib
import pathlib
import sys

from swift.common import utils

SERVERS = {
    'account': 'swift.account.server',
    'container': 'swift.container.server',
    'object': 'swift.obj.server',
    'proxy': 'swift.proxy.server',
}


def main() -> None:
    """Run the server until it is ended; its log goes to standard error."""
    kind, conf = sys.argv[1:]
    utils.set_swift_dir(str(pathlib.Path(conf).parent))
    sys.argv = [f'swift-{kind}-server', conf, '--verbose']
    importlib.import_module(SERVERS[kind]).main()


if __name__ == '__main__':
    main()
