# SPDX-License-Identifier: Apache-2.0
"""The errors of Ceph's bindings."""

import types


def _errors(names):
    error = type('Error', (Exception,), {})
    os_error = type('OSError', (error,), {})
    found = {name: type(name, (os_error,), {}) for name in names.split()}
    return types.SimpleNamespace(Error=error, OSError=os_error, **found)


rbd = _errors(
    'ImageBusy ImageExists ImageHasSnapshots ImageNotFound InvalidArgument '
    'NoSpace OperationCanceled PermissionError ReadOnlyImage Timeout'
)
rados = _errors(
    'NotConnected ObjectNotFound PermissionDeniedError PermissionError '
    'TimedOut'
)
