"""Profiles and the identifiers that find them."""

from collections.abc import Iterable

from mien.core.activity import Activity
from mien.core.fold import SUPPRESSED, Outcome, State
from mien.core.identity import OWN_ID
from mien.core.message import Identifier, identifier_key
from mien.core.profile import Profile
from mien.errors import Contended
from mien.store.base import Head, HeldIdentifier, Look, Recent
from mien.store.sheet import TraitSheet
from mien.store.sql import documents
from mien.store.sql.engine import Engine, Row
from mien.store.sql.sheets import read_sheet, write_traits

COLUMNS = "profile_id, version, space, collection, merged_into, head, traits, identifiers, activity, computed, due_at"
"""The columns of `documents.profile_of`, in their order."""


class ProfileReads:
    """Reading profiles."""

    db: Engine

    def owner(self, space: str, identifier: Identifier) -> int | None:
        """See Store."""
        found: int | None = self.db.value(
            "SELECT profile_id FROM identifiers WHERE key = ?", identifier_key(space, identifier)
        )
        return found if found != SUPPRESSED else None

    def owners(self, space: str, identifiers: Iterable[Identifier]) -> dict[Identifier, int]:
        """See Store."""
        by_key = {identifier_key(space, i): i for i in identifiers}
        rows = self.db.among("SELECT key, profile_id FROM identifiers WHERE key", by_key)
        return {by_key[key]: profile for key, profile in rows if profile != SUPPRESSED}

    def head(self, profile: int) -> Head | None:
        """See Store."""
        row = self.db.value("SELECT profile_id, collection, head FROM profiles WHERE profile_id = ?", profile)
        return None if row is None else _head(row)

    def heads(self, profiles: Iterable[int]) -> dict[int, Head]:
        """See Store."""
        rows = self.db.among("SELECT profile_id, collection, head FROM profiles WHERE profile_id", set(profiles))
        return {row[0]: _head(row) for row in rows}

    def look(self, space: str, identifier: Identifier) -> Look | None:
        """See Store."""
        row = self.db.value(
            "SELECT profile_id, traits, due_at FROM profiles"
            " WHERE profile_id = (SELECT profile_id FROM identifiers WHERE key = ?)",
            identifier_key(space, identifier),
        )
        return None if row is None else _look(*row)

    def looks(self, profiles: Iterable[int]) -> dict[int, Look]:
        """See Store."""
        rows = self.db.among("SELECT profile_id, traits, due_at FROM profiles WHERE profile_id", set(profiles))
        return {row[0]: _look(*row) for row in rows}

    def sheet(self, profile: Profile) -> TraitSheet:
        """See Store."""
        return read_sheet(write_traits(profile.traits, profile.shown, profile.computed.shown_by))

    def identifiers(self, profile: int) -> list[HeldIdentifier]:
        """See Store."""
        document = self.db.value("SELECT identifiers FROM profiles WHERE profile_id = ?", profile)
        held = documents.read_identifiers(document) if document else {}
        rows = [HeldIdentifier(kind, value, how) for (kind, value), how in held.items()]
        return sorted(rows, key=lambda row: (-row.held.at, row.type, row.value))

    def activity(self, profile: int) -> dict[str, Activity]:
        """See Store."""
        document = self.db.value("SELECT activity FROM profiles WHERE profile_id = ?", profile)
        return documents.read_activity(document) if document else {}

    def profile(self, profile: int) -> Profile | None:
        """See Store."""
        rows = self.db.rows(f"SELECT {COLUMNS} FROM profiles WHERE profile_id = ?", (profile,))
        return documents.profile_of(*rows[0]) if rows else None

    def recent(self, space: str, collection: str, *, beyond: Recent | None, offset: int, limit: int) -> list[Recent]:
        """See Store."""
        beyond = beyond or Recent(2**63 - 1, 0)
        rows = self.db.rows(
            "SELECT last_at, profile_id FROM profiles"
            " WHERE space = ? AND collection = ? AND merged_into IS NULL AND (last_at, profile_id) < (?, ?)"
            " ORDER BY last_at DESC, profile_id DESC LIMIT ? OFFSET ?",
            (space, collection, *beyond, limit, offset),
        )
        return [Recent(*row) for row in rows]


