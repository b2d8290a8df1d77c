# SPDX-License-Identifier: Apache-2.0
"""A program whose output is read while it works.

Whoever reads drives it all: each read gives the program its input, takes what
it complains about, and returns what it has written. So there is no thread of
its own, and it works on greenthreads and on native ones. Waiting for the
program never keeps other greenthreads from their work.

A program that fails is never taken for one that has ended: the read that
finds no more data raises the error, and so do all that follow, and the close.
So a consumer cannot mistake a part of the output for the whole.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import fcntl
import io
import os
import resource
import selectors
import signal
import subprocess
from types import TracebackType
from typing import Protocol

from oslo_utils import units

from cinder_rbd_offload import exceptions

# Bytes that are taken from the source at a time, and that a pipe holds.
_CHUNK = units.Mi

# Bytes of the program's complaints that are kept: the last ones.
_COMPLAINTS = 4096

# Seconds between two looks at a program that neither writes nor reads.
_LOOK = 1.0

# Seconds between two looks at one that has ended its output.
_LAST_LOOK = 0.05


class Source(Protocol):
    """Where the program's input comes from."""

    def read(self, length: int, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        ...


class Pipe:
    """What a program writes, as a file that is read from start to end.

    Closing it ends the program, whatever that does at the time. One that is
    killed cannot close what it has open elsewhere. So it can have some seconds
    in which its writes to files fail, as on a full disk, which ends it in its
    own way.

    :param doing: what the program does, for the errors
    :param command: the program and its arguments
    :param source: its input, from where that is; an unbuffered file of the
        system is handed over, and anything else is read as the output is
    :param keep: descriptors that the program inherits under their numbers
    :param environment: variables that it has beside those of this process
    :param grace: those seconds
    :param look: called once a second or more while the program does nothing;
        what it raises is raised by the read
    :raises ConversionFailed: when the program cannot be started
    """

    def __init__(
        self,
        doing: str,
        command: Sequence[str],
        source: Source | None = None,
        keep: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
        grace: float = 0,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._doing = doing
        self._program = command[0]
        self._source = source
        self._grace = grace
        self._look = look
        # What the source has given, and the program has not taken.
        self._pending = memoryview(b'')
        self._complaints = b''
        self._feed: io.FileIO | None = None
        self._ended = self._closed = False
        self._failure: BaseException | None = None
        with (
            contextlib.ExitStack() as ours,
            contextlib.ExitStack() as theirs,
        ):
            self._selector = ours.enter_context(selectors.DefaultSelector())
            self._output, write = _pipe(ours, theirs)
            self._errors, complain = _pipe(ours, theirs)
            read: io.FileIO | int = subprocess.DEVNULL
            if source is not None:
                descriptor = _descriptor(source)
                if descriptor is None:
                    read, self._feed = _pipe(theirs, ours)
                else:
                    read = descriptor
            for mine in filter(None, (self._output, self._errors, self._feed)):
                os.set_blocking(mine.fileno(), False)
                writes = mine is self._feed
                self._selector.register(
                    mine,
                    selectors.EVENT_WRITE if writes else selectors.EVENT_READ,
                )
            try:
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    stdin=read,
                    stdout=write,
                    stderr=complain,
                    pass_fds=keep,
                    # Python ignores SIGXFSZ, which such a write would raise.
                    restore_signals=not grace,
                    # What it complains about is compared with known texts.
                    env=os.environ | (environment or {}) | {'LC_ALL': 'C'},
                )
            except OSError as exc:
                raise exceptions.ConversionFailed(
                    doing,
                    f'{self._program} cannot be started: {exc}. Install it',
                ) from exc
            self._ours = ours.pop_all()

    def __enter__(self) -> 'Pipe':
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except BaseException as exc:
            # What the reader has been told already is on its way.
            if exc is not value:
                raise

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def seekable(self) -> bool:
        """Tell that it is read from start to end only."""
        return False

    def read(self, length: int | None = -1) -> bytes:
        """Return the next bytes, once there are any; none at the end.

        :param length: at most so many; None or -1 for all that are left
        :raises ConversionFailed: at the end, when the program has failed
        """
        if self._closed:
            raise ValueError('the pipe is closed')
        if length is None or length < 0:
            return b''.join(iter(lambda: self.read(_CHUNK), b''))
        data = b''
        while length and not (data or self._ended or self._failure):
            data = self._step(length)
        if self._failure:
            raise self._failure
        return data

    def close(self) -> None:
        """End the program.

        :raises ConversionFailed: when it had failed by itself before that
        """
        if self._closed:
            return
        self._closed = True
        with self._ours:
            running = self._process.poll() is None
            if running:
                self._stop()
            if not (self._ended or running):
                self._judge()
        if self._failure:
            raise self._failure

    def _stop(self) -> None:
        """End a program that works."""
        if self._grace:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                resource.prlimit(
                    self._process.pid, resource.RLIMIT_FSIZE, (0, 0)
                )
                self._process.wait(self._grace)
        self._process.kill()
        self._process.wait()

    def _step(self, length: int) -> bytes:
        """Do what can be done now; return output, if there is any."""
        ready = [key.fileobj for key, _ in self._selector.select(_LOOK)]
        if not ready:
            self._look()
        if self._feed in ready:
            self._give()
        if self._errors in ready:
            self._listen()
        if self._output not in ready:
            return b''
        data = self._output.read(length)
        if not data:
            self._finish()
        return data or b''

    def _give(self) -> None:
        """Give the program some input."""
        assert self._source is not None
        assert self._feed is not None
        if not self._pending:
            try:
                self._pending = memoryview(self._source.read(_CHUNK))
            except BaseException as exc:
                # Whoever reads on must not get output with a gap.
                self._failure = exc
                raise
            if not self._pending:
                self._drop(self._feed)
                self._source = None
                return
        try:
            taken = self._feed.write(self._pending)
        except BrokenPipeError:
            # Why it takes no more, its exit code tells.
            self._drop(self._feed)
            return
        self._pending = self._pending[taken or 0 :]

    def _listen(self) -> bool:
        """Take what the program complains about; tell if there was any."""
        data = self._errors.read(_CHUNK)
        if data == b'':
            self._drop(self._errors)
        self._complaints = (self._complaints + (data or b''))[-_COMPLAINTS:]
        return bool(data)

    def _drop(self, file: io.FileIO) -> None:
        self._selector.unregister(file)
        file.close()

    def _finish(self) -> None:
        """See how a program has ended that writes no more."""
        self._ended = True
        self._drop(self._output)
        if self._feed is not None and not self._feed.closed:
            self._drop(self._feed)
        # Others may have inherited its errors, so their end is not its end.
        while self._process.poll() is None:
            try:
                self._look()
            except BaseException as exc:
                # What was read may be a part of it only.
                self._failure = exc
                raise
            for _ready in self._selector.select(_LAST_LOOK):
                self._listen()
        self._judge()

    def _judge(self) -> None:
        """Note the error of a program that has failed."""
        while not self._errors.closed and self._listen():
            pass
        code = self._process.returncode
        if code < 0:
            how = f'was ended by {_signal(-code)}'
        elif code > 0:
            how = f'ended with exit code {code}'
        elif self._feed is not None and self._source is not None:
            how = 'ended before it had taken all of its input'
        else:
            return
        said = self._complaints.decode(errors='replace').strip()
        self._failure = exceptions.ConversionFailed(
            self._doing, f'{self._program} {how}: {said or "it said nothing"}'
        )


def _pipe(
    reader: contextlib.ExitStack, writer: contextlib.ExitStack
) -> tuple[io.FileIO, io.FileIO]:
    """Make a pipe, with one who closes each of its ends."""
    read, write = os.pipe()
    ends = (
        reader.enter_context(io.FileIO(read)),
        writer.enter_context(io.FileIO(write, 'w')),
    )
    # A user who has many pipes gets only small ones.
    with contextlib.suppress(OSError):
        fcntl.fcntl(read, fcntl.F_SETPIPE_SZ, _CHUNK)
    return ends


def _descriptor(source: Source) -> int | None:
    """Return the descriptor of a source that is a file of the system."""
    try:
        return int(source.fileno())  # type: ignore[attr-defined]
    except (AttributeError, OSError):
        return None


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f'signal {number}'
