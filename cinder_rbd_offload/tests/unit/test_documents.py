# SPDX-License-Identifier: Apache-2.0
"""The documentation: its commands are accounted for, its pictures said."""

import pathlib
import re
from xml.etree import ElementTree

import ddt
from oslotest import base

from cinder_rbd_offload.tests import console
from cinder_rbd_offload.tests.functional import documented

ROOT = documented.ROOT
PAGES = console.pages(ROOT)
RUN = documented.to_run()
TEXTS = [ROOT / 'README.rst', *sorted(ROOT.glob('doc/source/*.rst'))]
DRAWINGS = sorted(ROOT.glob('doc/source/figures/*.svg'))
IMAGE = re.compile(r'^\.\. image:: (\S+)\n((?: +\S.*\n)*)', re.MULTILINE)

PAGE = """
Text, in which ``$ this`` is no command::

   $ nor this

.. code-block:: console

   $ one --with 'a # b' | two    # said of it
   output of it
   # root \\
       goes \\
       on
   more output

Text.

* Text.

  .. code-block:: console
     :caption: none

     $ in a list

.. code-block:: ini

   $ not this
"""


@ddt.ddt
class CommandsTestCase(base.BaseTestCase):
    """On a failure, see tests/functional/documented.py."""

    @ddt.data(*sorted({one for lines in RUN.values() for one in lines}))
    def test_what_is_run_is_of_a_program_that_knows_the_lab(self, command):
        self.assertTrue(command.startswith(documented.PROGRAMS), command)

    @ddt.data(*documented.EXCUSED.items())
    @ddt.unpack
    def test_an_excuse_is_of_a_command_and_has_a_reason(self, command, reason):
        self.assertTrue(any(command in lines for lines in PAGES.values()))
        self.assertLess(4, len(reason.split()))

    def test_the_pages_are_looked_at(self):
        self.assertLessEqual(
            {'README.rst', 'doc/source/operations.rst'}, set(RUN)
        )
        self.assertIn(
            'rados -p volumes listomapvals rbd_offload.journal',
            RUN['doc/source/operations.rst'],
        )


class ConsoleTestCase(base.BaseTestCase):
    def test_commands(self):
        self.assertEqual(
            ["one --with 'a # b' | two", 'root goes on'],
            console.commands(PAGE)[:2],
        )

    def test_a_block_in_a_list(self):
        self.assertEqual(['in a list'], console.commands(PAGE)[2:])

    def test_pages_without_commands_are_left_out(self):
        folder = self.create_tempfiles([('a', 'no commands\n')], '.rst')[0]
        root = pathlib.Path(folder).parent
        (root / 'README.rst').write_text(PAGE)
        self.assertEqual(['README.rst'], list(console.pages(root)))


@ddt.ddt
class PicturesTestCase(base.BaseTestCase):
    @ddt.data(*TEXTS)
    def test_a_picture_exists_and_is_said(self, page):
        for name, options in IMAGE.findall(page.read_text()):
            self.assertTrue((page.parent / name).exists(), name)
            self.assertIn(':alt: ', options)

    def test_pictures_are_found(self):
        found = [IMAGE.findall(page.read_text()) for page in TEXTS]
        self.assertLess(2, sum(map(len, found)))

    @ddt.data(*DRAWINGS)
    def test_a_drawing_is_said_and_has_dark_colours(self, path):
        drawing = ElementTree.parse(path).getroot()
        space = drawing.tag.removesuffix('svg')
        for part in ('title', 'desc'):
            self.assertTrue(drawing.findtext(f'{space}{part}').strip())
        style = drawing.findtext(f'{space}style')
        light, dark = style.split('@media (prefers-color-scheme: dark)')
        self.assertEqual(
            set(re.findall(r'(?<=\n)    (\.?\w+)\s*{[^}]*#', light)),
            set(re.findall(r'(?<=\n)      (\.?\w+)\s*{[^}]*#', dark)),
        )
