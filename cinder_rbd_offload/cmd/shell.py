# SPDX-License-Identifier: Apache-2.0
"""The command ``rbd-offload``.

A command is a class of cliff in a module of its own, and an entry of
:data:`COMMANDS`. It returns its own exit code; what keeps it from its work is
raised, and becomes :data:`UNUSABLE`.
"""

import argparse
from importlib import metadata
import sys
from typing import Any

from cliff import app
from cliff import command as cliff_command
from cliff import commandmanager

from cinder_rbd_offload.cmd import doctor
from cinder_rbd_offload.cmd import status

# The exit code of a command that could not be run: wrong arguments, or
# nothing usable in cinder.conf. Those below are the commands' own.
UNUSABLE = 3

# What argparse exits with on wrong arguments, and cliff on a wrong command.
USAGE = 2

COMMANDS: dict[str, type[cliff_command.Command]] = {
    'doctor': doctor.Doctor,
    'status': status.Status,
}


class Shell(app.App):
    """The program, with what is common to its commands."""

    NAME = 'rbd-offload'
    # Warnings and errors; -v and -vv say more.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self) -> None:
        # No entry points; cliff before 4.13 wants to be told so.
        manager = commandmanager.CommandManager('')
        for name, command in COMMANDS.items():
            manager.add_command(name, command)
        super().__init__(
            description='Images of Cinder volumes inside one Ceph cluster.',
            version=metadata.version('cinder-rbd-offload'),
            command_manager=manager,
            deferred_help=True,
        )
        self._error: BaseException | None = None

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Build the parser, under the program's name however it is run."""
        given = {'prog': self.NAME} | (argparse_kwargs or {})
        return super().build_option_parser(description, version, given)

    def interact(self) -> None:
        """Show the help, as no command was given."""
        self.parser.print_help(self.stderr)
        raise SystemExit(USAGE)

    def clean_up(
        self,
        cmd: cliff_command.Command,
        result: int,
        err: BaseException | None,
    ) -> None:
        """Remember how a command ended."""
        self._error = err

    def run_subcommand(self, argv: list[str]) -> int:
        """Run a command; what it raised, or a wrong name, is UNUSABLE."""
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            super().run_subcommand(argv)
            return UNUSABLE
        result = super().run_subcommand(argv)
        return UNUSABLE if self._error else result


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    try:
        return Shell().run(sys.argv[1:] if argv is None else argv)
    except SystemExit as exc:
        return UNUSABLE if exc.code == USAGE else int(exc.code or 0)


if __name__ == '__main__':
    sys.exit(main())
