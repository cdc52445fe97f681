"""Links between profiles. A row keeps the ids the profiles had then; reading finds who they are today."""

import heapq
from collections.abc import Iterable, Iterator

from mien.core.fold import Link
from mien.core.message import ACCOUNTS, USERS
from mien.store.base import Head, LinkRow
from mien.store.sql import documents
from mien.store.sql.engine import Engine
from mien.store.sql.profiles import canonical

SHARED_WITH_OTHERS = "shared with others"
"""Locked by whoever erases or un-merges: both change what others have, too, and leave the versions of those alone."""
_PAGE = 100


class LinkReads:
    """Reading links."""

    db: Engine

    def links(self, space: str, head: Head, *, beyond: tuple[int, int] | None, limit: int) -> list[LinkRow]:
        """See Store."""
        ours = (head.id, *head.members)
        other = USERS if head.collection == ACCOUNTS else ACCOUNTS
        found: list[LinkRow] = []
        for since, linked in heapq.merge(*(self._rows_of(profile, beyond) for profile in ours)):
            today = canonical(self.db, space, other, linked)
            if found and found[-1][:2] == (since, linked):
                continue  # both of two profiles that became one had this link, since the same moment
            if today is not None and self._oldest(ours, today) == (since, linked):
                found.append(LinkRow(since, linked, today))
                if len(found) == limit:
                    break
        return found

    def _rows_of(self, profile: int, beyond: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
        """Walk the links of one id in order, a page at a time."""
        position = beyond or (-(2**63), 0)
        while True:
            rows = self.db.rows(
                "SELECT since, linked_id FROM links WHERE profile_id = ? AND (since, linked_id) > (?, ?)"
                " ORDER BY since, linked_id LIMIT ?",
                (profile, *position, _PAGE),
            )
            for since, linked in rows:
                position = (since, linked)
                yield position
            if len(rows) < _PAGE:
                return

    def _oldest(self, ours: Iterable[int], today: int) -> tuple[int, int] | None:
        """Return the oldest link between us and a profile, under any id either had."""
        document = self.db.value("SELECT head FROM profiles WHERE profile_id = ?", today)
        if document is None:
            return None
        theirs = (today, *documents.read_head(document).members)
        rows = self.db.each(
            "SELECT since, linked_id FROM links WHERE profile_id = ? AND linked_id = ?",
            [(one, other) for one in ours for other in theirs],
        )
        return min((since, linked) for since, linked in rows) if rows else None


class LinkWrites:
    """Writing links, within a transaction."""

    db: Engine

    def write_links(self, links: Iterable[Link]) -> None:
        """Note links; of the same one only the oldest is kept."""
        self.db.change(
            "INSERT INTO links (profile_id, own_era, linked_id, linked_era, since) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (profile_id, linked_id, own_era, linked_era) DO UPDATE SET since = excluded.since"
            " WHERE excluded.since < links.since",
            sorted(links),
        )

    def remove_links_since(self, profile: int, era: int) -> None:
        """Forget links that a profile had from an era on, from both sides."""
        rows = self.db.rows(
            "SELECT linked_id, profile_id, linked_era, own_era FROM links WHERE profile_id = ? AND own_era >= ?",
            (profile, era),
        )
        self.db.change(
            "DELETE FROM links WHERE profile_id = ? AND linked_id = ? AND own_era = ? AND linked_era = ?",
            sorted([*rows, *((own, other, own_era, era_of) for other, own, era_of, own_era in rows)]),
        )
