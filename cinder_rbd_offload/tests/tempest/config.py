# SPDX-License-Identifier: Apache-2.0
"""What the tests have to be told of a cloud, in tempest.conf."""

from oslo_config import cfg

group = cfg.OptGroup(
    'rbd-offload', title='Uploads of RBD volumes to Glance images'
)

options: list[cfg.Opt] = [
    cfg.DictOpt(
        'method_types',
        default={},
        help='Volume types by the method that uploads take: copy, '
        'clone_flatten, instant, stream or swift, for example '
        'copy:ceph-copy,stream:ceph-files. A method without a type is not '
        'tested. The APIs do not tell the method; the log and the metrics of '
        'cinder-volume do.',
    ),
    cfg.DictOpt(
        'store_types',
        default={},
        help='Volume types by the Glance store that their extra spec '
        'image_service:store_id names, for example files:ceph-files.',
    ),
    cfg.StrOpt(
        'source_store',
        default='',
        help='A Glance store whose images Cinder copies to volumes instead '
        'of cloning them: one that is not in the Ceph cluster. Empty for the '
        'default store; then the volumes are clones, which are never '
        'uploaded by copy.',
    ),
    cfg.BoolOpt(
        'force_upload',
        default=False,
        help='Whether a volume in use may be uploaded: enable_force_upload '
        'in cinder.conf.',
    ),
    cfg.IntOpt(
        'data_size',
        default=64,
        min=2,
        help='MiB of data in a volume that is uploaded.',
    ),
    cfg.IntOpt(
        'flatten_size',
        default=1024,
        min=2,
        help='MiB of data in a volume whose image is to be flattened while '
        'things are deleted; so much that it takes longer than to make a '
        'volume from the image.',
    ),
]
