# SPDX-License-Identifier: Apache-2.0
"""The line gives what is needed, keeps what is there, and can be pasted."""

import shlex

import ddt
from oslotest import base

from cinder_rbd_offload import caps

POOLS = 'profile rbd pool=volumes, profile rbd pool=images'
FULL = {'mon': 'profile rbd', 'osd': POOLS, 'mgr': POOLS}


def parse(line):
    """Return the words before the capabilities, and these."""
    words = shlex.split(line)
    return words[:4], dict(zip(words[4::2], words[5::2], strict=True))


@ddt.ddt
class CapsLineTestCase(base.BaseTestCase):
    def line(self, present=None, pools=('volumes', 'images'), user='cinder'):
        return parse(caps.ceph_caps_line(user, pools, present))

    def test_the_documented_line(self):
        self.assertEqual(
            "ceph auth caps client.cinder mon 'profile rbd' "
            f"osd '{POOLS}' mgr '{POOLS}'",
            caps.ceph_caps_line('cinder', ['volumes', 'images']),
        )

    def test_user(self):
        self.assertEqual('client.admin', self.line(user=None)[0][3])

    @ddt.data(
        ({}, FULL),
        (FULL, FULL),
        ({'mon': 'allow r'}, FULL | {'mon': 'allow r, profile rbd'}),
        ({'osd': 'allow *'}, FULL | {'osd': 'allow *'}),
        ({'mds': 'allow rw'}, FULL | {'mds': 'allow rw'}),
        (
            {'osd': 'profile rbd pool=volumes,profile rbd pool=backups'},
            FULL
            | {
                'osd': 'profile rbd pool=volumes, '
                'profile rbd pool=backups, profile rbd pool=images'
            },
        ),
        ({'mgr': ''}, FULL),
    )
    @ddt.unpack
    def test_what_is_there_is_kept(self, present, expected):
        self.assertEqual(expected, self.line(present)[1])

    def test_a_pool_is_named_once(self):
        found = self.line(pools=['one', 'one'])[1]
        self.assertEqual('profile rbd pool=one', found['osd'])

    @ddt.data('a pool', "it's", '$(reboot)', 'x; reboot', '`reboot`')
    def test_no_name_leaves_its_place(self, pool):
        start, found = self.line(pools=[pool])
        self.assertEqual(['ceph', 'auth', 'caps', 'client.cinder'], start)
        self.assertEqual(f'profile rbd pool="{pool}"', found['osd'])
        self.assertEqual(set(FULL), set(found))
