# SPDX-License-Identifier: Apache-2.0
"""Who asks Glance: the owner of an image, Cinder, or Cinder for the owner.

All three go by Cinder's own configuration: [service_user], and [glance] where
that is set.
"""

from collections.abc import Callable
from collections.abc import Mapping
import functools
from typing import Any

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as _rbd  # noqa: F401

from cinder import context as cinder_context
from cinder.image import glance as cinder_glance
from cinder import service_auth
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import session as ks_session
from oslo_config import cfg
from oslo_log import log as logging

from cinder_rbd_offload import glance
from cinder_rbd_offload import image_client
from cinder_rbd_offload import keystone

LOG = logging.getLogger(__name__)

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


def as_owner(context: cinder_context.RequestContext) -> glance.Glance:
    """Return Glance as the user who asked for an upload sees it."""
    # Glance names its stores to the role service, which Cinder's own user has
    # in [service_user], or in [glance] where that is set. And it takes
    # locations from that role, for images of whoever goes along.
    own = _of_glance()
    session = image_client.session()
    owner = image_client.Client(context, session)
    service = image_client.Client(
        context, session, own or service_auth.get_service_auth_plugin()
    )
    return glance.Glance(
        as_owner=owner,
        as_service=service,
        add_location=functools.partial(
            service if own else owner, 'add_image_location'
        ),
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
    auth = service_auth.get_auth_plugin(context)
    session = image_client.session(timeout)
    server = image_client.finder(context, auth, session)

    def put(image_id: str, body: Any, headers: Mapping[str, str]) -> Any:
        return session.put(
            f'{server()}/v2/images/{image_id}/file',
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
            context.auth_token,
            context.user_id,
            context.project_id,
            context.roles,
            expires,
        )
    # The upload goes on without.
    except Exception as exc:
        LOG.info(
            'No trust for user %s; a crash of this upload may leave an image '
            'that only its owner can delete: %s',
            context.user_id,
            exc,
        )
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
            auth.get_token(_session())
        # The last of them when the owner has lost the role, or is disabled.
        except (
            ks_exceptions.NotFound,
            ks_exceptions.Unauthorized,
            ks_exceptions.Forbidden,
        ) as exc:
            LOG.info('Trust %s is of no use: %s', trust, exc)
            return None
    if auth is None:
        return None
    ask = image_client.Client(
        cinder_context.get_admin_context(), image_client.session(), auth
    )
    return glance.Glance(
        as_owner=ask,
        as_service=ask,
        add_location=functools.partial(ask, 'add_image_location'),
    )


def _trusts() -> keystone.Trusts | None:
    session = _session()
    if session is None:
        return None
    auth = service_auth.get_service_auth_plugin()
    return keystone.Trusts(session, auth, _own() or auth)


def _session() -> ks_session.Session | None:
    """Return what reaches Keystone; None where Cinder is no user there."""
    if not cfg.CONF.service_user.send_service_user_token:
        return None
    group = service_auth.SERVICE_USER_GROUP
    return loading.load_session_from_conf_options(
        cfg.CONF,
        group,
        timeout=cfg.CONF[group].timeout or image_client.TIMEOUT,
    )


def _own() -> plugin.BaseAuthPlugin | None:
    """Return the user that Cinder is where it asks Glance by itself."""
    return _of_glance() or service_auth.get_service_auth_plugin()


def _of_glance() -> plugin.BaseAuthPlugin | None:
    """Return the user of the section [glance]; None where it names none."""
    if not cfg.CONF[cinder_glance.GLANCE_GROUP].auth_type:
        return None
    return loading.load_auth_from_conf_options(
        cfg.CONF, cinder_glance.GLANCE_GROUP
    )


def _impersonated(trust: str) -> Any:
    return loading.load_auth_from_conf_options(
        cfg.CONF,
        service_auth.SERVICE_USER_GROUP,
        trust_id=trust,
        **_NO_SCOPE,
    )
