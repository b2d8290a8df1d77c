# SPDX-License-Identifier: Apache-2.0
"""What is sent of a snapshot: its bytes, or what another format makes of them.

Whatever it is, it can be sent again from its start: the snapshot and a
converted file are gone back in, and a compressor is run anew.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import io
import os

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import body
from cinder_rbd_offload.upload import convert
from cinder_rbd_offload.upload import source as source_

Begin = Callable[[], contextlib.AbstractContextManager[body.File]]


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The formats of an image.

    :param disk_format: Glance's name for it
    :param compressed: whether its container is ``compressed``
    :param settings: where and how it is converted
    :param user: the cephx user; None for librados' own
    :param conf: the path of ceph.conf; '' for librados' own
    :param keyring: the path of the keyring
    :param doubt: says what speaks against a source as a raw disk; '' for
        nothing
    """

    disk_format: str
    compressed: bool
    settings: convert.Settings
    user: str | None = None
    conf: str = ''
    keyring: str = ''
    doubt: Callable[[source_.Source], str] = lambda _source: ''

    @contextlib.contextmanager
    def content(
        self,
        source: source_.Source,
        names: tuple[str, str, str],
        used: Callable[[], int | None],
        look: Callable[[float], None],
    ) -> Iterator[tuple[Begin, int | None]]:
        """Have a snapshot in this form.

        :param source: the snapshot
        :param names: of its pool, its image and itself
        :param used: tells its bytes that are in use, if that is known
        :param look: called while it is converted, with the share that is
            done; what it raises ends that
        :returns: what begins to read it, each time from the start; and its
            size in bytes, or None where only its end tells
        :raises FormatDoubtful: when Glance would not see what it is made of,
            and that is not plainly a raw disk
        :raises ConversionFailed: when it cannot be converted
        """
        with contextlib.ExitStack() as stack:
            file: source_.Source | io.FileIO = source
            size = source.size
            hidden = self.disk_format != 'raw' or self.compressed
            if hidden and (reason := self.doubt(source)):
                raise exceptions.FormatDoubtful(names[1], reason)
            if self.disk_format != 'raw':
                snapshot = convert.Snapshot(
                    *names,
                    size,
                    used(),
                    self.user,
                    self.conf,
                    self.keyring,
                )
                file = stack.enter_context(
                    convert.converted(
                        snapshot, self.disk_format, self.settings, look
                    )
                )
                size = os.fstat(file.fileno()).st_size

            def begin() -> contextlib.AbstractContextManager[body.File]:
                file.seek(0)
                if not self.compressed:
                    return contextlib.nullcontext(file)
                what = '{}/{}@{}'.format(*names)
                return convert.compressed(file, self.settings, what)

            yield begin, None if self.compressed else size
