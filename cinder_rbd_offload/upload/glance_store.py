# SPDX-License-Identifier: Apache-2.0
"""A store for Glance: its own Swift store, with uploads that recover.

In glance-api.conf the store's type is ``swift_resumable``; its options are
those of the type swift, and the ones below. What it stores is stored as the
type swift stores it, so each reads and deletes the other's images.

What it adds, for the uploads of any client:

- A request that a fault has broken is made again, also for an image that is
  one object in Swift, and after a token was refused. That takes a buffer,
  which ``swift_buffer_on_upload`` turns on; the reader is
  :class:`BufferedReader`.
- The last segment of an image of a known size has its own length.
- Each object's MD5 in Swift is compared with that of what was read.
- A server that is silent is given up after a time.
- Nothing is left in Swift of an upload that failed; what an earlier one has
  left all the same gets into no other image.
- Services may register what they wrote past Glance, if an option says so.
"""

from collections.abc import Iterator
import contextlib
import functools
import http
from typing import Any

from glance_store._drivers.swift import store as swift
from glance_store._drivers.swift import utils as swift_utils
from glance_store import capabilities
from glance_store.common import utils
from glance_store import driver
from glance_store import exceptions as store_exceptions
from keystoneauth1 import exceptions as ks_exceptions
from oslo_config import cfg
from oslo_log import log as logging
import swiftclient

from cinder_rbd_offload import exceptions
from cinder_rbd_offload.upload import account as account_
from cinder_rbd_offload.upload import digests
from cinder_rbd_offload.upload import keystone_session
from cinder_rbd_offload.upload import reader as reader_
from cinder_rbd_offload.upload import resend
from cinder_rbd_offload.upload import segments
from cinder_rbd_offload.upload import spool as spool_
from cinder_rbd_offload.upload import store_opts
from cinder_rbd_offload.upload import swift_location

LOG = logging.getLogger(__name__)

# It says there why.
swift.ks_session = keystone_session

OPTIONS = [*swift.BaseStore.OPTIONS, *store_opts.resumable_opts]


class StoreLocation(swift_location.LocationMixin, swift.StoreLocation):
    """A location; glance_store looks for it in the module of the store."""


class BufferedReader(reader_.BufferedReader):
    """One segment of an image, with the arguments of glance_store's readers.

    :param fd: the image's data, at the start of the segment
    :param checksum: takes in each byte once, as the next two do
    :param total: the segment's bytes, at most
    :param spool: where to keep them
    :param exact: whether fewer bytes than the total are an error
    """

    def __init__(
        self,
        fd: reader_.Stream,
        checksum: digests.Digest,
        os_hash_value: digests.Digest,
        total: int,
        verifier: digests.Digest | None = None,
        backend_group: str | None = None,
        *,
        spool: spool_.Spool,
        exact: bool = False,
    ) -> None:
        self.checksum = checksum
        self.os_hash_value = os_hash_value
        self.verifier = verifier
        self.backend_group = backend_group
        super().__init__(
            fd,
            size=total if exact else None,
            limit=total,
            spool=spool,
            digests=filter(None, (checksum, os_hash_value, verifier)),
        )


class ResumableStore(swift.BaseStore):
    """What both kinds of Swift stores get."""

    OPTIONS = OPTIONS

    def configure(self, re_raise_bsc: bool = False) -> None:
        """Read the options.

        :raises glance_store.BadStoreConfiguration: when the directory of the
            buffers cannot be used
        """
        super().configure(re_raise_bsc=re_raise_bsc)
        if self.store_conf.swift_buffer_on_upload:
            self.reader_class = BufferedReader

    def init_client(self, location: Any, context: Any = None) -> Any:
        """Return a client of Keystone, for the tokens of uploads."""
        with keystone_session.timeout(self.store_conf.swift_store_timeout):
            return super().init_client(location, context)

    def get_connection(
        self, location: Any, context: Any = None
    ) -> swiftclient.Connection:
        """Return a connection for requests other than uploads."""
        return self._hurried(super().get_connection(location, context))

    def get_store_connection(
        self, auth_token: str, storage_url: str
    ) -> swiftclient.Connection:
        """Return a connection for uploads."""
        return self._hurried(
            super().get_store_connection(auth_token, storage_url)
        )

    def _hurried(
        self, connection: swiftclient.Connection
    ) -> swiftclient.Connection:
        connection.timeout = self.store_conf.swift_store_timeout
        return connection

    @driver.back_compat_add
    @capabilities.check
    def add(
        self,
        image_id: str,
        image_file: reader_.Stream,
        image_size: int,
        hashing_algo: str,
        context: Any = None,
        verifier: Any = None,
    ) -> tuple[str, int, str, str, dict[str, str]]:
        """Store an image, whole or not at all.

        :param image_size: in bytes; 0 if it is not known
        :returns: the location, the size in bytes, the MD5, the hash, and
            metadata
        """
        location = self.create_location(image_id, context=context)
        checksum = utils.get_hasher('md5', False)
        multihash = utils.get_hasher(hashing_algo, False)
        spool = self._spool()
        segmented = self._segmented(image_size, spool)
        # In a store of several tenants a token that can be replaced takes a
        # trust. An image of one object that cannot be sent again has no use
        # for it.
        account = account_.Account(
            functools.partial(
                self.get_manager,
                location,
                context,
                allow_reauth=segmented or spool is not None,
            )
        )
        with _glance_errors(), contextlib.closing(account):
            sender = resend.Sender(account.connect, account.renew)
            self._create_container_if_missing(location.container, sender)
            buffer: dict[str, Any] = {}
            if spool:
                buffer = {'spool': spool, 'exact': image_size > 0}

            def open_reader(length: int, md5: digests.Digest) -> Any:
                return self.reader_class(
                    image_file,
                    md5,
                    multihash,
                    length,
                    verifier,
                    backend_group=self.backend_group,
                    **buffer,
                )

            image = segments.Image(
                sender,
                location.container,
                location.obj,
                image_file,
                open_reader,
            )
            with self._undoing(image, sender, location):
                if segmented:
                    image_size = image.store_segments(
                        image_size or None,
                        self.large_object_chunk_size,
                        checksum,
                    )
                else:
                    image.store_whole(image_size, checksum)
        with_credentials = (
            not swift_utils.is_multiple_swift_store_accounts_enabled(
                self.conf, backend=self.backend_group
            )
        )
        return (
            location.get_uri(credentials_included=with_credentials),
            image_size,
            checksum.hexdigest(),
            multihash.hexdigest(),
            {'store': self.backend_group} if self.backend_group else {},
        )

    def _spool(self) -> spool_.Spool | None:
        """Return the buffer of one upload."""
        if self.reader_class is not BufferedReader:
            return None
        return spool_.Spool(
            self.store_conf.swift_upload_buffer_dir,
            self.store_conf.swift_upload_buffer_budget,
            self.store_conf.swift_upload_buffer_cap,
        )

    def _segmented(self, size: int, spool: spool_.Spool | None) -> bool:
        """Decide whether an image of a size, or of an unknown, has segments.

        What the buffer could not hold in one piece has them as well.
        """
        if not size or size >= self.large_object_size:
            return True
        return (
            spool is not None
            and size > spool.room >= self.large_object_chunk_size
        )

    def _delete_stale_chunks(
        self, connection: resend.Sender, container: str, chunk_list: list[str]
    ) -> bool:
        """Remove objects; glance_store's own tries each for as long.

        :returns: whether all of them are gone
        """
        return connection.delete_objects(container, chunk_list)

    def _delete_own_container(
        self, sender: resend.Sender, container: str
    ) -> None:
        """Remove the container of one image, if that is what it is."""

    @contextlib.contextmanager
    def _undoing(
        self, image: segments.Image, sender: resend.Sender, location: Any
    ) -> Iterator[None]:
        """Remove what is in Swift of an image if its upload fails."""
        try:
            yield
        except BaseException as error:
            names = list(reversed(image.names))
            taken = _status(error) == http.HTTPStatus.CONFLICT
            if taken:
                # What is there by that name is not ours.
                names = names[1:]
            container = location.container
            gone = self._delete_stale_chunks(sender, container, names)
            if gone and not taken:
                self._delete_own_container(sender, container)
            raise


