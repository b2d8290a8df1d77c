# SPDX-License-Identifier: Apache-2.0
"""Reads the commands that the documentation shows.

They stand in blocks ``code-block:: console``, after ``$`` or ``#``; a line
that ends with a backslash goes on in the next. What stands after two blanks
and ``#`` is a comment. All other lines are output.
"""

from collections.abc import Iterator
import pathlib
import re

_BLOCK = re.compile(r'(\s*)\.\. code-block:: console')
_PROMPTS = ('$ ', '# ')
_COMMENT = re.compile(r'  +# .*')


def pages(root: pathlib.Path) -> dict[str, list[str]]:
    """Return the commands of each page that has any.

    :param root: the folder with README.rst and doc/source
    :returns: by the page's path below that folder
    """
    found = {}
    for path in [root / 'README.rst', *sorted(root.glob('doc/source/*.rst'))]:
        if lines := commands(path.read_text()):
            found[str(path.relative_to(root))] = lines
    return found


def commands(page: str) -> list[str]:
    """List the commands of a page, each as one line without its prompt."""
    found: list[str] = []
    goes_on = False
    for line in _console(page):
        if not goes_on and not line.startswith(_PROMPTS):
            continue
        text = line.strip() if goes_on else line[2:].strip()
        more = text.endswith('\\')
        text = text.removesuffix('\\').rstrip()
        if goes_on:
            found[-1] += f' {text}'
        else:
            found.append(text)
        goes_on = more
    return [_COMMENT.sub('', command) for command in found]


def _console(page: str) -> Iterator[str]:
    """Yield the lines of the blocks, without their indentation."""
    indent = None
    for line in page.splitlines():
        if start := _BLOCK.fullmatch(line):
            indent = len(start[1])
        elif indent is not None and line.strip():
            if len(line) - len(line.lstrip()) <= indent:
                indent = None
            else:
                yield line.strip()