class ProfileWrites:
    """Writing profiles, within a transaction."""

    db: Engine

    def load(self, space: str, identifiers: Iterable[Identifier]) -> State:
        """See Unit."""
        by_key = {identifier_key(space, i): i for i in identifiers}
        found = self.db.among("SELECT key, profile_id FROM identifiers WHERE key", by_key)
        owners = {by_key[key]: profile for key, profile in found}
        ids = set(owners.values()) - {SUPPRESSED}
        rows = self.db.among(f"SELECT {COLUMNS} FROM profiles WHERE profile_id", ids)
        profiles = {row[0]: documents.profile_of(*row) for row in rows}
        # The two looks are one state only where the transaction sees one; elsewhere anything may lie between them.
        if profiles.keys() != ids or not all(_is_of(i, profiles[p]) for i, p in owners.items() if p != SUPPRESSED):
            raise Contended
        return State(owners=owners, profiles=profiles)

    def write_profiles(self, space: str, outcome: Outcome) -> None:
        """Write profiles and the owners of identifiers; raise Contended when another writer was there first."""
        ordered = sorted(outcome.profiles, key=lambda p: p.id)  # two transactions that meet wait, and never for ever
        written = self.db.change(
            f"INSERT INTO profiles ({COLUMNS}, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (profile_id) DO NOTHING",
            [_row(profile) for profile in ordered if not profile.version],
        ) + self.db.change(
            "UPDATE profiles SET version = ?, merged_into = ?, head = ?, traits = ?, identifiers = ?, activity = ?,"
            " computed = ?, due_at = ?, last_at = ? WHERE profile_id = ? AND version = ?",
            [_update(profile) for profile in ordered if profile.version],
        )
        claims = sorted((identifier_key(space, i), profile) for i, profile in outcome.claims.items())
        claimed = len(self.db.add("identifiers", ("key", "profile_id"), claims))
        moved = self.db.change(
            "UPDATE identifiers SET profile_id = ? WHERE key = ?",
            sorted(
                ((profile, identifier_key(space, i)) for i, profile in outcome.moves.items()), key=lambda row: row[1]
            ),
        )
        if (written, claimed, moved) != (len(outcome.profiles), len(outcome.claims), len(outcome.moves)):
            raise Contended

    def free(self, profile: Profile, identifiers: Iterable[Identifier]) -> None:
        """See Unit."""
        keys = sorted(identifier_key(profile.space, i) for i in identifiers)
        freed = self.db.change(
            "DELETE FROM identifiers WHERE key = ? AND profile_id = ?", [(key, profile.id) for key in keys]
        )
        if freed != len(keys):
            raise Contended


def _is_of(identifier: Identifier, profile: Profile) -> bool:
    """Say whether an identifier finds a profile, by what the profile says."""
    if profile.merged_into is not None:
        return False
    if identifier.type == OWN_ID:
        return identifier.value in map(str, profile.ids)
    return (identifier.type, identifier.value) in profile.identifiers


def canonical(db: Engine, space: str, collection: str, profile: int) -> int | None:
    """Return the profile that one profile's id names today."""
    key = identifier_key(space, Identifier(collection, OWN_ID, str(profile)))
    found: int | None = db.value("SELECT profile_id FROM identifiers WHERE key = ?", key)
    return found


def _look(profile: int, traits: bytes, due: int | None) -> Look:
    return Look(profile, read_sheet(traits), due)


def _head(row: Row) -> Head:
    profile, collection, document = row
    head = documents.read_head(document)
    return Head(profile, collection, head.first, head.last, head.members, head.notes)


def _row(profile: Profile) -> Row:
    return (
        profile.id,
        profile.version + 1,
        profile.space,
        profile.collection,
        *_state(profile),
    )


def _update(profile: Profile) -> Row:
    return (profile.version + 1, *_state(profile), profile.id, profile.version)


def _state(profile: Profile) -> Row:
    """Return what changes, in the order of the columns."""
    return (
        profile.merged_into,
        documents.write_head(profile),
        write_traits(profile.traits, profile.shown, profile.computed.shown_by),
        documents.write_identifiers(profile.identifiers),
        documents.encode(profile.activity),
        documents.write_computed(profile.computed),
        profile.computed.due if profile.merged_into is None else None,
        profile.last.at,
    )
