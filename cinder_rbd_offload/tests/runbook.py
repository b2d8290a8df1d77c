# SPDX-License-Identifier: Apache-2.0
"""Finds every message in the source, and every one that the runbook has.

In a text, ``...`` stands for what is filled in when it is shown. So a message
of the source, a term of the runbook and a line of a log can be compared.
"""

import ast
import builtins
from collections.abc import Iterator
import dataclasses
import pathlib
import re

LEVELS = {
    'info': 'info',
    'warning': 'warning',
    'error': 'error',
    'exception': 'error',
    'critical': 'error',
}

# What leads to errors of ours.
OURS = ('exceptions', 'base', 'swift_faults', 'Fault')

GAP = '...'
_PRINTF = re.compile(r'%(?:%|(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[a-zA-Z])')
# A term of a definition list, and its classifier.
_TERM = re.compile(r'``(.+)`` : (\w+)')


class Unknown(Exception):
    """A message is written in a way that cannot be looked up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """A message of the source, or a term of the runbook.

    :param kind: a level of the log, or what is raised
    :param text: with :data:`GAP` for what is filled in
    """

    kind: str
    text: str

    def covers(self, text: str) -> bool:
        """Tell whether a text is one that this term speaks of."""
        parts = map(re.escape, self.text.split(GAP))
        return re.fullmatch('.*'.join(parts), _flat(text)) is not None


def sources(root: pathlib.Path) -> Iterator[tuple[str, str]]:
    """Yield the modules of a package, but for its tests: path and text."""
    for path in sorted(root.rglob('*.py')):
        inside = path.relative_to(root)
        if inside.parts[0] != 'tests':
            yield str(inside), path.read_text()


def terms(page: str) -> list[Message]:
    """List the terms of the runbook."""
    found = filter(None, map(_TERM.fullmatch, page.splitlines()))
    return [Message(kind=match[2], text=match[1]) for match in found]


def logged(source: str) -> list[Message]:
    """List what a module logs, from the level info on.

    :raises Unknown: when its log has another name than LOG, or a message is
        neither a literal nor a constant of the module
    """
    found = []
    tree = ast.parse(source)
    named = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and 'getLogger' in ast.dump(
            node.value
        ):
            if ast.unparse(node.targets[0]) != 'LOG':
                raise Unknown(ast.unparse(node))
        if not isinstance(node, ast.Call):
            continue
        owner, _dot, level = ast.unparse(node.func).rpartition('.')
        if owner != 'LOG' or level == 'debug':
            continue
        text = named.get(ast.unparse(node.args[0]), node.args[0])
        if level not in LEVELS or not isinstance(text, ast.Constant):
            raise Unknown(ast.unparse(node))
        shown = _flat(_PRINTF.sub(_shown, text.value))
        # An error that is logged as it is stands by itself.
        if shown != GAP:
            found.append(Message(LEVELS[level], shown))
    return found


def foreign(source: str) -> list[Message]:
    """List what a module raises in others' classes, where it has words.

    Python's own errors are not among them: they are for code, and reach
    people as the cause of another error, if at all.
    """
    tree = ast.parse(source)
    own = {n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise):
            continue
        if not isinstance(node.exc, ast.Call):
            continue
        name = ast.unparse(node.exc.func)
        if hasattr(builtins, name) or name in own or name.startswith('_'):
            continue
        if name.partition('.')[0] in OURS:
            continue
        given = [*node.exc.args, *(one.value for one in node.exc.keywords)]
        texts = [_words(one) for one in given]
        found += [Message(name, text) for text in texts if text]
    return found


def _words(node: ast.expr) -> str:
    """Return a text that stands in the source; '' for none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _flat(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [
            one.value if isinstance(one, ast.Constant) else GAP
            for one in node.values
        ]
        return _flat(''.join(map(str, parts)))
    return ''


def _shown(field: re.Match[str]) -> str:
    return '%' if field[0] == '%%' else GAP


def _flat(text: str) -> str:
    return ' '.join(text.split())
