# SPDX-License-Identifier: Apache-2.0
"""What a crash has left is finished or undone, at each stage.

The states are built here one by one. That a crash leaves no other is for
:mod:`test_protocol` to show.
"""

import ddt
from glanceclient import exc
from keystoneauth1 import exceptions as ks_exceptions

from cinder_rbd_offload.offload import journal
from cinder_rbd_offload.tests import fake_ceph
from cinder_rbd_offload.tests.unit import base as unit_base
from cinder_rbd_offload.tests.unit.offload import base

IMAGE, VOLUME = unit_base.IMAGE, unit_base.VOLUME
DRAFT = base.DRAFT
FIRST = '00000000-9dad-11d1-80b4-00c04fd430c8'
Stage = journal.Stage


@ddt.ddt
class UnpublishedTestCase(base.RecoverTestCase):
    """Of what Glance does not have yet nothing is left."""

    @ddt.data(Stage.STARTED, Stage.WAITING)
    def test_nothing_was_made(self, stage):
        self.leave(stage)
        self.recover()
        self.assertUndone()

    @ddt.data((False, False), (True, False), (True, True))
    @ddt.unpack
    def test_making(self, snapshot, draft):
        if snapshot:
            self.pool('volumes').snapshot(VOLUME, DRAFT)
        if draft:
            self.images[DRAFT] = fake_ceph.Stored(unit_base.SIZE)
        self.leave(Stage.MAKING, pool='images')
        self.recover()
        self.assertUndone()

    def test_publishing_before_it_has_its_name(self):
        self.leave_data(Stage.PUBLISHING, DRAFT)
        self.recover()
        self.assertUndone()

    def test_without_a_delegation_the_image_is_the_owner_s_to_delete(self):
        self.pool('volumes').snapshot(VOLUME, DRAFT)
        self.leave(Stage.MAKING, pool='images', trust='')
        self.recover()
        self.assertNothingLeft()
        self.assertIsNone(self.entry())
        self.assertEqual(['volume-id'], self.freed)
        self.assertEqual(['queued'], [*self.statuses()])
        self.assertIn(
            f'WARNING Image {IMAGE} has no data and', self.logs.output
        )

    def statuses(self):
        return (image['status'] for image in self.glance.images.values())

    @ddt.data(Stage.STARTED, Stage.MAKING)
    def test_an_image_that_got_other_data_is_kept(self, stage):
        self.glance.take_other_data(IMAGE, 1)
        self.leave(stage)
        self.recover()
        self.assertIn(IMAGE, self.glance.images)
        self.assertDone()

    @ddt.data(False, True)
    def test_an_image_of_wrong_data_is_not_kept(self, protected):
        self.glance.take_other_data(IMAGE, 1)
        self.glance.images[IMAGE]['protected'] = protected
        self.pool('volumes').snapshot(VOLUME, DRAFT)
        self.leave(Stage.REJECTED)
        self.recover()
        self.assertUndone()

    def test_an_image_that_is_gone(self):
        self.glance.delete(IMAGE)
        self.leave(Stage.STARTED)
        self.recover()
        self.assertUndone()

    @ddt.data('get', 'delete')
    def test_glance_does_not_answer(self, method):
        self.leave(Stage.STARTED)
        self.glance.fail(method, exc.CommunicationError('refused'))
        self.recover()
        self.assertStays(Stage.STARTED)
        self.assertEqual(['volume-id'], self.freed)
        self.glance.heal()
        self.recover()
        self.assertUndone()

    def test_keystone_does_not_answer(self):
        def act_for(trust):
            raise ks_exceptions.ConnectFailure(trust)

        self.act_for, real = act_for, self.act_for
        self.leave_data(Stage.MAKING, DRAFT)
        self.recover()
        self.assertStays(Stage.MAKING)
        self.assertVolumeUsable()
        self.act_for = real
        self.recover()
        self.assertUndone()

    def test_keystone_does_not_tell_of_a_trust(self):
        """It is looked for after what needs nobody else is done."""

        def find(expires):
            raise ks_exceptions.ConnectFailure(expires)

        self.find, real = find, self.find
        self.delegated['one-day'] = 'a-trust'
        self.leave_data(Stage.MAKING, DRAFT, trust='')
        self.recover()
        self.assertStays(Stage.MAKING)
        self.assertVolumeUsable()
        self.assertNotIn(DRAFT, self.images)
        self.find = real
        self.recover()
        self.assertUndone()

    def test_ceph_does_not_answer(self):
        self.leave_data(Stage.MAKING, DRAFT)
        self.cluster.fail('remove', self.timeout(), times=1)
        self.recover()
        self.assertStays(Stage.MAKING)
        self.assertIn(IMAGE, self.glance.images)
        self.recover()
        self.assertUndone()


class EndedTestCase(base.RecoverTestCase):
    """All is done but what Cinder does after it."""

    def test_its_process_has_died(self):
        self.leave(Stage.ENDED)
        self.recover()
        self.assertEqual({}, self.cluster.entries())
        self.assertEqual(['volume-id'], self.freed)
        self.assertEqual([], self.released)
        self.assertEqual([], self.cluster.shut_out)
        self.assertIn(IMAGE, self.glance.images)

    def test_the_volume_is_being_uploaded_again(self):
        self.leave(Stage.ENDED)
        self.glance.create(FIRST)
        self.leave(Stage.WAITING, FIRST, host='there@ceph')
        self.recover()
        self.assertEqual([FIRST], [*self.cluster.entries()])
        self.assertEqual([], self.freed)


