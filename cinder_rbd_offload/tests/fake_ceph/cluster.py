# SPDX-License-Identifier: Apache-2.0
"""One cluster, and the modules that clients reach it by."""

import copy
import functools
import math
import types

from cinder_rbd_offload.tests.fake_ceph import errors
from cinder_rbd_offload.tests.fake_ceph import image
from cinder_rbd_offload.tests.fake_ceph import rados
from cinder_rbd_offload.tests.fake_ceph import rbd
from cinder_rbd_offload.tests.fake_ceph import stored as stored_


class Cluster:
    """One cluster, its pools, and what clients have open there."""

    def __init__(self, fsid='a-fsid', pools=('volumes', 'images')):
        self.fsid = fsid
        self.pools = {pool: {} for pool in pools}
        # Names of a rename that broke off, which the directory does not have.
        self.unlisted = set()
        self.keeps_names = False
        self.clone_v2 = True
        # What objects hold as omap, by pool and name.
        self.omap = {pool: {} for pool in pools}
        self.trash = {pool: {} for pool in pools}
        self.free = 1 << 40
        self.tasks = []
        self.shut_out = []
        # What a client that has died gets instead of any answer.
        self.dead = None
        # What one gets that was shut out.
        self.refusal = None
        self.opened = []
        self.reached = []
        # Reads that nobody has waited for, and what they come to.
        self.reading = []
        self.read_error = 0
        self._hooks = []
        self.rbd = types.SimpleNamespace(
            **vars(errors.rbd),
            Image=image.Image,
            RBD=functools.partial(rbd.RBD, self),
            RBD_FEATURE_LAYERING=1,
            RBD_FEATURE_EXCLUSIVE_LOCK=4,
            RBD_FEATURE_OBJECT_MAP=8,
            RBD_FEATURE_FAST_DIFF=16,
            RBD_FEATURE_DEEP_FLATTEN=32,
            RBD_FEATURE_JOURNALING=64,
            RBD_LOCK_MODE_EXCLUSIVE=0,
            RBD_FLAG_OBJECT_MAP_INVALID=1,
            RBD_FLAG_FAST_DIFF_INVALID=2,
            RBD_SNAP_NAMESPACE_TYPE_TRASH=stored_.TRASH,
        )
        self.rados = types.SimpleNamespace(
            **vars(errors.rados),
            Rados=functools.partial(rados.Rados, self),
            WriteOpCtx=rados.WriteOp,
            ReadOpCtx=rados.ReadOp,
            LIBRADOS_CREATE_IDEMPOTENT=0,
        )

    def state(self):
        """Return what the pools hold now, to compare it later."""
        return copy.deepcopy(
            self.pools | {'unlisted': self.unlisted, 'trash': self.trash}
        )

    def on(self, operation, action, when='before', skip=0, times=math.inf):
        """Have something happen at some of the calls of an operation."""
        calls = range(skip, skip + times) if times < math.inf else None
        self._hooks.append((operation, when, skip, calls, action))

    def fail(self, operation, error, **which):
        """Have an operation raise an error, even after it took effect."""

        def action():
            raise error

        self.on(operation, action, **which)

    def run_tasks(self):
        """Do what the manager was given to do."""
        tasks, self.tasks = self.tasks, []
        for pool, name in tasks:
            if stored := self.pools[pool].get(name):
                self.flatten(stored)

    def flatten(self, stored):
        """Flatten an image and, as deep-flatten has it, its snapshots."""
        parent = stored.parent
        for one in (stored, *stored.snapshots.values()):
            one.blocks = stored_.with_parents(one)
            one.parent = None
        self.empty_trash(parent)

    def has_clones(self, snapshot):
        """Tell whether an image, or one's snapshot, reads a snapshot."""
        return any(
            one.parent is snapshot
            for images in self.pools.values()
            for stored in images.values()
            for one in (stored, *stored.snapshots.values())
        )

    def empty_trash(self, snapshot):
        """Remove a snapshot from the trash, unless a clone reads it."""
        if self.has_clones(snapshot):
            return
        for images in self.pools.values():
            for stored in images.values():
                for name, one in list(stored.trash.items()):
                    if one is snapshot:
                        del stored.trash[name]

    def entries(self):
        """Return the journal's entries of uploads."""
        omap = self.omap['volumes'].get('rbd_offload.journal', {})
        return {key: text for key, text in omap.items() if '/' not in key}

    def reach(self, operation, when):
        """Let happen what a test wants at this point."""
        if error := self.dead or self.refusal:
            raise error
        call = self.reached.count((operation, when))
        self.reached.append((operation, when))
        for name, moment, skip, calls, action in self._hooks:
            if (name, moment) == (operation, when) and call >= skip:
                if calls is None or call in calls:
                    action()
        if self.refusal and when != 'after':
            raise self.refusal
