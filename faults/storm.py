# SPDX-License-Identifier: Apache-2.0
"""Many small uploads with faults between client and server, drawn by lot.

    python -m faults.storm --state .lab/storm --rounds 1000

Each round sends a small image by one of three ways, through the fault proxy,
to the real services::

    glance     what streams a volume to Glance, and Glance
    straight   what sends a volume straight to Swift, and Swift
    store      a client, Glance with the store swift_resumable, and Swift

A round is bad if the image is not what was sent; if it failed without a cause,
or after faults that another attempt mends; if it is still being saved when
that is over; if objects are left in Swift, or anything is in Glance's buffer;
or if a fault cost more than one segment there. The ways run beside one
another. Returns 1 if any round was bad.
"""

import argparse
import collections
from collections.abc import Callable
import concurrent.futures
import pathlib
import signal
import sys
import threading

from faults import way as way_
from faults import ways as ways_
from lab import lab as lab_lab
from lab import swift as lab_swift


def main() -> int:
    """Read the command line; return 0, or 1 for a bad round."""
    parser = argparse.ArgumentParser(
        prog='python -m faults.storm',
        description='Small uploads with faults on the way, drawn by lot.',
    )
    parser.add_argument('--state', type=pathlib.Path, required=True)
    parser.add_argument('--rounds', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    # So that whoever ends it, also by a time limit, has its services ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = lab_lab.Lab(args.state, say=print)
    try:
        lab.up(swift=True)
        bad = _storm(lab, args.rounds, args.seed)
    finally:
        lab.down()
    print(f'{bad} of {args.rounds} bad')
    return int(bad > 0)


def _storm(lab: lab_lab.Lab, rounds: int, seed: int) -> int:
    """Run the rounds, the ways beside one another; return how many are bad."""
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    bad = 0
    lock = threading.Lock()
    over = threading.Event()

    # Each way has numbers of its own, so that one round can be run again.
    def work(way: way_.Way, numbers: range) -> None:
        nonlocal bad
        with way.proxy:
            for number in numbers:
                if over.is_set():
                    return
                found = way.run(seed, number)
                with lock:
                    ends[found.way, found.end] += 1
                    if found.bad:
                        bad += 1
                        print(f'BAD {found.way} {number}: {found.bad}')
                        print(f'{found.cause}\n{found.seen}', flush=True)
                    elif number % 50 == 0:
                        print(f'{way.name}: round {number}', flush=True)

    makers: tuple[Callable[[lab_lab.Lab], way_.Way], ...]
    makers = (ways_.ToGlance, ways_.Straight, ways_.Store)
    ways = [make(lab) for make in makers]
    shares = [range(first, rounds, len(ways)) for first in range(len(ways))]
    lab_swift.account(lab.state).put_container(way_.CONTAINER)
    with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
        working = [
            pool.submit(work, way, share)
            for way, share in zip(ways, shares, strict=True)
        ]
        try:
            for one in concurrent.futures.as_completed(working):
                one.result()
        finally:
            # An error in one way, or Ctrl-C, ends the others after a round.
            over.set()
    for (way, end), count in sorted(ends.items()):
        print(f'{way:10} {end:8} {count}')
    return bad


if __name__ == '__main__':
    sys.exit(main())
