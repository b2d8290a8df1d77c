# SPDX-License-Identifier: Apache-2.0
"""What leaves the cluster: to which stores, in which form, by whom."""

import dataclasses

from bench import cases
from lab import swift

# Who sends: Cinder's own driver, or ours; through Glance, or past it.
UPSTREAM = 'upstream'
STREAM = 'stream'
STRAIGHT = 'straight'


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """A kind of upload that leaves the cluster.

    :param title: in words
    :param stores: the Glance store, by who sends
    :param latency: seconds by which the OSD answers later
    """

    key: str
    title: str
    stores: dict[str, str]
    disk_format: str = 'raw'
    latency: float = 0.0

    def method(self, who: str) -> str:
        """Name it in the results."""
        return f'{self.key}: {who}'


_FILES = dict.fromkeys((UPSTREAM, STREAM), 'files')

FILES = Way('files', 'to a file store', _FILES)
SLOW = Way(
    'files, slow',
    'to a file store, the OSD answering 1 ms later',
    _FILES,
    latency=0.001,
)
FAR = Way(
    'files, far',
    'to a file store, the OSD answering 10 ms later',
    _FILES,
    latency=0.01,
)
QCOW2 = Way('qcow2', 'to a file store, as qcow2', _FILES, 'qcow2')
SWIFT = Way(
    'swift',
    'to Swift',
    {
        **dict.fromkeys((UPSTREAM, STREAM), 'swift'),
        STRAIGHT: swift.DIRECT,
    },
)

# What is sent where, and in how many rounds at most: they take long.
PLAN = (
    (cases.THIN_4, FILES),
    (cases.DENSE_1, FILES),
    (cases.DENSE_1, SLOW),
    (cases.DENSE_1, FAR),
    (cases.THIN_4, QCOW2),
    (cases.THIN_4, SWIFT),
    (cases.DENSE_1, SWIFT),
)
ROUNDS = 3
