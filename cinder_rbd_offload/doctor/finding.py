# SPDX-License-Identifier: Apache-2.0
"""What a check found, in a sentence, with the remedy."""

from collections.abc import Iterable
import dataclasses
import enum


class Level(enum.IntEnum):
    """How bad it is; the worst one is the exit code of the command."""

    OK = 0
    WARNING = 1
    ERROR = 2


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    :param check: the short name of what was looked at
    :param text: what was found, as sentences
    :param remedy: what to do; '' where nothing is to be done
    :param backend: the back end's section; '' for all
    """

    check: str
    level: Level
    text: str
    remedy: str = ''
    backend: str = ''

    def of(self, backend: str) -> 'Finding':
        """Return the finding as that of a back end."""
        return dataclasses.replace(self, backend=backend)


def worst(findings: Iterable[Finding]) -> Level:
    """Return the level of the worst finding."""
    return max((one.level for one in findings), default=Level.OK)


def printable(text: str) -> str:
    """Escape what a terminal would take for a command.

    Names of stores and pools, and messages of other services, are quoted.
    """
    return ''.join(
        one if one.isprintable() else ascii(one)[1:-1] for one in text
    )


def ok(check: str, text: str) -> Finding:
    """Make a finding with which all is well."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, remedy: str) -> Finding:
    """Make a finding with which uploads work, but not as well as they can."""
    return Finding(check, Level.WARNING, text, remedy)


def error(check: str, text: str, remedy: str) -> Finding:
    """Make a finding with which uploads fail, or are not offloaded."""
    return Finding(check, Level.ERROR, text, remedy)
