"""What was not taken in, and why."""

from collections.abc import Iterable

from mien.core.message import Discard
from mien.store.base import DiscardRow
from mien.store.sql import documents
from mien.store.sql.engine import Engine


class DiscardReads:
    """Reading discards."""

    db: Engine

    def discards(self, space: str | None, *, reason: str | None, limit: int) -> list[DiscardRow]:
        """See Store."""
        where, parameters = ("", []) if space is None else (" WHERE space = ?", [space])
        found: list[DiscardRow] = []
        for last_at, count, body in self.db.rows(
            f"SELECT last_at, count, body FROM discards{where} ORDER BY last_at DESC", parameters
        ):
            discard = documents.read_discard(body)
            if reason in {None, discard.reason}:
                found.append(DiscardRow(discard, count, last_at))
                if len(found) == limit:
                    break
        return found


class DiscardWrites:
    """Writing discards, within a transaction."""

    db: Engine

    def record(self, discards: Iterable[Discard]) -> None:
        """See Unit."""
        self.db.change(
            "INSERT INTO discards (key, space, last_at, count, body) VALUES (?, ?, ?, 1, ?)"
            " ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, count = discards.count + 1",
            [(documents.discard_key(d), d.space, d.received_at, documents.encode(d)) for d in discards],
        )

    def purge_discards(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        return self.db.change(
            "DELETE FROM discards WHERE key IN"
            " (SELECT key FROM discards WHERE space = ? AND last_at < ? ORDER BY last_at LIMIT ?)",
            [(space, before, limit)],
        )
