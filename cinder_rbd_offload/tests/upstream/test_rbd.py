# SPDX-License-Identifier: Apache-2.0
"""Upstream stays whole: Cinder's own tests of its RBD driver, run on ours.

Cinder's test module makes its drivers by calling ``driver.RBDDriver``, and
patches attributes of that class. Here ``driver`` is a stand-in, through which
a call makes our class while an attribute is the base class's: if the class
itself were replaced, its ``super(RBDDriver, self)`` would find ours.

This is a suite of its own, since Cinder's tests make the process that imports
them use eventlet.
"""

from typing import Any
from unittest import mock

from cinder.interface import volume_driver
from cinder.tests.unit.volume.drivers import test_rbd
from cinder.volume.drivers import rbd as base_rbd
from oslotest import base

from cinder_rbd_offload import driver
from cinder_rbd_offload import opts


class Forward:
    """Passes every access to an attribute on to another object."""

    def __init__(self, target: Any, **own: Any) -> None:
        vars(self).update(_target=target, _own=own)

    def __getattr__(self, name: str) -> Any:
        return self._own.get(name) or getattr(self._target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._target, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._target, name)

    def __call__(self, *args: Any, **kwargs: Any) -> driver.RBDOffloadDriver:
        return driver.RBDOffloadDriver(*args, **kwargs)


STAND_IN = Forward(base_rbd, RBDDriver=Forward(base_rbd.RBDDriver))


class UpstreamTestCase(test_rbd.RBDTestCase):
    """All that Cinder tests of a driver by itself."""

    def setUp(self) -> None:
        patch = mock.patch.object(test_rbd, 'driver', STAND_IN)
        patch.start()
        self.addCleanup(patch.stop)
        super().setUp()
        self.assertIsInstance(self.driver, driver.RBDOffloadDriver)
        # Cinder's tests have a section without the options of ours.
        for option in opts.driver_opts + opts.upload_opts:
            setattr(self.cfg, option.dest, option.default)


class UpstreamManagedTestCase(test_rbd.ManagedRBDTestCase):
    """All that Cinder tests of a driver inside a volume manager."""

    driver_name = 'cinder_rbd_offload.driver.RBDOffloadDriver'


class InterfaceTestCase(base.BaseTestCase):
    """What Cinder's compliance tests ask of every registered driver."""

    def test_it_has_the_interface_of_a_volume_driver(self) -> None:
        self.assertTrue(
            issubclass(driver.RBDOffloadDriver, volume_driver.VolumeDriverCore)
        )
