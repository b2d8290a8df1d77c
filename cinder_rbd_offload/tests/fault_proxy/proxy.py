# SPDX-License-Identifier: Apache-2.0
"""The proxy: what it is to do, and what it has seen."""

import re
import threading

from cinder_rbd_offload.tests.fault_proxy import handler
from cinder_rbd_offload.tests.fault_proxy import rules


class FaultProxy:
    """The proxy; it serves inside its context.

    :param host: where the server listens
    :param port: where the server listens
    :param listen: the proxy's own port; 0 is any that is free
    """

    def __init__(self, host: str, port: int, listen: int = 0) -> None:
        self.target = (host, port)
        self.seen: list[rules.Exchange] = []
        self.stopped = threading.Event()
        self._rules: dict[rules.Rule, int] = {}
        self._guard = threading.Lock()
        self._server = handler.Server(listen, self)
        self.port = int(self._server.server_address[1])
        self.url = f'http://127.0.0.1:{self.port}'

    def __enter__(self) -> 'FaultProxy':
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def obey(self, *wanted: rules.Rule) -> None:
        """Begin anew, with these rules and nothing seen."""
        with self._guard:
            self._rules = dict.fromkeys(wanted, 0)
            self.seen.clear()

    def matching(self, method: str, path: str) -> list[rules.Exchange]:
        """Return what was seen whose path has a regular expression in it."""
        return [
            one
            for one in tuple(self.seen)
            if one.method == method and re.search(path, one.path)
        ]

    def meet(self, method: str, path: str) -> rules.Exchange:
        """Note a request, and with it the rule that it is broken by."""
        exchange = rules.Exchange(method, path)
        with self._guard:
            for rule in self._rules:
                if rule.method == method and re.search(rule.path, path):
                    self._rules[rule] += 1
                    number = self._rules[rule] - rule.nth
                    if 0 <= number < rule.count:
                        exchange.rule = exchange.rule or rule
            self.seen.append(exchange)
        return exchange

    def done(self, exchange: rules.Exchange) -> None:
        """Hear of the end of an exchange."""
