# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation: which run in the lab, and why not all.

A command that is not excused here is run by ``test_docs.py``, in the order of
its page.
"""

import pathlib

import cinder_rbd_offload
from cinder_rbd_offload.tests import console

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent.parent

# What the documentation calls the environment of a clone.
VENV = '.venv/bin/'

# What is run, of what is not excused: nothing that knows another cluster than
# the one that CEPH_CONF names, or another cloud than the lab's.
PROGRAMS = (
    'ceph ',
    'oslo-config-generator ',
    'rados ',
    'rbd ',
    'rbd-offload ',
    'rbd-offload-status ',
    f'eval "$({VENV}python -m lab env)"',
    'openstack ',
    f'{VENV}openstack ',
    f'{VENV}python -m lab ',
)

_PACKAGES = 'it would change the environment that the tests run in'
_MAKES = 'it brings up a lab of its own, and takes long; CI calls it by itself'
_LAB = "it starts or ends a lab, and this test runs in one that 'up' started"
_PROXY = 'it belongs to a proxy that runs until it is ended; see test_faults'

EXCUSED = {
    'DEVSTACK_DIR=/opt/stack/devstack '
    'DEVSTACK_PLUGIN_CEPH_DIR=/opt/stack/devstack-plugin-ceph '
    f'{VENV}stestr run unit.devstack': (
        'it wants checkouts of devstack; unit/devstack has stand-ins'
    ),
    'cd /var/lib/prometheus/node-exporter && '
    'rm cinder_rbd_offload.*.prom .cinder_rbd_offload.*': (
        'the lab has no node_exporter; test_metrics has a folder of its own'
    ),
    'ceph rbd task add flatten images/$IMAGE': (
        'the image of the lab has no parent; test_instant has those that do'
    ),
    'cd cinder-rbd-offload': 'the clone is there already',
    'export LAB_STATE=.lab/default': (
        'it names the lab of a person, and the tests have their own'
    ),
    'git checkout VERSION': 'it would change the source that is tested',
    'git clone REPOSITORY cinder-rbd-offload': 'the clone is there already',
    'git fetch --tags': 'it would change the clone, which may have no remote',
    'grep $IMAGE /var/log/cinder/cinder-volume.log': (
        'the log of the lab is elsewhere; base.log_of is the same'
    ),
    'make demo': _MAKES,
    'make faults': _MAKES,
    'make storm': _MAKES,
    'make lab': _LAB,
    'make lab-down': _LAB,
    'make lint': 'it is the first step of the run that this test is part of',
    'make tempest STEPS=uploads': _MAKES,
    'make test': 'it is the run that this test is part of',
    'make unit': 'it installs packages; then it runs what this run has run',
    'make unit TEST=test_plan': (
        'it installs packages; then it runs what this run has run'
    ),
    'openstack role add --user cinder --project service service': (
        'it takes an administrator, and the lab has given the role'
    ),
    "pip install '.[glance_store]'": _PACKAGES,
    "pip install '.[tempest]'": _PACKAGES,
    'pip install .': _PACKAGES,
    'pip uninstall cinder-rbd-offload': _PACKAGES,
    'tempest run --regex cinder_rbd_offload.tests.tempest': (
        'it wants a workspace of Tempest, which make tempest makes'
    ),
    'tools/try_cinder.sh 28.0.0': 'it installs another Cinder, in minutes',
    f'{VENV}python -m bench --rounds 1 --quick': _MAKES,
    f'{VENV}python -m bench --rounds 3 --cases streams,readers': _MAKES,
    f'{VENV}python -m bench --rounds 5 --cases thin-4,specks': _MAKES,
    f'{VENV}python -m cinder_rbd_offload.tests.fault_proxy 127.0.0.1:GLANCE '
    "'PUT /file$ reset after=100000000' --listen 9393": _PROXY,
    f'{VENV}python -m cinder_rbd_offload.tests.functional.fault_table '
    '> doc/source/figures/broken.inc': (
        'it writes into the source; unit/test_fault_table.py compares instead'
    ),
    f'{VENV}python -m faults --state .lab/faults --rounds 1 --seed 137': (
        _MAKES
    ),
    f'{VENV}python -m faults --state .lab/faults --rounds 20 --seed 100': (
        _MAKES
    ),
    f'{VENV}python -m faults --state .lab/faults --rounds 4 --fault glance': (
        _MAKES
    ),
    f'{VENV}python -m lab configure cinder-volume '
    'DEFAULT.glance_api_servers=http://127.0.0.1:9393': _PROXY,
    f'{VENV}stestr --test-path cinder_rbd_offload/tests/functional '
    'run --serial test_same_cluster': (
        'it is a part of the run that this test is part of'
    ),
}


def to_run() -> dict[str, list[str]]:
    """Return the commands of each page that has any that are run."""
    wanted = {
        page: [one for one in commands if one not in EXCUSED]
        for page, commands in console.pages(ROOT).items()
    }
    return {page: commands for page, commands in wanted.items() if commands}
