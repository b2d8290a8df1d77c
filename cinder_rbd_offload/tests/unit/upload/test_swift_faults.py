# SPDX-License-Identifier: Apache-2.0
"""What is tried again, when, and for how long."""

import ddt
from keystoneauth1 import exceptions as ks_exceptions
from oslotest import base
import requests

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests import fake_glance
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import swift_faults


# JSON that has another form than Swift's.
MALFORMED = (
    '[]',
    '[1]',
    '"text"',
    '7',
    'null',
    '{"Errors": 7}',
    '{"Errors": "text"}',
    '{"Errors": [7]}',
    '{"Errors": [[]]}',
    '{"Errors": ["text"]}',
    '{"Errors": {"/a/b": "503 X"}}',
)


def answer(status, text='', **headers):
    made = requests.Response()
    made.status_code = status
    made.reason = 'Reason'
    made._content = text.encode()
    made.headers.update(headers)
    return made


class RunTestCase(base.BaseTestCase):
    def run_with(self, *errors, seconds=60):
        left = list(errors)

        def once():
            if left:
                raise left.pop(0)
            return 'a result'

        clock = fake_glance.Clock()
        return swift_faults.run(
            patience.Patience(seconds, 5, clock.now, clock.sleep),
            lambda: None,
            'doing it',
            once,
        )

    def test_a_fault(self):
        self.assertEqual('a result', self.run_with(swift_faults.Fault('x')))

    def test_faults_that_last(self):
        error = self.assertRaises(
            exceptions.SwiftLost, self.run_with, swift_faults.Fault('x', 61)
        )
        self.assertIn('doing it failed in Swift for 60 s', str(error))

    def test_no_room_for_a_while(self):
        faults = [swift_faults.FullFault('x')] * 5
        self.assertEqual('a result', self.run_with(*faults))

    def test_no_room_to_the_end(self):
        faults = [swift_faults.FullFault('507')] * 200
        error = self.assertRaises(exceptions.SwiftFull, self.run_with, *faults)
        self.assertIn('507', str(error))

    def test_tokens(self):
        self.run_with(*[swift_faults.TokenFault('x')] * 2)
        self.assertRaises(
            exceptions.SwiftRefused,
            self.run_with,
            *[swift_faults.TokenFault('x')] * 3,
        )


@ddt.ddt
class JudgeTestCase(base.BaseTestCase):
    @ddt.data(200, 201, 202, 204)
    def test_good(self, status):
        swift_faults.judge(answer(status), 'it')

    @ddt.data(408, 429, 498, 499, 500, 502, 503, 504)
    def test_fault(self, status):
        error = self.assertRaises(
            swift_faults.Fault, swift_faults.judge, answer(status), 'it'
        )
        self.assertEqual(0, error.pause)

    @ddt.data(('7', 7.0), ('', 0.0))
    @ddt.unpack
    def test_retry_after(self, text, expected):
        error = self.assertRaises(
            swift_faults.Fault,
            swift_faults.judge,
            answer(503, **{'Retry-After': text}),
            'it',
        )
        self.assertEqual(expected, error.pause)

    @ddt.data(
        (401, swift_faults.TokenFault),
        (400, exceptions.SwiftRefused),
        (403, exceptions.SwiftRefused),
        (404, exceptions.SwiftRefused),
        (422, exceptions.SwiftRefused),
        (301, exceptions.SwiftRefused),
        (413, exceptions.SwiftRefused),
        (507, swift_faults.FullFault),
    )
    @ddt.unpack
    def test_others(self, status, expected):
        error = self.assertRaises(
            expected, swift_faults.judge, answer(status, 'why'), 'it'
        )
        self.assertIn('why', str(error))

    @ddt.data(
        (202, '  {"Response Status": "201 Created", "Errors": []}'),
        (202, '{"Response Status": "201 Created", "Errors": {}}'),
        (201, ''),
    )
    @ddt.unpack
    def test_good_manifests(self, status, text):
        swift_faults.judge_manifest(answer(status, text), 'it')

    @ddt.data(
        (202, '  ', swift_faults.Fault),
        (202, '{"Response Status": ""}', swift_faults.Fault),
        (202, '{"Response Status": "503 X"}', swift_faults.Fault),
        (202, '{"Response Status": "507 X"}', swift_faults.FullFault),
        (202, '{"Response Status": "422 X"}', exceptions.SwiftRefused),
        (400, '{"Errors": [["/a/b", "503 X"]]}', swift_faults.Fault),
        (400, '{"Errors": [["/a/b", "404 X"]]}', exceptions.SwiftRefused),
        (
            400,
            '{"Errors": [["/a", "503 X"], ["/b", "Etag Mismatch"]]}',
            exceptions.SwiftRefused,
        ),
        (400, 'no JSON', exceptions.SwiftRefused),
        *((400, text, exceptions.SwiftRefused) for text in MALFORMED),
        *((202, text, swift_faults.Fault) for text in MALFORMED),
        (
            202,
            '{"Response Status": "503 X", "Errors": 7}',
            swift_faults.Fault,
        ),
        (
            202,
            '{"Response Status": "400 X", "Errors": [[]]}',
            exceptions.SwiftRefused,
        ),
        (401, '', swift_faults.TokenFault),
        (503, '', swift_faults.Fault),
        (413, '', exceptions.SwiftRefused),
    )
    @ddt.unpack
    def test_other_manifests(self, status, text, expected):
        self.assertRaises(
            expected, swift_faults.judge_manifest, answer(status, text), 'it'
        )

    @ddt.data(
        (ks_exceptions.ConnectFailure('x'), True),
        (ks_exceptions.ConnectTimeout('x'), True),
        (ks_exceptions.UnknownConnectionError('x', ValueError()), True),
        (ks_exceptions.SSLError('EOF in violation of protocol'), True),
        (ks_exceptions.SSLError('certificate verify failed'), False),
        (ks_exceptions.ServiceUnavailable(), True),
        (ks_exceptions.Unauthorized(), False),
        (ks_exceptions.EndpointNotFound('x'), False),
    )
    @ddt.unpack
    def test_errors_of_the_session(self, error, again):
        found = swift_faults.translate(error, 'it')
        kind = swift_faults.Fault if again else exceptions.SwiftRefused
        self.assertIsInstance(found, kind)
