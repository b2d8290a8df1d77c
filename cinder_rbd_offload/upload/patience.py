# SPDX-License-Identifier: Apache-2.0
"""How often, and for how long, what has failed is tried again."""

from collections.abc import Callable
import dataclasses
import random
import time
from typing import TypeVar

# Seconds that faults may keep data from flowing.
SECONDS = 300.0

# How often these seconds begin anew, since an attempt has sent data.
ATTEMPTS = 5

# The pause after the first fault, and after many, in seconds, at most; a
# server may ask for more.
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0

# Seconds of a pause between two looks at whether there is any point in it.
_NAP = 1.0

T = TypeVar('T')


class Fault(Exception):
    """An attempt failed, and another may not.

    :param pause: seconds for which the server asks to be left alone, or 0
    :ivar flowed: whether the attempt sent data
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause
        self.flowed = False


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long faults are borne.

    :param seconds: how long no data may flow because of faults
    :param attempts: how often that begins anew, since an attempt that failed
        has sent data
    :param now: a monotonic clock, in seconds
    :param sleep: waits for a number of seconds
    """

    seconds: float = SECONDS
    attempts: int = ATTEMPTS
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(
        self,
        once: Callable[[], T],
        check: Callable[[], None],
        tell: Callable[[Fault, float], object],
    ) -> T:
        """Make attempts until one does not end with a fault.

        :param check: raises what is to end it all
        :param tell: told of a fault, and how long the pause after it is
        :raises Fault: the last one, when there is no time for another attempt
        """
        until, left, number = 0.0, self.attempts, 0
        while True:
            try:
                return once()
            except Fault as fault:
                if not number or (fault.flowed and left > 0):
                    until = self.now() + self.seconds
                left -= fault.flowed
                most = min(FIRST_PAUSE * 2 ** min(number, 9), LONGEST_PAUSE)
                # By chance, so that not all come back at the same moment;
                # nothing secret hangs on it.
                pause = max(fault.pause, random.uniform(0, most))  # noqa: S311
                if self.now() + pause > until:
                    raise
                tell(fault, pause)
            self.wait(pause, check)
            number += 1

    def wait(self, seconds: float, check: Callable[[], None]) -> None:
        """Wait, and look now and then whether there is any point in it.

        :param check: raises when there is none
        """
        until = self.now() + seconds
        while (left := until - self.now()) > 0:
            check()
            self.sleep(min(left, _NAP))
        check()
