# SPDX-License-Identifier: Apache-2.0
"""A plugin for Tempest: uploads of volumes to images, seen by their APIs."""
