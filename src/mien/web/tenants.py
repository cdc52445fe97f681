"""Who is asking: the spaces, sources and credentials a request is checked against, at most half a second old."""

import binascii
import hmac
import threading
from hashlib import sha256

import structlog
from msgspec import Struct

from mien.core.space import Credential, Source, Space
from mien.errors import CredentialRefused, MienError, Unavailable
from mien.logs import Trouble
from mien.services.secrets import digest
from mien.services.spaces import Catalog, read_catalog
from mien.store.base import Store

log = structlog.get_logger("mien.tenants")

MOST_REMEMBERED = 10_000
MAX_AGE = 0.5
"""Seconds. A revoked secret is dead within one second on every node."""


class _View(Struct):
    """A catalog, and what the headers seen since it was read opened."""

    catalog: Catalog
    opened: dict[tuple[str, bytes], Space]


class Tenants:
    """The catalog of spaces. A thread reads it again when it has changed, over a store that nobody else uses.

    While the store cannot be reached the last catalog stays.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view = _View(read_catalog(store), {})
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="mien-tenants", daemon=True)

    def start(self) -> None:
        """Begin to look for changes."""
        self._watcher.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        trouble = Trouble(log, "spaces cannot be read; the last known stay")
        while not self._stop.wait(MAX_AGE):
            try:
                self.refresh()
                trouble.over()
            except Unavailable as error:
                trouble.met(error)
            except MienError as error:
                log.warning("spaces cannot be read; the last known stay", reason=str(error))

    def refresh(self) -> None:
        """Read the catalog again if it has changed."""
        if self._store.revision() != self._view.catalog.revision:
            self._view = _View(read_catalog(self._store), {})

    def current(self) -> Catalog:
        """Return the catalog."""
        return self._view.catalog

    def source(self, key: str) -> Source | None:
        """Return the source a key belongs to."""
        hashed = digest(key)
        source = self.current().sources.get(hashed)
        return source if source and hmac.compare_digest(source.digest, hashed) else None

    def space(self, dialect: str, header: bytes | None) -> Space:
        """Return the space that the user of a Basic header opens; raise CredentialRefused when it opens none.

        Headers that opened one are remembered by their hash until a secret is made or revoked.
        """
        view = self._view
        seen = (dialect, sha256(header or b"").digest())
        space = view.opened.get(seen)
        if space is None:
            space = _open(view.catalog, dialect, basic_user(header))
            if len(view.opened) >= MOST_REMEMBERED:
                view.opened.clear()
            view.opened[seen] = space
        return space


def _open(catalog: Catalog, dialect: str, secret: str | None) -> Space:
    if secret is None:
        raise CredentialRefused
    hashed = digest(secret)
    credential: Credential | None = catalog.credentials.get((dialect, hashed))
    if credential is None or not hmac.compare_digest(credential.digest, hashed):
        raise CredentialRefused
    return catalog.spaces[credential.space]


def basic_user(header: bytes | None) -> str | None:
    """Return the user name in a Basic `Authorization` header, with or without a colon; None for any other."""
    if header is None or header[:6].lower() != b"basic ":
        return None
    try:
        text = binascii.a2b_base64(header[6:], strict_mode=True).decode()
    except ValueError:
        return None
    return text.partition(":")[0] or None
