"""Spaces, their sources and their credentials."""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import astuple

from mien.core.space import Credential, Source, SourceKind
from mien.store.base import SpaceRecord, Tenancy
from mien.store.sql.engine import Engine


class TenancyReads:
    """Reading spaces."""

    db: Engine

    def revision(self) -> int:
        """See Store."""
        revision: int = self.db.value("SELECT value FROM meta WHERE name = 'revision'")
        return revision

    def tenancy(self) -> Tenancy:
        """See Store."""
        # The revision is read first: a change in between is then seen as one more revision, never missed.
        revision = self.revision()
        spaces = self.db.rows("SELECT slug, document FROM spaces ORDER BY slug")
        sources = self.db.rows(
            "SELECT space, name, source_id, kind, digest, created_at, revoked_at FROM sources ORDER BY space, name"
        )
        credentials = self.db.rows(
            "SELECT space, dialect, name, digest, created_at, revoked_at FROM credentials"
            " ORDER BY space, dialect, name"
        )
        return Tenancy(
            revision=revision,
            spaces=[SpaceRecord(*row) for row in spaces],
            sources=[_source(*row) for row in sources],
            credentials=[_credential(*row) for row in credentials],
            dead=frozenset(digest for (digest,) in self.db.rows("SELECT digest FROM dead_secrets")),
            number=self.db.value("SELECT value FROM meta WHERE name = 'store'"),
        )


class TenancyWrites:
    """Writing spaces, within a transaction."""

    db: Engine

    def bury(self, digests: Iterable[bytes]) -> None:
        """See Unit."""
        self.db.change(
            "INSERT INTO dead_secrets (digest) VALUES (?) ON CONFLICT (digest) DO NOTHING",
            [(digest,) for digest in digests],
        )

    def save_space(self, record: SpaceRecord) -> None:
        """See Unit."""
        self._save(
            "INSERT INTO spaces (slug, document) VALUES (?, ?)"
            " ON CONFLICT (slug) DO UPDATE SET document = excluded.document",
            tuple(record),
        )

    def save_source(self, source: Source) -> None:
        """See Unit."""
        self._save(
            "INSERT INTO sources (space, name, source_id, kind, digest, created_at, revoked_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (space, name) DO UPDATE SET source_id = excluded.source_id, kind = excluded.kind,"
            " digest = excluded.digest, created_at = excluded.created_at, revoked_at = excluded.revoked_at",
            astuple(source),
        )

    def save_credential(self, credential: Credential) -> None:
        """See Unit."""
        self._save(
            "INSERT INTO credentials (space, dialect, name, digest, created_at, revoked_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (space, dialect, name) DO UPDATE SET digest = excluded.digest,"
            " created_at = excluded.created_at, revoked_at = excluded.revoked_at",
            astuple(credential),
        )

    def _save(self, sql: str, row: tuple[Any, ...]) -> None:
        self.db.change(sql, [row])
        self.db.change("UPDATE meta SET value = value + 1 WHERE name = 'revision'", [()])


def _source(
    space: str, name: str, source_id: str, kind: str, digest: bytes, created_at: int, revoked_at: int | None
) -> Source:
    return Source(
        space=space,
        name=name,
        id=source_id,
        kind=SourceKind(kind),
        digest=digest,
        created_at=created_at,
        revoked_at=revoked_at,
    )


def _credential(
    space: str, dialect: str, name: str, digest: bytes, created_at: int, revoked_at: int | None
) -> Credential:
    return Credential(
        space=space,
        dialect=dialect,
        name=name,
        digest=digest,
        created_at=created_at,
        revoked_at=revoked_at,
    )
