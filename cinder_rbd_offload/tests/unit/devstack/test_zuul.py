# SPDX-License-Identifier: Apache-2.0
"""The jobs of ``.zuul.yaml`` hang together, and run the tests they are for."""

import pathlib
import re

import ddt
from oslotest import base
import yaml

import cinder_rbd_offload
from cinder_rbd_offload import opts

ROOT = pathlib.Path(cinder_rbd_offload.__file__).parent.parent
JOB = 'cinder-rbd-offload-ceph-tempest'


@ddt.ddt
class ZuulTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        entries = yaml.safe_load((ROOT / '.zuul.yaml').read_text())
        self.jobs = {
            entry['job']['name']: entry['job']
            for entry in entries
            if 'job' in entry
        }
        (self.project,) = [
            entry['project'] for entry in entries if 'project' in entry
        ]

    def test_every_job_of_ours_is_run_and_no_other(self):
        run = set()
        for pipeline in self.project.values():
            for one in pipeline['jobs']:
                run |= {one} if isinstance(one, str) else set(one)
        ours = {name for name in run if name.startswith('cinder-rbd-offload')}
        self.assertEqual(set(self.jobs), ours)

    def test_it_stands_on_the_job_of_the_plugin_for_ceph(self):
        self.assertEqual(
            'devstack-plugin-ceph-tempest-py3-base', self.jobs[JOB]['parent']
        )
        for name, job in self.jobs.items():
            self.assertIn(
                job['parent'], {*self.jobs, self.jobs[JOB]['parent']}
            )
            self.assertEqual(name != JOB, job['parent'] == JOB)

    def test_the_plugins_are_those_that_settings_name(self):
        settings = (ROOT / 'devstack' / 'settings').read_text()
        (ours,) = re.findall('^define_plugin (.*)$', settings, re.M)
        (needed,) = re.findall(
            f'^plugin_requires {ours} (.*)$', settings, re.M
        )
        self.assertEqual(
            [needed, ours], list(self.jobs[JOB]['vars']['devstack_plugins'])
        )

    def test_the_variables_are_those_of_settings(self):
        settings = (ROOT / 'devstack' / 'settings').read_text()
        known = re.findall('^(CINDER_RBD_OFFLOAD_[A-Z]+)=', settings, re.M)
        methods = set()
        for job in self.jobs.values():
            for name, value in job['vars'].get('devstack_localrc', {}).items():
                if name.startswith('CINDER_RBD_OFFLOAD_'):
                    self.assertIn(name, known)
                if name == 'CINDER_RBD_OFFLOAD_METHOD':
                    methods.add(value)
        self.assertEqual({'instant'}, methods)
        (option,) = [
            one for one in opts.driver_opts if one.name == 'rbd_offload_method'
        ]
        self.assertLessEqual(methods, set(option.type.choices))

    @ddt.data(
        ('tempest.api.volume.test_volumes_actions.A.test_upload[id-1]', True),
        ('tempest.api.image.v2.test_images.A.test_b[id-1]', True),
        ('cinder_tempest_plugin.api.volume.test_a.A.test_b[id-1]', True),
        ('cinder_rbd_offload.tests.tempest.test_a.A.test_b[id-1]', True),
        ('tempest.api.volume.test_a.A.test_b[id-1,slow]', False),
        ('tempest.api.network.test_a.A.test_b[id-1]', False),
    )
    @ddt.unpack
    def test_the_tests_that_are_run(self, test, chosen):
        regex = self.jobs[JOB]['vars']['tempest_test_regex'].strip()
        self.assertEqual(chosen, re.search(regex, test) is not None)

    @ddt.data(
        ('README.rst', False),
        ('lab/ceph.py', False),
        ('devstack/plugin.sh', True),
        ('cinder_rbd_offload/driver.py', True),
        ('cinder_rbd_offload/tests/tempest/plugin.py', True),
        ('setup.cfg', True),
    )
    @ddt.unpack
    def test_the_files_that_it_is_run_for(self, path, relevant):
        irrelevant = self.jobs[JOB]['irrelevant-files']
        self.assertEqual(
            relevant, not any(re.match(one, path) for one in irrelevant)
        )
