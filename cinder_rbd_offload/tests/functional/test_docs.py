# SPDX-License-Identifier: Apache-2.0
"""The commands of the documentation do in the lab what they are for.

They are run as they stand. The programs of the package get the lab's
cinder.conf, which they find by themselves on a host of cinder-volume.
"""

from collections.abc import Callable
import contextlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

import ddt
import fixtures

from cinder_rbd_offload.tests.functional import base
from cinder_rbd_offload.tests.functional import documented
from lab import client
from lab import rbd
from lab import service

MODULES = {
    'rbd-offload': ('cinder_rbd_offload.cmd.shell', '"$@" {}'),
    'rbd-offload-status': ('cinder_rbd_offload.cmd.upgrade', '{} "$@"'),
}
EXAMPLE = 'example'
# What uploads remember of Glance's pool.
REMEMBERED = 'clones in images/'
GENERATE = 'oslo-config-generator --wrap-width 82 --namespace'
# What some of the commands print, if they do what they are there for.
SHOWS = {
    'ceph auth get client.cinder': 'profile rbd',
    f'{GENERATE} cinder_rbd_offload': '#rbd_offload_method = auto',
    f'{GENERATE} cinder_rbd_offload.glance_store': (
        '#swift_upload_buffer_budget = '
    ),
    'rbd snap ls volumes/volume-$VOLUME': 'offload-',
    f'{documented.VENV}python -m lab status': 'ready',
}


