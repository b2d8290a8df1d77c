# SPDX-License-Identifier: Apache-2.0
"""Has a failure let go of what failed functions had open.

Cinder's own upload holds the volume open by a local variable. When the upload
fails, the error's traceback keeps that, in a circle with the error, until the
garbage collector comes by: hours, in a service that has little to do. As long
the volume cannot be deleted.
"""

from collections.abc import Iterator
import contextlib
import traceback


@contextlib.contextmanager
def cleared() -> Iterator[None]:
    """Drop the local variables of the functions that an error came through.

    Those that still run keep theirs, and so does the error its traceback.
    """
    try:
        yield
    except Exception as exc:
        error: BaseException | None = exc
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__cause__ or error.__context__
        raise
