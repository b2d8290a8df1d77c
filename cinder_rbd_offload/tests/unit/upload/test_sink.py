# SPDX-License-Identifier: Apache-2.0
"""Whatever befalls an upload, the image is whole, or not there as active."""

import contextlib
import io
import types

import ddt
from glanceclient import exc
from keystoneauth1 import exceptions as ks_exceptions
import requests

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.tests.unit import base
from cinder_rbd_offload.upload import body
from cinder_rbd_offload.upload import patience
from cinder_rbd_offload.upload import sink

IMAGE = base.IMAGE
DATA = b'0123456789' * 10
RESET = ks_exceptions.ConnectFailure('Connection reset by peer')


# What a proxy answers in Glance's place: the type, and the content.
OF_PROXIES = (
    ('application/json', b'{"message": "too much"}'),
    ('application/json', b'["too much"]'),
    ('application/json', b'too much'),
    ('text/plain', b'too much \xff'),
    ('', b'too much'),
)


class File:
    """Gives little at a time."""

    def __init__(self):
        self._left = DATA

    def read(self, _length):
        chunk, self._left = self._left[:30], self._left[30:]
        return chunk


def answer(status, text='', **headers):
    """Return an answer as requests does."""
    return types.SimpleNamespace(
        ok=status < 400,
        status_code=status,
        headers={'content-type': 'text/plain', **headers},
        content=text.encode(),
        text=text,
        reason='for no reason',
    )


def answer_of_a_proxy(status, kind, content):
    response = requests.Response()
    response.status_code = status
    response.raw = io.BytesIO(content)
    if kind:
        response.headers['Content-Type'] = kind
    return response


