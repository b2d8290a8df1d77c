# SPDX-License-Identifier: Apache-2.0
"""What a client of the lab needs."""

import hashlib
import pathlib
from typing import Any

import openstack

from lab import state as lab_state

REGION = 'lab'


def auth_url(state: lab_state.State) -> str:
    """Return Keystone's URL."""
    return f'http://127.0.0.1:{state.port("keystone")}/v3'


def credentials(state: lab_state.State, user: str) -> dict[str, str]:
    """Return a user's credentials, in the terms of clouds.yaml's ``auth``."""
    return {
        'auth_url': auth_url(state),
        'username': user,
        'password': state.password(user),
        'project_name': user,
        'user_domain_id': 'default',
        'project_domain_id': 'default',
    }


def connect(state: lab_state.State, user: str) -> Any:
    """Return an openstack.connection.Connection to the lab's services.

    It is of any type, since its proxies are those of several API versions.

    :param user: ``admin`` or ``tenant``
    """
    return openstack.connect(
        auth=credentials(state, user),
        region_name=REGION,
        load_yaml_config=False,
        load_envvars=False,
    )


def environment(state: lab_state.State, user: str) -> dict[str, str]:
    """Return a user's credentials as the ``openstack`` command reads them."""
    return {
        f'OS_{key.upper()}': value
        for key, value in credentials(state, user).items()
    } | {
        'OS_IDENTITY_API_VERSION': '3',
        'OS_REGION_NAME': REGION,
        'CEPH_CONF': str(state.root / 'ceph' / 'ceph.conf'),
    }


def image_sha512(images: Any, image: Any) -> str:
    """Return the SHA-512 of an image's data, as Glance gives it.

    :param images: the image proxy of a connection
    :param image: the image, or its id
    """
    digest = hashlib.sha512()
    with images.download_image(image, stream=True) as answer:
        for chunk in answer.iter_content(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def python_path() -> dict[str, str]:
    """Return what lets a service's process import the lab."""
    return {'PYTHONPATH': str(pathlib.Path(__file__).parent.parent)}
