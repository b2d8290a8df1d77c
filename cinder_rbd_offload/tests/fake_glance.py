# SPDX-License-Identifier: Apache-2.0
"""A Glance in memory, and the clock by which its tasks run.

It answers as Glance 33 with an RBD store does, at the level of the callables
that :class:`cinder_rbd_offload.glance.Glance` takes. A request to
add a location sets the import lock and is answered; the rest follows while
the clock runs::

    + pace    the task opens the location in the cluster; if it cannot, it
              takes off the lock again and fails
    + pace    the image becomes active
    + pace    the task ends and takes off the lock

Nothing but :meth:`Clock.sleep` makes time pass, so a test that wants an
operation of Ceph to take time hooks the sleep into that operation.
"""

import hashlib
import heapq
import itertools
import urllib.parse

from glanceclient import exc

LOCK = 'os_glance_import_task'


class Clock:
    """A monotonic clock that stands still between two sleeps."""

    def __init__(self):
        self.time = 0.0
        self._due = []
        self._number = itertools.count()

    def now(self):
        return self.time

    def after(self, seconds, action):
        """Have something happen when that much time has passed."""
        due = (self.time + seconds, next(self._number), action)
        heapq.heappush(self._due, due)

    def sleep(self, seconds):
        until = self.time + seconds
        while self._due and self._due[0][0] <= until:
            due, _number, action = heapq.heappop(self._due)
            self.time = max(self.time, due)
            action()
        self.time = max(self.time, until)


