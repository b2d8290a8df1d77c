# SPDX-License-Identifier: Apache-2.0
"""``rbd-offload doctor``: tells what keeps uploads from staying in Ceph."""

import argparse
from collections.abc import Iterable
import signal
import sys
from types import FrameType
from typing import Any
import uuid

from cliff import lister

from cinder_rbd_offload.cmd import config
from cinder_rbd_offload.cmd import examine
from cinder_rbd_offload.doctor import finding

# The form of the output when none is asked for; not one of cliff's.
_SENTENCES = 'sentences'

_COLUMNS = ('Backend', 'Check', 'Result', 'Finding', 'Remedy')


class Doctor(lister.Lister):
    """Look at all that an offloaded upload depends on, and say what to do.

    Without --format the findings are printed as sentences.

    The rights of the cephx user are tried on images that are made for it and
    removed again; nothing else is changed. Exit code: 0 all is well; 1
    uploads work, but not as well as they could, or are streamed since an
    option or the choice of the store says so; 2 uploads fail or are not
    offloaded; 3 the check could not be made (wrong arguments, or no usable
    cinder.conf).
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        parser.set_defaults(formatter=_SENTENCES)
        config.add_arguments(parser)
        parser.add_argument(
            '--volume',
            metavar='ID',
            type=_uuid,
            help='also say which way an upload of this volume goes',
        )
        parser.add_argument(
            '--store',
            metavar='ID',
            help='the Glance store that the volume type names as '
            "image_service:store_id (default: Glance's default store)",
        )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Return the level of the worst finding as the exit code."""
        # An end that was asked for leaves nothing behind either.
        signal.signal(signal.SIGTERM, _end)
        self._worst = finding.Level.OK
        self._sentences = parsed_args.formatter == _SENTENCES
        if self._sentences:
            parsed_args.formatter = self.formatter_default
        super().run(parsed_args)
        return int(self._worst)

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Gather the findings."""
        conf = config.load(parsed_args.config_file, parsed_args.config_dir)
        request = examine.Request(
            parsed_args.backend, parsed_args.volume, parsed_args.store
        )
        found = list(examine.examine(conf, request))
        self._worst = finding.worst(found)
        return _COLUMNS, [_row(one) for one in found]

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Any,
        data: Iterable[Any],
    ) -> Any:
        """Print sentences, unless a form is asked for."""
        if not self._sentences:
            return super().produce_output(parsed_args, column_names, data)
        self.app.stdout.write(_text(data))
        return 0


def _text(rows: Iterable[tuple[str, ...]]) -> str:
    """Write the findings for people: the remedy stands under its finding."""
    lines: list[str] = []
    title = None
    for backend, check, result, text, remedy in rows:
        if backend != title:
            title = backend
            lines += ['', backend or 'Glance']
        lines.append(f'  {result:8} {check}: {text}.')
        if remedy:
            lines.append(f'{"":11}-> {remedy}')
    return '\n'.join(lines[1:]) + '\n'


def _row(one: finding.Finding) -> tuple[str, ...]:
    cells = (one.backend, one.check, one.level.name.lower())
    return tuple(map(finding.printable, (*cells, one.text, one.remedy)))


def _uuid(text: str) -> str:
    """Take a volume's id, in the form in which Cinder writes it."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is not a UUID') from None


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
