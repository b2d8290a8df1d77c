# SPDX-License-Identifier: Apache-2.0
"""Volumes straight to a real Swift, and what Glance makes of that."""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from typing import Any
import uuid

import ddt
from keystoneauth1.identity import v3
from keystoneauth1 import session as ks_session
import rbd as librbd

from cinder_rbd_offload.ceph import reading
from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_source
from cinder_rbd_offload.tests.fault_proxy import proxy
from cinder_rbd_offload.tests.fault_proxy import rules
from cinder_rbd_offload.tests.functional import base
from cinder_rbd_offload.upload import source as source_
from cinder_rbd_offload.upload import swift
from cinder_rbd_offload.upload import swift_reference
from lab import client
from lab import service
from lab import swift as lab_swift

CONTAINER = 'glance'
MIB = base.MIB
SEGMENT = 4 * MIB
CELLS = 'aabb..cccccc..0000dd0eee' + 16 * '.' + 'ffff'
# What of it is neither hole nor zeros, and the most that goes beside it.
DATA = 19 * MIB
ZEROS = MIB
# The first segment of it that is full.
FULL = '.data-000000006'

# Sends the image that it is told, and takes its time over it.
SLOW = """
import sys, time
from cinder_rbd_offload.tests import fake_source
from cinder_rbd_offload.upload import swift, swift_reference
class Slow(fake_source.Source):
    def pread(self, offset, length):
        time.sleep(0.2)
        return super().pread(offset, length)
path, reference, image, cells = sys.argv[1:]
swift.SwiftSink(
    *(swift_reference.read(path, reference), swift_reference.Access()),
    *('glance', image, swift.Settings(workers=2, segment=4 << 20)),
).send(Slow(cells))
"""


