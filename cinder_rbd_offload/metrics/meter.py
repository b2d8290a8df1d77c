# SPDX-License-Identifier: Apache-2.0
"""Measures uploads: one line of the log at the end of each, and counters.

The end is where Cinder gets its thread back. An upload whose process is
killed has none; recovery finishes or undoes it, and counts nothing.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import itertools
import time
from typing import Any
from typing import Protocol

from oslo_log import log as logging
from oslo_utils import units

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.metrics import exposition
from cinder_rbd_offload.metrics import textfile

LOG = logging.getLogger(__name__)

# What Cinder's own driver does, and what ended before a method was chosen.
ORDINARY = 'ordinary'
NONE = 'none'
INSTANT = 'instant'
OURS = ('copy', 'clone_flatten', INSTANT, 'swift', 'stream')
METHODS = (*OURS, ORDINARY, NONE)

SUCCESS = 'success'
CANCELLED = 'cancelled'
REFUSED = 'refused'
FAILURE = 'failure'
UNKNOWN = 'unknown'
OUTCOMES = (SUCCESS, CANCELLED, REFUSED, FAILURE, UNKNOWN)

# What is no failure, by the first class that fits. The user has ended the
# upload, or asked for more than is allowed; nothing is to be repaired, as it
# is where a pool is full. After the last two, recovery or another host decides
# what becomes of the image.
_BY_ERROR = (
    (exceptions.ImageGone, CANCELLED),
    (exceptions.ImageTaken, CANCELLED),
    (exceptions.PoolFull, FAILURE),
    (exceptions.NoRoom, REFUSED),
    (exceptions.LocationUnknown, UNKNOWN),
    (exceptions.TakenOver, UNKNOWN),
)
# What the operator need not look at.
_QUIET = (SUCCESS, CANCELLED, REFUSED)

# Always all of them, in this order, each without a space in it.
_LINE = (
    'Upload ended: image=%(image)s volume=%(volume)s backend=%(backend)s '
    'method=%(method)s outcome=%(outcome)s seconds=%(seconds).3f '
    'bytes=%(bytes)d size=%(size)d after=%(after)s error=%(error)s'
)


class Volume(Protocol):
    """What is asked of a volume of Cinder's.

    :ivar id: what Cinder calls it
    :ivar size: in GiB
    """

    @property
    def id(self) -> str: ...

    @property
    def size(self) -> int: ...


class Entry(Protocol):
    """What is asked of an upload's entry in the journal.

    :ivar bytes: those that have to be moved; 0 where that is not known
    :ivar done: of the total, in whatever unit
    """

    @property
    def bytes(self) -> int: ...

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...


class Record(Protocol):
    """What is asked of what keeps the entry.

    :ivar methods: those that were tried, the last one last
    """

    @property
    def methods(self) -> Sequence[str]: ...

    @property
    def entry(self) -> Entry: ...


class Upload:
    """One upload.

    :ivar record: says how it goes, once it is in the journal; without that it
        is Cinder's own driver's
    """

    def __init__(self) -> None:
        self.record: Record | None = None

    @property
    def methods(self) -> Sequence[str]:
        """Those that were tried, the last one last."""
        if self.record is None:
            return (ORDINARY,)
        return self.record.methods or (NONE,)

    def moved(self, size: int, outcome: str) -> int:
        """Return the bytes of the volume that this host moved, about.

        :param size: the volume's
        """
        if self.methods[-1] in (INSTANT, NONE):
            return 0
        if self.record is None:
            return size if outcome == SUCCESS else 0
        entry = self.record.entry
        total = entry.bytes or size
        if outcome == SUCCESS:
            return total
        # As far as it was seen last.
        return int(total * min(entry.done / (entry.total or 1), 1))


class Meter:
    """Measures the uploads of one back end.

    :param host: the host and back end, as Cinder writes them
    :param directory: where the counters are written; '' for nowhere
    :param now: a monotonic clock, in seconds
    """

    def __init__(
        self,
        host: str,
        directory: str = '',
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, _at, self._backend = host.partition('@')
        self._file = textfile.Textfile(directory, host) if directory else None
        self._now = now

    def begin(self) -> None:
        """Have every counter there, so that also its first step is seen."""
        names = (exposition.UPLOADS, exposition.SECONDS, exposition.BYTES)
        counters = {
            self._sample(name, method=method, outcome=outcome): 0.0
            for name, method, outcome in itertools.product(
                names, METHODS, OUTCOMES
            )
            # Without a method there is no success.
            if (method, outcome) != (NONE, SUCCESS)
        }
        counters |= {self._fallback(method): 0.0 for method in OURS}
        self._count(counters)

    @contextlib.contextmanager
    def measured(self, image_id: str, volume: Volume) -> Iterator[Upload]:
        """Measure an upload, from here to its end."""
        started, upload = self._now(), Upload()
        try:
            yield upload
        # What is no Exception ends the process, not the upload.
        except Exception as exc:
            self._end(image_id, volume, upload, self._now() - started, exc)
            raise
        self._end(image_id, volume, upload, self._now() - started)

    def _end(self, image_id: str, *facts: Any) -> None:
        try:
            self._report(image_id, *facts)
        # Nothing that is measured may cost the user an image.
        except Exception:
            LOG.exception('The upload of image %s was not measured', image_id)

    def _report(
        self,
        image_id: str,
        volume: Volume,
        upload: Upload,
        seconds: float,
        error: Exception | None = None,
    ) -> None:
        outcome = _outcome(error)
        size = volume.size * units.Gi
        *before, method = upload.methods
        moved = upload.moved(size, outcome)
        facts = {
            'image': image_id,
            'volume': volume.id,
            'backend': self._backend or '-',
            'method': method,
            'outcome': outcome,
            'seconds': seconds,
            'bytes': moved,
            'size': size,
            'after': ','.join(before) or '-',
            'error': type(error).__name__ if error else '-',
        }
        if outcome in _QUIET:
            LOG.info(_LINE, facts)
        else:
            LOG.warning(_LINE, facts)
        labels = {'method': method, 'outcome': outcome}
        counters = {
            self._sample(exposition.UPLOADS, **labels): 1.0,
            self._sample(exposition.SECONDS, **labels): seconds,
            self._sample(exposition.BYTES, **labels): float(moved),
        }
        for one in before:
            counters[self._fallback(one)] = 1.0
        self._count(counters)

    def _sample(self, name: str, **labels: str) -> str:
        own = {'host': self._host, 'backend': self._backend}
        return exposition.sample(name, own | labels)

    def _fallback(self, method: str) -> str:
        return self._sample(exposition.FALLBACKS, method=method)

    def _count(self, counters: dict[str, float]) -> None:
        if self._file is None:
            return
        try:
            self._file.add(counters)
        except OSError as exc:
            LOG.warning(
                'Counters are not written to %(path)s: %(error)s. Uploads go '
                'on; have the user of cinder-volume own the directory that '
                'rbd_offload_metrics_directory names, or leave it empty',
                {'path': self._file.path, 'error': exc},
            )


def _outcome(error: Exception | None) -> str:
    if error is None:
        return SUCCESS
    return next(
        (name for kind, name in _BY_ERROR if isinstance(error, kind)), FAILURE
    )
