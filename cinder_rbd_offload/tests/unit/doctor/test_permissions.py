# SPDX-License-Identifier: Apache-2.0
"""What was refused is named with the line that permits it."""

import ddt
from oslotest import base

from cinder_rbd_offload.ceph import rights
from cinder_rbd_offload.doctor import finding
from cinder_rbd_offload.doctor import permissions

POOLS = ['volumes', 'images']
CAPS = {'mon': 'profile rbd', 'osd': 'profile rbd pool=volumes'}
GOOD = rights.Trial('making an image', 'osd', 'images')


def refusal(daemon, pool=''):
    return rights.Trial('trying', daemon, pool, 'PermissionError: no', True)


@ddt.ddt
class PermissionsTestCase(base.BaseTestCase):
    def check(self, *trials, caps=None, **more):
        return permissions.check(
            rights.Trials(list(trials), **more), 'cinder', POOLS, caps or {}
        )

    def test_all_is_permitted(self):
        (one,) = self.check(GOOD, GOOD)
        self.assertEqual(finding.Level.OK, one.level)
        self.assertIn('volumes and images (2 operations tried)', one.text)

    @ddt.data(
        ('osd', finding.Level.ERROR, 'In the cluster, trying in pool images'),
        ('mgr', finding.Level.WARNING, 'the method instant'),
        ('mon', finding.Level.ERROR, 'ever cleaned up'),
    )
    @ddt.unpack
    def test_refused(self, daemon, level, text):
        (one,) = self.check(GOOD, refusal(daemon, 'images'))
        self.assertEqual(level, one.level)
        self.assertIn(text, one.text)
        self.assertIn('is not permitted to client.cinder', one.text)
        self.assertIn('Run: ceph auth caps client.cinder mon', one.remedy)
        self.assertIn('this replaces all capabilities', one.remedy)

    def test_known_capabilities_are_kept(self):
        caps = CAPS | {'mds': 'allow r'}
        (one,) = self.check(refusal('osd', 'images'), caps=caps)
        self.assertIn("mds 'allow r'", one.remedy)
        self.assertNotIn('replaces', one.remedy)

    def test_the_data_pool_is_among_the_pools(self):
        (one,) = self.check(refusal('osd', 'ec'), data_pool='ec')
        self.assertIn('profile rbd pool=ec', one.remedy)

    @ddt.data(
        ('osd', finding.Level.ERROR),
        ('mon', finding.Level.ERROR),
        ('mgr', finding.Level.WARNING),
    )
    @ddt.unpack
    def test_failed_for_another_reason(self, daemon, level):
        trial = rights.Trial('trying', daemon, 'images', 'NoSpace: full')
        bad, good = self.check(trial)
        self.assertEqual(level, bad.level)
        self.assertIn('failed (NoSpace: full)', bad.text)
        self.assertNotIn('ceph auth', bad.remedy)
        self.assertEqual(finding.Level.OK, good.level)

    def test_what_was_left(self):
        _good, left = self.check(GOOD, left=['images/x: ImageBusy: busy'])
        self.assertEqual(finding.Level.WARNING, left.level)
        self.assertIn('images/x', left.text)

    def test_instant(self):
        one = permissions.instant('volumes')
        self.assertIn('profile rbd-read-only pool=volumes', one.text)
