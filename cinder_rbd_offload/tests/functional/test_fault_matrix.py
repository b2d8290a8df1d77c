# SPDX-License-Identifier: Apache-2.0
"""The fault table comes true, for the stock code and for ours.

What the stock code comes to is tested, too: when that changes, what the
documents say of it does.
"""

import ddt

from cinder_rbd_offload.tests.functional import broken_glance
from cinder_rbd_offload.tests.functional import broken_swift
from cinder_rbd_offload.tests.functional import fault_table
from cinder_rbd_offload.upload import store_opts
from lab import glance


@ddt.ddt
class ChunksToSwiftTest(broken_swift.ToSwiftTest):
    """glance_store's Swift store as it comes."""

    column = 'chunks'

    @ddt.data(*fault_table.column(fault_table.TO_SWIFT, column))
    def test(self, row: fault_table.Row) -> None:
        self.check(row)


@ddt.ddt
class BufferedToSwiftTest(broken_swift.ToSwiftTest):
    """glance_store's Swift store with its BufferedReader."""

    column = 'buffered'

    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.class_state().folder('glance/buffer')
        cls.options = (
            'swift.swift_buffer_on_upload=true',
            f'swift.swift_upload_buffer_dir={folder}',
        )
        super().setUpClass()

    @ddt.data(*fault_table.column(fault_table.TO_SWIFT, column))
    def test(self, row: fault_table.Row) -> None:
        self.check(row)


@ddt.ddt
class ResumableToSwiftTest(broken_swift.ToSwiftTest):
    """Our store for Glance, with less patience than it has by default."""

    column = 'ours'

    @classmethod
    def setUpClass(cls) -> None:
        state = cls.class_state()
        stores = {'ceph': 'rbd', 'files': 'file'}
        stores |= glance.Glance(state).more_stores
        stores['swift'] = store_opts.TYPE
        pairs = ', '.join(':'.join(pair) for pair in stores.items())
        folder = state.folder('glance/buffer')
        cls.options = (
            f'DEFAULT.enabled_backends={pairs}',
            'swift.swift_buffer_on_upload=true',
            f'swift.swift_upload_buffer_dir={folder}',
            'swift.swift_store_timeout=10',
        )
        super().setUpClass()

    @ddt.data(*fault_table.column(fault_table.TO_SWIFT, column))
    def test(self, row: fault_table.Row) -> None:
        self.check(row)


@ddt.ddt
class UpstreamToGlanceTest(broken_glance.ToGlanceTest):
    """Cinder's own RBD driver."""

    column = 'upstream'
    backend = 'upstream'

    @ddt.data(*fault_table.column(fault_table.TO_GLANCE, column))
    def test(self, row: fault_table.Row) -> None:
        self.check(row)


@ddt.ddt
class StreamToGlanceTest(broken_glance.ToGlanceTest):
    """Our driver, with less patience than it has by default."""

    column = 'ours'
    backend = 'offload'
    options = (
        'backend_defaults.image_upload_timeout=5',
        'backend_defaults.image_upload_retry_timeout=120',
    )

    @ddt.data(*fault_table.column(fault_table.TO_GLANCE, column))
    def test(self, row: fault_table.Row) -> None:
        self.check(row)
