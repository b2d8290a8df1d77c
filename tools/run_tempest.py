# SPDX-License-Identifier: Apache-2.0
"""Runs Tempest in a fresh lab, on Cinder's RBD driver and on ours.

Ours may fail nothing that Cinder's passes, and nothing of its own. The last
line it prints is ``N passed, N failed, N skipped`` on ours. The exit code is 0
if ours is nowhere worse, and every method of it was seen at work.

Its steps, on each driver:

* uploads: this project's own plugin, every method and store
* volumes: all of Tempest's volume API that needs no Nova, and what
  cinder-tempest-plugin has beside it
* locations: images by location, in Glance's API, and the hash of an image
  that a volume became; the latter asks for Nova and never uses it
"""

import argparse
from collections.abc import Iterator
import contextlib
import functools
import http.server
import os
import pathlib
import signal
import sys
import threading

import rich.console

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Before what is imported from there.
sys.path.insert(0, str(ROOT))

from cinder_rbd_offload.metrics import exposition  # noqa: E402
from lab import cinder  # noqa: E402
from lab import lab as lab_lab  # noqa: E402
from lab import service  # noqa: E402
from lab import tempest  # noqa: E402
from lab import tempest_results as results_  # noqa: E402

OWN = 'cinder_rbd_offload.tests.tempest'
STEPS = {
    'uploads': (r'^cinder_rbd_offload\.tests\.tempest\.',),
    'volumes': (
        r'^tempest\.api\.volume\.',
        r'^cinder_tempest_plugin\.api\.',
    ),
    'locations': (
        r'^tempest\.api\.image\.v2\.test_images\.ImageLocationsTest\.',
        r'^tempest\.api\.image\.v2\.test_images\.(Multistore)?LocationImport',
        r'^tempest\.api\.image\.v2\.test_images\.HashCalculationRemote',
        r'test_volume_upload_image_hash_verification',
    ),
}
# What wants an instance, a second service, or minutes without an upload.
UNWANTED = (
    r'test_instance_snapshot_image_hash_verification',
    r'^cinder_tempest_plugin\.api\.volume\.admin\.test_volume_replication',
)
BACKENDS = {
    tempest.UPSTREAM: (tempest.UPSTREAM,),
    tempest.OURS: (tempest.OURS, *cinder.METHODS),
}


def main() -> int:
    """Run what is asked for, whatever fails in between."""
    parser = _parser()
    args = parser.parse_args()
    if unknown := set(args.steps) - set(STEPS):
        parser.error(f'there is no step {", ".join(sorted(unknown))}')
    os.chdir(ROOT)
    # So that whoever ends it, also by a time limit, has its services ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Never another folder than a lab's.
    if (args.state / 'lab.json').exists():
        lab_lab.Lab(args.state).purge()
    lab = lab_lab.Lab(args.state, say=lambda line: print(line, flush=True))
    try:
        lab.up(swift=True)
        bad = _run(lab, args.steps or list(STEPS))
    except service.Failed as exc:
        print(f'FAILED: {exc}', file=sys.stderr)
        bad = True
    except BaseException:
        lab.down()
        raise
    # What failed can be looked into: only a good lab is removed.
    if bad or args.keep:
        lab.down()
    else:
        lab.purge()
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--state',
        type=pathlib.Path,
        default=ROOT / '.lab' / 'tempest',
        help='the folder of the lab (default: .lab/tempest)',
    )
    parser.add_argument(
        '--keep', action='store_true', help='keep the folder in any case'
    )
    parser.add_argument(
        'steps', nargs='*', metavar='STEP', help=f'of {", ".join(STEPS)}'
    )
    return parser


def _run(lab: lab_lab.Lab, steps: list[str]) -> bool:
    """Run steps on both drivers; tell whether ours is bad at anything."""
    cloud = tempest.Cloud(lab)
    cloud.prepare()
    suites = []
    for step in steps:
        both = [_step(lab, cloud, step, backend) for backend in BACKENDS]
        suites.append((step, *both))
    console = rich.console.Console(width=None if sys.stdout.isatty() else 160)
    results_.show(console, suites, OWN)
    bad = any(results_.worse(*both, OWN) for _step, *both in suites)
    for step, stock, _ours in suites:
        if not results_.count(stock)[0]:
            print(f'{step}: the stock driver passes nothing', flush=True)
            bad = True
    if 'uploads' in steps:
        bad |= not _every_method(cloud.metrics)
    totals = [results_.count(ours) for _step, _stock, ours in suites]
    passed, failed, skipped = map(sum, zip(*totals, strict=True))
    print(f'{passed} passed, {failed} failed, {skipped} skipped', flush=True)
    return bad or not passed


def _step(
    lab: lab_lab.Lab, cloud: tempest.Cloud, step: str, backend: str
) -> dict[str, results_.Test]:
    """Run one step on one driver."""
    print(f'==> {step} on {backend}', flush=True)
    name = f'{step}-{backend}'
    # The types of our own tests are those of several back ends.
    several = BACKENDS[backend] if step == 'uploads' else (backend,)
    cloud.use(backend, several)
    with contextlib.ExitStack() as stack:
        more: tempest.Sections = {}
        if step == 'locations':
            url = stack.enter_context(_image_by_http(cloud.folder))
            stack.enter_context(_http_store(lab, url))
            more = {
                'image': {'http_image': url},
                'image-feature-enabled': {
                    'manage_locations': True,
                    'http_store_enabled': True,
                },
                'service_available': {'nova': True},
            }
        workspace = cloud.workspace(name, backend, more)
        return results_.read(workspace.run(STEPS[step], UNWANTED))


@contextlib.contextmanager
def _image_by_http(folder: pathlib.Path) -> Iterator[str]:
    """Serve a small image; return its URL."""
    images = folder / 'http'
    images.mkdir(exist_ok=True)
    (images / 'image.raw').write_bytes(os.urandom(1 << 20))
    handler = functools.partial(_Quiet, directory=str(images))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}/image.raw'
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing of each request."""

    def log_message(self, *_args: object) -> None:
        """Leave it out."""


@contextlib.contextmanager
def _http_store(lab: lab_lab.Lab, url: str) -> Iterator[None]:
    """Have Glance take locations of ours by HTTP, and show locations."""
    stores = {'ceph': 'rbd', tempest.FILES: 'file', 'web': 'http'}
    stores |= lab.services['glance'].more_stores
    port = url.partition('//')[2].partition('/')[0].partition(':')[2]
    pairs = ','.join(f'{name}:{kind}' for name, kind in stores.items())
    lab.configure(
        'glance',
        [
            f'DEFAULT.enabled_backends={pairs}',
            'DEFAULT.show_multiple_locations=true',
            'import_filtering_opts.allowed_hosts=[127.0.0.1]',
            f'import_filtering_opts.allowed_ports=[{port}]',
        ],
    )
    yield
    lab.configure('glance', [])


def _every_method(folder: pathlib.Path) -> bool:
    """Print how often each method made an image; tell whether each did.

    The APIs do not tell it, so this looks at what an operator looks at.
    """
    made: dict[str, float] = dict.fromkeys((*cinder.METHODS, 'stream'), 0)
    made['swift'] = 0
    for path in folder.glob('*.prom'):
        for sample, value in exposition.from_text(path.read_text()).items():
            for method in made:
                labels = f'method="{method}",outcome="success"'
                if sample.startswith(exposition.UPLOADS) and labels in sample:
                    made[method] += value
    words = ', '.join(f'{one} {value:.0f}' for one, value in made.items())
    print(f'images by method: {words}', flush=True)
    return all(made.values())


sys.exit(main())
