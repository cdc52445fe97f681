"""Deleting people from every table, and keeping them from coming back."""

from collections.abc import Iterable, Sequence

from mien.core.deletion import Deletion, Erased, Suppression
from mien.core.fold import NOBODY, SUPPRESSED
from mien.core.identity import OWN_ID
from mien.core.message import Identifier, identifier_key
from mien.core.profile import Profile
from mien.errors import Contended
from mien.store.sql import documents
from mien.store.sql.engine import Engine
from mien.store.sql.links import SHARED_WITH_OTHERS
from mien.store.sql.messages import MessageWrites
from mien.store.sql.profiles import COLUMNS


class ErasureReads:
    """Reading what was deleted and what is suppressed."""

    db: Engine

    def deletions(self, space: str, *, limit: int) -> list[Deletion]:
        """See Store."""
        rows = self.db.rows(
            "SELECT body FROM deletions WHERE space = ? ORDER BY at DESC, deletion DESC LIMIT ?", (space, limit)
        )
        return [documents.read_deletion(body) for (body,) in rows]

    def deletion(self, space: str, deletion: str) -> Deletion | None:
        """See Store."""
        body = self.db.value("SELECT body FROM deletions WHERE space = ? AND deletion = ?", space, deletion)
        return None if body is None else documents.read_deletion(body)

    def suppressions(self, space: str, *, beyond: tuple[int, bytes] | None, limit: int) -> list[Suppression]:
        """See Store."""
        rows = self.db.rows(
            "SELECT since, key, collection, type, deletion FROM suppressions"
            " WHERE space = ? AND (since, key) > (?, ?) ORDER BY since, key LIMIT ?",
            (space, *(beyond or (-(2**63), b"")), limit),
        )
        return [Suppression(*row) for row in rows]


