# SPDX-License-Identifier: Apache-2.0
"""The root of the tree."""


class OffloadError(Exception):
    """Root of the tree; never raised itself."""

    retriable = True
