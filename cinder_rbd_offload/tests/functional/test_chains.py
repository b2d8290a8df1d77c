# SPDX-License-Identifier: Apache-2.0
"""Volumes and images made of each other, and deleted in every order.

All images are made instantly, and the manager is kept from flattening them
while the deletions come: so each depends on what it was made of.
"""

import contextlib
import itertools
from typing import Any

import rbd as librbd

from cinder_rbd_offload.tests.functional import base
from lab import service

CHAIN = ('volume', 'image', 'second volume', 'second image')
# Bytes at the start of each volume among which is all that is written.
WRITTEN = 8 * base.MIB
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
                    self.fill(volume, range(1, WRITTEN, base.MIB), 4096)
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

    def content(self, name: str, one: Any) -> bytes:
        """Read all that was written, of a volume or of an image."""
        pool, known, snapshot = 'volumes', f'volume-{one.id}', None
        if 'image' in name:
            pool, known, snapshot = 'images', one.id, 'snap'
        with self.pool(pool) as ioctx:
            with librbd.Image(ioctx, known, snapshot, True) as handle:
                self.assertEqual(base.GIB, handle.size())
                return bytes(handle.read(0, WRITTEN))

    def delete_in_orders(
        self, orders: list[tuple[str, ...]], instant: bool = True
    ) -> None:
        """Make a chain for each order, and delete them link by link."""
        length = len(orders[0])
        chains = self.make_chains(len(orders), length)
        for chain in chains:
            for name, one in chain.items():
                if 'image' in name:
                    depends = bool(self.cluster.parent(one.id))
                    self.assertEqual(instant, depends, name)
        contents = [
            {name: self.content(name, one) for name, one in chain.items()}
            for chain in chains
        ]
        for step in range(length):
            for order, chain in zip(orders, chains, strict=True):
                name = order[step]
                one = chain.pop(name)
                if 'image' in name:
                    self.delete_image(one.id)
                else:
                    self.delete_volume(one)
            for order, chain, content in zip(
                orders, chains, contents, strict=True
            ):
                for name, one in chain.items():
                    self.assertEqual(
                        content[name],
                        self.content(name, one),
                        f'{name} after {order[: step + 1]}',
                    )

    def await_nothing_left(self) -> None:
        """Wait until all that is there was there before the test.

        What is deleted while something depends on it, Glance and Cinder put
        into the trash, and leave it to the operator to empty that.
        """

        def left() -> set[str]:
            return self.cluster.contents() - self.before

        def gone() -> bool:
            for pool in ('images', 'volumes'):
                self.cluster.change('trash', 'purge', pool)
            return not left()

        with contextlib.suppress(service.Failed):
            service.wait('nothing left', gone, 60)
        self.assertEqual(set(), left())

    def test_every_order(self) -> None:
        """Of a volume, its image, and a volume of that."""
        self.stack.enter_context(self.cluster.glance_reads_volumes())
        self.stack.enter_context(self.cluster.failing_flattens())
        self.delete_in_orders(list(itertools.permutations(CHAIN[:3])))
        self.await_nothing_left()

    def test_a_longer_chain(self) -> None:
        """Also a second image: the orders that differ most."""
        self.stack.enter_context(self.cluster.glance_reads_volumes())
        self.stack.enter_context(self.cluster.failing_flattens())
        one, two, three, four = CHAIN
        self.delete_in_orders(
            [
                (one, two, three, four),
                (four, three, two, one),
                (two, three, one, four),
                (three, one, four, two),
            ]
        )
        self.await_nothing_left()

    def test_without_deep_flatten(self) -> None:
        """The images have it all the same, as long as they need it."""
        self.stack.enter_context(self.cluster.glance_reads_volumes())
        features = ('client', 'rbd_default_features', NO_DEEP_FLATTEN)
        self.stack.enter_context(self.cluster.config(*features))
        self.stack.enter_context(self.cluster.failing_flattens())
        self.delete_in_orders(list(itertools.permutations(CHAIN[:2])))
        self.await_nothing_left()

    def test_clones_of_format_1(self) -> None:
        """They cannot outlive what they are made of: so none is instant."""
        self.stack.enter_context(self.cluster.glance_reads_volumes())
        old = ('client', 'rbd_default_clone_format', '1')
        self.stack.enter_context(self.cluster.config(*old))
        self.delete_in_orders(
            list(itertools.permutations(CHAIN[:2])), instant=False
        )
        self.await_nothing_left()
