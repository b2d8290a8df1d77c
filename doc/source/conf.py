# SPDX-License-Identifier: Apache-2.0
"""Configuration of Sphinx."""

extensions = ['openstackdocstheme', 'oslo_config.sphinxext']
project = 'cinder-rbd-offload'
copyright = 'cinder-rbd-offload contributors'
master_doc = 'index'
html_theme = 'openstackdocs'
openstackdocs_auto_name = False
openstackdocs_auto_version = False
