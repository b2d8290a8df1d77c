# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy that breaks the requests that it is told to break.

It stands in front of Glance or Swift, passes on what comes, and notes it.
Tests use :class:`proxy.FaultProxy` as a context. By hand it prints its URL,
and each request that has passed::

    python -m cinder_rbd_offload.tests.fault_proxy 127.0.0.1:9292 \\
        'PUT /file$ reset after=1000000' 'PUT /file$ 503 nth=2 late=1'

What a rule may say is in :mod:`rules`.
"""
