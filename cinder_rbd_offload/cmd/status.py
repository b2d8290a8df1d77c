# SPDX-License-Identifier: Apache-2.0
"""``rbd-offload status``: shows the uploads that are under way."""

import argparse
from collections.abc import Iterable
import contextlib
import dataclasses
import sys
import time
from typing import Any

from cliff import lister
from oslo_utils import units
import rich.console
import rich.progress

from cinder_rbd_offload import ceph
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.offload import overview

# The form of the output when none is asked for, on a terminal; not of cliff's.
_BARS = 'bars'


class Status(lister.Lister):
    """List all uploads and flattens that are under way, of any host.

    On a terminal each is a bar; with --format it is a line with all that is
    known: bytes are estimates, and seconds count from the beginning.
    """

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Add the arguments."""
        parser = super().get_parser(prog_name)
        if sys.stdout.isatty():
            parser.set_defaults(formatter=_BARS)
        config.add_arguments(parser)
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Choose the form of the output; then say what is not in it.

        :raises OffloadError: when a cluster could not be asked
        """
        self._bars = parsed_args.formatter == _BARS
        if self._bars:
            parsed_args.formatter = self.formatter_default
        code = int(super().run(parsed_args))
        if self._unseen:
            raise exceptions.OffloadError('; '.join(self._unseen))
        return code

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Read the journals.

        :raises OffloadError: when no cluster could be asked
        """
        conf = config.load(parsed_args.config_file, parsed_args.config_dir)
        wanted = config.backends(conf, parsed_args.backend)
        sections = {one.section for one in wanted}
        # Back ends on one pool have one journal. Where they connect to it in
        # several ways, it is read as often.
        pools = {(one.cluster, one.pool): one for one in wanted}
        found: list[overview.Upload] = []
        self._unseen: list[str] = []
        for backend in pools.values():
            try:
                uploads = look(backend)
            # One cluster that is away must not hide the others.
            except exceptions.CephError as exc:
                self._unseen.append(f'[{backend.section}] {exc}')
            else:
                seen = {one.image for one in found}
                found += [
                    one
                    for one in uploads
                    if one.backend in sections and one.image not in seen
                ]
        if len(self._unseen) == len(pools):
            raise exceptions.OffloadError('; '.join(self._unseen))
        names = [field.name for field in dataclasses.fields(overview.Upload)]
        return (
            tuple(name.capitalize() for name in names),
            [tuple(dataclasses.astuple(one)) for one in found],
        )

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Any,
        data: Iterable[Any],
    ) -> Any:
        """Print the uploads."""
        if not self._bars:
            return super().produce_output(parsed_args, column_names, data)
        _draw([overview.Upload(*row) for row in data])
        return 0


def look(backend: config.Backend) -> list[overview.Upload]:
    """Return what is under way in the pool of a back end.

    :raises BindingsMissing: when Ceph's Python modules are not installed
    :raises CephError: when the cluster cannot be asked
    """
    with backend.connect() as client, client.ioctx(backend.pool) as ioctx:
        table = ceph.Table(client.rados, ioctx)
        # Nothing is written here, so it needs no host of its own.
        records = journal.Journal(table, host='', run='').records()
        tasks: tuple[ceph.Task, ...] = ()
        # Without the manager there is still the rest to be told.
        with contextlib.suppress(exceptions.CephError):
            tasks = client.cluster().tasks()
        entries = [record.entry for record in records.values()]
        return overview.uploads(entries, tasks, time.time())


def _draw(uploads: list[overview.Upload]) -> None:
    """Draw a bar for each upload, as it is at this moment."""
    console = rich.console.Console()
    if not uploads:
        console.print('No upload is under way.')
        return
    bars = rich.progress.Progress(
        rich.progress.TextColumn('{task.description}', markup=False),
        rich.progress.BarColumn(),
        rich.progress.TextColumn('{task.fields[state]}', markup=False),
        console=console,
    )
    for one in uploads:
        percent = '' if one.percent is None else f'{one.percent:3} %  '
        bars.add_task(
            f'{one.image} {one.stage}',
            total=100,
            completed=one.percent or 0,
            state=f'{percent}{one.moved // units.Mi} of '
            f'{one.total // units.Mi} MiB, {one.method}, {one.seconds} s',
        )
    console.print(bars.get_renderable())
