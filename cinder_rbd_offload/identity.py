# SPDX-License-Identifier: Apache-2.0
"""Who asks Glance: the owner of an image, Cinder, or Cinder for the owner.

All three go by Cinder's own configuration: [service_user], and [glance] where
that is set.
"""

from collections.abc import Callable
from collections.abc import Mapping
import copy
import functools
from typing import Any

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as _rbd  # noqa: F401

from cinder import context as cinder_context
from cinder.image import glance as cinder_glance
from cinder import service_auth
from glanceclient.common import utils as glanceclient_utils
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1.loading import session as ks_session
from keystoneauth1 import plugin
from oslo_config import cfg
from oslo_log import log as logging

from cinder_rbd_offload import glance
from cinder_rbd_offload import keystone

LOG = logging.getLogger(__name__)

_GLANCE = 'glance'

# A scope that a trust brings along, so none may be given beside it.
_NO_SCOPE = dict.fromkeys(
    (
        'project_id',
        'project_name',
        'project_domain_id',
        'project_domain_name',
        'domain_id',
        'domain_name',
        'system_scope',
    )
)


def as_owner(
    context: cinder_context.RequestContext,
    image_service: cinder_glance.GlanceImageService,
) -> glance.Glance:
    """Return Glance as the user who asked for an upload sees it."""
    client = cinder_glance.GlanceClientWrapper()
    # Glance names its stores to the role service, which Cinder's own user
    # has in [service_user], or in [glance] where that is set.
    own = copy.copy(context)
    own.user_auth_plugin = (
        service_auth.get_service_auth_plugin() or context.user_auth_plugin
    )
    return glance.Glance(
        as_owner=functools.partial(client.call, context),
        as_service=functools.partial(client.call, own, privileged_user=True),
        add_location=functools.partial(image_service.add_location, context),
    )


def data_sender(
    context: cinder_context.RequestContext, timeout: float
) -> Callable[..., Any]:
    """Return what sends an image's data to Glance as the image's owner.

    Not by Cinder's own client: that sends, after a fault, what is left of the
    data as if it were all, and tells no header of an answer.

    :param timeout: seconds without any sign from Glance
    :returns: see :class:`cinder_rbd_offload.upload.sink.Put`
    """
    config = cfg.CONF
    session = ks_session.Session().load_from_options(
        insecure=config.glance_api_insecure,
        cacert=config.glance_ca_certificates_file,
        cert=config.glance_certfile,
        key=config.glance_keyfile,
        timeout=timeout,
    )
    auth = service_auth.get_auth_plugin(context)
    servers = cinder_glance.get_api_servers(context)

    def put(image_id: str, body: Any, headers: Mapping[str, str]) -> Any:
        netloc, use_ssl = next(servers)
        endpoint = f'{"https" if use_ssl else "http"}://{netloc}'
        base, _version = glanceclient_utils.strip_version(endpoint)
        return session.put(
            f'{base.rstrip("/")}/v2/images/{image_id}/file',
            auth=auth,
            headers={'Content-Type': 'application/octet-stream', **headers},
            data=body,
            raise_exc=False,
            log=False,
        )

    return put


def delegate(context: cinder_context.RequestContext, expires: str) -> str:
    """Have a user let Cinder clean up after an upload; return the trust.

    :param expires: when it ends by itself
    :returns: '' where Cinder needs none, or gets none
    """
    try:
        trusts = _trusts()
        if trusts is None or not trusts.needed():
            return ''
        return trusts.create(
            *(context.auth_token, context.user_id),
            *(context.project_id, context.roles, expires),
        )
    # Then a crash may leave an image that only its owner can delete.
    except Exception as exc:
        LOG.info('User %s delegates nothing: %s', context.user_id, exc)
        return ''


def release(trust: str) -> None:
    """End the delegation that an upload had; it ends by itself one day.

    :param trust: '' for none
    """
    if not trust:
        return
    try:
        trusts = _trusts()
        if trusts is not None:
            trusts.delete(trust, _impersonated(trust))
    # The upload is over, well or not; this must not change how it ended.
    except Exception as exc:
        LOG.info('Trust %s is not ended yet: %s', trust, exc)


def find(expires: str) -> str:
    """Return the trust that a host got, but did not live to write down.

    :raises keystoneauth1.exceptions.ClientException: when Keystone cannot be
        asked
    """
    trusts = _trusts()
    if trusts is None or not trusts.needed():
        return ''
    return trusts.find(expires)


def act_for(trust: str) -> glance.Glance | None:
    """Return Glance as the owner of an image sees it.

    :param trust: the owner's delegation; '' for none
    :returns: None where Cinder may not act for the owner
    :raises keystoneauth1.exceptions.ClientException: when Keystone cannot be
        asked
    """
    trusts = _trusts()
    if trusts is None:
        return None
    auth = None
    if not trusts.needed():
        auth = _own()
    elif trust:
        auth = _impersonated(trust)
        try:
            auth.get_token(service_auth.get_service_session())
        except (ks_exceptions.NotFound, ks_exceptions.Unauthorized) as exc:
            LOG.info('Trust %s is of no use: %s', trust, exc)
            return None
    if auth is None:
        return None
    context = cinder_context.get_admin_context()
    context.user_auth_plugin = auth
    call = functools.partial(cinder_glance.GlanceClientWrapper().call, context)
    return glance.Glance(
        as_owner=call,
        as_service=call,
        add_location=functools.partial(call, 'add_image_location'),
    )


def _trusts() -> keystone.Trusts | None:
    session = service_auth.get_service_session()
    if session is None:
        return None
    auth = service_auth.get_service_auth_plugin()
    return keystone.Trusts(session, auth, _own() or auth)


def _own() -> plugin.BaseAuthPlugin | None:
    """Return the user that Cinder is where it asks Glance by itself."""
    if cfg.CONF[_GLANCE].auth_type:
        return loading.load_auth_from_conf_options(cfg.CONF, _GLANCE)
    return service_auth.get_service_auth_plugin()


def _impersonated(trust: str) -> Any:
    return loading.load_auth_from_conf_options(
        cfg.CONF,
        service_auth.SERVICE_USER_GROUP,
        trust_id=trust,
        **_NO_SCOPE,
    )
