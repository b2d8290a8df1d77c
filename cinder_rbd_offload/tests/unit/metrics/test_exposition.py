# SPDX-License-Identifier: Apache-2.0
"""Counters come back from the text that they were written to."""

import re

import ddt
from oslotest import base
from prometheus_client import parser

from cinder_rbd_offload.metrics import exposition

# A line of the text format, as Prometheus defines it.
LINE = re.compile(
    r'[a-z_]+\{[a-z]+="([^"\\\n]|\\["\\n])*"(,[a-z]+="([^"\\\n]|\\["\\n])*")*\}'
    r' \d+(\.\d{3})?'
)


def upload(**labels):
    return exposition.sample(exposition.UPLOADS, labels)


@ddt.ddt
class ExpositionTestCase(base.BaseTestCase):
    def test_the_text(self):
        text = exposition.to_text(
            {
                upload(method='copy'): 2.0,
                exposition.sample(exposition.SECONDS, {'method': 'copy'}): 1.5,
            }
        )
        self.assertIn(
            '# TYPE cinder_rbd_offload_uploads_total counter\n'
            'cinder_rbd_offload_uploads_total{method="copy"} 2\n',
            text,
        )
        self.assertIn('seconds_total{method="copy"} 1.500\n', text)
        self.assertTrue(text.endswith('\n'))

    def test_each_counter_is_described_once_and_before_its_samples(self):
        counters = {
            exposition.sample(name, {'method': method}): 1.0
            for method in ('b', 'a')
            for name in exposition.HELP
        }
        blocks = re.split('^# HELP ', exposition.to_text(counters), flags=re.M)
        self.assertEqual('', blocks.pop(0))
        self.assertEqual(len(exposition.HELP), len(blocks))
        for name, block in zip(exposition.HELP, blocks, strict=True):
            described, kind, *samples = block.splitlines()
            self.assertEqual(name, described.split()[0])
            self.assertEqual(f'# TYPE {name} counter', kind)
            self.assertEqual(
                [f'{name}{{method="{one}"}} 1' for one in 'ab'], samples
            )

    @ddt.data('a b', 'a"b', 'a\\b', 'a\nb', 'a}b', 'a,b', 'ä')
    def test_a_label_comes_back(self, value):
        counters = {upload(backend=value, method='x'): 7.0}
        text = exposition.to_text(counters)
        self.assertEqual(counters, exposition.from_text(text))
        (line,) = [one for one in text.splitlines() if one[0] != '#']
        self.assertIsNotNone(LINE.fullmatch(line), line)

    def test_prometheus_reads_it(self):
        counters = {
            upload(backend='a "b" \\ c', method='copy'): 2.0,
            exposition.sample(exposition.BYTES, {'method': 'copy'}): 1e15,
        }
        text = exposition.to_text(counters)
        read = {}
        for family in parser.text_string_to_metric_families(text):
            self.assertEqual('counter', family.type)
            for one in family.samples:
                read[exposition.sample(one.name, one.labels)] = one.value
        self.assertEqual(counters, read)

    @ddt.data(0.0, 1.0, 0.001, 12.345, float(1 << 52))
    def test_a_number_comes_back(self, value):
        counters = {upload(method='x'): value}
        self.assertEqual(
            counters, exposition.from_text(exposition.to_text(counters))
        )

    @ddt.data(
        'half a li',
        'node_load1{x="y"} 1',
        'cinder_rbd_offload_uploads_total{method="copy"} many',
        '\0\0\0\0',
    )
    def test_another_text(self, text):
        self.assertRaises(ValueError, exposition.from_text, text)
