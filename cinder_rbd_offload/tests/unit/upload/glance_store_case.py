# SPDX-License-Identifier: Apache-2.0
"""What the tests of the store for Glance share."""

import hashlib
import io
import itertools
import logging
import os
import random
from unittest import mock

import fixtures
import glance_store
from glance_store import location
from oslo_config import cfg
from oslotest import base
import tenacity

from cinder_rbd_offload.tests import fake_swift
from cinder_rbd_offload.upload import budget
from cinder_rbd_offload.upload import glance_store as our_store
from cinder_rbd_offload.upload import resend

IMAGE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8'
SEGMENT = 256 * 1024
SIZE = 3 * SEGMENT + 12345
DATA = random.Random(1).randbytes(SIZE)

# How an image gets into Swift: whether it has segments, and whether its size
# was known.
KINDS = ((False, True), (True, True), (True, False))


class Session:
    """Stands for Keystone: each token is good until it is invalidated.

    :ivar faults: what it ends the next requests for a token with
    :ivar asked: how often it was asked for a token
    :ivar expiring: whether its tokens are about to expire
    """

    def __init__(self, swift):
        self.swift = swift
        self.numbers = itertools.count()
        self.faults = []
        self.asked = 0
        self.expiring = False
        self.auth = mock.Mock(trust_id=None)
        self.issue()

    def issue(self):
        self.token = f'token-{next(self.numbers)}'
        self.swift.tokens = {self.token}
        self.auth.auth_ref.will_expire_soon = lambda _seconds: self.expiring

    def invalidate(self):
        self.auth.auth_ref = None
        self.swift.tokens = set()

    def get_auth_headers(self):
        self.asked += 1
        self.fail()
        if self.auth.auth_ref is None:
            self.auth.auth_ref = mock.Mock()
            self.issue()
        return {'X-Auth-Token': self.token}

    def get_endpoint(self, **_kwargs):
        self.fail()
        return self.swift.url

    def fail(self):
        if self.faults:
            raise self.faults.pop(0)


class Stream:
    """An image's data as Glance gives it: it cannot seek."""

    def __init__(self, data, error=None):
        self.file = io.BytesIO(data)
        self.error = error

    def read(self, size=-1):
        data = self.file.read(size)
        if not data and self.error:
            raise self.error
        return data


class StoreTestCase(base.BaseTestCase):
    def setUp(self):
        super().setUp()
        self.logs = self.useFixture(fixtures.FakeLogger(level=logging.INFO))
        self.swift = self.useFixture(fake_swift.FakeSwift())
        self.folder = self.useFixture(fixtures.TempDir()).path
        self.useFixture(
            fixtures.MockPatchObject(resend, 'PAUSE', tenacity.wait_none())
        )
        self.session = Session(self.swift)
        self.conf = cfg.ConfigOpts()
        glance_store.register_opts(self.conf)
        self.conf.register_opts(our_store.OPTIONS, group='glance_store')
        self.conf([])

    def build(self, buffered=True, make=our_store.Store, **options):
        options = {
            'swift_store_create_container_on_put': True,
            'swift_store_endpoint': self.swift.url,
            'swift_store_auth_address': 'http://127.0.0.1:9/v3',
            'swift_store_user': 'service:glance',
            'swift_store_key': 'secret',
            'swift_store_timeout': 1,
            'swift_buffer_on_upload': buffered,
            'swift_upload_buffer_dir': self.folder,
            **options,
        }
        for name, value in options.items():
            self.conf.set_override(name, value, 'glance_store')
        store = make(self.conf)
        store.configure()
        store.large_object_size = store.large_object_chunk_size = SEGMENT
        return store

    def store(self, *args, **options):
        store = self.build(*args, **options)
        self.client = mock.Mock(session=self.session)
        self.useFixture(
            fixtures.MockPatchObject(
                store, 'init_client', return_value=self.client
            )
        )
        return store

    def add(self, store, data=DATA, size=SIZE, **kwargs):
        return store.add(IMAGE, Stream(data), size, 'sha512', **kwargs)

    def assert_stored(self, answer, store, data=DATA):
        url, size, checksum, multihash, _metadata = answer
        self.assertEqual(len(data), size)
        self.assertEqual(hashlib.md5(data).hexdigest(), checksum)
        self.assertEqual(hashlib.sha512(data).hexdigest(), multihash)
        self.assertEqual(data, self.swift.image(f'glance/{IMAGE}'))
        place = location.Location(
            'swift', our_store.StoreLocation, self.conf, uri=url
        )
        self.assertEqual(f'{IMAGE}', place.store_location.obj)

    def assert_buffer_empty(self):
        share = budget.Share(self.folder, 10 * budget.SLOT)
        self.assertEqual(10, sum(share.take() for _ in range(10)))
        share.close()
        self.assertEqual([budget.LEDGER], os.listdir(self.folder))

    def assert_nothing_left(self):
        self.assertEqual({}, self.swift.objects)
        self.assert_buffer_empty()

    def order(self, *args, **kwargs):
        self.swift.faults.append(fake_swift.Fault(*args, **kwargs))

    def warnings(self):
        return self.logs.output.count('without a buffer')
