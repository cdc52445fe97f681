"""How profiles became what they are: merges, with what undoes them, and what undid them."""

from collections.abc import Iterable

from mien.core.fold import Absorption, Entry
from mien.core.profile import Profile
from mien.core.story import Merge, Unmerge
from mien.core.unmerge import Family
from mien.errors import CannotUnmerge, Contended, NotMerged
from mien.store.base import Account, Head
from mien.store.sql import documents
from mien.store.sql.engine import Engine, Row
from mien.store.sql.links import SHARED_WITH_OTHERS, LinkWrites
from mien.store.sql.messages import MessageWrites
from mien.store.sql.profiles import COLUMNS, ProfileWrites

MERGE, UNMERGE = "merge", "unmerge"
_INSERT = (
    "INSERT INTO history (profile_id, at, kind, other_id, body, before_then) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (profile_id, at, kind, other_id) DO UPDATE SET body = excluded.body,"
    " before_then = excluded.before_then"
)


class HistoryReads:
    """Reading history."""

    db: Engine

    def history(self, head: Head) -> list[Account]:
        """See Store."""
        rows = self.db.among("SELECT at, kind, body FROM history WHERE profile_id", [head.id, *head.members])
        return [_account(kind, body) for _, kind, body in sorted(rows)]


class HistoryWrites(ProfileWrites, MessageWrites, LinkWrites):
    """Writing history, within a transaction."""

    def write_absorptions(self, absorptions: Iterable[Absorption]) -> None:
        """Keep the accounts of merges, each with the survivor as it was before."""
        self.db.change(
            _INSERT,
            [
                (m.survivor, m.at, MERGE, m.absorbed, documents.encode(m), documents.write_profile(before))
                for m, before in absorptions
            ],
        )

    def family(self, space: str, absorbed: int) -> Family:
        """See Unit."""
        self.db.lock(SHARED_WITH_OTHERS)
        one = self._profile(absorbed)
        if one is None or one.space != space or one.merged_into is None:
            raise NotMerged
        before, merges, since, today = [one], [], [], one
        entries: list[Entry] = []
        while today.merged_into is not None:
            survivor = self._profile(today.merged_into)
            if survivor is None:
                raise Contended
            merge, then = self._before(survivor, today.id)
            before.append(then)
            merges.append(merge)
            since += [account for _, account in self._merges_since(then)]
            entries += self.entries_since(space, survivor.id, merge.serial)
            today = survivor
        return Family(
            today=today,
            merge=merges[0],
            since=[merge for merge in since if merge != merges[0]],
            before=before,
            joined=self._joined_since(today, before),
            entries=self._linked_with_those_there(entries),
        )

    def _linked_with_those_there(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return messages without their links to those who were forgotten."""
        linked = {entry.linked[0] for entry in entries if entry.linked is not None}
        there = {profile for (profile,) in self.db.among("SELECT profile_id FROM profiles WHERE profile_id", linked)}
        return [
            entry if entry.linked is None or entry.linked[0] in there else entry._replace(linked=None)
            for entry in entries
        ]

    def _profile(self, profile: int) -> Profile | None:
        rows = self.db.rows(f"SELECT {COLUMNS} FROM profiles WHERE profile_id = ?", (profile,))
        return documents.profile_of(*rows[0]) if rows else None

    def _before(self, survivor: Profile, absorbed: int) -> tuple[Merge, Profile]:
        """Return the account of a merge, and the survivor as it was before."""
        rows = self.db.rows(
            "SELECT body, before_then FROM history WHERE profile_id = ? AND kind = ? AND other_id = ?",
            (survivor.id, MERGE, absorbed),
        )
        if not rows:
            raise CannotUnmerge
        [(body, before)] = rows
        return documents.read_merge(body), documents.read_profile(
            survivor.id, survivor.version, survivor.space, before
        )

    def _joined_since(self, today: Profile, before: Iterable[Profile]) -> list[Profile]:
        """Return the profiles that became part of today's later, each as it was when it did."""
        accounted = {i for p in before for i in (p.id, *p.members)}
        rows = self.db.among(f"SELECT {COLUMNS} FROM profiles WHERE profile_id", set(today.members) - accounted)
        later = [documents.profile_of(*row) for row in rows]
        within = {i for p in later for i in p.members}
        return sorted((p for p in later if p.id not in within), key=lambda p: p.id)

    def unpick(self, family: Family) -> None:
        """Delete what telling again writes anew: messages, links and merges since the merge."""
        self.remove_messages(family.entries)
        for then in (*family.before, *family.joined):
            self.remove_links_since(then.id, then.era + 1)
            self._remove_merges_since(then)

    def _remove_merges_since(self, then: Profile) -> None:
        """Forget the merges a profile survived after it was so."""
        self.db.change(
            "DELETE FROM history WHERE profile_id = ? AND at = ? AND kind = ? AND other_id = ?",
            [place for place, _ in self._merges_since(then)],
        )

    def _merges_since(self, then: Profile) -> list[tuple[Row, Merge]]:
        """Return the merges a profile survived after it was so, and where their accounts are kept."""
        rows = self.db.rows(
            "SELECT profile_id, at, kind, other_id, body FROM history WHERE profile_id = ? AND kind = ?",
            (then.id, MERGE),
        )
        merges = [(row[:4], documents.read_merge(row[4])) for row in rows]
        return [(place, merge) for place, merge in merges if merge.serial >= then.serial]

    def write_unmerge(self, unmerge: Unmerge) -> None:
        """Keep the account of how a merge was undone, with both profiles."""
        one, other = unmerge.came
        self.db.change(
            _INSERT,
            [(p, unmerge.at, UNMERGE, q, documents.encode(unmerge), None) for p, q in ((one, other), (other, one))],
        )


def _account(kind: str, body: bytes) -> Account:
    return documents.read_merge(body) if kind == MERGE else documents.read_unmerge(body)
