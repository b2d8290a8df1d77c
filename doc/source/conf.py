# SPDX-License-Identifier: Apache-2.0
"""Configuration of Sphinx."""

import pathlib

from docutils import nodes
from docutils.parsers import rst

GIT = pathlib.Path(__file__).resolve().parents[2] / '.git'

extensions = ['openstackdocstheme', 'oslo_config.sphinxext']
project = 'cinder-rbd-offload'
copyright = 'cinder-rbd-offload contributors'
master_doc = 'index'
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False


class NoReleaseNotes(rst.Directive):
    """Says where the notes are that reno cannot render."""

    def run(self):
        """Return a paragraph."""
        text = (
            'They are in the folder releasenotes/notes. To show them here '
            'takes a clone with all of its history, which tells the version '
            'of each.'
        )
        return [nodes.paragraph(text=text)]


def setup(app):
    """Have the release notes rendered; reno needs every commit for that."""
    if GIT.exists() and not (GIT / 'shallow').exists():
        app.setup_extension('reno.sphinxext')
    else:
        app.add_directive('release-notes', NoReleaseNotes)
