# SPDX-License-Identifier: Apache-2.0
"""Tempest on a lab: its workspaces, and a cloud that uses one back end.

Tempest runs as a person runs it, ``tempest init`` and ``tempest run``, with
users and projects that it makes by itself. Of all back ends only one takes
volumes at a time, and the default volume type is its own: what a test makes
without naming a type is on the driver that is looked at, too.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
import configparser
import os
import pathlib
import subprocess
from typing import Any

import openstack.exceptions

from lab import ceph
from lab import cinder
from lab import client
from lab import lab as lab_lab
from lab import service
from lab import swift

UPSTREAM, OURS = 'upstream', 'offload'

# Stores that volume types name: one of files, whose images are streamed, and
# one in Swift, which ours writes to directly.
FILES = 'files'
STORES = ('ceph', FILES, swift.DIRECT)

IMAGE = 'tempest'
# Seconds for one run of Tempest, and for one of its tests.
RUN_SECONDS = 3 * 3600
TEST_SECONDS = 900

# Of tempest.conf: by section and option.
Sections = Mapping[str, Mapping[str, Any]]


class Cloud:
    """A lab that Tempest tests.

    :param lab: it runs, with Swift
    """

    def __init__(self, lab: lab_lab.Lab) -> None:
        self._lab = lab
        self._state = lab.state
        self._admin = client.connect(lab.state, 'admin')
        self.folder = lab.state.folder('tempest')

    @property
    def metrics(self) -> pathlib.Path:
        """Where the back ends count their uploads."""
        return self._state.folder('metrics')

    def prepare(self) -> None:
        """Make what Tempest does not: an image, volume types, counters.

        Glance gets the right that instant uploads need, which most of the
        scenarios are about.
        """
        ceph.Monitor(self._state).let_glance_read_volumes()
        self._lab.configure(
            'cinder-volume',
            [f'backend_defaults.rbd_offload_metrics_directory={self.metrics}'],
        )
        if not self._admin.image.find_image(IMAGE):
            self._admin.image.create_image(
                IMAGE,
                data=os.urandom(1 << 20),
                disk_format='raw',
                container_format='bare',
                visibility='public',
            )
        for backend in (UPSTREAM, OURS):
            for store in STORES:
                self._make_type(backend, store)

    def _make_type(self, backend: str, store: str) -> None:
        try:
            self._admin.block_storage.create_type(
                name=type_of(backend, store),
                extra_specs={
                    'volume_backend_name': backend,
                    'image_service:store_id': store,
                },
            )
        except openstack.exceptions.ConflictException:
            pass

    def use(self, default: str, backends: Collection[str]) -> None:
        """Have some back ends take volumes, and no others.

        :param default: the default volume type
        """
        self._lab.configure(
            'cinder-api', [f'DEFAULT.default_volume_type={default}']
        )
        storage = self._admin.block_storage
        for one in storage.services(binary=cinder.CinderVolume.name):
            if one.host.partition('@')[2] in backends:
                storage.enable_service(one)
            else:
                storage.disable_service(one)

    def workspace(
        self, name: str, backend: str, more: Sections
    ) -> 'Workspace':
        """Make a workspace of Tempest's for a back end.

        :param more: sections of tempest.conf beside those of every one
        """
        image = self._admin.image.find_image(IMAGE)
        sections: dict[str, dict[str, Any]] = {
            'auth': {
                'use_dynamic_credentials': True,
                'admin_username': 'admin',
                'admin_password': self._state.password('admin'),
                'admin_project_name': 'admin',
                'admin_domain_name': 'Default',
            },
            'identity': {
                'auth_version': 'v3',
                'uri_v3': client.auth_url(self._state),
                'region': client.REGION,
            },
            'service_available': {
                'cinder': True,
                'glance': True,
                'horizon': False,
                'neutron': False,
                'nova': False,
                'swift': False,
            },
            'compute': {'image_ref': image.id, 'image_ref_alt': image.id},
            'volume': {
                'volume_type': backend,
                'storage_protocol': 'ceph',
                'max_microversion': 'latest',
                'build_timeout': 300,
                'disk_format': 'raw,qcow2',
            },
            'volume-feature-enabled': {
                'backup': False,
                'manage_snapshot': True,
                'manage_volume': True,
                'volume_revert': True,
            },
            'rbd-offload': {
                'method_types': _pairs(method_types(backend)),
                'store_types': _pairs(
                    {store: type_of(backend, store) for store in STORES}
                ),
                'source_store': FILES,
                'force_upload': True,
            },
        }
        for section, options in more.items():
            sections[section] = sections.get(section, {}) | dict(options)
        workspace = Workspace(self.folder, name)
        workspace.write(sections)
        return workspace


class Workspace:
    """A folder of Tempest's, with its configuration and its results.

    :param folder: where all of them are
    """

    def __init__(self, folder: pathlib.Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self.path = folder / name

    def write(self, sections: Sections) -> None:
        """Make the folder, and write tempest.conf."""
        if not self.path.exists():
            subprocess.run(
                [service.program('tempest'), 'init', str(self.path)]
                + ['--name', self._name]
                + ['--workspace-path', str(self._folder / 'workspaces.yaml')],
                check=True,
                stdout=subprocess.DEVNULL,
                env=_environment(),
            )
        conf = self.path / 'etc' / 'tempest.conf'
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(conf)
        for section, options in sections.items():
            if not parser.has_section(section):
                parser.add_section(section)
            for name, value in options.items():
                parser.set(section, name, str(value))
        # It has a password in it; the umask of the lab hides it.
        with conf.open('w') as file:
            parser.write(file)

    def run(self, wanted: Iterable[str], unwanted: Iterable[str]) -> bytes:
        """Run tests; return the stream of their results (subunit, v2).

        :param wanted: regular expressions of their names
        :param unwanted: of those that are left out
        :raises Failed: when there are no results
        """
        lists = {}
        for name, lines in (('include', wanted), ('exclude', unwanted)):
            lists[name] = self.path / f'{name}.txt'
            lists[name].write_text(''.join(f'{line}\n' for line in lines))
        subprocess.run(
            [service.program('tempest'), 'run', '--concurrency', '2']
            + ['--config-file', str(self.path / 'etc' / 'tempest.conf')]
            + ['--include-list', str(lists['include'])]
            + ['--exclude-list', str(lists['exclude'])],
            cwd=self.path,
            env=_environment(),
            timeout=RUN_SECONDS,
        )
        last = subprocess.run(
            [service.program('stestr'), 'last', '--subunit'],
            cwd=self.path,
            env=_environment(),
            capture_output=True,
        )
        if not last.stdout:
            raise service.Failed(
                f'Tempest left no results in {self.path}; see logs/ there'
            )
        return last.stdout


def type_of(backend: str, store: str) -> str:
    """Return the volume type of a back end whose images go to a store."""
    return f'tempest-{backend}-{store}'


def method_types(backend: str) -> dict[str, str]:
    """Return volume types by the method that their uploads take.

    Cinder's own driver has but one, and is to pass the same tests.
    """
    types = {
        'stream': type_of(backend, FILES),
        'swift': type_of(backend, swift.DIRECT),
    }
    ours = backend == OURS
    return types | {
        method: method if ours else backend for method in cinder.METHODS
    }


def _pairs(values: Mapping[str, str]) -> str:
    return ','.join(f'{key}:{value}' for key, value in values.items())


def _environment() -> dict[str, str]:
    programs = os.path.dirname(service.program('tempest'))
    return os.environ | {
        'PATH': f'{programs}:{os.environ["PATH"]}',
        'OS_TEST_TIMEOUT': str(TEST_SECONDS),
        'PYTHONWARNINGS': 'ignore::DeprecationWarning',
    }
