# SPDX-License-Identifier: Apache-2.0
"""What is built of a clean clone can be installed, and works.

The wheel and the sdist are built with what this environment has, of the last
commit, and without any tag. The wheel is unpacked into a folder that stands
before all others, and ``rados`` is hidden from what is run there.
"""

import configparser
from importlib import metadata
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import ddt
from oslotest import base

import cinder_rbd_offload
from cinder_rbd_offload.cmd import config
from cinder_rbd_offload import opts
from cinder_rbd_offload.upload import store_opts

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent.parent
NAME = 'cinder-rbd-offload'
BUILD = 'import sys; from pbr import build; build.build_{}(sys.argv[1])'
NO_RADOS = 'raise ImportError("No module named \'rados\'")\n'
GENERATE = 'from oslo_config import generator; generator.main()'
# Each entry point, loaded.
LOAD = """
from importlib import metadata
for one in metadata.distribution('cinder-rbd-offload').entry_points:
    print(one.group, one.name, callable(one.load()))
"""
CINDER_CONF = f"""
[DEFAULT]
enabled_backends = ceph
[ceph]
volume_driver = {config.DRIVER}
"""


def run(*command, cwd, **env):
    """Run a program to its end."""
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=os.environ | {'PYTHONWARNINGS': 'ignore'} | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def must(*command, cwd, **env):
    """Run a program that must succeed, and return what it printed."""
    done = run(*command, cwd=cwd, **env)
    if done.returncode:
        raise AssertionError(f'{command} failed:\n{done.stdout[-4000:]}')
    return done.stdout


def build(kind, source, target):
    """Build a wheel or an sdist, and return its path."""
    must(sys.executable, '-c', BUILD.format(kind), target, cwd=source)
    (built,) = target.iterdir()
    return built


def interpreters():
    """List those in PATH that the package is for; this one is among them."""
    for name in ('python3.11', 'python3.12', 'python3.13'):
        # One may be a mere name for another tool to fill.
        if shutil.which(name) and not run(name, '-c', '', cwd=ROOT).returncode:
            yield name
    yield sys.executable


