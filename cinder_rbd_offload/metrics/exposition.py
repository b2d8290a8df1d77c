# SPDX-License-Identifier: Apache-2.0
"""Counters as Prometheus reads them: its text format, written and read.

A set of counters is a dictionary: from a sample, the counter's name with its
labels, to its value. That is also what a line of the text is made of.
"""

from collections.abc import Mapping

UPLOADS = 'cinder_rbd_offload_uploads_total'
SECONDS = 'cinder_rbd_offload_upload_seconds_total'
BYTES = 'cinder_rbd_offload_upload_bytes_total'
FALLBACKS = 'cinder_rbd_offload_fallbacks_total'

HELP = {
    UPLOADS: 'Uploads of volumes to images that have ended.',
    SECONDS: 'Seconds that these uploads took.',
    BYTES: 'Bytes of volumes that this host moved for them.',
    FALLBACKS: 'Methods that failed and were followed by another.',
}

_ESCAPES = str.maketrans({'\\': r'\\', '"': r'\"', '\n': r'\n'})


def sample(name: str, labels: Mapping[str, str]) -> str:
    """Return a counter's name with its labels."""
    pairs = ','.join(
        f'{label}="{value.translate(_ESCAPES)}"'
        for label, value in labels.items()
    )
    return f'{name}{{{pairs}}}'


def to_text(counters: Mapping[str, float]) -> str:
    """Write counters, those of one name together."""
    lines = []
    for name, help_text in HELP.items():
        lines += [f'# HELP {name} {help_text}', f'# TYPE {name} counter']
        lines += [
            f'{one} {_number(value)}'
            for one, value in sorted(counters.items())
            if one.startswith(f'{name}{{')
        ]
    return '\n'.join([*lines, ''])


def from_text(text: str) -> dict[str, float]:
    """Read what :func:`to_text` wrote.

    :raises ValueError: when it is something else
    """
    counters = {}
    for line in text.splitlines():
        if line.startswith('#'):
            continue
        one, _space, value = line.rpartition(' ')
        if one.partition('{')[0] not in HELP:
            raise ValueError(f'no counter of ours: {line[:80]!r}')
        counters[one] = float(value)
    return counters


def _number(value: float) -> str:
    """Write a number, seconds to the millisecond and bytes to the byte."""
    return f'{value:.3f}'.removesuffix('.000')
