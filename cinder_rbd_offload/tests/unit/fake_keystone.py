# SPDX-License-Identifier: Apache-2.0
"""A Keystone at the level of HTTP: tokens by password or trust, and trusts."""

import itertools

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import fixture as ks_fixture
import requests
import requests_mock
from requests_mock.contrib import fixture as rm_fixture

URL = 'https://keystone.test/identity'
JSON = {'Content-Type': 'application/json'}


class Keystone(rm_fixture.Fixture):
    """The service, as a fixture.

    :ivar users: their passwords and roles, by name; the id is the name with
        ``-id`` behind it
    :ivar trusts: what was asked for, by id, with the token that asked
    :ivar scopes: of each token that was asked for, in their order
    :ivar ended: each trust that was deleted, with the token that asked
    :ivar refuses: answers no request for a trust
    :ivar forbids: gives nobody a token by a trust
    :ivar catalog: types and URLs of services
    :ivar cut: the requests, of those that follow, whose connections break
    :ivar late: whether they break when the request has been carried out
    """

    def setUp(self):
        super().setUp()
        self.users = {}
        self.trusts = {}
        self.scopes = []
        self.ended = []
        self.refuses = False
        self.forbids = False
        self.catalog = []
        self.cut = 0
        self.late = False
        self._tokens = map('token-{}'.format, itertools.count(1))
        # The token of each, to tell who asks.
        self.tokens = {}
        self.get(URL, json=ks_fixture.DiscoveryList(URL, v2=False))
        self.get(f'{URL}/v3', json=ks_fixture.V3Discovery(f'{URL}/v3'))
        self.post(f'{URL}/v3/auth/tokens', json=self._token)
        self.post(f'{URL}/v3/OS-TRUST/trusts', json=self._trust, headers=JSON)
        self.get(f'{URL}/v3/OS-TRUST/trusts', json=self._list)

    def down(self):
        """Be out of reach."""
        for method in ('GET', 'POST', 'DELETE'):
            self.register_uri(
                method,
                requests_mock.ANY,
                exc=ks_exceptions.ConnectFailure,
            )

    def _cut(self):
        if self.cut:
            self.cut -= 1
            raise requests.exceptions.ConnectionError('aborted')

    def _token(self, request, context):
        self._cut()
        asked = request.json()['auth']
        scope = asked.get('scope', {})
        self.scopes.append(scope)
        trust = scope.get('OS-TRUST:trust', {}).get('id')
        if trust and trust not in self.trusts:
            context.status_code = 404
            return {'error': {'message': 'no such trust', 'code': 404}}
        if trust and self.forbids:
            context.status_code = 403
            return {'error': {'message': 'no roles', 'code': 403}}
        user = self._user(asked['identity'])
        if user is None:
            context.status_code = 401
            return {'error': {'message': 'not authorized', 'code': 401}}
        _password, roles = self.users[user]
        token = ks_fixture.V3Token(user_id=f'{user}-id', user_name=user)
        token.set_project_scope()
        for role in roles:
            token.add_role(role)
        for kind, url in self.catalog:
            token.add_service(kind).add_standard_endpoints(
                public=url, admin=url
            )
        name = next(self._tokens)
        self.tokens[name] = (user, trust)
        context.headers['X-Subject-Token'] = name
        return token

    def _user(self, identity):
        """Return who asks, by a password or an earlier token."""
        if 'token' in identity:
            return self.tokens.get(identity['token']['id'], (None,))[0]
        user = identity['password']['user']
        password, _roles = self.users.get(user['name'], (None, ()))
        return user['name'] if user['password'] == password else None

    def _trust(self, request, context):
        if self.refuses:
            context.status_code = 403
            return {'error': {'message': 'restricted', 'code': 403}}
        if not self.late:
            self._cut()
        trust = f'trust-{len(self.trusts)}'
        asked = request.json()['trust']
        self.trusts[trust] = (request.headers['X-Auth-Token'], asked)
        self.delete(f'{URL}/v3/OS-TRUST/trusts/{trust}', json=self._end)
        if self.late:
            self._cut()
        context.status_code = 201
        return {'trust': asked | {'id': trust}}

    def _list(self, request, context):
        """List those of the trustee who asks, as Keystone's policy has it."""
        trustee = request.qs['trustee_user_id'][0]
        user, _trust = self.tokens[request.headers['X-Auth-Token']]
        if trustee != f'{user}-id':
            context.status_code = 403
            return {'error': {'message': 'not yours', 'code': 403}}
        return {
            'trusts': [
                asked | {'id': trust}
                for trust, (_token, asked) in self.trusts.items()
                if asked['trustee_user_id'] == trustee
            ]
        }

    def _end(self, request, context):
        trust = request.path.rpartition('/')[2]
        if self.trusts.pop(trust, None) is None:
            context.status_code = 404
            return {'error': {'message': 'no such trust', 'code': 404}}
        self.ended.append((trust, request.headers['X-Auth-Token']))
        context.status_code = 204
        return None
