# SPDX-License-Identifier: Apache-2.0
"""Results of a run that never was, for tests of what reads them."""

from bench import cases
from bench import results


def sample(case, method, seconds=1.0, number=0, **changes):
    """Make a sample; what is not given is plain.

    :param case: None for none
    """
    values = {
        'kind': results.UPLOAD,
        'case': case.key if case else '',
        'method': method,
        'round': number,
        'seconds': seconds,
        **dict.fromkeys(
            ('sent', 'received', 'occupied'), case.in_use if case else 0
        ),
        'detached': seconds,
        'made_by': 'stream' if method == cases.UPSTREAM else method,
    }
    return results.Sample(**values | changes)


def run(*samples, rounds=1):
    """Make the results of a run."""
    about = {'date': '2026-01-01 00:00 UTC', 'machine': '2 cores'}
    return results.Results(about, rounds, list(samples))
