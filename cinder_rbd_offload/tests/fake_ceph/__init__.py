# SPDX-License-Identifier: Apache-2.0
"""A Ceph cluster in memory, behind the names of Ceph's own bindings.

``Cluster.rados`` and ``Cluster.rbd`` stand for the modules ``rados`` and
``rbd`` of Ceph 16.2, as far as an upload needs them. A test looks at
``Cluster.pools`` for what an operation has done, and at ``Cluster.opened``
for what nobody closed.

Something else may happen at any operation::

    cluster.on('create_snap', action)  # just before it
    cluster.on('copy', action, when='half')  # while it works
    cluster.fail('remove', error, when='after')  # done, yet it fails
    cluster.fail('open', error, skip=2, times=1)  # the third one
"""

from cinder_rbd_offload.tests.fake_ceph.cluster import Cluster as Cluster
from cinder_rbd_offload.tests.fake_ceph import errors as errors
from cinder_rbd_offload.tests.fake_ceph.image import Image as Image
from cinder_rbd_offload.tests.fake_ceph.rados import Ioctx as Ioctx
from cinder_rbd_offload.tests.fake_ceph.rados import Rados as Rados
from cinder_rbd_offload.tests.fake_ceph.rados import ReadOp as ReadOp
from cinder_rbd_offload.tests.fake_ceph.rados import WriteOp as WriteOp
from cinder_rbd_offload.tests.fake_ceph.rbd import RBD as RBD
from cinder_rbd_offload.tests.fake_ceph.stored import BLOCK as BLOCK
from cinder_rbd_offload.tests.fake_ceph.stored import content as content
from cinder_rbd_offload.tests.fake_ceph.stored import Snapshot as Snapshot
from cinder_rbd_offload.tests.fake_ceph.stored import Stored as Stored
