"""Who is asking: the spaces, sources and credentials a request is checked against, at most half a second old."""

import binascii
import hmac
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeVar

import structlog
from msgspec import Struct

from mien.core.space import Credential, Source
from mien.errors import CredentialRefused, Unavailable
from mien.logs import Trouble, trace
from mien.services.secrets import digest
from mien.services.spaces import Catalog, read_catalog
from mien.store.base import Store

log = structlog.get_logger("mien.tenants")

MOST_REMEMBERED = 10_000
MAX_AGE = 0.5
"""Seconds. A revoked secret is dead within one second on every node."""


_T = TypeVar("_T")

Open = Callable[[Catalog, bytes | None], _T]
"""Returns what an `Authorization` header opens; raises CredentialRefused when that is nothing."""


class _View(Struct):
    """A catalog, and what the headers seen since it was read opened."""

    catalog: Catalog
    opened: dict[tuple[str, bytes], Any]


class Tenants:
    """The catalog of spaces. A thread reads it again when it has changed, over a store that nobody else uses.

    While the store cannot be reached the last catalog stays.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._view = _View(_read(store), {})
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
            except Exception as error:  # noqa: BLE001 (without its watcher a revoked secret would live on)
                log.warning("spaces cannot be read; the last known stay", error=trace(error))

    def refresh(self) -> None:
        """Read the catalog again if it has changed."""
        if self._store.revision() != self._view.catalog.revision:
            self._view = _View(_read(self._store, self._view.catalog), {})

    def current(self) -> Catalog:
        """Return the catalog."""
        return self._view.catalog

    def source(self, key: str) -> Source | None:
        """Return the source a key belongs to."""
        hashed = digest(key)
        source = self.current().sources.get(hashed)
        return source if source and hmac.compare_digest(source.digest, hashed) else None

    def opened(self, dialect: str, header: bytes | None, opens: Open[_T]) -> _T:
        """Return what an `Authorization` header opens in a dialect, as `opens` finds it in the catalog.

        Headers that opened something are remembered by their hash until something in the catalog changes.
        """
        view = self._view
        seen = (dialect, sha256(header or b"").digest())
        opened: _T | None = view.opened.get(seen)
        if opened is None:
            opened = opens(view.catalog, header)
            if len(view.opened) >= MOST_REMEMBERED:
                view.opened.clear()
            view.opened[seen] = opened
        return opened


def _read(store: Store, before: Catalog | None = None) -> Catalog:
    """Read the catalog, and log what this program does not understand of it, once."""
    catalog = read_catalog(store)
    for record in catalog.unread:
        if before is not None and record in before.unread:
            continue
        log.warning(
            "a definition is not computed: this Mien does not understand its query",
            space=record.space,
            key=record.definition.key,
        )
    return catalog


def credential_of(catalog: Catalog, dialect: str, secrets: Iterable[str]) -> Credential:
    """Return the credential of the first of these secrets that is valid; raise CredentialRefused when none is."""
    for secret in secrets:
        hashed = digest(secret)
        credential: Credential | None = catalog.credentials.get((dialect, hashed))
        if credential is not None and hmac.compare_digest(credential.digest, hashed):
            return credential
    raise CredentialRefused


def basic_user(header: bytes | None) -> str | None:
    """Return the user name in a Basic `Authorization` header, with or without a colon; None for any other."""
    if header is None or header[:6].lower() != b"basic ":
        return None
    try:
        text = binascii.a2b_base64(header[6:], strict_mode=True).decode()
    except ValueError:
        return None
    return text.partition(":")[0] or None


def bearers(header: bytes | None) -> Sequence[str]:
    """Return what a Bearer `Authorization` header may mean: its text, and what the text says in base64."""
    if header is None or header[:7].lower() != b"bearer ":
        return ()
    given = header[7:].strip()
    found = []
    for form in (given, _decoded(given)):
        with suppress(UnicodeDecodeError):
            found.append(form.decode())
    return [text for text in found if text]


def _decoded(given: bytes) -> bytes:
    """Return what base64 of either alphabet, padded or not, says, without the line end that tools add; or nothing."""
    plain = given.rstrip(b"=").translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4), strict_mode=True).strip()
    except ValueError:
        return b""


_URL_SAFE = bytes.maketrans(b"-_", b"+/")
