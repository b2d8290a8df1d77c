# SPDX-License-Identifier: Apache-2.0
"""What goes over the bytes of a stream as they come: hashes, signatures."""

from typing import Protocol


class Digest(Protocol):
    """Takes in a stream, piece by piece: a hash, or one that verifies."""

    def update(self, data: bytes, /) -> object:
        """Take in the next bytes."""
        ...


class Hash(Digest, Protocol):
    """A digest that tells its value."""

    def hexdigest(self) -> str:
        """Return the value of what was taken in so far, in hex."""
        ...


class Several:
    """Passes each piece on to several digests.

    :param digests: those that take it in, in this order
    """

    def __init__(self, *digests: Digest) -> None:
        self._digests = digests

    def update(self, data: bytes) -> None:
        """Take in the next bytes."""
        for digest in self._digests:
            digest.update(data)
