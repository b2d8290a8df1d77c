# SPDX-License-Identifier: Apache-2.0
"""What is asked of Swift.

Requests go through a keystoneauth session and not python-swiftclient, because
that one drops the body of the answer to a PUT, which tells how a large
manifest ended; because it knows nothing of Retry-After; and because it sends
bodies in pieces of 16 KiB.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
import urllib.parse

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import session as ks_session
import requests

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import patience as patience_
from cinder_rbd_offload.upload import swift_faults

# Seconds that a connection may be silent.
TIMEOUT = 60.0

# Before these answers to a PUT Swift has asked no disk.
_UNTOUCHED = (
    requests.codes.unauthorized,
    requests.codes.forbidden,
    requests.codes.not_found,
)

T = TypeVar('T')


class Body(Protocol):
    """What a PUT sends: the same each time that it is iterated over.

    :ivar error: what the reading of it has failed with
    :ivar etag: the MD5 of what was sent last
    :ivar sent: the bytes that have left, in all attempts
    """

    error: BaseException | None
    etag: str
    sent: int

    def __iter__(self) -> Iterator[bytes]: ...


class Client:
    """One container of one account.

    Errors are those of :func:`swift_faults.run` and
    :func:`swift_faults.judge`.

    :param session: has the account's credentials
    :param address: returns the account's URL
    :param container: the container
    :param timeout: seconds that a connection may be silent
    :param patience: how requests are tried again
    :param check: called now and then; raises what is to end a request
    :param written: takes the names of what may have been written
    """

    def __init__(
        self,
        session: ks_session.Session,
        address: Callable[[], str],
        container: str,
        timeout: float,
        patience: patience_.Patience,
        written: set[str],
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._address = address
        self.container = container
        self._patience = patience
        self._check = check
        self._written = written
        self._timeout = timeout

    def put(self, name: str, body: Body) -> None:
        """Write an object, and compare Swift's MD5 of it with ours."""
        doing = f'writing {name}'

        def once() -> None:
            before = body.sent
            try:
                answer = self._write(name, doing, body=body)
                swift_faults.judge(answer, doing)
                found = _unquoted(answer.headers.get('Etag', ''))
                if found != body.etag:
                    raise swift_faults.Fault(
                        f'it left with the MD5 {body.etag} and arrived as '
                        f'{found}'
                    )
            except swift_faults.Fault as fault:
                fault.flowed = body.sent > before
                raise

        self._run(doing, once)

    def put_manifest(self, name: str, manifest: bytes, etag: str) -> None:
        """Write a manifest, and have Swift check it against the objects.

        Swift looks at every object that it lists. The connection is kept
        alive meanwhile, by an answer whose body tells how it ended.

        :param etag: the one that Swift should give it
        """
        doing = f'writing the manifest {name}'

        def once() -> None:
            answer = self._write(
                name,
                doing,
                {'multipart-manifest': 'put', 'heartbeat': 'on'},
                data=manifest,
                headers={'Accept': 'application/json', 'Etag': etag},
            )
            swift_faults.judge_manifest(answer, doing)

        self._run(doing, once)

    def manifest(self, name: str) -> bytes | None:
        """Return a manifest as it was written; None if it is not there."""
        doing = f'reading the manifest {name}'

        def once() -> bytes | None:
            query = {'multipart-manifest': 'get', 'format': 'raw'}
            answer = self._send('GET', name, doing, query)
            if answer.status_code == requests.codes.not_found:
                return None
            swift_faults.judge(answer, doing)
            return answer.content

        return self._run(doing, once)

    def head(self, name: str) -> Mapping[str, str] | None:
        """Return the headers of an object; None if it is not there."""
        doing = f'looking at {name}'

        def once() -> Mapping[str, str] | None:
            answer = self._send('HEAD', name, doing)
            if answer.status_code == requests.codes.not_found:
                return None
            swift_faults.judge(answer, doing)
            return answer.headers

        return self._run(doing, once)

    def delete(self, name: str) -> None:
        """Delete an object; fine if it is not there."""
        doing = f'deleting {name}'

        def once() -> None:
            answer = self._send('DELETE', name, doing)
            if answer.status_code != requests.codes.not_found:
                swift_faults.judge(answer, doing)

        self._run(doing, once)

    def names(self, prefix: str) -> Iterator[str]:
        """List the names that begin so; none without a container."""
        marker = ''
        while page := self._page(prefix, marker):
            for entry in page:
                yield entry['name']
            marker = page[-1]['name']

    def most_entries(self, default: int) -> int:
        """Return how many lines a manifest may have.

        :param default: where Swift does not tell
        :raises SwiftRefused: when Swift takes no manifests
        """
        doing = 'asking for its limits'

        def once() -> Any:
            parts = urllib.parse.urlsplit(self._find(doing))
            answer = self._request(
                'GET', f'{parts.scheme}://{parts.netloc}/info', doing
            )
            if answer.status_code // 100 == 5:
                swift_faults.judge(answer, doing)
            return _json(answer)

        info = self._run(doing, once)
        if not isinstance(info, dict) or 'swift' not in info:
            return default
        if 'slo' not in info:
            raise exceptions.SwiftRefused(
                'an image of segments',
                'its proxy servers do not have the filter slo',
            )
        return int(info['slo'].get('max_manifest_segments', default))

    def _page(self, prefix: str, marker: str) -> list[dict[str, Any]]:
        doing = f'listing {self.container}'

        def once() -> list[dict[str, Any]]:
            query = {'format': 'json', 'prefix': prefix, 'marker': marker}
            answer = self._send('GET', '', doing, query)
            if answer.status_code == requests.codes.not_found:
                return []
            swift_faults.judge(answer, doing)
            page = _json(answer) if answer.content else []
            if not isinstance(page, list):
                raise swift_faults.Fault('its answer is no list')
            return page

        return self._run(doing, once)

    def _run(self, doing: str, once: Callable[[], T]) -> T:
        return swift_faults.run(self._patience, self._check, doing, once)

    def _write(
        self,
        name: str,
        doing: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        **more: Any,
    ) -> requests.Response:
        """Send a PUT of an object, and note whether that may be there."""
        touched = True
        try:
            answer = self._send('PUT', name, doing, query, body, **more)
            touched = answer.status_code not in _UNTOUCHED
        finally:
            # Swift keeps nothing of a body that does not come to its end.
            if touched and not (body and body.error):
                self._written.add(name)
        return answer

    def _send(
        self,
        method: str,
        name: str,
        doing: str,
        query: Mapping[str, str] | None = None,
        body: Body | None = None,
        **more: Any,
    ) -> requests.Response:
        """Send one request about an object, or '' for the container."""
        path = urllib.parse.quote(f'{self.container}/{name}'.rstrip('/'))
        url = f'{self._find(doing).rstrip("/")}/{path}'
        if body is None:
            return self._request(method, url, doing, params=query, **more)
        try:
            return self._request(
                method, url, doing, params=query, data=body, **more
            )
        finally:
            # Whatever it looked like from the outside of the connection.
            if body.error is not None:
                raise body.error

    def _find(self, doing: str) -> str:
        """Return the account's URL."""
        try:
            return self._address()
        except ks_exceptions.ClientException as exc:
            raise swift_faults.translate(exc, doing) from exc

    def _request(
        self, method: str, url: str, doing: str, **more: Any
    ) -> requests.Response:
        """Send one request; only what brings no answer is an error."""
        try:
            answer = self._session.request(
                url,
                method,
                raise_exc=False,
                # A body has to be iterated over anew.
                allow_reauth=False,
                redirect=False,
                connect_retries=0,
                log=False,
                timeout=self._timeout,
                **more,
            )
        except ks_exceptions.ClientException as exc:
            raise swift_faults.translate(exc, doing) from exc
        if answer.status_code == requests.codes.unauthorized:
            self._session.invalidate()
        return answer


def _json(answer: requests.Response) -> Any:
    """Return what an answer says; None where it is not JSON."""
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _unquoted(etag: str) -> str:
    """Return an ETag without the quotes that some proxies put around it."""
    return etag.strip('"')