@ddt.ddt
class PackagingTestCase(base.BaseTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.place = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.place)
        cls.clone, wheels, sdists, cls.site, cls.hidden = (
            cls.place / name
            for name in ('clone', 'wheels', 'sdists', 'site', 'hidden')
        )
        clone = ('git', 'clone', '-q', '--no-tags', ROOT, cls.clone)
        must(*clone, cwd=cls.place)
        wheels.mkdir()
        sdists.mkdir()
        cls.wheel = build('wheel', cls.clone, wheels)
        cls.sdist = build('sdist', cls.clone, sdists)
        must(
            *(sys.executable, '-m', 'pip', 'install', '-q', '--no-deps'),
            *('--no-index', '--target', cls.site, cls.wheel),
            cwd=cls.place,
        )
        cls.hidden.mkdir()
        (cls.hidden / 'rados.py').write_text(NO_RADOS)
        (cls.place / 'cinder.conf').write_text(CINDER_CONF)
        (cls.metadata,) = metadata.distributions(path=[str(cls.site)])

    def run_there(self, *command):
        return run(
            *command,
            cwd=self.place,
            PYTHONPATH=f'{self.hidden}:{self.site}',
        )

    def test_a_version_without_tags(self):
        self.assertRegex(self.metadata.version, r'^\d+\.\d+\.\d+\.dev\d+$')
        self.assertIn(f'-{self.metadata.version}-', self.wheel.name)

    def test_every_file_of_the_package_is_in_the_wheel(self):
        listed = must('git', 'ls-files', 'cinder_rbd_offload', cwd=self.clone)
        there = {
            str(path.relative_to(self.site))
            for path in self.site.rglob('*')
            if path.is_file() and path.suffix != '.pyc'
        }
        self.assertEqual(set(), set(listed.split()) - there)
        tops = {path.split('/')[0] for path in there}
        self.assertEqual(
            {
                'bin',
                'cinder_rbd_offload',
                f'cinder_rbd_offload-{self.metadata.version}.dist-info',
            },
            tops,
        )

    def test_the_metadata(self):
        said = self.metadata.metadata
        self.assertEqual('>=3.11', said['Requires-Python'])
        self.assertEqual('Apache-2.0', said['License'])
        for version in ('3.11', '3.12', '3.13'):
            self.assertIn(
                f'Programming Language :: Python :: {version}',
                said.get_all('Classifier'),
            )
        self.assertIn(
            'cinder>=27.0.0; extra == "cinder"',
            [one.replace("'", '"') for one in self.metadata.requires],
        )

    def test_nothing_of_cinder_is_required(self):
        """A cloud's own packages must not be replaced by those of PyPI."""
        names = [
            one for one in self.metadata.requires if 'extra ==' not in one
        ]
        self.assertTrue(names)
        self.assertEqual([], [one for one in names if 'cinder' in one])

    def test_entry_points(self):
        setup = configparser.ConfigParser()
        setup.read(self.clone / 'setup.cfg')
        wanted = {
            f'{group} {line.split("=")[0].strip()} True'
            for group, lines in setup['entry_points'].items()
            for line in lines.strip().splitlines()
        }
        done = self.run_there(sys.executable, '-c', LOAD)
        self.assertEqual(wanted, set(done.stdout.splitlines()))
        groups = {one.split()[0] for one in wanted}
        self.assertLessEqual(
            {'console_scripts', 'glance_store.drivers', 'oslo.config.opts'},
            groups,
        )

    def test_the_sample_has_every_option(self):
        done = self.run_there(
            *(sys.executable, '-c', GENERATE),
            *('--namespace', 'cinder_rbd_offload'),
        )
        self.assertEqual(0, done.returncode, done.stdout)
        for option in opts.driver_opts + opts.upload_opts:
            self.assertIn(f'\n#{option.name} =', done.stdout)
        self.assertIn('[backend_defaults]', done.stdout)

    def test_the_sample_of_the_store_needs_nothing_of_glance(self):
        hidden = self.place / 'no-glance'
        hidden.mkdir()
        for name in ('glance_store', 'swiftclient'):
            (hidden / f'{name}.py').write_text(f'raise ImportError({name!r})')
        done = run(
            *(sys.executable, '-c', GENERATE),
            *('--namespace', 'cinder_rbd_offload.glance_store'),
            cwd=self.place,
            PYTHONPATH=f'{hidden}:{self.site}',
        )
        self.assertEqual(0, done.returncode, done.stdout)
        self.assertIn(f'\n[{store_opts.TYPE}]\n', done.stdout)
        for option in store_opts.resumable_opts:
            self.assertIn(f'\n#{option.name} =', done.stdout)

    @ddt.data(
        ('rbd-offload', '--version'),
        ('rbd-offload', '--help'),
        ('rbd-offload-status', '--help'),
    )
    def test_without_rados_commands_explain_themselves(self, command):
        program, *args = command
        done = self.run_there(self.site / 'bin' / program, *args)
        self.assertEqual(0, done.returncode, done.stdout)

    @ddt.data(
        ('rbd-offload', 'doctor'),
        ('rbd-offload', 'status'),
        ('rbd-offload-status', 'upgrade', 'check'),
    )
    def test_without_rados_commands_say_what_to_install(self, command):
        program, *args = command
        conf = self.place / 'cinder.conf'
        where = ['--config-file', conf]
        args = [*where, *args] if 'upgrade' in args else [*args, *where]
        done = self.run_there(self.site / 'bin' / program, *args)
        self.assertIn(done.returncode, (2, 3), done.stdout)
        said = ' '.join(done.stdout.replace('|', ' ').split())
        self.assertIn('python3-rados', said)
        self.assertIn('python3-rbd', said)
        self.assertNotIn('Traceback', said)

    def test_without_rados_the_driver_loads(self):
        """Cinder says what is missing when it sets the driver up."""
        done = self.run_there(
            *(sys.executable, '-c'),
            'from cinder_rbd_offload import driver;'
            'print(driver.__file__, driver.base_rbd.rados)',
        )
        path = self.site / 'cinder_rbd_offload' / 'driver.py'
        self.assertEqual(f'{path} None', done.stdout.strip())

    def test_every_interpreter_compiles_every_module(self):
        for one in interpreters():
            must(
                *(one, '-W', 'error', '-m', 'compileall', '-q', '-f'),
                self.site / 'cinder_rbd_offload',
                cwd=self.place,
            )

    def test_the_sdist_is_the_whole_repository(self):
        listed = must('git', 'ls-files', cwd=self.clone).split()
        with tarfile.open(self.sdist) as archive:
            there = {name.partition('/')[2] for name in archive.getnames()}
        left_out = {path for path in listed if path not in there}
        self.assertEqual(
            {path for path in listed if path.startswith('.git')}, left_out
        )

    def test_the_sdist_makes_the_same_wheel_without_git(self):
        target = self.place / 'again'
        target.mkdir()
        must('tar', '-xf', self.sdist, '-C', target, cwd=self.place)
        (source,) = target.iterdir()
        wheels = self.place / 'wheels-again'
        wheels.mkdir()
        self.assertEqual(self.wheel.name, build('wheel', source, wheels).name)
