# SPDX-License-Identifier: Apache-2.0
"""All that is asked of Ceph; the only place that imports its bindings."""

from cinder_rbd_offload.ceph.pool import GLANCE_SNAPSHOT as GLANCE_SNAPSHOT
from cinder_rbd_offload.ceph.pool import Pool as Pool
