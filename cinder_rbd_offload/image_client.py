# SPDX-License-Identifier: Apache-2.0
"""Glance's client, with an end to each request.

Cinder's own waits for an answer as long as it takes, unless
``glance_request_timeout`` is set. But an upload has deadlines of its own, and
recovery has other uploads to look after. And Cinder's finds Glance in the
service catalog of a user's request, which recovery has none of.
"""

from collections.abc import Callable
from collections.abc import Mapping
import contextlib
from typing import Any

# Before the rest: cinder.image.glance cannot be the first module of Cinder's.
from cinder.volume.drivers import rbd as _rbd  # noqa: F401

from cinder import context as cinder_context
from cinder.image import glance as cinder_glance
from cinder import service_auth
import glanceclient
from glanceclient.common import utils as glanceclient_utils
from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1.loading import session as ks_loading
from keystoneauth1 import plugin
from keystoneauth1 import session as ks_session
from oslo_config import cfg
import tenacity

# Seconds that Glance and Keystone may be silent, where no option says it.
TIMEOUT = 60

# Seconds between two attempts.
_PAUSE = 1

# What Cinder's own client tries again.
_PASSING = (
    glance_exc.CommunicationError,
    glance_exc.InvalidEndpoint,
    glance_exc.ServiceUnavailable,
)


class Client:
    """Makes requests to Glance; see :class:`cinder_rbd_offload.glance.Call`.

    :param context: of the user's request, or of an administrator
    :param session: how to reach Glance and Keystone; see :func:`session`
    :param auth: who makes them, where that is not the context's user; Cinder's
        service token goes along in any case
    """

    def __init__(
        self,
        context: cinder_context.RequestContext,
        session: ks_session.Session,
        auth: plugin.BaseAuthPlugin | None = None,
    ) -> None:
        self._request_id = context.global_id
        self._auth = service_auth.get_auth_plugin(context, auth=auth)
        self._session = session
        self._server = finder(context, self._auth, self._session)
        # Each asks for the schema of an image once.
        self._clients: dict[str, Any] = {}

    def __call__(
        self,
        method: str,
        *args: Any,
        controller: str = 'images',
        **changes: Any,
    ) -> Any:
        """Make a request, again where Glance cannot be reached.

        :raises glanceclient.exc.ClientException: Glance's answer, or that
            there is none
        :raises keystoneauth1.exceptions.ClientException: when Keystone gives
            no token, or knows no Glance
        """
        attempts = 1 + cfg.CONF.glance_num_retries
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_PASSING),
            wait=tenacity.wait_fixed(_PAUSE),
            # Refused connections are tried again, but not long silences.
            stop=tenacity.stop_after_attempt(attempts)
            | tenacity.stop_after_delay(TIMEOUT),
            reraise=True,
        )(self._once, method, args, controller, changes)

    def _once(
        self,
        method: str,
        args: tuple[Any, ...],
        controller: str,
        changes: Mapping[str, Any],
    ) -> Any:
        url = self._server()
        if url not in self._clients:
            self._clients[url] = glanceclient.Client(
                '2',
                url,
                auth=self._auth,
                session=self._session,
                global_request_id=self._request_id,
            )
        ask = getattr(getattr(self._clients[url], controller), method)
        return ask(*args, **changes)


def session(timeout: float | None = None) -> ks_session.Session:
    """Return a session as Cinder's options for Glance want it.

    :param timeout: seconds without any sign from the other end, where that is
        not for those options to say
    """
    config = cfg.CONF
    return ks_loading.Session().load_from_options(
        insecure=config.glance_api_insecure,
        cacert=config.glance_ca_certificates_file,
        cert=config.glance_certfile,
        key=config.glance_keyfile,
        timeout=timeout or config.glance_request_timeout or TIMEOUT,
        split_loggers=config.split_loggers,
    )


def finder(
    context: cinder_context.RequestContext,
    auth: plugin.BaseAuthPlugin,
    session: ks_session.Session,
) -> Callable[[], str]:
    """Return what tells the URL of a server of Glance's, of each in turn.

    Without ``glance_api_servers`` they are in the service catalog: that of the
    user's request, or where there is no such request, of a new token. It
    raises keystoneauth1.exceptions.EndpointNotFound when there is none.
    """
    known = iter(cinder_glance.get_api_servers(context))

    def find() -> str:
        for netloc, use_ssl in known:
            return _base(f'{"https" if use_ssl else "http"}://{netloc}')
        return _base(_in_catalog(auth, session))

    return find


def _in_catalog(
    auth: plugin.BaseAuthPlugin, session: ks_session.Session
) -> str:
    """Return where Glance is by the catalog that comes with a new token."""
    info = cfg.CONF.glance_catalog_info
    kind, _name, interface = info.split(':')
    group = cfg.CONF[cinder_glance.GLANCE_GROUP]
    # Cinder before 28 has no such option.
    region = group.region_name if 'region_name' in group else None
    url = None
    with contextlib.suppress(ks_exceptions.CatalogException):
        url = auth.get_endpoint(
            session,
            service_type=kind,
            interface=interface,
            region_name=region,
        )
    if url is None:
        raise ks_exceptions.EndpointNotFound(
            f"Keystone's catalog has no endpoint {info} in region "
            f'{region or "of any name"}; set glance_api_servers, or '
            f'glance_catalog_info and [glance] region_name'
        )
    return url


def _base(url: str) -> str:
    """Return a URL without the version that it may end with."""
    base, _version = glanceclient_utils.strip_version(url)
    return str(base).rstrip('/')