class ErasureWrites(MessageWrites):
    """Deleting, within a transaction."""

    db: Engine

    def erase(self, space: str, profiles: Iterable[Profile], *, twins: bool = False) -> Erased:
        """See Unit."""
        self.db.lock(SHARED_WITH_OTHERS)
        erased = Erased()
        for profile in sorted(profiles, key=lambda p: p.id):
            erased = erased.plus(self._erase(space, profile, twins=twins))
        return erased

    def _erase(self, space: str, whole: Profile, *, twins: bool) -> Erased:
        """Delete one profile. Its row goes first, so that whoever changes it meanwhile finds out."""
        gone = self.db.change(
            "DELETE FROM profiles WHERE profile_id = ? AND version = ? AND merged_into IS NULL",
            [(whole.id, whole.version)],
        )
        if gone != 1:
            raise Contended
        members = [(i,) for i in whole.members]
        ids = [(whole.id,), *members]
        identifiers = self.db.change(
            "DELETE FROM identifiers WHERE key = ?", sorted((identifier_key(space, name),) for name in whole.names())
        )
        discards = self._erase_discards_of(space, ids)
        if twins:
            self.delete_messages(sorted(place for (i,) in ids for place in self.twins_of(i)))
        self.db.change(
            "DELETE FROM history WHERE (profile_id, at, kind, other_id) IN"
            " (SELECT other_id, at, kind, profile_id FROM history WHERE profile_id = ?)",
            ids,
        )
        # Their ids stay known until they are old: who was forgotten does not come back with what is sent again.
        self.db.change(
            "INSERT INTO messages (profile_id, shown, timestamp, received_order, key, space, aged_at, event, body)"
            f" SELECT {NOBODY}, 0, 0, received_order, key, space, aged_at, NULL, key FROM messages"
            " WHERE profile_id = ? ON CONFLICT DO NOTHING",
            ids,
        )
        self.db.change(
            "DELETE FROM links WHERE (profile_id, linked_id) IN"
            " (SELECT linked_id, profile_id FROM links WHERE profile_id = ?)",
            ids,
        )
        memberships = self.db.change("DELETE FROM memberships WHERE profile_id = ?", ids)
        changes = self.db.change("DELETE FROM changes WHERE profile_id = ?", ids)
        return Erased(
            profiles=gone + self.db.change("DELETE FROM profiles WHERE profile_id = ?", members),
            identifiers=identifiers,
            messages=self.db.change("DELETE FROM messages WHERE profile_id = ?", ids),
            links=self.db.change("DELETE FROM links WHERE profile_id = ?", ids),
            history=self.db.change("DELETE FROM history WHERE profile_id = ?", ids),
            discards=discards,
            memberships=memberships,
            changes=changes,
        )

    def purge_profiles(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        collections = self.db.rows(
            "SELECT DISTINCT collection FROM profiles WHERE space = ? AND merged_into IS NULL", (space,)
        )
        idle: list[int] = []
        for (collection,) in collections:
            rows = self.db.rows(
                "SELECT profile_id FROM profiles"
                " WHERE space = ? AND collection = ? AND merged_into IS NULL AND last_at < ?"
                " ORDER BY last_at, profile_id LIMIT ?",
                (space, collection, before, limit - len(idle)),
            )
            idle += [profile for (profile,) in rows]
        rows = self.db.among(f"SELECT {COLUMNS} FROM profiles WHERE profile_id", idle)
        found = [whole for whole in (documents.profile_of(*row) for row in rows) if whole.last.at < before]
        self.erase(space, found)
        return len(found)

    def _erase_discards_of(self, space: str, ids: Sequence[tuple[int]]) -> int:
        """Delete the discards of the messages kept with these profiles."""
        return self.db.change(
            "DELETE FROM discards WHERE message_key IN (SELECT key FROM messages WHERE profile_id = ?)", ids
        )

    def twins(self, profile: Profile) -> set[int]:
        """See Unit."""
        then = {row[0] for own in profile.ids for row in self.twins_of(own)}
        found: set[int] = set()
        while then:
            rows = self.db.among("SELECT profile_id, merged_into FROM profiles WHERE profile_id", then)
            found |= {own for own, into in rows if into is None}
            then = {into for _, into in rows if into is not None}
        return found

    def forget_changes(self, profiles: Iterable[int]) -> None:
        """See Unit."""
        self.db.change("DELETE FROM changes WHERE profile_id = ?", [(profile,) for profile in profiles])

    def suppress(self, space: str, identifiers: Iterable[Identifier], *, deletion: str, now: int) -> int:
        """See Unit."""
        named = [(identifier_key(space, i), i) for i in identifiers if i.type != OWN_ID]
        already = self.db.among(
            f"SELECT key FROM identifiers WHERE profile_id = {SUPPRESSED} AND key", [key for key, _ in named]
        )
        added = self.db.change(
            "INSERT INTO identifiers (key, profile_id) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
            [(key, SUPPRESSED) for key, _ in sorted(named)],
        )
        if len(already) + added != len(named):
            raise Contended  # somebody holds one of them
        return self.db.change(
            "INSERT INTO suppressions (key, space, collection, type, since, deletion) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO NOTHING",
            [(key, space, i.collection, i.type, now, deletion) for key, i in sorted(named)],
        )

    def unsuppress(self, space: str, keys: Iterable[bytes]) -> int:
        """See Unit."""
        gone = self.db.each(
            "DELETE FROM suppressions WHERE key = ? AND space = ? RETURNING key", [(key, space) for key in keys]
        )
        self.db.change(f"DELETE FROM identifiers WHERE key = ? AND profile_id = {SUPPRESSED}", gone)
        return len(gone)

    def save_deletion(self, space: str, deletion: Deletion) -> None:
        """See Unit."""
        self.db.change(
            "INSERT INTO deletions (space, deletion, at, body) VALUES (?, ?, ?, ?)",
            [(space, deletion.id, deletion.at, documents.encode(deletion))],
        )
