# SPDX-License-Identifier: Apache-2.0
"""The proxy by hand."""

import argparse
import threading

from cinder_rbd_offload.tests.fault_proxy import proxy
from cinder_rbd_offload.tests.fault_proxy import rules


class _Printing(proxy.FaultProxy):
    def done(self, exchange: rules.Exchange) -> None:
        """Print what passed."""
        print(exchange, flush=True)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description='Break requests on purpose.')
    parser.add_argument('server', help='HOST:PORT')
    parser.add_argument('rules', nargs='*', help='METHOD PATH FAULT [K=N]...')
    parser.add_argument('--listen', type=int, default=0, metavar='PORT')
    args = parser.parse_args()
    host, _colon, port = args.server.rpartition(':')
    with _Printing(host, int(port), args.listen) as breaker:
        breaker.obey(*map(rules.Rule.parse, args.rules))
        print(breaker.url, flush=True)
        threading.Event().wait()


main()
