# SPDX-License-Identifier: Apache-2.0
"""Each claim is looked up where it belongs, and may be found wrong."""

import ddt
from oslotest import base

from bench import cases
from bench import claims
from bench import results
from cinder_rbd_offload.tests.unit.bench import samples

CLAIMS = {claim.text: claim for claim in claims.CLAIMS}
STEP = {'kind': results.STEP}
STREAM = {'kind': results.STREAM}
READER = {'kind': results.READER}
MIB = cases.MIB

# Two samples or one that keep a claim, and then such that break it.
TABLE = (
    (
        '4 GiB, 1 GiB in use, request to active: upstream / offload',
        [
            samples.sample(cases.THIN_4, 'upstream', 30),
            samples.sample(cases.THIN_4, 'offload', 4),
        ],
        [
            samples.sample(cases.THIN_4, 'upstream', 30),
            samples.sample(cases.THIN_4, 'offload', 6),
        ],
    ),
    (
        '4 GiB, 1 GiB in use, the step alone: copy / rbd cp',
        [
            samples.sample(cases.THIN_4, 'rbd cp', 2, **STEP),
            samples.sample(cases.THIN_4, 'copy', 2.1, **STEP),
        ],
        [
            samples.sample(cases.THIN_4, 'rbd cp', 2, **STEP),
            samples.sample(cases.THIN_4, 'copy', 2.4, **STEP),
        ],
    ),
    (
        '256 MiB in use, request to active: offload of 1 TiB / of 1 GiB',
        [
            samples.sample(cases.THIN_1024, 'offload', 4),
            samples.sample(cases.THIN_1, 'offload', 3),
        ],
        [
            samples.sample(cases.THIN_1024, 'offload', 6),
            samples.sample(cases.THIN_1, 'offload', 3),
        ],
    ),
    (
        '256 MiB in use, request to active: instant of 1 TiB / of 1 GiB',
        [
            samples.sample(cases.THIN_1024, 'instant', 2),
            samples.sample(cases.THIN_1, 'instant', 2),
        ],
        [
            samples.sample(cases.THIN_1024, 'instant', 3),
            samples.sample(cases.THIN_1, 'instant', 2),
        ],
    ),
    (
        '2 GiB, 4 KiB in each object: sent by the step clone_flatten',
        [samples.sample(cases.SPECKS, 'clone_flatten', sent=3 * MIB, **STEP)],
        [samples.sample(cases.SPECKS, 'clone_flatten', sent=5 * MIB, **STEP)],
    ),
    (
        '2 GiB, 4 KiB in each object: sent through the host by offload',
        [samples.sample(cases.SPECKS, 'offload', sent=3 * MIB)],
        [samples.sample(cases.SPECKS, 'offload', sent=5 * MIB)],
    ),
    (
        'any volume: through the host by instant, at most',
        [samples.sample(cases.DENSE_4, 'instant', sent=MIB, received=MIB)],
        [
            samples.sample(cases.THIN_1, 'instant', sent=MIB, received=MIB),
            samples.sample(cases.DENSE_4, 'instant'),
        ],
    ),
    (
        'any volume: the image of offload occupies / in use, at most',
        [samples.sample(cases.SPECKS, 'offload')],
        [
            samples.sample(cases.THIN_1, 'offload'),
            samples.sample(cases.SPECKS, 'offload', occupied=cases.GIB),
        ],
    ),
    (
        '1 GiB, full, to a file store: upstream / stream',
        [
            samples.sample(cases.DENSE_1, 'files: upstream', 10, **STREAM),
            samples.sample(cases.DENSE_1, 'files: stream', 9, **STREAM),
        ],
        [
            samples.sample(cases.DENSE_1, 'files: upstream', 10, **STREAM),
            samples.sample(cases.DENSE_1, 'files: stream', 11, **STREAM),
        ],
    ),
    (
        '1 GiB, full, to a file store, the OSD answering 1 ms later: '
        'upstream / stream',
        [
            samples.sample(
                cases.DENSE_1, 'files, slow: upstream', 20, **STREAM
            ),
            samples.sample(cases.DENSE_1, 'files, slow: stream', 19, **STREAM),
        ],
        [
            samples.sample(
                cases.DENSE_1, 'files, slow: upstream', 20, **STREAM
            ),
            samples.sample(cases.DENSE_1, 'files, slow: stream', 21, **STREAM),
        ],
    ),
    (
        '1 GiB, full, to a file store, the OSD answering 10 ms later: '
        'upstream / stream',
        [
            samples.sample(
                cases.DENSE_1, 'files, far: upstream', 20, **STREAM
            ),
            samples.sample(cases.DENSE_1, 'files, far: stream', 9, **STREAM),
        ],
        [
            samples.sample(
                cases.DENSE_1, 'files, far: upstream', 20, **STREAM
            ),
            samples.sample(cases.DENSE_1, 'files, far: stream', 11, **STREAM),
        ],
    ),
    (
        '4 GiB, 1 GiB in use, to Swift: upstream / straight',
        [
            samples.sample(cases.THIN_4, 'swift: upstream', 40, **STREAM),
            samples.sample(cases.THIN_4, 'swift: straight', 9, **STREAM),
        ],
        [
            samples.sample(cases.THIN_4, 'swift: upstream', 40, **STREAM),
            samples.sample(cases.THIN_4, 'swift: straight', 11, **STREAM),
        ],
    ),
    (
        '4 GiB, 1 GiB in use, to Swift: sent by straight / in use',
        [samples.sample(cases.THIN_4, 'swift: straight', **STREAM)],
        [
            samples.sample(
                cases.THIN_4, 'swift: straight', sent=2 * cases.GIB, **STREAM
            )
        ],
    ),
    (
        'source and sink of one speed: share of it with BufferedReader',
        [
            samples.sample(None, 'none', 2.5, **READER),
            samples.sample(None, 'BufferedReader', 2.6, **READER),
        ],
        [
            samples.sample(None, 'none', 2.5, **READER),
            samples.sample(None, 'BufferedReader', 2.7, **READER),
        ],
    ),
    (
        'what BufferedReader has taken when the first byte leaves',
        [samples.sample(None, 'BufferedReader', occupied=65536, **READER)],
        [samples.sample(None, 'BufferedReader', occupied=65537, **READER)],
    ),
)


@ddt.ddt
class ClaimsTestCase(base.BaseTestCase):
    def test_all_are_here(self):
        self.assertEqual(set(CLAIMS), {text for text, *_rest in TABLE})

    @ddt.data(*TABLE)
    @ddt.unpack
    def test_holds_or_not(self, text, good, bad):
        claim = CLAIMS[text]
        for expected, measured in ((True, good), (False, bad)):
            found = claim.found(samples.run(*measured))
            self.assertEqual(expected, claim.holds(found), found)

    @ddt.data(*CLAIMS)
    def test_what_was_not_measured_is_not_found(self, text):
        self.assertIsNone(CLAIMS[text].found(samples.run()))