class Glance:
    """The service, with its images, tasks and stores.

    :ivar pace: seconds that each step of a task takes
    :ivar stuck: no task ever gets on
    :ivar blind: Glance's own Ceph user cannot read the pool
    :ivar reads_through: it can read the pool of the volumes
    :ivar service_role: the caller has the role service
    :ivar usage: what the owner has of the quotas; nothing where none is set
    :ivar down_until: the time at which the service answers again
    :ivar elsewhere: returns the bytes of what a location outside the cluster
        names, or None
    :ivar dropped: is told what such an image had for a location
    """

    def __init__(self, cluster, clock):
        self.images = {}
        self.tasks = {}
        self.stores = [
            {'id': 'web', 'type': 'http', 'properties': {}},
            {
                'id': 'ceph',
                'type': 'rbd',
                'default': 'true',
                'properties': {
                    'pool': 'images',
                    'fsid': cluster.fsid,
                    'chunk_size': 8 << 20,
                },
            },
        ]
        self.pace = 0.1
        self.stuck = False
        self.blind = False
        self.reads_through = True
        self.service_role = True
        self.usage = {}
        self.down_until = 0.0
        self.elsewhere = lambda url: None
        self.dropped = lambda url: None
        self._cluster = cluster
        self._clock = clock
        self._failing = {}

    # What a test does to it.

    def create(self, image_id):
        self.images[image_id] = {
            'id': image_id,
            'status': 'queued',
            'size': None,
            'locations': [],
        }
        self.tasks[image_id] = []

    def delete(self, image_id):
        """Delete an image as its owner, with the data that it has."""
        for url in self.images.pop(image_id)['locations']:
            self.dropped(url)
            images, name, snapshot = self._data(url)
            if name in images:
                images[name].snapshots.pop(snapshot, None)
                if not images[name].snapshots:
                    parent = images.pop(name).parent
                    self._cluster.empty_trash(parent)

    def take_other_data(self, image_id, size, stores='web'):
        """Have an image become active by other means than its location.

        :param stores: where the data is, with commas; '' to show none
        """
        self.images[image_id].update(
            status='active', size=size, locations=['file:///elsewhere']
        )
        self._show_stores(image_id, stores)

    def fail(self, method, error, arrives=None):
        """Answer a request with an error.

        :param arrives: seconds after which the request takes effect all the
            same; None for never
        """
        self._failing[method] = (error, arrives)

    def heal(self):
        """Answer every request as it should be answered."""
        self.blind = False
        self._failing.clear()

    def take(self, image_id, data):
        """Have an image become active with data that was sent to Glance."""
        self.images[image_id].update(
            status='active',
            size=len(data),
            checksum=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            locations=['file:///sent'],
        )

    def owns(self, image_id, url):
        """Tell whether an image is active with the data at a location."""
        image = self.images.get(image_id, {'status': 'deleted'})
        return image['status'] == 'active' and url in image['locations']

    # What the code under test asks of it.

    def call(
        self,
        method,
        *args,
        privileged_user=False,
        controller='images',
        **changes,
    ):
        if self._cluster.dead:
            raise self._cluster.dead
        if self._clock.time < self.down_until:
            raise exc.CommunicationError('Connection refused')
        handle = getattr(self, f'_{method}')
        if method in self._failing:
            error, arrives = self._failing[method]
            if arrives == 0:
                handle(privileged_user, *args)
            elif arrives is not None:
                self._clock.after(
                    arrives, lambda: _unheard(handle, privileged_user, *args)
                )
            raise error
        return handle(privileged_user, *args, **changes)

    def add_location(self, image_id, url, metadata):
        """As GlanceImageService does it."""
        return self.call(
            'add_image_location', image_id, url, metadata, privileged_user=True
        )

    # Its answers.

    def _get(self, _privileged_user, image_id):
        image = dict(self._image(image_id))
        del image['locations']
        return image

    def _delete(self, _privileged_user, image_id):
        if self._image(image_id).get('protected'):
            raise exc.HTTPForbidden('it is protected and cannot be deleted')
        self.delete(image_id)

    def _update(self, _privileged_user, image_id, **changes):
        self._image(image_id).update(changes)

    def _get_usage(self, _privileged_user):
        return self.usage

    def _get_stores_info_detail(self, privileged_user):
        self._require_service_role(privileged_user)
        return {'stores': self.stores}

    def _get_associated_image_tasks(self, _privileged_user, image_id):
        self._image(image_id)
        return {'tasks': self.tasks[image_id]}

    def _add_image_location(
        self, privileged_user, image_id, url, validation_data
    ):
        if validation_data:
            raise exc.HTTPBadRequest('Additional properties are not allowed')
        image = self._image(image_id)
        if image['status'] != 'queued':
            raise exc.HTTPConflict('not allowed in this status')
        self._require_service_role(privileged_user)
        if LOCK in image:
            raise exc.HTTPConflict('Image has active task')
        image[LOCK] = f'task-{len(self.tasks[image_id])}'
        task = {'created_at': f'{self._clock.time:09.3f}', 'message': ''}
        self.tasks[image_id].append(task)
        self._later(self._open, task, image_id, url)
        return self._get(privileged_user, image_id)

    # The steps of its task.

    def _open(self, task, image_id, url):
        image = self.images.get(image_id)
        if image is None:
            return
        size = self.elsewhere(url)
        if size is not None:
            image['locations'].append(url)
            image['size'] = size
            self._show_stores(image_id, self._store_of(url))
            self._later(self._activate, image_id)
            return
        images, name, snapshot = self._data(url)
        found = name in images and snapshot in images[name].snapshots
        clone = found and images[name].parent
        if found and not self.blind and (self.reads_through or not clone):
            image['locations'].append(url)
            image['size'] = images[name].snapshots[snapshot].size
            self._show_stores(image_id, self._store_of(url))
            self._later(self._activate, image_id)
        else:
            task['message'] = 'Task failed due to Internal Error'
            self._unlock(image_id)

    def _activate(self, image_id):
        if image_id in self.images:
            self.images[image_id]['status'] = 'active'
            self._later(self._unlock, image_id)

    def _unlock(self, image_id):
        if image_id in self.images:
            self.images[image_id].pop(LOCK, None)

    def _show_stores(self, image_id, stores):
        if stores:
            self.images[image_id]['stores'] = stores

    def _store_of(self, url):
        """Return the first store that a location may be in."""
        parsed = urllib.parse.urlparse(url)
        pool = parsed.path.split('/')[1]
        kind = 'rbd' if parsed.scheme == 'rbd' else 'swift'
        return next(
            (
                one['id']
                for one in self.stores
                if one['type'] == kind
                and (kind == 'swift' or one['properties'].get('pool') == pool)
            ),
            '',
        )

    def _later(self, step, *args):
        if not self.stuck:
            self._clock.after(self.pace, lambda: step(*args))

    def _image(self, image_id):
        if image_id not in self.images:
            raise exc.HTTPNotFound(f'No image found with ID {image_id}')
        return self.images[image_id]

    def _require_service_role(self, privileged_user):
        if not (privileged_user and self.service_role):
            raise exc.HTTPForbidden('You are not authorized')

    def _data(self, url):
        """Return a location's pool, image and snapshot."""
        parsed = urllib.parse.urlparse(url)
        parts = [urllib.parse.unquote(part) for part in parsed.path.split('/')]
        if parsed.scheme != 'rbd' or parsed.netloc != self._cluster.fsid:
            return {}, None, None
        _root, pool, name, snapshot = parts
        return self._cluster.pools.get(pool, {}), name, snapshot


def _unheard(handle, *args):
    """Handle a request whose sender has hung up."""
    try:
        handle(*args)
    except exc.HTTPException:
        pass
