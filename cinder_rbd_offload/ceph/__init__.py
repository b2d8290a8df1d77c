# SPDX-License-Identifier: Apache-2.0
"""All that is asked of Ceph; the only place that imports its bindings."""

from cinder_rbd_offload.ceph.client import Client as Client
from cinder_rbd_offload.ceph.client import connect as connect
from cinder_rbd_offload.ceph.client import Settings as Settings
from cinder_rbd_offload.ceph.cluster import Cluster as Cluster
from cinder_rbd_offload.ceph.cluster import Task as Task
from cinder_rbd_offload.ceph.connection import Connection as Connection
from cinder_rbd_offload.ceph.pool import GLANCE_SNAPSHOT as GLANCE_SNAPSHOT
from cinder_rbd_offload.ceph.pool import Pool as Pool
from cinder_rbd_offload.ceph.reading import OpenSnapshot as OpenSnapshot
from cinder_rbd_offload.ceph.reading import Reading as Reading
from cinder_rbd_offload.ceph.shape import Progress as Progress
from cinder_rbd_offload.ceph.shape import Shape as Shape
from cinder_rbd_offload.ceph.table import Table as Table
