"""Which rows of a table were read already: in a file of its own that is gone afterwards, not in memory."""

import sqlite3
from types import TracebackType
from typing import NamedTuple, Self


class Met(NamedTuple):
    """How often something was met before, and on which line first."""

    times: int
    line: int


class Repeats:
    """Counts what it meets. However many there are, its memory is bounded."""

    def __init__(self) -> None:
        # Without a name, SQLite makes a temporary file, and only once its cache is full.
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE met (key BLOB PRIMARY KEY, line INTEGER, times INTEGER) WITHOUT ROWID")
        self._db.execute("BEGIN")

    def met(self, key: str, line: int) -> Met:
        """Say how often a key was met before this, and note it."""
        [(first, times)] = self._db.execute(
            "INSERT INTO met VALUES (?, ?, 0)"
            " ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING line, times",
            (key, line),
        ).fetchall()
        return Met(times, first)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
