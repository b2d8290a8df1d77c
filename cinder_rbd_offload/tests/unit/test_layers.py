# SPDX-License-Identifier: Apache-2.0
"""The plan of the house is kept: imports point one way, modules stay small.

Doors may import rooms, rooms may import ceph and glance, and those may import
opts and exceptions. A room is a folder; none knows of another.
"""

import ast
import pathlib

import ddt
from oslotest import base

import cinder_rbd_offload

PACKAGE = 'cinder_rbd_offload'
ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent
MAX_LINES = 400

# The floors of the house; a module of none of them stands in a room.
FLOORS = {
    'caps': -1,
    'exceptions': 0,
    'frames': 0,
    'opts': 0,
    'ceph': 1,
    'glance': 1,
    'keystone': 1,
    'image_client': 2,
    'identity': 3,
    'straight': 3,
    'user_messages': 3,
    'volume_status': 3,
    'streaming': 4,
    'driver': 5,
    'cmd': 5,
}
ROOM = 2

# Who alone may import what others provide.
OWNERS = {
    'cinder': {
        'driver',
        'identity',
        'image_client',
        'user_messages',
        'volume_status',
    },
    'glance_store': {'upload.glance_store'},
    'rados': {'ceph'},
    'rbd': {'ceph'},
    'swiftclient': {'upload'},
    'eventlet': set(),
}


def modules():
    """Find the package's modules, by their names inside it."""
    for path in sorted(ROOT.rglob('*.py')):
        parts = path.relative_to(ROOT).with_suffix('').parts
        if parts[0] != 'tests':
            yield '.'.join(parts).removesuffix('__init__').rstrip('.'), path


MODULES = dict(modules())


def imports(source, module):
    """List what a module imports, in dotted names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = node.module or ''
            if node.level:
                package = [PACKAGE, *module.split('.')][: -node.level]
                parent = '.'.join([*package, *filter(None, [parent])])
            yield from (f'{parent}.{alias.name}' for alias in node.names)


def offences(source, module):
    """List the imports that a module may not have."""
    for name in imports(source, module):
        top, _dot, inner = name.partition('.')
        if top == PACKAGE:
            if not _may_import(module, inner):
                yield name
        elif not _may_have(module, top):
            yield name


def _may_have(module, top):
    owners = OWNERS.get(top)
    return owners is None or bool(owners & {module, module.split('.')[0]})


def _may_import(module, inner):
    room, target = module.split('.')[0], inner.split('.')[0]
    if room == target and (ROOT / room).is_dir():
        return True
    return FLOORS.get(target, ROOM) < FLOORS.get(room, ROOM)


@ddt.ddt
class LayersTestCase(base.BaseTestCase):
    def test_every_module_is_looked_at(self):
        self.assertLessEqual(
            {'driver', 'offload.plan', 'upload.reader'}, set(MODULES)
        )

    @ddt.data(*MODULES)
    def test_imports(self, module):
        source = MODULES[module].read_text()
        self.assertEqual([], list(offences(source, module)))

    @ddt.data(*MODULES)
    def test_length(self, module):
        lines = len(MODULES[module].read_text().splitlines())
        self.assertLessEqual(lines, MAX_LINES)

    @ddt.data(
        ('ceph', 'import cinder'),
        ('ceph', 'from cinder import utils'),
        ('ceph', f'from {PACKAGE} import glance'),
        ('exceptions', f'from {PACKAGE} import opts'),
        ('glance', f'from {PACKAGE}.offload import plan'),
        ('glance', 'from . import ceph'),
        ('offload.plan', 'def late():\n    import rbd'),
        ('offload.plan', f'from {PACKAGE} import driver'),
        ('offload.plan', f'from {PACKAGE}.upload import source'),
        ('offload.plan', 'from ..upload import source'),
        ('keystone', 'from cinder import service_auth'),
        ('keystone', f'from {PACKAGE} import ceph'),
        ('metrics.meter', f'from {PACKAGE}.offload import journal'),
        ('offload.recover', f'from {PACKAGE} import identity'),
        ('offload.journal', 'import rados'),
        ('driver', 'import eventlet.tpool'),
        ('driver', 'import rados'),
        ('upload.reader', 'import glance_store'),
        ('upload.reader', f'from {PACKAGE}.offload import plan'),
        ('driver', 'from glance_store import driver'),
        ('glance', 'import swiftclient'),
    )
    @ddt.unpack
    def test_a_wrong_import_is_found(self, module, source):
        self.assertEqual(1, len(list(offences(source, module))))

    @ddt.data(
        ('ceph', 'import rbd'),
        ('ceph', f'from {PACKAGE} import exceptions'),
        ('offload.plan', f'from {PACKAGE}.glance import Store'),
        ('offload.plan', f'from {PACKAGE}.offload import probe'),
        ('offload.plan', 'from . import probe'),
        ('driver', f'from {PACKAGE}.offload import probe'),
        ('identity', 'from cinder import service_auth'),
        ('driver', f'from {PACKAGE} import identity'),
        ('driver', 'from cinder.volume.drivers import rbd'),
        ('upload.glance_store', 'from glance_store import driver'),
        ('upload.glance_store', f'from {PACKAGE}.upload import reader'),
        ('upload.resend', 'import swiftclient'),
    )
    @ddt.unpack
    def test_a_right_import_is_left_alone(self, module, source):
        self.assertEqual([], list(offences(source, module)))
