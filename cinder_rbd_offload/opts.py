# SPDX-License-Identifier: Apache-2.0
"""Every option of the package.

The driver's options stand in its back end's section of cinder.conf, or in
``[backend_defaults]`` for all back ends.
"""

from oslo_config import cfg

# Where Cinder keeps the options that every back end shares; the same name as
# cinder.volume.configuration.SHARED_CONF_GROUP, which only driver.py imports.
BACKEND_DEFAULTS = 'backend_defaults'

driver_opts: list[cfg.Opt] = [
    cfg.StrOpt(
        'rbd_offload_method',
        default='auto',
        choices=[
            (
                'auto',
                'instant where Glance was seen to read such images of the '
                'store, otherwise clone_flatten, which moves fewest bytes, '
                'or copy, where the volume is nearly empty',
            ),
            (
                'copy',
                'copy the volume object by object through this host; walks '
                'the whole volume, and moves objects whole',
            ),
            (
                'clone_flatten',
                'clone the volume into the pool and flatten the clone; moves '
                'the bytes in use, and no more, through this host',
            ),
            (
                'instant',
                'clone the volume, publish the clone, and have ceph-mgr '
                "flatten it afterwards; Glance's cephx user must be able to "
                "read the volume's pool",
            ),
            (
                'off',
                'make nothing inside the cluster; image_upload_method says '
                'how images are uploaded then',
            ),
        ],
        help="""
How the data of an image gets into Glance's pool.

Where the chosen method fails, clone_flatten and copy are tried, and then the
image is uploaded as image_upload_method says. instant is never tried after
another method, and a volume that is a clone is never copied, because librbd
can lose the data of its parent. Where a capability is missing, or the pool has
an RBD image of that name already, no other method is tried.

In a cluster with clone v1, instant is never used. Volumes that are not clones
are copied, unless clone_flatten is chosen. Volumes that are clones are still
cloned and flattened.

Where instant is chosen and Glance turns out not to be able to read such an
image, the image is flattened before Glance gets it, and the uploads of the
next 24 hours use clone_flatten.
""",
    ),
    cfg.IntOpt(
        'rbd_offload_max_uploads',
        default=3,
        min=1,
        help="""
Uploads that a back end makes inside the cluster at the same time on one host.

Each cinder-volume process of the back end counts its own. More wait until one
of them has ended. Each takes a native thread and, unless
it is instant, as much bandwidth between this host and Ceph as it gets; the
options of Ceph's clients, such as rbd_concurrent_management_ops, limit it
further.

Possible values:

* A number of uploads, 1 or more.
""",
    ),
    cfg.DictOpt(
        'rbd_offload_data_pools',
        default={},
        help="""
The pools of the data of images, by Glance store.

An erasure-coded pool cannot hold RBD images alone: their metadata is in the
store's pool, and their data in this one. Glance does not tell it. It need not
be given where it is the option rbd_default_data_pool of the store's pool, or
in the ceph.conf of this back end.

Possible values:

* Pairs of a Glance store and a pool, for example: fast:ec-data,slow:ec-hdd
""",
    ),
    cfg.IntOpt(
        'rbd_offload_image_size_cap',
        default=1099511627776,
        min=1,
        help="""
The size in bytes of the largest image that Glance takes.

Give it the value of image_size_cap in glance-api.conf, which Glance does not
tell. The defaults of both are the same. A larger volume is refused before any
of its data is moved.

Possible values:

* A number of bytes, 1 or more.
""",
    ),
    cfg.IntOpt(
        'rbd_offload_recovery_interval',
        default=60,
        min=1,
        help="""
Seconds between two looks for uploads that a crash has left unfinished.

There is also one when the service starts. Entries of another host are taken
over once that host has given no sign of life for 30 seconds.

Possible values:

* A number of seconds, 1 or more.
""",
    ),
    cfg.IntOpt(
        'rbd_offload_location_timeout',
        default=120,
        min=1,
        help="""
Seconds to wait for Glance to make an image active.

After the data has been copied inside the Ceph cluster, its location is
registered in Glance, which opens it in a task of its own. That takes well
under a second on an idle Glance. If the image is neither active nor refused
by then, the upload fails with an error and the copied data is kept, because
Glance may still take it.

Possible values:

* A number of seconds, 1 or more.
""",
    ),
    cfg.StrOpt(
        'rbd_offload_metrics_directory',
        default='',
        help="""
The directory that node_exporter's textfile collector reads.

Each back end has a file of its own there, which everybody may read, with
counters of its uploads by method and outcome. The user of cinder-volume needs
the right to write to the directory.

Possible values:

* A path, for example: /var/lib/prometheus/node-exporter
* Empty for no such file
""",
    ),
]