class SingleTenantStore(
    swift_location.StoreMixin, ResumableStore, swift.SingleTenantStore
):
    """All images in one account."""

    OPTIONS = OPTIONS


class MultiTenantStore(ResumableStore, swift.MultiTenantStore):
    """Each image in the account of its owner, in a container of its own."""

    OPTIONS = OPTIONS

    def _delete_own_container(
        self, sender: resend.Sender, container: str
    ) -> None:
        # Where the store makes none, whoever did still needs it.
        if self.store_conf.swift_store_create_container_on_put:
            sender.delete_container(container)


def Store(conf: cfg.ConfigOpts, backend: str | None = None) -> ResumableStore:
    """Return the kind of store that the configuration asks for.

    :param backend: the section of its options; None for ``glance_store``
    :raises glance_store.BadStoreConfiguration: when it does not fit together
    """
    stock = swift.Store(conf, backend)
    if backend:
        _show_as_swift(conf, backend)
    if isinstance(stock, swift.MultiTenantStore):
        return MultiTenantStore(conf, backend=backend)
    return SingleTenantStore(conf, backend=backend)


# glance_store registers them before it makes a store.
Store.OPTIONS = OPTIONS  # type: ignore[attr-defined]


def _show_as_swift(conf: cfg.ConfigOpts, backend: str) -> None:
    """Give a store the type that Glance knows.

    Glance has a list of types, and ``GET /v2/info/stores/detail`` fails as a
    whole where one is not in it.
    """
    backends = dict(conf.enabled_backends)
    if backends.get(backend) == store_opts.TYPE:
        conf.set_override('enabled_backends', {**backends, backend: 'swift'})


@contextlib.contextmanager
def _glance_errors() -> Iterator[None]:
    """Raise what Glance understands."""
    try:
        yield
    except exceptions.SourceEnded as error:
        raise store_exceptions.Invalid(
            message=f'Size mismatch: expected {error.expected} bytes, got '
            f'{error.actual} bytes'
        ) from error
    except exceptions.SourceExceeds as error:
        raise store_exceptions.Invalid(
            message=f'Size exceeds: expected {error.expected} bytes, got '
            f'{error.actual} bytes or more'
        ) from error
    except exceptions.SourceFailed as error:
        # Glance knows what it was that its own data raised.
        raise error.cause from error
    except (
        OSError,
        swiftclient.ClientException,
        ks_exceptions.ClientException,
    ) as error:
        status = _status(error)
        if status == http.HTTPStatus.CONFLICT:
            raise store_exceptions.Duplicate(
                message='Swift already has an image at this location'
            ) from error
        if status == http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise store_exceptions.StorageFull(message=str(error)) from error
        keystone = isinstance(error, ks_exceptions.ClientException)
        reason = f'{error} ({error.__cause__})' if error.__cause__ else error
        raise store_exceptions.BackendException(
            'Failed to add object to Swift.\nGot error from '
            f'{"Keystone" if keystone else "Swift"}: {reason}.'
        ) from error


def _status(error: BaseException) -> int | None:
    """Return the status of Swift's answer; None if it is no such error."""
    if isinstance(error, swiftclient.ClientException):
        return error.http_status
    return None