@ddt.ddt
class PublishingTestCase(base.RecoverTestCase):
    """The data is whole, and Glance may have its location."""

    def test_it_was_not_registered(self):
        self.pool('volumes').snapshot(VOLUME, DRAFT)
        self.leave_data(Stage.PUBLISHING)
        self.recover()
        self.assertComplete()
        self.assertDone()

    def test_it_is_active(self):
        self.leave_data(Stage.PUBLISHING)
        self.publish()
        self.recover()
        self.assertComplete()
        self.assertDone()

    def test_the_snapshot_was_withdrawn(self):
        self.leave_data(Stage.PUBLISHING)
        self.pool('images').drop_snapshot(IMAGE, 'snap')
        self.settle()
        self.assertComplete()
        self.assertDone()

    def test_a_clone(self):
        self.leave_data(Stage.PUBLISHING, clone=True)
        self.recover()
        self.assertStays(Stage.PUBLISHED)
        self.assertEqual([('images', IMAGE)], self.cluster.tasks)
        self.assertEqual(['volume-id'], self.freed)
        self.cluster.run_tasks()
        self.recover()
        self.assertComplete()
        self.assertIsNone(self.entry())

    def test_glance_refuses_it(self):
        self.glance.blind = True
        self.leave_data(Stage.PUBLISHING)
        self.recover()
        self.assertUndone()

    def test_the_image_is_deleted(self):
        self.glance.delete(IMAGE)
        self.leave_data(Stage.PUBLISHING)
        self.recover()
        self.assertUndone()

    @ddt.data((1, ''), (1, 'ceph'), (unit_base.SIZE, 'web'))
    @ddt.unpack
    def test_the_image_has_other_data(self, size, stores):
        self.glance.take_other_data(IMAGE, size, stores)
        self.leave_data(Stage.PUBLISHING, elsewhere=('web',))
        self.recover()
        self.assertNothingLeft()
        self.assertIn(IMAGE, self.glance.images)
        self.assertDone()

    @ddt.data(
        ('web,ceph', ('web',)),
        ('renamed', ('web',)),
        # An earlier version has not written where it is not.
        ('web', ()),
    )
    @ddt.unpack
    def test_the_image_may_have_its_data(self, stores, elsewhere):
        self.leave_data(Stage.PUBLISHING, elsewhere=elsewhere)
        self.publish()
        self.glance.images[IMAGE]['stores'] = stores
        self.recover()
        self.assertComplete()
        self.assertDone()

    def test_glance_does_not_tell(self):
        self.pool('volumes').snapshot(VOLUME, DRAFT)
        self.leave_data(Stage.PUBLISHING)
        self.glance.fail('get', exc.CommunicationError('refused'))
        self.recover()
        self.assertStays(Stage.PUBLISHING)
        # What Ceph may still do of that must not come late.
        self.assertEqual(1, len(self.entry().clients))
        self.assertSealed()
        self.assertVolumeUsable()
        self.glance.heal()
        self.recover()
        self.assertComplete()
        self.assertDone()

    def test_nobody_may_act_for_the_owner(self):
        """Only the owner sees whether the image has the data."""
        self.pool('volumes').snapshot(VOLUME, DRAFT)
        self.leave_data(Stage.PUBLISHING, trust='')
        self.publish()
        self.recover()
        self.assertSealed()
        self.assertStays(Stage.PUBLISHING)
        self.assertVolumeUsable()
        self.assertIn('only the owner of image', self.logs.output)


class PublishedTestCase(base.RecoverTestCase):
    """The image is active; it may still need the volume's data."""

    def setUp(self):
        super().setUp()
        self.leave_data(Stage.PUBLISHED, clone=True, method='instant')
        self.publish()

    def test_its_flattening_is_lost(self):
        self.recover()
        self.assertStays(Stage.PUBLISHED)
        self.assertEqual([('images', IMAGE)], self.cluster.tasks)

    def test_it_is_being_flattened(self):
        self.cluster.tasks.append(('images', IMAGE))
        self.recover()
        self.recover()
        self.assertStays(Stage.PUBLISHED)
        self.assertEqual([('images', IMAGE)], self.cluster.tasks)

    def test_it_is_flattened(self):
        self.cluster.tasks.append(('images', IMAGE))
        self.cluster.run_tasks()
        self.recover()
        self.assertComplete()
        self.assertDone()

    def test_its_snapshot_is_missing(self):
        """Glance has deleted it by half while it was being flattened."""
        self.cluster.tasks.append(('images', IMAGE))
        self.cluster.run_tasks()
        self.pool('images').drop_snapshot(IMAGE, 'snap')
        self.settle()
        self.assertComplete()
        self.assertDone()

    def test_the_image_is_gone(self):
        self.glance.delete(IMAGE)
        self.assertEqual({}, self.images)
        self.recover()
        self.assertUndone()

    def test_a_foreign_image_has_its_name(self):
        self.glance.delete(IMAGE)
        base.occupy(self)
        self.recover()
        self.assertEqual({}, self.images[IMAGE].snapshots)
        self.assertDone()


@ddt.ddt
class OrdinaryTestCase(base.RecoverTestCase):
    """Cinder's own driver was uploading."""

    @ddt.data('queued', 'saving')
    def test_an_image_without_all_of_its_data(self, status):
        self.glance.images[IMAGE]['status'] = status
        self.leave(Stage.ORDINARY)
        self.recover()
        self.assertUndone()

    @ddt.data((Stage.ORDINARY, 'active'), (Stage.STARTED, 'saving'))
    @ddt.unpack
    def test_an_image_that_is_kept(self, stage, status):
        self.glance.images[IMAGE].update(status=status, size=1)
        self.leave(stage)
        self.recover()
        self.assertIn(IMAGE, self.glance.images)
        self.assertDone()

    def test_nothing_was_made_in_a_pool_before(self):
        """But it may have been, and was undone; its entry names the pool."""
        self.leave(Stage.ORDINARY, pool='images', method='copy')
        self.recover()
        self.assertUndone()
