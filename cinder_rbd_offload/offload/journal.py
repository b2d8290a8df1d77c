# SPDX-License-Identifier: Apache-2.0
"""What is under way, written where every host of the back end reads it.

An upload is an entry from its first moment to its last. What a step leaves
behind is in the entry before the step is taken, so after a crash at any point
whoever reads the entry can finish or undo::

    stage        may exist                                after a crash
    started      nothing                                  the image is deleted
    waiting      nothing                                  the image is deleted
    making       the volume's snapshot, the draft         undone
    publishing   these, or the whole image under its      published to the end
                 own name, and a location in Glance       if it has its name,
                                                          else undone
    published    a whole image, active, that may still    flattened
                 read the volume's data
    streaming    the volume's snapshot                    undone
    rejected     that, and an active image of other       undone, and the image
                 data than was sent                       deleted
    sending      the snapshot, and objects of the image   undone
                 in Glance's store
    registering  these, or the whole image in Glance's    published to the end
                 store, and a location in Glance
    sweeping     objects that the store did not list      removed
                 when they were to be removed
    ordinary     what Cinder's own driver leaves          the image is deleted
    ended        nothing                                  the volume is freed

The draft is an RBD image of another name than the Glance image's. It gets
that name when it is whole, so an RBD image named by a Glance id is never a
part of one. Whether an image of the right name is ours tells the id that
Ceph gives each image, which is in the entry.

An entry names the host that works on it and, since a host may come back after
a crash, one run of its process. While that process lives it changes the entry
every few seconds. Another host takes the entry over when it has not seen it
change for :data:`LEASE` seconds by its own clock; so clocks are never
compared. Machines may share a name of Cinder's (its option ``backend_host``),
so these count as one host only if the machine is the same, too. All changes
are compare-and-swap on the whole entry. So two hosts cannot both take it.
Before anything else is done, the connections to Ceph that its owners worked
with are shut out: a host that was taken for dead, but comes back, changes
nothing any more; and what a dead one had open is closed.
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import enum
import json
import threading
import time
from typing import Any

from oslo_log import log as logging

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions

LOG = logging.getLogger(__name__)

# What reading a text raises that is no entry, or none of this version.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)

# Ends the keys of what is not an entry; no Glance id has it.
_ASIDE = '/'

# Seconds without a change after which another host may take an entry.
LEASE = 30


class Stage(enum.StrEnum):
    """How far an upload has come."""

    STARTED = 'started'
    WAITING = 'waiting'
    MAKING = 'making'
    PUBLISHING = 'publishing'
    PUBLISHED = 'published'
    STREAMING = 'streaming'
    REJECTED = 'rejected'
    SENDING = 'sending'
    REGISTERING = 'registering'
    SWEEPING = 'sweeping'
    ORDINARY = 'ordinary'
    ENDED = 'ended'


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One upload.

    :param image_id: the Glance image; the entry's key
    :param volume: the volume's RBD image
    :param volume_id: what Cinder calls it
    :param host: the host and back end that work on it
    :param run: one run of that host's process
    :param node: the machine that runs it; '' where an earlier version has not
        written it
    :param clients: the connection to Ceph that it works with, after those of
        owners before it that are not shut out yet
    :param expires: when the delegation by the image's owner ends by itself,
        by which it can be found
    :param trust: that delegation; '' for none
    :param started: when, in seconds since the epoch
    :param beat: counts the signs of life
    :param reason: why the upload goes the way it goes
    :param method: the method in use
    :param pool: Glance's pool; '' until it is known
    :param store: Glance's store that the data is sent to, past Glance; '' for
        none
    :param container: where in that store
    :param elsewhere: Glance's stores that the data is not in; an image that
        is only there has other data
    :param location: what is registered in Glance
    :param rbd_id: what Ceph calls the finished image
    :param size: its size in bytes
    :param done: objects of the volume that are done
    :param total: objects of the volume in all
    :param bytes: an estimate of the bytes that have to be moved; 0 for none
    :param freed: whether the volume has its status back, and whoever takes
        the entry over need not give it that
    """

    image_id: str
    volume: str
    volume_id: str
    host: str
    run: str
    node: str = ''
    clients: tuple[str, ...] = ()
    expires: str = ''
    trust: str = ''
    started: float = 0.0
    stage: Stage = Stage.STARTED
    beat: int = 0
    reason: str = ''
    method: str = ''
    pool: str = ''
    store: str = ''
    container: str = ''
    elsewhere: tuple[str, ...] = ()
    location: str = ''
    rbd_id: str = ''
    size: int = 0
    done: int = 0
    total: int = 0
    bytes: int = 0
    freed: bool = False

    @property
    def owner(self) -> tuple[str, str]:
        """The one process that may change the entry."""
        return self.host, self.run

    def to_text(self) -> str:
        """Write the entry; :meth:`from_text` reads it."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_text(cls, text: str) -> 'Entry':
        """Read an entry, also one that a later version has written."""
        values = json.loads(text)
        known = {field.name for field in dataclasses.fields(cls)}
        values = {k: v for k, v in values.items() if k in known}
        values['stage'] = Stage(values['stage'])
        for name in ('clients', 'elsewhere'):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)


class Record:
    """An entry that this process works on.

    :param table: where it is
    :param text: the entry as it is there
    :ivar methods: those that this process has tried, the last one last
    """

    def __init__(self, table: ceph.Table, text: str) -> None:
        self._table = table
        self._text = text
        # The work and its signs of life change the entry at the same time.
        self._lock = threading.Lock()
        self.entry = Entry.from_text(text)
        self.methods: list[str] = []

    def update(self, **changes: Any) -> None:
        """Change fields of the entry, and show that its owner lives.

        :raises TakenOver: when another host works on the upload now
        :raises CephError: when the entry could not be written
        """
        with self._lock:
            if not self._text:
                # It was taken out, and must not come back.
                raise exceptions.TakenOver(self.entry.image_id)
            entry = self._changed(changes)
            text = entry.to_text()
            # A change whose answer was lost looks as if another had made it.
            if not self._swap(text) and not self._swap_own(entry, text):
                raise exceptions.TakenOver(entry.image_id)
            self.entry = entry
            if method := changes.get('method'):
                self.methods.append(method)

    def take(self, **changes: Any) -> bool:
        """Change fields of an entry that was read a while ago.

        Unlike :meth:`update` it does not forgive that the entry has changed,
        not even by this very process: that may have an upload of its own
        there, which has come further or has ended meanwhile.

        :returns: False where it has changed, and nothing was written
        :raises CephError: when the entry could not be written
        """
        with self._lock:
            entry = self._changed(changes)
            if not self._swap(entry.to_text()):
                return False
            self.entry = entry
            return True

    def strike(self) -> None:
        """Take the entry out; nothing is left to do.

        :raises TakenOver: when another host works on the upload now
        :raises CephError: when the entry could not be taken out
        """
        with self._lock:
            if not self._swap('') and not self._swap_own(self.entry, ''):
                raise exceptions.TakenOver(self.entry.image_id)

    def _changed(self, changes: Mapping[str, Any]) -> Entry:
        return dataclasses.replace(
            self.entry, beat=self.entry.beat + 1, **changes
        )

    def _swap(self, text: str) -> bool:
        """Write a text in place of the last; tell whether it is there."""
        key = self.entry.image_id
        if not self._table.swap(key, self._text, text):
            # It was written all the same if only the answer was lost.
            if self._table.read().get(key, '') != text:
                return False
        self._text = text
        return True

    def _swap_own(self, entry: Entry, text: str) -> bool:
        """Write a text in place of another by the same owner, if it is one.

        :param entry: says who that is
        """
        now = self._table.read().get(entry.image_id, '')
        if not _is_by(now, entry):
            return False
        self._text = now
        return self._swap(text)


class Journal:
    """The entries of all hosts that share a pool.

    :param table: where they are
    :param host: the host and back end of this process
    :param run: what no other run of this host's process is called
    :param node: the machine that this process is on
    """

    def __init__(
        self, table: ceph.Table, host: str, run: str, node: str = ''
    ) -> None:
        self._table = table
        self._host = host
        self._run = run
        self._node = node

    def begin(
        self,
        image_id: str,
        volume: str,
        volume_id: str,
        client: str,
        expires: str,
        clock: Callable[[], float] = time.time,
    ) -> Record:
        """Write the entry of an upload that this process begins.

        :raises TakenOver: when there is one already
        :raises EntryUnknown: when it may be there all the same
        :raises CephError: when it is not there
        """
        entry = Entry(
            image_id=image_id,
            volume=volume,
            volume_id=volume_id,
            host=self._host,
            run=self._run,
            node=self._node,
            clients=(client,),
            expires=expires,
            started=clock(),
        )
        text = entry.to_text()
        try:
            written = self._table.swap(image_id, '', text)
        except exceptions.CephNotPermitted:
            raise
        except exceptions.CephError as exc:
            # It may be there all the same. Left there, recovery would delete
            # the image under the ordinary upload.
            try:
                self._table.swap(image_id, text, '')
            except exceptions.CephError:
                raise exceptions.EntryUnknown(image_id, exc) from exc
            raise
        if not written:
            raise exceptions.TakenOver(image_id)
        return Record(self._table, text)

    def records(self) -> dict[str, Record]:
        """Return all entries, whoever works on them, by the images' ids."""
        records: dict[str, Record] = {}
        for key, text in self._table.read().items():
            if _ASIDE in key:
                continue
            try:
                records[key] = Record(self._table, text)
            except _UNREADABLE as exc:
                LOG.warning(
                    'The journal has an entry %(key)s that this version '
                    'cannot read, and leaves alone: %(error)r',
                    {'key': key, 'error': exc},
                )
        return records

    def take(self, record: Record, client: str) -> bool:
        """Make an entry that was read this process's own.

        :param client: the connection to Ceph that it works with
        :returns: False where its owner, or another host, was faster
        """
        before = record.entry.clients
        if self.of_this_run(record.entry):
            # Its last one is closed, now that nobody here works on it.
            before = before[:-1]
        return record.take(
            host=self._host,
            run=self._run,
            node=self._node,
            clients=(*before, client),
        )

    def mine(self, entry: Entry) -> bool:
        """Tell whether an entry is of this host, in this or an earlier run.

        On one machine no two processes run as one host. On several they may,
        and none of them may take the others for its own earlier runs.
        """
        return (entry.host, entry.node) == (self._host, self._node)

    def of_this_run(self, entry: Entry) -> bool:
        """Tell whether an entry is of this very process."""
        return entry.owner == (self._host, self._run)

    def recall(self, what: str) -> str:
        """Return what :meth:`remember` wrote last; '' for nothing."""
        return self._table.read().get(f'{what}{_ASIDE}', '')

    def remember(self, what: str, value: str) -> None:
        """Write something that is of use to later uploads, of any host."""
        self._table.swap(f'{what}{_ASIDE}', self.recall(what), value)


def _is_by(text: str, entry: Entry) -> bool:
    """Tell whether a text was written by the owner of an entry."""
    try:
        found = Entry.from_text(text)
    except _UNREADABLE:
        return False
    return found.owner == entry.owner
