# SPDX-License-Identifier: Apache-2.0
"""Images that exceed a limit: refused as ever, but before data is moved."""

from typing import Any

from cinder_rbd_offload.tests.functional import base
from lab import client

CAP = 768 * base.MIB
# Limits that Glance asks Keystone for, in MiB or as numbers, and their values.
LIMITS = {
    'image_size_total': 102400,
    'image_stage_total': 102400,
    'image_count_total': 100,
    'image_count_uploading': 100,
}


class LimitsTest(base.FunctionalTestCase):
    """What a user sees is what upstream's driver shows him."""

    def refused(self, volume: Any) -> tuple[str, str]:
        """Upload a volume, which must fail; return what the user is told."""
        before = {one['id'] for one in self.messages(volume)}
        image_id = self.start_upload(volume)
        self.await_volume(volume)
        self.assertIsNone(self.images.find_image(image_id))
        self.assert_nothing_left(volume)
        self.image_id = image_id
        (message,) = (
            one for one in self.messages(volume) if one['id'] not in before
        )
        return message['event_id'], message['user_message']

    def messages(self, volume: Any) -> list[dict[str, Any]]:
        answer = self.storage.get('/messages', microversion='3.3').json()
        return [
            one
            for one in answer['messages']
            if one['resource_uuid'] == volume.id
        ]

    def assert_refused_alike(self, reason: str) -> tuple[str, str]:
        """Check that both drivers fail alike, and ours at once."""
        told = {}
        for kind in ('upstream', 'offload'):
            volume = self.make_filled_volume(kind)
            told[kind] = self.refused(volume)
        self.assertEqual(told['upstream'], told['offload'])
        self.assertIn(reason, self.log_of(self.image_id))
        self.assertNotIn(base.INSIDE, self.log_of(self.image_id))
        self.assertNotIn(base.LEAVES, self.log_of(self.image_id))
        return told['offload']

    def test_limits_of_size(self) -> None:
        self.limit_in_keystone()
        self.configure(
            'cinder-volume', f'offload.rbd_offload_image_size_cap={CAP}'
        )
        self.configure(
            'glance', f'DEFAULT.image_size_cap={CAP}', *self.limit_options()
        )
        cap = self.assert_refused_alike(f'Glance takes up to {CAP}')

        # Without the cap, the project's quota.
        self.configure('cinder-volume')
        self.configure('glance', *self.limit_options())
        volume = self.make_filled_volume()
        self.assert_made_inside(self.upload(volume), volume)
        # Of an upload whose size it is not told, Glance asks only whether the
        # quota is exceeded before; ours is refused where it would be after.
        self.set_limit('image_size_total', 1500)
        quota = self.refused(volume)
        self.assertIn('quota image_size_total', self.log_of(self.image_id))
        self.set_limit('image_size_total', 1000)
        again = self.assert_refused_alike('quota image_size_total')
        self.assertEqual([cap] * 2, [quota, again])

        # With room for it again, but none in the pool.
        self.set_limit('image_size_total', LIMITS['image_size_total'])
        quota_words = ('osd', 'pool', 'set-quota', 'images', 'max_bytes')
        self.addCleanup(self.cluster.ceph, *quota_words, '0')
        self.cluster.ceph(*quota_words, str(base.MIB))
        volume = self.make_volume()
        self.fill(volume, range(0, 64 * base.MIB, 4 * base.MIB), 4 * base.MIB)
        self.assertEqual(quota, self.refused(volume))
        self.assertIn('has room for', self.log_of(self.image_id))

    def limit_in_keystone(self) -> None:
        """Register Glance's limits, and let Glance read them."""
        identity = self.admin.identity
        self.service_id = identity.find_service('glance').id
        self.limits = {}
        for name, value in LIMITS.items():
            self.limits[name] = identity.create_registered_limit(
                service_id=self.service_id,
                region_id=client.REGION,
                resource_name=name,
                default_limit=value,
            )
            self.addCleanup(
                identity.delete_registered_limit, self.limits[name]
            )
        user = identity.find_user('glance').id
        role = identity.find_role('reader').id
        path = f'/system/users/{user}/roles/{role}'
        self.assertEqual(204, identity.put(path).status_code)
        self.addCleanup(identity.delete, path)

    def set_limit(self, name: str, value: int) -> None:
        self.admin.identity.update_registered_limit(
            self.limits[name], default_limit=value
        )

    def limit_options(self) -> list[str]:
        """Return what glance-api.conf needs for it."""
        (endpoint,) = self.admin.identity.endpoints(service_id=self.service_id)
        options = {
            'auth_type': 'password',
            'auth_url': client.auth_url(self.state),
            'username': 'glance',
            'password': self.state.password('glance'),
            'user_domain_id': 'default',
            'system_scope': 'all',
            'endpoint_id': endpoint.id,
        }
        return ['DEFAULT.use_keystone_limits=true'] + [
            f'oslo_limit.{key}={value}' for key, value in options.items()
        ]
