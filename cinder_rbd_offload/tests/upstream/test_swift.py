# SPDX-License-Identifier: Apache-2.0
"""glance_store's own tests of its Swift stores and readers, run on ours.

Its test modules make their stores by calling classes of ``swift``, the module
of the stores, and readers by calling the class of ``buffered``. Here both are
stand-ins, through which those calls make ours, while any other attribute is
the module's. Some tests reload the module; ours is then reloaded as well, for
its classes have those of the module as their bases.
"""

import importlib
import io
import os
import pathlib
import sys
from typing import Any
from unittest import mock

import glance_store
from glance_store._drivers.swift import buffered
from glance_store._drivers.swift import store as swift
from glance_store.tests.unit import test_swift_store
from glance_store.tests.unit import test_swift_store_multibackend
from oslo_config import cfg
from oslotest import base

from cinder_rbd_offload.upload import glance_store as ours
from cinder_rbd_offload.upload import spool


class BufferedReader(ours.BufferedReader):
    """Ours, with a view of its inside as upstream's tests have it.

    Upstream's has read the whole segment before it gives the first byte, and
    its tests look for that. Ours reads it as it is asked to.
    """

    _buffered = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        folder = cfg.CONF.glance_store.swift_upload_buffer_dir
        room = spool.Spool(folder, 1 << 20)
        super().__init__(*args, spool=room, **kwargs)

    @property
    def _tmpfile(self) -> io.BytesIO:
        if self.closed:
            file = io.BytesIO()
            file.close()
            return file
        position = self.tell()
        self.seek(0)
        file = io.BytesIO(self.read())
        self.seek(position)
        return file


class Importlib:
    """Reloads our module after the one that it is built upon."""

    def reload(self, module: Any) -> None:
        importlib.reload(swift)
        importlib.reload(ours)


class StandIn:
    """A module, some of whose attributes are another's.

    :param module: the one that it stands for
    :param other: the one whose they are
    """

    def __init__(self, module: Any, other: Any, *names: str) -> None:
        self._places = {'': module, **dict.fromkeys(names, other)}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._places.get(name, self._places['']), name)


SWIFT = StandIn(swift, ours, 'SingleTenantStore', 'MultiTenantStore')
BUFFERED = StandIn(buffered, sys.modules[__name__], 'BufferedReader')


class OnOurs:
    """Has the tests of a module of upstream's use ours."""

    module: Any

    def setUp(self) -> None:
        for name, value in (
            ('swift', SWIFT),
            ('Store', lambda *args, **kwargs: ours.Store(*args, **kwargs)),
            ('buffered', BUFFERED),
            ('importlib', Importlib()),
        ):
            if hasattr(self.module, name):
                patch = mock.patch.object(self.module, name, value)
                patch.start()
                self.addCleanup(patch.stop)  # type: ignore[attr-defined]
        # Theirs answers no listing, which ours asks for before a manifest.
        patch = mock.patch(
            'swiftclient.client.get_container',
            autospec=True,
            return_value=({}, []),
        )
        patch.start()
        self.addCleanup(patch.stop)  # type: ignore[attr-defined]
        # In this process, Cinder's tests have registered options that must
        # be given.
        patch = mock.patch.object(
            cfg.ConfigOpts, '_check_required_opts', autospec=True
        )
        patch.start()
        self.addCleanup(patch.stop)  # type: ignore[attr-defined]
        # They open a file of glance_store's by a relative path.
        self.addCleanup(os.chdir, os.getcwd())  # type: ignore[attr-defined]
        os.chdir(pathlib.Path(glance_store.__file__).parent.parent)
        super().setUp()  # type: ignore[misc]
        store = getattr(self, 'store', None)
        if store is not None:
            assert type(store).__module__ == ours.__name__


def _adopt(module: Any) -> None:
    """Make test cases of ours of all that a module has."""
    for name, case in vars(module).items():
        if isinstance(case, type) and issubclass(case, base.BaseTestCase):
            adopted = f'{name}{module.__name__.rpartition("_")[2].title()}'
            globals()[adopted] = type(
                adopted,
                (OnOurs, case),
                {'module': module, '__module__': __name__},
            )


_adopt(test_swift_store)
_adopt(test_swift_store_multibackend)
