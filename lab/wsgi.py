# SPDX-License-Identifier: Apache-2.0
"""Entry points for gunicorn, as ``lab.wsgi:keystone()``.

Both services read the command line when they are imported, and do not know
gunicorn's.
"""

import sys
from typing import Any


def keystone() -> Any:
    """Return Keystone's WSGI application."""
    sys.argv = ['keystone']
    from keystone.wsgi import api

    return api.application


def glance() -> Any:
    """Return Glance's WSGI application."""
    sys.argv = ['glance-api']
    from glance.wsgi import api

    return api.application


def command(application: str, port: int) -> list[str]:
    """Return the command that serves one of the applications.

    Requests have no time limit: an upload may take as long as it takes.
    """
    return [
        *(sys.executable, '-m', 'gunicorn', f'lab.wsgi:{application}()'),
        *('--bind', f'127.0.0.1:{port}', '--timeout', '0'),
        *('--worker-class', 'gthread', '--workers', '2', '--threads', '8'),
    ]
