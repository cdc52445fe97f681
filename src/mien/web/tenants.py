"""Who is asking: the spaces, sources and credentials a request is checked against, at most half a second old."""

import binascii
import hmac
import time
from hashlib import sha256

from mien.core.space import Credential, Source, Space
from mien.errors import CredentialRefused
from mien.services.secrets import digest
from mien.services.spaces import Catalog, read_catalog
from mien.store.base import Store

MOST_REMEMBERED = 10_000
MAX_AGE = 0.5
"""Seconds. A revoked secret is dead within one second on every node."""


class Tenants:
    """The catalog of spaces, read again when it has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._catalog = read_catalog(store)
        self._read_at = time.monotonic()
        self._opened: dict[tuple[str, bytes], Space] = {}

    def current(self) -> Catalog:
        """Return the catalog."""
        now = time.monotonic()
        if now - self._read_at > MAX_AGE:
            if self._store.revision() != self._catalog.revision:
                self._catalog = read_catalog(self._store)
                self._opened.clear()
            self._read_at = now
        return self._catalog

    def source(self, key: str) -> Source | None:
        """Return the source a key belongs to."""
        hashed = digest(key)
        source = self.current().sources.get(hashed)
        return source if source and hmac.compare_digest(source.digest, hashed) else None

    def space(self, dialect: str, header: bytes | None) -> Space:
        """Return the space that the user of a Basic header opens; raise CredentialRefused when it opens none.

        Headers that opened one are remembered by their hash until a secret is made or revoked.
        """
        catalog = self.current()
        seen = (dialect, sha256(header or b"").digest())
        space = self._opened.get(seen)
        if space is None:
            space = self._open(catalog, dialect, basic_user(header))
            if len(self._opened) >= MOST_REMEMBERED:
                self._opened.clear()
            self._opened[seen] = space
        return space

    def _open(self, catalog: Catalog, dialect: str, secret: str | None) -> Space:
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
