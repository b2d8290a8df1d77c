# SPDX-License-Identifier: Apache-2.0
"""What the store for Glance has beside the options of Glance's own."""

from oslo_config import cfg
from oslo_utils import units

# The type of such stores, as glance-api.conf and the entry point have it.
TYPE = 'swift_resumable'

resumable_opts: list[cfg.Opt] = [
    cfg.IntOpt(
        'swift_upload_buffer_budget',
        default=10 * units.Gi,
        min=0,
        help="""
The bytes of disk that all uploads of this host may take for their buffers.

All processes that have the same swift_upload_buffer_dir share them, so they
should be given the same number. An upload that finds no room goes on without
a buffer, and ends at the first fault.

Possible values:

* A number of bytes; it is counted in units of 65536.

Related options:

* swift_buffer_on_upload
* swift_upload_buffer_dir
""",
    ),
    cfg.IntOpt(
        'swift_upload_buffer_cap',
        default=0,
        min=0,
        help="""
The bytes of disk that one upload may take for its buffer.

An image that is larger is stored in segments, even if it is smaller than
swift_store_large_object_size, because the buffer has to hold one segment
only. That takes a buffer of swift_store_large_object_chunk_size at least.

Possible values:

* A number of bytes
* 0 for swift_upload_buffer_budget

Related options:

* swift_store_large_object_chunk_size
""",
    ),
    cfg.IntOpt(
        'swift_store_timeout',
        default=60,
        min=1,
        help="""
Seconds that Swift or Keystone may be silent, after which a request is given
up.

Possible values:

* A number of seconds, 1 or more. It should be longer than node_timeout and
  conn_timeout of Swift's proxy server.
""",
    ),
    cfg.BoolOpt(
        'swift_register_references',
        default=False,
        help="""
Whether services may register objects of this store's container as images.

Cinder does so with what it has sent straight to Swift. It takes the role
service, and swift_store_config_file: such a location names the account by
reference, so that there is no secret in it.

Related options:

* default_swift_reference, which has no default in a store's own section
""",
    ),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """List what is ours for oslo.config; Glance lists the rest as well."""
    return [(TYPE, resumable_opts)]