@ddt.ddt
class SwiftDirectTest(base.FunctionalTestCase):
    """A sink, a real source and a real Swift."""

    def setUp(self) -> None:
        super().setUp()
        glance = self.lab.services['glance']
        self.path = str(glance.folder / 'swift-store.conf')
        self.account = swift_reference.read(self.path, lab_swift.REFERENCE)
        self.swift = lab_swift.account(self.state)
        self.swift.put_container(CONTAINER)
        self.image_id = str(uuid.uuid4())
        self.source = fake_source.Source(CELLS)
        self.addCleanup(lambda: self.sink().remove())

    def sink(
        self, access: swift_reference.Access | None = None
    ) -> swift.SwiftSink:
        """Return a sink for this test's image."""
        return swift.SwiftSink(
            self.account,
            access or swift_reference.Access(),
            CONTAINER,
            self.image_id,
            swift.Settings(2, SEGMENT, 60, 5),
        )

    def objects(self) -> list[str]:
        """List what there is of the image."""
        listing = self.swift.get_container(CONTAINER, prefix=self.image_id)[1]
        return [one['name'].removeprefix(self.image_id) for one in listing]

    def assert_whole(self) -> None:
        """Compare the image with its source."""
        name = f'{self.image_id}.image'
        found = self.swift.get_object(CONTAINER, name)[1]
        self.assertEqual(self.source.content(), found)

    @contextlib.contextmanager
    def snapshot(self, volume: Any) -> Iterator[source_.Source]:
        """Open a snapshot of a volume."""
        name = f'volume-{volume.id}'
        with self.pool('volumes') as pool:
            with librbd.Image(pool, name) as image:
                image.create_snap('direct')
                try:
                    opened = reading.OpenSnapshot(librbd, pool, name, 'direct')
                    with source_.Source(opened, 32 * MIB) as source:
                        yield source
                finally:
                    image.remove_snap('direct')

    def service_token(self) -> str:
        """Return the token of a user that has the role service."""
        auth = v3.Password(
            client.auth_url(self.state),
            username='cinder',
            password=self.state.password('cinder'),
            project_name='service',
            user_domain_id='default',
            project_domain_id='default',
        )
        return str(ks_session.Session(auth).get_token())

    def register(self, url: str) -> None:
        """Have Glance take a location of the image."""
        answer = self.images.post(
            f'/images/{self.image_id}/locations',
            json={'url': url, 'validation_data': {}},
            headers={'X-Service-Token': self.service_token()},
        )
        self.assertEqual(202, answer.status_code, answer.text)

    def test_glance_reads_and_deletes_it_as_its_own(self) -> None:
        """In the lab, the store of its own type has the same container."""
        volume = self.make_volume('upstream')
        self.fill(volume, range(0, 256 * MIB, 16 * MIB), 4 * MIB)
        image = self.images.create_image(
            self.id(), disk_format='raw', container_format='bare'
        )
        self.image_id = image.id
        self.addCleanup(self.delete_image, image.id)
        with self.snapshot(volume) as source:
            outcome = self.sink().send(source)
        self.assertEqual(base.GIB, outcome.size)
        self.assertLessEqual(outcome.sent, 1.1 * 64 * MIB)
        self.register(self.account.location(CONTAINER, f'{image.id}.image'))
        image = self.await_active(image.id)
        shown = self.images.get(f'/images/{image.id}').json()
        self.assertEqual(
            (lab_swift.DIRECT, base.GIB), (shown['stores'], image.size)
        )
        self.assert_same_bytes(image, volume)
        self.await_hash(image.id)
        self.delete_image(image.id)
        self.assertEqual([], self.objects())

    def test_it_is_withdrawn_and_put_back(self) -> None:
        self.sink().send(self.source)
        another = self.sink()
        another.withdraw()
        self.assertNotIn('.image', self.objects())
        self.assertTrue(another.whole())
        self.sink().restore()
        self.assert_whole()
        self.assertNotIn('.aside', self.objects())

    @ddt.data(
        ('reset', {'after': 3 * MIB}),
        ('close', {'after': 3 * MIB}),
        ('stall', {'after': 3 * MIB, 'seconds': 8}),
        ('lost', {}),
        ('401', {}),
        ('408', {'late': True}),
        ('429', {'retry_after': 1}),
        ('498', {}),
        ('503', {}),
        ('503', {'late': True}),
        ('503', {'late': True, 'count': 3}),
        ('507', {}),
    )
    @ddt.unpack
    def test_a_fault_costs_a_segment(
        self, fault: str, more: dict[str, Any]
    ) -> None:
        outcome = self.send_with(rules.Rule('PUT', FULL, fault, **more))
        self.assert_whole()
        faults = more.get('count', 1)
        self.assertLessEqual(outcome.sent, DATA + ZEROS + faults * SEGMENT)
        self.sink().remove()
        self.assertEqual([], self.objects())

    @ddt.data('reset', 'lost', '503')
    def test_a_fault_of_the_manifest_costs_nothing(self, fault: str) -> None:
        outcome = self.send_with(
            rules.Rule('PUT', 'multipart-manifest', fault)
        )
        self.assert_whole()
        self.assertEqual(DATA + ZEROS, outcome.sent)

    @ddt.data(
        ('403', exceptions.SwiftRefused),
        ('413', exceptions.SwiftRefused),
    )
    @ddt.unpack
    def test_final(self, status: str, expected: type[Exception]) -> None:
        rule = rules.Rule('PUT', FULL, status)
        error = self.assertRaises(expected, self.send_with, rule)
        self.assertIn(status, str(error))
        self.assertNotIn('.image', self.objects())
        self.sink().remove()
        self.assertEqual([], self.objects())

    def send_with(self, rule: rules.Rule) -> Any:
        """Send the image through a proxy that breaks a rule's requests."""
        access = swift_reference.Access()
        session = self.account.session(access)
        url = swift_reference.address(session, access)()
        port = self.state.port('swift')
        with proxy.FaultProxy('127.0.0.1', port) as broken:
            broken.obey(rule)
            path = url.partition(f':{port}')[2]
            access = dataclasses.replace(access, endpoint=broken.url + path)
            try:
                return self.sink(access).send(self.source)
            finally:
                met = [one for one in broken.seen if one.rule]
                self.assertEqual(rule.count, len(met), broken.seen)

    def test_a_killed_upload_is_removed(self) -> None:
        self.kill()
        self.sink().remove()
        self.assertEqual([], self.objects())

    def kill(self) -> None:
        """Kill a process in the middle of an upload."""
        process = subprocess.Popen(
            [sys.executable, '-c', SLOW, self.path]
            + [lab_swift.REFERENCE, self.image_id, CELLS]
        )
        try:
            service.wait('two segments', lambda: len(self.objects()) > 1, 60)
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self.assertNotIn('.image', self.objects())
