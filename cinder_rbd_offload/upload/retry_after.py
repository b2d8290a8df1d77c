# SPDX-License-Identifier: Apache-2.0
"""How long a server asks to be left alone."""

from collections.abc import Mapping


def seconds(headers: Mapping[str, str]) -> float:
    """Return what the header Retry-After says; 0 for nothing.

    Its other form, a date, is not used by OpenStack's services.

    :param headers: those of an answer; their names have no case
    """
    value = headers.get('Retry-After', '')
    return float(value) if value.isdecimal() else 0.0
