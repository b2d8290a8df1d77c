# SPDX-License-Identifier: Apache-2.0
"""Lets Glance delete images whose hash it was computing when it was killed.

Glance computes the hash of an image after that is active, and a delete asks
this to end and waits for it. Glance 33 does not notice that the process that
computed is dead: the image stays locked, its data whole, and every delete
fails after 30 s. So the file by which the process would have answered is
removed in its place.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import contextlib
import pathlib
import threading

INTERVAL = 0.1


@contextlib.contextmanager
def ended(folder: pathlib.Path, locks: Iterable[str]) -> Iterator[None]:
    """Answer for dead processes as long as the context lasts.

    :param folder: where Glance notes which tasks run
    :param locks: the tasks of which the processes are dead
    """
    files = [folder / f'running-task-{lock}' for lock in locks]
    stop = threading.Event()

    def answer() -> None:
        while not stop.wait(INTERVAL):
            for file in files:
                # A delete writes to the file, and waits until it is gone.
                if file.exists() and file.stat().st_size:
                    file.unlink(missing_ok=True)

    for file in files:
        file.touch()
    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        for file in files:
            file.unlink(missing_ok=True)
