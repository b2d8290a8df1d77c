# SPDX-License-Identifier: Apache-2.0
"""The commands of the lab."""

import argparse
import os
import pathlib
import shlex
import sys

from lab import client
from lab import demo
from lab import lab as lab_lab
from lab import service

LOG_LINES = 10


def main() -> int:
    """Run one command and return its exit code: 0, or 1 for a failure."""
    args = _parser().parse_args()
    lab = lab_lab.Lab(args.state, say=lambda line: print(line, flush=True))
    try:
        return int(args.run(lab, args) or 0)
    except service.Failed as exc:
        print(f'FAILED: {exc}', file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='python -m lab',
        description='The whole image path on one machine, on 127.0.0.1.',
    )
    parser.add_argument(
        '--state',
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get('LAB_STATE', '.lab/default')),
        help='the folder of this lab (default: $LAB_STATE or .lab/default)',
    )
    commands = parser.add_subparsers(required=True, metavar='COMMAND')

    up = commands.add_parser('up', help='start what does not run')
    up.add_argument(
        '--ceph2',
        action='store_true',
        help='also a second Ceph cluster, as the Glance store ceph2',
    )
    up.add_argument(
        '--with',
        dest='more',
        action='append',
        choices=('swift',),
        default=[],
        help='also Swift, as the Glance store swift',
    )
    up.add_argument(
        '--native-threads',
        action=argparse.BooleanOptionalAction,
        help='run cinder-volume with native threads instead of eventlet',
    )
    up.set_defaults(run=_up)

    status = commands.add_parser('status', help='say what runs')
    status.set_defaults(run=_status)

    down = commands.add_parser('down', help='end what up has started')
    down.add_argument(
        'services', nargs='*', help='end only these (default: all)'
    )
    down.add_argument(
        '--purge', action='store_true', help='remove the state folder, too'
    )
    down.set_defaults(run=_down)

    configure = commands.add_parser(
        'configure', help='start a service anew with options of its own'
    )
    configure.add_argument('service', choices=('cinder-volume', 'glance'))
    configure.add_argument(
        'options',
        nargs='*',
        metavar='SECTION.OPTION=VALUE',
        help='all that it has beside those of the lab (default: none)',
    )
    configure.set_defaults(run=_configure)

    show = commands.add_parser(
        'demo', help='compare both drivers in a fresh lab, and purge it'
    )
    show.add_argument(
        '--readme',
        type=pathlib.Path,
        help='write the results between the marks of this file, too',
    )
    show.set_defaults(run=_demo)

    env = commands.add_parser('env', help='print what a client needs')
    env.add_argument(
        'user', nargs='?', default='tenant', choices=('tenant', 'admin')
    )
    env.set_defaults(run=_env)
    return parser


def _up(lab: lab_lab.Lab, args: argparse.Namespace) -> None:
    lab.up(
        ceph2=args.ceph2,
        native=args.native_threads,
        swift='swift' in args.more,
    )


def _status(lab: lab_lab.Lab, args: argparse.Namespace) -> int:
    services = lab.services
    bad = 0
    for name, problem in lab.problems().items():
        print(f'  {name:17} {problem or "ready"}')
        if problem:
            bad = 1
            for line in _tail(services[name].log):
                print(f'      {line}')
    return bad


def _tail(log: pathlib.Path) -> list[str]:
    if not log.exists():
        return []
    return log.read_text(errors='replace').splitlines()[-LOG_LINES:]


def _down(lab: lab_lab.Lab, args: argparse.Namespace) -> None:
    if args.purge:
        lab.purge()
    else:
        lab.down(*args.services)


def _configure(lab: lab_lab.Lab, args: argparse.Namespace) -> None:
    lab.configure(args.service, args.options)


def _demo(lab: lab_lab.Lab, args: argparse.Namespace) -> int:
    try:
        lab.up()
        equal = demo.run(
            lab, lambda line: print(f'=> {line}', flush=True), args.readme
        )
    except BaseException:
        lab.down()
        raise
    lab.purge()
    return 0 if equal else 1


def _env(lab: lab_lab.Lab, args: argparse.Namespace) -> None:
    for key, value in client.environment(lab.state, args.user).items():
        print(f'export {key}={shlex.quote(value)}')


sys.exit(main())
