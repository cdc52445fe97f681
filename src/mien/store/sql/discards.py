"""What was not taken in, and why."""

from collections.abc import Iterable

from mien.core.message import Discard
from mien.store.base import DiscardRow
from mien.store.sql import documents
from mien.store.sql.engine import Engine, Row


class DiscardReads:
    """Reading discards."""

    db: Engine

    def discards(self, space: str | None, *, reason: str | None, limit: int) -> list[DiscardRow]:
        """See Store."""
        rows = self.db.rows(
            "SELECT body, times, last_at FROM discards"
            " WHERE (space = ? OR CAST(? AS TEXT) IS NULL) AND (reason = ? OR CAST(? AS TEXT) IS NULL)"
            " ORDER BY last_at DESC LIMIT ?",
            (space, space, reason, reason, limit),
        )
        return [DiscardRow(documents.read_discard(body), times, last_at) for body, times, last_at in rows]


class DiscardWrites:
    """Writing discards, within a transaction."""

    db: Engine

    def record(self, discards: Iterable[Discard]) -> None:
        """See Unit."""
        self.db.change(
            "INSERT INTO discards (key, space, reason, last_at, body, message_key, times)"
            " VALUES (?, ?, ?, ?, ?, ?, 1)"
            " ON CONFLICT (key) DO UPDATE SET last_at = excluded.last_at, times = discards.times + 1",
            sorted(_row(discard) for discard in discards),
        )

    def purge_discards(self, space: str, *, before: int, limit: int) -> int:
        """See Unit."""
        return self.db.change(
            "DELETE FROM discards WHERE key IN"
            " (SELECT key FROM discards WHERE space = ? AND last_at < ? ORDER BY last_at LIMIT ?)",
            [(space, before, limit)],
        )


def _row(discard: Discard) -> Row:
    return (
        documents.discard_key(discard),
        discard.space,
        discard.reason,
        discard.received_at,
        documents.encode(discard),
        documents.message_key(discard.space, discard.message) if discard.message else None,
    )
