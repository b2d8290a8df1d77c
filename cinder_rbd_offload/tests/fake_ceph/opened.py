# SPDX-License-Identifier: Apache-2.0
"""What clients open, and what they do with it."""

import functools

from cinder_rbd_offload.tests.fake_ceph import errors


def operation(method):
    """Make a method an operation, which a hook may join or break."""

    @functools.wraps(method)
    def called(self, *args, **kwargs):
        self.require_usable()
        self.cluster.reach(method.__name__, 'before')
        result = method(self, *args, **kwargs)
        self.cluster.reach(method.__name__, 'after')
        return result

    return called


def writing(method):
    """Make a method an operation of an image that is open for writing."""

    @functools.wraps(method)
    def called(self, *args, **kwargs):
        if self.read_only:
            raise errors.rbd.ReadOnlyImage(method.__name__)
        return method(self, *args, **kwargs)

    return operation(called)


class Opened:
    """Something that a client has to close."""

    def __init__(self, cluster):
        self.cluster = cluster

    def _release(self):
        if self in self.cluster.opened:
            self.cluster.opened.remove(self)
