"""Who is asking: the spaces, sources and credentials a request is checked against, at most half a second old."""

import binascii
import hmac
import time

from mien.core.space import Credential, Source, Space
from mien.errors import CredentialRefused
from mien.services.secrets import digest
from mien.services.spaces import Catalog, read_catalog
from mien.store.base import Store

MAX_AGE = 0.5
"""Seconds. A revoked secret is dead within one second on every node."""


class Tenants:
    """The catalog of spaces, read again when it has changed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._catalog = read_catalog(store)
        self._read_at = time.monotonic()

    def current(self) -> Catalog:
        """Return the catalog."""
        now = time.monotonic()
        if now - self._read_at > MAX_AGE:
            if self._store.revision() != self._catalog.revision:
                self._catalog = read_catalog(self._store)
            self._read_at = now
        return self._catalog

    def source(self, key: str) -> Source | None:
        """Return the source a key belongs to."""
        hashed = digest(key)
        source = self.current().sources.get(hashed)
        return source if source and hmac.compare_digest(source.digest, hashed) else None

    def space(self, dialect: str, secret: str) -> Space:
        """Return the space a dialect's secret opens; raise CredentialRefused when it opens none."""
        hashed = digest(secret)
        catalog = self.current()
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