@ddt.ddt
class GlanceSinkTestCase(base.TestCase):
    """A Glance that takes data, and the faults between it and the sink.

    :ivar faults: what becomes of the next requests, one after the other
    """

    def start_over(self):
        super().start_over()
        self.faults = []
        self.received = []
        self.headers = []
        self.stop = None
        self.rejected = []
        self.body = self.make_body(len(DATA))
        self.sink = sink.GlanceSink(
            self.put,
            self.api(),
            IMAGE,
            {'x-image-meta-store': 'far'},
            patience.Patience(60, 5, self.clock.now, self.clock.sleep),
            self.check,
            self.reject,
        )

    def make_body(self, size):
        made = body.Body(
            lambda: contextlib.nullcontext(File()),
            size,
            self.check,
            lambda _read: None,
            lambda thing: thing,
        )
        self.addCleanup(made.close)
        return made

    def check(self):
        if self.stop:
            raise self.stop

    def reject(self):
        self.rejected.append(IMAGE in self.glance.images)

    def put(self, image_id, data, headers):
        self.assertEqual(IMAGE, image_id)
        self.headers.append(headers)
        fault = self.faults.pop(0) if self.faults else self.take
        return fault(data)

    def take(self, data):
        self.received.append(b''.join(data))
        self.glance.take(IMAGE, self.received[-1])
        return answer(204)

    # The faults.

    def reset(self, data):
        """After some of the data."""
        for _chunk in data:
            if data.sent:
                raise RESET

    def refused(self, _data):
        raise ks_exceptions.ConnectFailure('Connection refused')

    def lost(self, data):
        """The answer of a request that was carried out."""
        self.take(data)
        raise RESET

    def slow(self, data):
        """Glance notices later that the connection is gone."""
        self.glance.images[IMAGE]['status'] = 'saving'
        self.clock.after(
            20, lambda: self.glance.images[IMAGE].update(status='queued')
        )
        return self.reset(data)

    def status(self, code, text='', **headers):
        def fault(data):
            # It reads the data before it answers.
            b''.join(data)
            return answer(code, text, **headers)

        return fault

    def assertWhole(self):
        self.sink.send(self.body)
        self.assertEqual('active', self.glance.images[IMAGE]['status'])
        self.assertEqual({DATA}, {*self.received})
        self.assertEqual([], self.rejected)

    def assertFails(self, error, *words):
        raised = self.assertRaises(error, self.sink.send, self.body)
        for word in words:
            self.assertIn(word, str(raised))
        return raised

    def test_no_fault(self):
        self.assertWhole()
        self.assertEqual(0, self.clock.time)
        self.assertEqual(
            [
                {
                    'x-openstack-image-size': str(len(DATA)),
                    'x-image-meta-store': 'far',
                }
            ],
            self.headers,
        )

    @ddt.data('take', 'reset', 'lost')
    def test_a_size_that_nobody_knows(self, fault):
        self.body = self.make_body(None)
        self.faults = [getattr(self, fault)]
        self.assertWhole()
        self.assertEqual({'x-image-meta-store': 'far'}, self.headers[0])

    @ddt.data('reset', 'refused', 'lost', 'slow')
    def test_a_fault(self, fault):
        self.faults = [getattr(self, fault)]
        self.assertWhole()
        self.assertEqual(1, len(self.received))

    @ddt.data(401, 408, 409, 429, 498, 499, 500, 502, 503, 504)
    def test_an_error_that_may_pass(self, code):
        self.faults = [self.status(code), self.status(code)]
        self.assertWhole()
        self.assertIn('begins again in', self.logs.output)

    def test_glance_says_when_to_come_back(self):
        header = {'Retry-After': '41'}
        self.faults = [self.status(429, **header)]
        self.assertWhole()
        self.assertEqual(41, self.clock.time)

    @ddt.data(61, 31536000)
    def test_glance_asks_for_more_time_than_there_is(self, seconds):
        header = {'Retry-After': str(seconds)}
        self.faults = [self.status(503, **header)]
        self.assertFails(exceptions.UploadFailed, '503', 'sent 1 times')
        self.assertEqual(0, self.clock.time)

    def test_the_image_is_deleted_in_a_pause(self):
        header = {'Retry-After': '41'}
        self.faults = [self.status(503, **header)]
        self.clock.after(5, self.halt)
        self.assertFails(exceptions.TakenOver)
        self.assertLessEqual(self.clock.time, 6)

    def test_time_begins_anew_when_data_flows(self):
        header = {'Retry-After': '59'}
        self.faults = 4 * [self.status(503, **header)]
        self.assertWhole()
        self.assertEqual(4 * 59, self.clock.time)

    def test_a_glance_that_cannot_be_asked_either(self):
        """The time is not waited for with each attempt."""

        def refused(data):
            self.glance.down_until = self.clock.time + 50
            raise RESET

        self.faults = 1000 * [refused]
        self.assertFails(exceptions.UploadFailed, 'reset by peer')
        self.assertLessEqual(self.clock.time, 110)

    def test_a_glance_that_is_restarted(self):
        """For a while nobody answers; that costs no attempt."""
        self.faults = [self.reset] + 6 * [self.refused]
        self.assertWhole()

    def test_a_glance_that_stays_away(self):
        self.faults = 1000 * [self.refused]
        self.assertFails(
            exceptions.UploadFailed, 'Connection refused', 'sent 0 times'
        )
        self.assertGreater(self.clock.time, 60 - patience.LONGEST_PAUSE)
        self.assertLessEqual(self.clock.time, 60)

    def test_a_fault_that_lasts(self):
        self.faults = 1000 * [self.reset]
        self.assertFails(
            exceptions.UploadFailed, 'reset by peer', 'sent 5 times'
        )
        self.assertEqual('queued', self.glance.images[IMAGE]['status'])

    def test_a_broken_request_that_glance_never_gives_up(self):
        self.faults = [self.reset]
        self.glance.images[IMAGE]['status'] = 'saving'
        self.assertFails(exceptions.UploadFailed, 'reset by peer')
        self.assertEqual(60, self.clock.time)

    @ddt.data((400, 'Size mismatch'), (403, 'no'), (415, 'Content is qcow2'))
    @ddt.unpack
    def test_an_error_that_is_final(self, code, text):
        self.faults = [self.status(code, text)]
        self.assertFails(exceptions.UploadFailed, str(code), text)
        self.assertEqual([], self.faults)
        self.assertEqual('queued', self.glance.images[IMAGE]['status'])

    @ddt.data(*OF_PROXIES)
    @ddt.unpack
    def test_an_answer_of_a_proxy_that_may_pass(self, kind, content):
        self.faults = [lambda _data: answer_of_a_proxy(429, kind, content)]
        self.assertWhole()

    @ddt.data(*OF_PROXIES)
    @ddt.unpack
    def test_an_answer_of_a_proxy_that_is_final(self, kind, content):
        self.faults = [lambda _data: answer_of_a_proxy(413, kind, content)]
        self.assertFails(exceptions.NoRoom, 'HTTP 413', 'too much')

    def test_a_limit(self):
        self.faults = [self.status(413, 'image_size_total is over limit')]
        self.assertFails(exceptions.NoRoom, str(len(DATA)), 'image_size_total')

    @ddt.data(404, 410)
    def test_the_image_is_deleted(self, code):
        self.glance.delete(IMAGE)
        self.faults = [self.status(code)]
        self.assertFails(exceptions.ImageGone)

    def test_the_image_is_deleted_after_the_last_byte(self):
        def taken(data):
            self.take(data)
            self.glance.delete(IMAGE)
            return answer(204)

        self.faults = [taken]
        self.assertFails(exceptions.ImageGone)

    @ddt.data(DATA[:-1], DATA[:-1] + b'!')
    def test_glance_acknowledges_other_data(self, data):
        def corrupt(sent):
            b''.join(sent)
            self.glance.take(IMAGE, data)
            return answer(204)

        self.faults = [corrupt]
        self.assertFails(
            exceptions.UploadMismatch,
            f'has {len(data)} bytes',
            f'{len(DATA)} bytes of MD5',
        )
        self.assertNotIn(IMAGE, self.glance.images)
        self.assertEqual([True], self.rejected)

    def corrupt(self, data):
        b''.join(data)
        self.glance.take(IMAGE, DATA[:-1])
        return answer(204)

    def test_other_data_in_a_protected_image(self):
        self.glance.images[IMAGE]['protected'] = True
        self.faults = [self.corrupt]
        self.assertFails(exceptions.UploadMismatch, 'so it was deleted')
        self.assertNotIn(IMAGE, self.glance.images)

    def test_other_data_while_glance_fails(self):
        self.glance.fail('delete', exc.HTTPServiceUnavailable('no'))
        self.clock.after(20, self.glance.heal)
        self.faults = [self.corrupt]
        self.assertFails(exceptions.UploadMismatch, 'so it was deleted')
        self.assertNotIn(IMAGE, self.glance.images)

    @ddt.data(
        (exc.HTTPServiceUnavailable('no'), 30, 60),
        (exc.HTTPForbidden('a policy'), 0, 0),
    )
    @ddt.unpack
    def test_other_data_that_cannot_be_deleted(self, error, least, most):
        self.glance.fail('delete', error)
        self.faults = [self.corrupt]
        self.assertFails(
            exceptions.UploadMismatch, f'could not be deleted: {error}'
        )
        self.assertEqual([True], self.rejected)
        self.assertBetween(least, self.clock.time, most)

    def assertBetween(self, least, found, most):
        self.assertLessEqual(least, found)
        self.assertLessEqual(found, most)

    @ddt.data(b'of the user', DATA[:-1] + b'!')
    def test_the_user_gave_it_other_data(self, data):
        self.faults = [self.status(409)]
        self.glance.take(IMAGE, data)
        self.assertFails(exceptions.ImageTaken)
        self.assertIn(IMAGE, self.glance.images)

    @ddt.data(
        (b'', False),
        (b'', True),
        # As many bytes as were sent, before Glance refused the rest.
        (DATA[:30], False),
    )
    @ddt.unpack
    def test_the_user_gave_it_the_data_that_was_sent(self, data, nameless):
        """It has no data of the volume, or only its beginning."""

        def conflict(sent):
            for _chunk in sent:
                if sent.sent == len(data):
                    break
            return answer(409)

        def at_once(_sent):
            return answer(409)

        self.faults = [conflict if data else at_once]
        self.glance.take(IMAGE, data)
        if nameless:
            self.glance.images[IMAGE]['checksum'] = None
        self.assertFails(exceptions.ImageTaken)
        self.assertIn(IMAGE, self.glance.images)

    def test_a_glance_without_md5(self):
        def taken(data):
            self.take(data)
            self.glance.images[IMAGE]['checksum'] = None
            return answer(204)

        self.faults = [taken]
        self.assertWhole()

    def test_glance_is_away_after_the_last_byte(self):
        def taken(data):
            self.glance.down_until = 30
            return self.take(data)

        self.faults = [taken]
        self.assertWhole()

    def test_glance_stays_away_after_the_last_byte(self):
        def taken(data):
            self.glance.fail('get', exc.HTTPServiceUnavailable('no'))
            return self.take(data)

        self.faults = [taken]
        self.assertFails(exceptions.UploadFailed, 'does not tell', 'HTTP no')
        self.assertBetween(30, self.clock.time, 60)

    def test_it_is_stopped_after_the_last_byte(self):
        def taken(data):
            self.glance.fail('get', exc.HTTPServiceUnavailable('no'))
            self.clock.after(5, self.halt)
            return self.take(data)

        self.faults = [taken]
        self.assertFails(exceptions.TakenOver)
        self.assertLessEqual(self.clock.time, 6)

    @ddt.data(1, 3)
    def test_it_is_stopped(self, chunks):
        def some(data):
            for number, _chunk in enumerate(data, 1):
                if number == chunks:
                    self.stop = exceptions.ImageGone(IMAGE)

        self.faults = [some]
        self.assertFails(exceptions.ImageGone)
        self.assertEqual('queued', self.glance.images[IMAGE]['status'])

    def test_it_is_stopped_while_glance_is_away(self):
        self.faults = 1000 * [self.refused]
        self.clock.after(5, self.halt)
        self.assertFails(exceptions.TakenOver)
        self.assertLess(self.clock.time, 40)

    def halt(self):
        self.stop = exceptions.TakenOver(IMAGE)
