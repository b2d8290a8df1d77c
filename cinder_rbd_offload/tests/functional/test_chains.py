# SPDX-License-Identifier: Apache-2.0
"""Volumes and images made of each other, and deleted in every order.

All images are made instantly, and the manager is kept from flattening them
while the deletions come: so each depends on what it was made of.
"""

import contextlib
import itertools
from typing import Any

from cinder_rbd_offload.tests.functional import base
from lab import rbd
from lab import service

CHAIN = ('volume', 'image', 'second volume', 'second image')
# Features without deep-flatten, as krbd of old wanted them.
NO_DEEP_FLATTEN = '29'


class ChainsTest(base.FunctionalTestCase):
    """Whatever is deleted first, the rest is whole, and nothing remains."""

    def setUp(self) -> None:
        super().setUp()
        self.cluster.forget()
        self.addCleanup(self.cluster.forget)
        self.before = self.cluster.contents()
        self.stack = self.useStack()

    def useStack(self) -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        return stack

    def make_chains(self, count: int, length: int) -> list[dict[str, Any]]:
        """Make chains of a volume, its image, a volume of that, and so on."""
        chains: list[dict[str, Any]] = [{} for _ in range(count)]
        previous: list[dict[str, Any]] = [{} for _ in range(count)]
        for name in CHAIN[:length]:
            if 'volume' in name:
                made = [
                    self.storage.create_volume(
                        name=self.id(),
                        size=1,
                        volume_type='instant',
                        **({'image_id': p['image'].id} if p else {}),
                    )
                    for p in previous
                ]
                for volume in made:
                    self.addCleanup(self.delete_volume, volume)
                made = [self.await_volume(volume) for volume in made]
                for volume in made:
                    # Each adds some of its own, over what it has.
                    self.fill(volume, range(1, 4 * base.MIB, base.MIB), 4096)
            else:
                started = [self.start_upload(p['volume']) for p in previous]
                made = [self.await_active(image_id) for image_id in started]
                for p in previous:
                    self.await_volume(p['volume'])
            kind = name.split()[-1]
            for chain, one in zip(chains, made, strict=True):
                chain[name] = one
            previous = [{kind: one} for one in made]
        return chains

    def digest(self, name: str, one: Any) -> str:
        """Return the SHA-512 of a volume, or of an image."""
        if 'image' in name:
            with self.pool('images') as pool:
                return rbd.sha512(pool, one.id, 'snap')
        with self.pool('volumes') as pool:
            return rbd.sha512(pool, f'volume-{one.id}')

    def delete_in_orders(self, orders: list[tuple[str, ...]]) -> None:
        """Make a chain for each order, and delete them link by link."""
        length = len(orders[0])
        chains = self.make_chains(len(orders), length)
        for chain in chains:
            for name, one in chain.items():
                if 'image' in name:
                    self.assertTrue(self.cluster.parent(one.id), name)
        digests = [
            {name: self.digest(name, one) for name, one in chain.items()}
            for chain in chains
        ]
        for step in range(length):
            for order, chain in zip(orders, chains, strict=True):
                name = order[step]
                one = chain.pop(name)
                if 'image' in name:
                    self.images.delete_image(one)
                else:
                    self.delete_volume(one)
            for order, chain, digest in zip(
                orders, chains, digests, strict=True
            ):
                for name, one in chain.items():
                    self.assertEqual(
                        digest[name],
                        self.digest(name, one),
                        f'{name} after {order[: step + 1]}',
                    )

    def await_nothing_left(self) -> None:
        """Wait until all that is there was there before the test."""

        def left() -> set[str]:
            return self.cluster.contents() - self.before

        with contextlib.suppress(service.Failed):
            service.wait('nothing left', lambda: not left(), 60)
        self.assertEqual(set(), left())

    def test_every_order(self) -> None:
        """Of three, all six orders; of four, those that differ most."""
        self.stack.enter_context(self.cluster.glance_reads_volumes())
        self.stack.enter_context(self.cluster.failing_flattens())
        self.delete_in_orders(list(itertools.permutations(CHAIN[:3])))
        self.await_nothing_left()
