# SPDX-License-Identifier: Apache-2.0
"""Reads cinder.conf as Cinder does, without Cinder."""

import argparse
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import dataclasses
import types
from typing import Any

from oslo_config import cfg

from cinder_rbd_offload import ceph
from cinder_rbd_offload import exceptions
from cinder_rbd_offload import opts
from cinder_rbd_offload.upload import swift_choice

# Whose configuration is read.
PROJECT, PROG = 'cinder', 'cinder-volume'
DRIVER = 'cinder_rbd_offload.driver.RBDOffloadDriver'

# Seconds for an operation in Ceph where rados_connect_timeout sets no limit:
# somebody waits for a command.
TIMEOUT = 20

# Options of Cinder, with the names and defaults that they have there.
ENABLED_BACKENDS = cfg.ListOpt('enabled_backends')
VOLUME_NAME_TEMPLATE = cfg.StrOpt('volume_name_template', default='volume-%s')
BACKEND_OPTS = [
    cfg.StrOpt('volume_driver', default=''),
    cfg.StrOpt('volume_backend_name'),
    cfg.StrOpt('rbd_cluster_name', default='ceph'),
    cfg.StrOpt('rbd_pool', default='rbd'),
    cfg.StrOpt('rbd_user'),
    cfg.StrOpt('rbd_ceph_conf', default=''),
    cfg.IntOpt('rbd_store_chunk_size', default=4),
    cfg.IntOpt('rados_connect_timeout', default=-1),
]


@dataclasses.dataclass(frozen=True, slots=True)
class Backend:
    """One back end of the offloading driver.

    :param section: its section of cinder.conf
    :param name: its ``volume_backend_name``
    :param pool: the pool of its volumes
    :param cluster: how to connect to its cluster
    :param object_size: the size of the objects of new volumes, in bytes
    :param options: our own options, by name
    """

    section: str
    name: str
    pool: str
    cluster: ceph.Settings
    object_size: int
    options: Mapping[str, Any]

    @property
    def swift(self) -> swift_choice.Options | None:
        """What goes straight to Swift; None where nothing does."""
        options = types.SimpleNamespace(**self.options)
        streams = options.image_upload_method == 'stream'
        if not (streams and options.image_upload_swift_stores):
            return None
        return swift_choice.Options.of(options)

    @contextlib.contextmanager
    def connect(self) -> Iterator[ceph.Client]:
        """Connect to the back end's cluster.

        :raises BindingsMissing: when Ceph's Python modules are not installed
        :raises CephUnreachable: when there is no connection
        """
        with ceph.connect(self.cluster) as client:
            yield client


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where Cinder's configuration is."""
    group = parser.add_argument_group("Cinder's configuration")
    group.add_argument(
        '--config-file',
        metavar='PATH',
        action='append',
        default=[],
        help="a configuration file of Cinder's, later ones winning "
        '(default: those that cinder-volume finds)',
    )
    group.add_argument(
        '--config-dir',
        metavar='PATH',
        action='append',
        default=[],
        help='a folder of further configuration files',
    )
    group.add_argument(
        '--backend',
        metavar='NAME',
        help='only this back end: its section, or its volume_backend_name',
    )


def load(
    files: Sequence[str] = (), folders: Sequence[str] = ()
) -> cfg.ConfigOpts:
    """Read the configuration.

    :param files: the files, of which later ones win; without any file or
        folder those are read that cinder-volume finds by itself
    :param folders: folders of further files
    :raises ConfigUnusable: when there is none, or it cannot be read
    """
    args = [f'--config-file={file}' for file in files]
    args += [f'--config-dir={folder}' for folder in folders]
    conf = cfg.ConfigOpts()
    with reading():
        conf(args, project=PROJECT, prog=PROG)
    prepare(conf)
    return conf


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Say what is wrong with the files that are read in this context.

    :raises ConfigUnusable: when something is
    """
    try:
        yield
    except cfg.ConfigFileParseError as exc:
        # Its text quotes the line, which may hold a password.
        raise exceptions.ConfigUnusable(
            f'{exc.config_file} is not in the form of an .ini file; '
            '"oslo-config-validator" shows the line'
        ) from None
    # oslo.config lets the errors of files and of their encoding through.
    except (cfg.Error, OSError, UnicodeDecodeError) as exc:
        raise exceptions.ConfigUnusable(
            f'{exc}; name the files with --config-file and --config-dir, and '
            'run this as a user who may read them'
        ) from exc


def prepare(conf: cfg.ConfigOpts) -> None:
    """Register what is asked of a configuration that was read.

    :raises ConfigUnusable: when there is none
    """
    if not (conf.config_file or conf.config_dir):
        raise exceptions.ConfigUnusable(
            'no cinder.conf was found; name it with --config-file'
        )
    conf.register_opts([ENABLED_BACKENDS, VOLUME_NAME_TEMPLATE])


def backends(conf: cfg.ConfigOpts, only: str | None = None) -> list[Backend]:
    """List the enabled back ends whose driver is ours.

    :param only: the section, or ``volume_backend_name``, of a single one
    :raises ConfigUnusable: when there is none
    """
    found = [
        backend
        for section in conf.enabled_backends or ()
        if (backend := _backend(conf, section))
    ]
    if not found:
        raise exceptions.ConfigUnusable(
            f'none of enabled_backends has volume_driver = {DRIVER}; set it '
            "in the back end's section"
        )
    if only is None:
        return found
    chosen = [one for one in found if only in (one.section, one.name)]
    if not chosen:
        raise exceptions.ConfigUnusable(
            f'there is no enabled back end {only} with this driver, only: '
            + ', '.join(one.section for one in found)
        )
    return chosen


def volume_image(conf: cfg.ConfigOpts, volume_id: str) -> str:
    """Return the name of a volume's RBD image.

    :param volume_id: a UUID
    :raises ConfigUnusable: when the template has no place for an id
    """
    try:
        return str(conf.volume_name_template % volume_id)
    except (TypeError, ValueError) as exc:
        raise exceptions.ConfigUnusable(
            f'volume_name_template: {exc}; it has %s where the id goes'
        ) from exc


def _backend(conf: cfg.ConfigOpts, section: str) -> Backend | None:
    """Read a section; None when its driver is another."""
    ours = opts.driver_opts + opts.upload_opts
    every = BACKEND_OPTS + ours
    conf.register_opts(every, group=opts.BACKEND_DEFAULTS)
    conf.register_opts(every, group=section)
    try:
        value = {one.dest: _value(conf, section, one.dest) for one in every}
    except (cfg.Error, ValueError) as exc:
        raise exceptions.ConfigUnusable(f'{exc} (in [{section}])') from exc
    if value['volume_driver'] != DRIVER:
        return None
    timeout = value['rados_connect_timeout']
    return Backend(
        section=section,
        name=value['volume_backend_name'] or section,
        pool=value['rbd_pool'],
        cluster=ceph.Settings(
            user=value['rbd_user'],
            conf=value['rbd_ceph_conf'],
            cluster=value['rbd_cluster_name'],
            timeout=timeout if timeout >= 0 else TIMEOUT,
        ),
        object_size=value['rbd_store_chunk_size'] << 20,
        options={one.dest: value[one.dest] for one in ours},
    )


def _value(conf: cfg.ConfigOpts, section: str, name: str) -> Any:
    """Look in the back end's section, then where back ends share options."""
    if section != opts.BACKEND_DEFAULTS:
        conf.set_default(name, None, group=section)
        value = conf[section][name]
        if value is not None:
            return value
    return conf[opts.BACKEND_DEFAULTS][name]
