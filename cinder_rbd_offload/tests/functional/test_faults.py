# SPDX-License-Identifier: Apache-2.0
"""A few rounds of the fault harness, and that its audit sees what is there.

``make faults`` runs hundreds, with two hosts.
"""

import subprocess
import sys

import rados
import rbd as librbd

from cinder_rbd_offload.tests.functional import base
from faults import audit
from faults import observe

# One round of each.
KINDS = ('boundary', 'child', 'relapse', 'glance', 'host', 'ceph-mgr')
# Seconds; they take a third of it on a busy machine.
DEADLINE = 600


class FaultsTest(base.FunctionalTestCase):
    """Faults leave nothing, and what is left is seen."""

    def test_services_are_killed_and_nothing_is_left(self) -> None:
        self.addCleanup(self.run_lab, 'up')
        kinds = [word for kind in KINDS for word in ('--fault', kind)]
        done = subprocess.run(
            [
                *(sys.executable, '-m', 'faults', '--deadline', '60'),
                *('--state', str(self.state.root)),
                *('--rounds', str(len(KINDS)), *kinds),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
        )
        self.assertEqual(0, done.returncode, done.stdout)

    def test_the_audit_sees_what_is_left(self) -> None:
        volume = self.make_volume()
        name = f'volume-{volume.id}'
        left = '01234567-89ab-4cde-8f01-23456789abcd'
        observer = observe.Observer(self.state)
        expected = {volume.id: 'available'}
        self.assertEqual([], audit.complaints(observer.look(expected)))

        with self.pool('volumes') as pool, self.pool('images') as images:
            with librbd.Image(pool, name) as disk:
                disk.create_snap('offload-left')
            librbd.RBD().clone(pool, name, 'offload-left', images, left)
            with rados.WriteOpCtx() as operation:
                pool.set_omap(operation, (left,), (b'{}',))
                pool.operate_write_op(operation, observe.JOURNAL)
            try:
                found = audit.complaints(observer.look(expected))
            finally:
                with rados.WriteOpCtx() as operation:
                    pool.remove_omap_keys(operation, (left,))
                    pool.operate_write_op(operation, observe.JOURNAL)
                librbd.RBD().remove(images, left)
                with librbd.Image(pool, name) as disk:
                    disk.remove_snap('offload-left')
        self.assertEqual(
            {
                f'images/{left} belongs to no active image',
                f'volumes/{name} has the snapshot offload-left',
                f'the journal has an entry for {left}',
            },
            set(found),
        )
