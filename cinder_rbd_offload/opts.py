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
            ('auto', 'the one that moves fewest bytes: clone_flatten'),
            (
                'copy',
                'copy the volume object by object; walks the whole volume, '
                'and writes objects whole',
            ),
            (
                'clone_flatten',
                'clone the volume into the pool and flatten the clone; takes '
                'the bytes in use, and never more',
            ),
            (
                'instant',
                'clone the volume, publish the clone, and have the manager '
                "daemon flatten it afterwards; Glance's cephx user must be "
                "able to read the volume's pool",
            ),
            ('off', "upload everything in the way of Cinder's RBD driver"),
        ],
        help="""
How the data of an image gets into Glance's pool.

Whatever is chosen, a method that fails is followed by the other, and then by
an ordinary upload. A volume that is a clone is never copied, because librbd
can lose the data of its parent.
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
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List the options for oslo.config's sample generator."""
    return [(BACKEND_DEFAULTS, driver_opts)]
