# SPDX-License-Identifier: Apache-2.0
"""Asks Glance what Cinder's volume service asks it, with the same users.

And Keystone, whether users can give them trusts.

The options and their meaning are those of Cinder 29 (cinder/image/glance.py
and cinder/service_auth.py).
"""

import re
from typing import Any

import glanceclient
from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from keystoneauth1 import plugin
from keystoneauth1 import service_token
from keystoneauth1 import session as ks_session
from oslo_config import cfg

from cinder_rbd_offload.doctor import image_service
from cinder_rbd_offload import glance
from cinder_rbd_offload import keystone

_SERVICE_GROUP = 'service_user'
_GLANCE_GROUP = 'glance'

# Seconds for a request, where cinder.conf does not say.
_TIMEOUT = 30

_OPTS = [
    cfg.ListOpt('glance_api_servers'),
    cfg.StrOpt('glance_catalog_info', default='image:glance:publicURL'),
    cfg.BoolOpt('glance_api_insecure', default=False),
    cfg.StrOpt('glance_ca_certificates_file'),
    cfg.StrOpt('glance_certfile'),
    cfg.StrOpt('glance_keyfile'),
    cfg.IntOpt('glance_request_timeout'),
]
_SEND = cfg.BoolOpt('send_service_user_token', default=False)
_REGION = cfg.StrOpt('region_name')

# What can go wrong between here and an answer.
_ERRORS = (
    cfg.Error,
    ks_exceptions.ClientException,
    glance_exc.BaseException,
    glance_exc.ClientException,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    # Of glanceclient, where a proxy answers in a form of its own; and of a
    # plugin that is not for Keystone.
    AttributeError,
)


class _User:
    """A user of Cinder's, if cinder.conf has it."""

    def __init__(
        self, conf: cfg.ConfigOpts, session: ks_session.Session, section: str
    ) -> None:
        self.auth: plugin.BaseAuthPlugin | None = None
        self.access: Any = None
        try:
            self.auth = loading.load_auth_from_conf_options(conf, section)
            if self.auth is None:
                raise ValueError('auth_type is not set')
            # Every plugin for Keystone has it; their base class does not.
            self.access = self.auth.get_access(session)  # type: ignore[attr-defined]
            roles = frozenset(self.access.role_names)
            self.seen = image_service.UserSeen(section, roles)
        except _ERRORS as exc:
            self.seen = image_service.UserSeen(section, error=_say(exc))


def look(conf: cfg.ConfigOpts) -> image_service.GlanceSeen:
    """Find out how Glance answers; what fails is in the answer."""
    conf.register_opts(_OPTS)
    session = ks_session.Session(
        verify=not conf.glance_api_insecure
        and (conf.glance_ca_certificates_file or True),
        cert=_certificate(conf),
        timeout=conf.glance_request_timeout or _TIMEOUT,
    )
    service = privileged = None
    loading.register_auth_conf_options(conf, _SERVICE_GROUP)
    loading.register_session_conf_options(conf, _SERVICE_GROUP)
    conf.register_opt(_SEND, group=_SERVICE_GROUP)
    if conf[_SERVICE_GROUP].send_service_user_token:
        service = _User(conf, session, _SERVICE_GROUP)
    loading.register_auth_conf_options(conf, _GLANCE_GROUP)
    if conf[_GLANCE_GROUP].auth_type:
        privileged = _User(conf, session, _GLANCE_GROUP)

    seen: dict[str, Any] = {
        'service': service and service.seen,
        'privileged': privileged and privileged.seen,
    }
    user = privileged or service
    if user and service and user.access and service.access:
        seen['trusts_error'] = _no_trusts(conf, service, user)
    try:
        urls = _urls(conf, user)
    except _ERRORS as exc:
        return image_service.GlanceSeen(
            **seen,
            servers_error=_say(exc),
            stores_error='no server of it was found',
        )
    servers = {url: _server(session, url) for url in urls}
    alive = [url for url, server in servers.items() if not server.error]
    auth = _auth(user, service)
    if not alive:
        seen['stores_error'] = 'it does not answer'
    elif auth is None:
        seen['stores_error'] = 'there is no token to ask it with'
    else:
        seen |= _answers(
            glanceclient.Client('2', alive[0], session=session, auth=auth)
        )
    return image_service.GlanceSeen(**seen, servers=tuple(servers.values()))


def _no_trusts(conf: cfg.ConfigOpts, service: _User, user: _User) -> str:
    """Ask for the trusts that Cinder has; say why there can be none.

    Keystone is reached as recovery reaches it, by the certificates and the
    time limit of the service user, and not by those that are for Glance.

    :returns: '' where there can be some, or none is needed
    """
    try:
        session = loading.load_session_from_conf_options(
            conf,
            _SERVICE_GROUP,
            timeout=conf[_SERVICE_GROUP].timeout or _TIMEOUT,
        )
        trusts = keystone.Trusts(session, service.auth, user.auth)
        if trusts.needed():
            trusts.find('')
    except _ERRORS as exc:
        return _say(exc)
    return ''


def _auth(user: _User | None, service: _User | None) -> Any:
    """Combine the users as Cinder does; None where one is not usable."""
    if user is None or user.auth is None:
        return None
    if service is None:
        return user.auth
    if service.auth is None:
        return None
    return service_token.ServiceTokenAuthWrapper(
        user_auth=user.auth, service_auth=service.auth
    )


def _urls(conf: cfg.ConfigOpts, user: _User | None) -> list[str]:
    """Return the URLs of Glance's servers."""
    if conf.glance_api_servers is not None:
        return [
            url if '//' in url else f'http://{url}'
            for url in conf.glance_api_servers
        ]
    if user is None or user.access is None:
        raise ValueError(
            'glance_api_servers is not set, and there is no token to read '
            "Keystone's catalog with"
        )
    conf.register_opt(_REGION, group=_GLANCE_GROUP)
    kind, _name, interface = conf.glance_catalog_info.split(':')
    return [
        user.access.service_catalog.url_for(
            service_type=kind,
            interface=interface,
            region_name=conf[_GLANCE_GROUP].region_name,
        )
    ]


def _server(session: ks_session.Session, url: str) -> image_service.ServerSeen:
    shown = _clean(url)
    try:
        answer = session.get(
            _base(url) + '/versions', authenticated=False
        ).json()
        versions = tuple(str(one['id']) for one in answer['versions'])
    except _ERRORS as exc:
        return image_service.ServerSeen(shown, error=_say(exc))
    return image_service.ServerSeen(shown, versions)


def _base(url: str) -> str:
    return url.rstrip('/').removesuffix('/v2')


def _answers(client: Any) -> dict[str, Any]:
    """Ask for the stores and the limits; what fails is in the answer."""
    found: dict[str, Any] = {}
    try:
        stores = client.images.get_stores_info_detail()['stores']
        found['stores'] = tuple(map(glance.Store.from_answer, stores))
    except _ERRORS as exc:
        found['stores_error'] = _say(exc)
    try:
        found['limits'] = frozenset(client.info.get_usage())
    except _ERRORS as exc:
        found['limits_error'] = _say(exc)
    return found


def _certificate(conf: cfg.ConfigOpts) -> Any:
    if conf.glance_certfile and conf.glance_keyfile:
        return (conf.glance_certfile, conf.glance_keyfile)
    return conf.glance_certfile


def _say(error: Exception) -> str:
    return _clean(f'{type(error).__name__}: {error}')


def _clean(text: str) -> str:
    """Leave out names and passwords from URLs."""
    return re.sub(r'//[^/@\s]*@', '//', text)