@ddt.ddt
class DocumentedTest(base.FunctionalTestCase):
    """Runs each page from its beginning to its end."""

    def setUp(self) -> None:
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        conf = self.state.root / 'cinder' / 'cinder.conf'
        option = f'--config-file={shlex.quote(str(conf))}'
        for name, (module, words) in MODULES.items():
            program = folder / name
            program.write_text(
                f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {module} '
                f'{words.format(option)}\n'
            )
            program.chmod(0o755)
        # Not resolved: the interpreter of an environment is a link.
        self.programs = pathlib.Path(sys.executable).parent
        self.environment = {
            **os.environ,
            **client.environment(self.state, 'tenant'),
            'PATH': f'{folder}:{self.programs}:{os.environ["PATH"]}',
            'PYTHONPATH': str(documented.ROOT),
        }
        # Whatever a page gives the users, they get the lab's back.
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(self.cluster.caps('glance'))
        stack.enter_context(self.cluster.caps('cinder'))
        self.before: dict[str, Callable[[], None]] = {}
        self.check: Callable[[], None] = lambda: None

    @ddt.data(*documented.to_run())
    def test_page(self, page: str) -> None:
        name = pathlib.Path(page).stem
        {
            'contributing': self.prepare_contributing,
            'lab': self.prepare_lab,
            'operations': self.prepare_operations,
        }.get(name, lambda: None)()
        for command in documented.to_run()[page]:
            self.before.pop(command, lambda: None)()
            done = self.run_command(command)
            self.assertEqual(
                0, done.returncode, f'{command}\n{done.stdout}{done.stderr}'
            )
            if '-f json' in command:
                json.loads(done.stdout)
            self.assertIn(SHOWS.get(command, ''), done.stdout, command)
        # A command that is prepared for is still there.
        self.assertEqual([], list(self.before))
        self.check()

    def test_what_is_shown_is_of_a_command_that_is_there(self) -> None:
        commands = {c for page in documented.to_run().values() for c in page}
        self.assertEqual(set(), SHOWS.keys() - commands)

    def run_command(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a person does who is in the clone's folder."""
        programs = f'{shlex.quote(str(self.programs))}/'
        return subprocess.run(
            ['sh', '-c', command.replace(documented.VENV, programs)],
            capture_output=True,
            text=True,
            timeout=base.SECONDS,
            cwd=documented.ROOT,
            env=self.environment,
        )

    def prepare_contributing(self) -> None:
        """Have cinder-volume run, whatever the page does."""
        self.addCleanup(self.run_lab, 'up')

    def prepare_lab(self) -> None:
        """Take away again what the page makes and configures."""
        self.addCleanup(self.run_lab, 'configure', 'glance')
        self.addCleanup(self.remove_examples)
        upload = f'image create --volume {EXAMPLE} {EXAMPLE}'
        self.before[f'{documented.VENV}openstack {upload}'] = (
            self.await_example
        )

    def await_example(self) -> None:
        """Wait until the volume can be uploaded, as a person sees that."""
        volume = self.storage.find_volume(EXAMPLE, ignore_missing=False)
        self.await_volume(volume)

    def remove_examples(self) -> None:
        """Delete the volume and the image of the page."""
        for image in list(self.images.images(name=EXAMPLE)):
            self.await_active(image.id)
            self.delete_image(image.id)
        for volume in list(self.storage.volumes(name=EXAMPLE)):
            self.delete_volume(volume)

    def prepare_operations(self) -> None:
        """Have an upload that has ended, and what one leaves that has not."""
        self.cluster.forget()
        volume = self.make_filled_volume('instant')
        image = self.upload(volume)
        self.environment |= {'VOLUME': volume.id, 'IMAGE': image.id}
        draft = f'offload-{image.id}'
        self.addCleanup(self.remove_leavings, volume.id, draft)
        snapshot = f'volumes/volume-{volume.id}@{draft}'
        self.cluster.change('snap', 'create', snapshot)
        self.cluster.change('clone', snapshot, f'images/{draft}')
        self.cluster.change('flatten', f'images/{draft}')
        self.cluster.change('snap', 'create', f'images/{draft}@snap')
        self.cluster.change('snap', 'protect', f'images/{draft}@snap')
        journal = 'rados -p volumes {} rbd_offload.journal'
        self.before[journal.format('rm')] = self.await_empty_journal
        forget = f"{journal.format('rmomapkey')} '{REMEMBERED}'"
        self.before[forget] = self.assert_remembered
        self.before[f'{journal.format("rmomapkey")} $IMAGE'] = (
            self.enter_what_nobody_reads
        )

        def check() -> None:
            self.assert_nothing_left(volume)
            self.assertNotIn(image.id, self.cluster.journal())

        self.check = check

    def assert_remembered(self) -> None:
        """Check that there is something to forget."""
        done = self.run_command(
            'rados -p volumes listomapkeys rbd_offload.journal'
        )
        self.assertIn(REMEMBERED, done.stdout.splitlines())

    def await_empty_journal(self) -> None:
        """Wait until the journal may be removed, as the page says."""
        service.wait(
            'the end of all entries',
            lambda: not self.cluster.journal(),
            base.SECONDS,
        )

    def enter_what_nobody_reads(self) -> None:
        """Put an entry into the journal that recovery leaves alone."""
        done = self.run_command(
            'rados -p volumes setomapval rbd_offload.journal $IMAGE damaged'
        )
        self.assertEqual(0, done.returncode, done.stderr)

    def remove_leavings(self, volume_id: str, draft: str) -> None:
        """Remove what a page that failed half-way has not removed."""
        with self.pool('images') as pool:
            there = rbd.contents(pool).get(draft)
        if there is not None:
            if there:
                self.cluster.change(
                    'snap', 'unprotect', f'images/{draft}@snap'
                )
                self.cluster.change('snap', 'rm', f'images/{draft}@snap')
            self.cluster.change('rm', f'images/{draft}')
        with self.pool('volumes') as pool:
            snapshots = rbd.contents(pool)[f'volume-{volume_id}']
        if draft in snapshots:
            name = f'volumes/volume-{volume_id}@{draft}'
            self.cluster.change('snap', 'rm', name)
        image_id = draft.removeprefix('offload-')
        if image_id in self.cluster.journal():
            self.cluster.strike(image_id)
