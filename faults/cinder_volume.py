# SPDX-License-Identifier: Apache-2.0
"""cinder-volume with its steps instrumented, as ``cinder-volume`` is run.

The environment variable FAULTS_DIR names the folder of trace and orders.
"""

import functools
import importlib
import os
import pathlib
import pkgutil
import sys
from typing import Any

# Before Cinder's, whose import lets eventlet patch the standard library.
from faults import boundary

from cinder.cmd import volume
from cinder import service
from cinder.volume.drivers import rbd

import cinder_rbd_offload
from cinder_rbd_offload import driver

# What the driver acts through on the world outside its process. What of it
# does not exist is no error: it is wrapped as soon as it does.
ACTORS = (
    'cinder_rbd_offload.ceph',
    'cinder_rbd_offload.glance',
    'cinder_rbd_offload.identity',
    'cinder_rbd_offload.keystone',
    'cinder_rbd_offload.offload.journal',
)


def main() -> None:
    """Run cinder-volume until it ends."""
    recorder = boundary.Recorder(pathlib.Path(os.environ['FAULTS_DIR']))
    for found in pkgutil.walk_packages(
        cinder_rbd_offload.__path__, f'{cinder_rbd_offload.__name__}.'
    ):
        if '.tests' not in found.name:
            importlib.import_module(found.name)
    for actor in ACTORS:
        boundary.instrument(recorder, boundary.modules_below(actor))
    _tell_of_service(recorder)
    _tell_of_upload(recorder, driver.RBDOffloadDriver, 'upload')
    _tell_of_upload(recorder, rbd.RBDDriver, 'ordinary')
    # The argument parser takes the program's name from here.
    sys.argv[0] = 'cinder-volume'
    volume.main()


def _tell_of_service(recorder: boundary.Recorder) -> None:
    """Note in the trace which process serves which back end."""
    start = service.Service.start

    @functools.wraps(start)
    def tell(self: Any) -> None:
        recorder.begin(self.host)
        start(self)
        recorder.note('ready')

    service.Service.start = tell


def _tell_of_upload(
    recorder: boundary.Recorder, kind: Any, event: str
) -> None:
    """Note in the trace when an upload enters and leaves a driver."""
    upload = kind.copy_volume_to_image

    @functools.wraps(upload)
    def tell(
        self: Any, context: Any, volume: Any, images: Any, image: Any
    ) -> None:
        recorder.note(event, image=image['id'])
        try:
            upload(self, context, volume, images, image)
        finally:
            recorder.note(f'{event} ended', image=image['id'])

    kind.copy_volume_to_image = tell


if __name__ == '__main__':
    main()