upload_opts: list[cfg.Opt] = [
    cfg.StrOpt(
        'image_upload_method',
        default='stream',
        choices=[
            (
                'stream',
                'read or convert a snapshot of the volume, begin again after '
                'a fault, and compare what Glance has recorded with what was '
                'sent',
            ),
            ('stock', "the upload of Cinder's RBD driver"),
        ],
        help="""
How a volume is uploaded whose image cannot be made inside the cluster.
""",
    ),
    cfg.IntOpt(
        'image_upload_read_ahead',
        default=32,
        min=8,
        help="""
Memory in MiB for what one upload has read, or is reading, ahead.

More helps where the latency of Ceph is high: it is read in pieces of 4 MiB,
all of them at the same time.

Possible values:

* A number of MiB, 8 or more.
""",
    ),
    cfg.IntOpt(
        'image_upload_attempts',
        default=5,
        min=1,
        help="""
How often the data of one image is sent, at most.

Glance keeps nothing of an upload that broke off, so each attempt begins at the
start.

Possible values:

* A number of attempts, 1 or more.
""",
    ),
    cfg.IntOpt(
        'image_upload_retry_timeout',
        default=300,
        min=1,
        help="""
Seconds for which faults of Glance or Swift are borne while no data flows.

They begin anew when an attempt has sent data: as often as
image_upload_attempts for Glance, five times for a request to Swift. A server
that asks for a longer pause (Retry-After) is not waited for. This is also the
longest that Glance may take to give up a request that broke off.

Possible values:

* A number of seconds, 1 or more.
""",
    ),
    cfg.IntOpt(
        'image_upload_timeout',
        default=300,
        min=1,
        help="""
Seconds of silence from Glance or Swift after which a request is given up.

Possible values:

* A number of seconds, 1 or more. Glance answers when its store has taken the
  last byte, which a slow store may do minutes later.
""",
    ),
    cfg.DictOpt(
        'image_upload_swift_stores',
        default={},
        help="""
The Glance stores of type swift that volumes are uploaded to directly.

A raw image's data bypasses Glance and goes straight to Swift, several segments
at a time, without the zeros; a fault costs one segment. Then the image's
location is registered, as it is for images in Ceph. Other uploads go through
Glance.

In glance-api.conf the stores are of the type that this package brings for
Glance, and have swift_store_config_file and swift_register_references.

Possible values:

* Pairs of a Glance store and a section of image_upload_swift_config_file, for
  example: swift:ref1

Related options:

* image_upload_swift_config_file
""",
    ),
    cfg.StrOpt(
        'image_upload_swift_config_file',
        default='',
        help="""
The file with the accounts of the stores in image_upload_swift_stores.

Its form is that of Glance's option swift_store_config_file. It has
credentials in it: nobody but the user of cinder-volume should be able to read
it.

Possible values:

* A path.
""",
    ),
    cfg.StrOpt(
        'image_upload_swift_interface',
        default='public',
        choices=[
            ('public', 'the endpoint for users of the cloud'),
            ('internal', "the endpoint for the cloud's own services"),
            ('admin', 'the endpoint for administrators'),
        ],
        help="""
The endpoint of Swift in Keystone's catalog that volumes are uploaded to.
""",
    ),
    cfg.StrOpt(
        'image_upload_swift_endpoint',
        default='',
        help="""
The URL of the account in Swift, where it is not the catalog's.

Possible values:

* A URL, as in Glance's option swift_store_endpoint
* Empty for the one of Keystone's catalog
""",
    ),
    cfg.StrOpt(
        'image_upload_swift_region',
        default='',
        help="""
The region of the endpoint of Swift.

Possible values:

* A region, as in Glance's option swift_store_region
* Empty for any
""",
    ),
    cfg.StrOpt(
        'image_upload_swift_cafile',
        default='',
        help="""
What the certificates of Keystone and Swift are checked with.

Possible values:

* The path of a bundle of certificates
* Empty for the one of Python's package requests
""",
    ),
    cfg.IntOpt(
        'image_upload_swift_workers',
        default=4,
        min=1,
        max=10,
        help="""
Segments of one image that are sent at the same time.

Each takes a connection and a few MiB of memory.

Possible values:

* A number from 1 to 10.
""",
    ),
    cfg.IntOpt(
        'image_upload_swift_segment_size',
        default=64,
        min=1,
        max=5120,
        help="""
The largest segment of an image, in MiB.

A fault costs at most as much. An image that would have more than about 4,000
segments, from 250 GiB of data on at the default, has larger ones.

Possible values:

* A number of MiB, from 1 to 5120. Swift's option max_file_size is an upper
  bound as well.
""",
    ),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List the options for oslo.config's sample generator."""
    return [(BACKEND_DEFAULTS, driver_opts + upload_opts)]
