# SPDX-License-Identifier: Apache-2.0
"""Where ours is worse than the stock driver is found, and nowhere else."""

import datetime
import io

import ddt
from oslotest import base
import rich.console
import subunit

from lab import tempest_results as results

OWN = 'a_plugin.tests'
Test = results.Test
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def stream(*events):
    """Write a stream as Tempest does: a name, statuses, and seconds."""
    file = io.BytesIO()
    output = subunit.StreamResultToBytes(file)
    for name, statuses, seconds in events:
        for number, status in enumerate(statuses):
            output.status(
                test_id=name,
                test_status=status,
                timestamp=BEGIN + datetime.timedelta(seconds=number * seconds),
            )
    return file.getvalue()


def every(**tests):
    return {name: Test(status) for name, status in tests.items()}


@ddt.ddt
class ReadTestCase(base.BaseTestCase):
    @ddt.data(
        ('success', 'success'),
        ('fail', 'fail'),
        ('skip', 'skip'),
        ('uxsuccess', 'fail'),
    )
    @ddt.unpack
    def test_a_test(self, status, expected):
        read = results.read(
            stream(('a.B.test_c[id-1,smoke]', ('inprogress', status), 2.5))
        )
        self.assertEqual({'a.B.test_c': Test(expected, 2.5)}, read)

    def test_one_that_never_ended(self):
        """Its worker has died."""
        read = results.read(
            stream(
                ('a.B.test_c', ('inprogress',), 1),
                ('a.B.test_d', ('inprogress', 'success'), 1),
            )
        )
        self.assertEqual(results.FAILED, read['a.B.test_c'].status)
        self.assertEqual(results.PASSED, read['a.B.test_d'].status)

    def test_one_that_is_only_listed(self):
        read = results.read(stream(('a.B.test_c', ('exists',), 0)))
        self.assertEqual({}, read)

    def test_output_that_is_no_result(self):
        read = results.read(
            b'a line\n' + stream(('a.B.test_c', ('inprogress', 'success'), 1))
        )
        self.assertEqual(['a.B.test_c'], list(read))


@ddt.ddt
class CompareTestCase(base.BaseTestCase):
    @ddt.data(
        ('success', 'success', False),
        ('success', 'fail', True),
        ('success', 'skip', True),
        ('success', None, True),
        ('fail', 'fail', False),
        ('fail', 'success', False),
        ('fail', None, False),
        ('skip', 'fail', False),
        ('skip', 'skip', False),
        (None, 'success', False),
    )
    @ddt.unpack
    def test_a_test_of_others(self, stock, ours, is_worse):
        stock = every(a=stock) if stock else {}
        ours = every(a=ours) if ours else {}
        self.assertEqual(
            ['a'] if is_worse else [], results.worse(stock, ours, OWN)
        )

    @ddt.data('fail', 'success', 'skip')
    def test_one_of_our_own_may_not_fail_at_all(self, stock):
        for name in (f'{OWN}.C.test_d', f'setUpClass ({OWN}.C)'):
            ours = {name: Test('fail')}
            self.assertEqual(
                [name],
                results.worse({name: Test(stock)}, ours, OWN),
            )

    def test_a_class_that_fails_in_its_fixtures(self):
        """Then its tests have not run, and are missed."""
        stock = {'a.B.test_c': Test('success')}
        ours = {'setUpClass (a.B)': Test('fail')}
        self.assertEqual(['a.B.test_c'], results.worse(stock, ours, OWN))

    def test_count(self):
        tests = every(a='success', b='fail', c='skip', d='success')
        self.assertEqual((2, 1, 1), results.count(tests))


class ShowTestCase(base.BaseTestCase):
    def shown(self, stock, ours):
        file = io.StringIO()
        console = rich.console.Console(file=file, width=120)
        results.show(console, [('volumes', stock, ours)], OWN)
        return file.getvalue()

    def test_side_by_side(self):
        text = self.shown(
            every(same='success', lost='success', gained='fail', one='skip'),
            every(same='success', lost='fail', gained='success', one='skip'),
        )
        self.assertRegex(text, r'volumes +2 passed, 1 failed, 1 skip')
        self.assertRegex(text, r'lost +success +fail')
        self.assertRegex(text, r'gained +fail +success')
        self.assertNotIn('same', text)
        self.assertIn('WORSE lost\n', text)
        self.assertNotIn('WORSE gained', text)

    def test_the_seconds_of_uploads(self):
        text = self.shown(
            {'test_upload': Test('success', 12.34)},
            {'test_upload': Test('success', 5.67)},
        )
        self.assertRegex(text, r'test_upload +12\.3 +5\.7')
        self.assertNotIn('differ', text)
