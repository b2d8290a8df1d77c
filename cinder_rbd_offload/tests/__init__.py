# SPDX-License-Identifier: Apache-2.0
"""Tests of the package."""

# Cinder imports eventlet, which leaves a copy of this for greenthreads behind
# where it finds none: the servers of tests run on threads.
import http.server  # noqa: F401
