"""SQLite: one file, one writer, many readers (write-ahead log)."""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import apsw

from mien.errors import Contended, Unavailable
from mien.store.sql.engine import Row

PAGE_SIZE = 8192
CACHE_KIB = 64 * 1024
MAP_BYTES = 64 * 1024**3
BUSY_MILLISECONDS = 5000
LOG_PAGES_CHECKPOINT = 2048
"""A checkpoint is worth its syncs once the log holds this many pages (16 MiB)."""
LOG_PAGES_LIMIT = 16384
"""From here on (128 MiB) the writer waits for the log to be written back and begun anew."""

_TROUBLE = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.CantOpenError,
    apsw.IOError,
    apsw.FullError,
    apsw.ReadOnlyError,
    apsw.ProtocolError,
)


class Sqlite:
    """One connection to a SQLite file, used by one thread at a time.

    `synchronous=FULL`: what is committed is on disk. Automatic checkpoints are off, so that no commit pays for
    one; `tend` makes them, on a connection of its own.
    """

    words: ClassVar = {
        "blob": "BLOB",
        "int": "INTEGER",
        "rowid": "INTEGER",
        "clustered": "WITHOUT ROWID",
        "rewritten": "",
        "whole_rows": "",
    }
    instant = True

    def __init__(self, path: str, *, create: bool = True) -> None:
        created = apsw.SQLITE_OPEN_CREATE if create else 0
        try:
            self._db = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE | created)
            self._db.set_busy_timeout(BUSY_MILLISECONDS)
            self._setup()
        except _TROUBLE as error:
            raise Unavailable(f"The database file cannot be opened: {type(error).__name__}.") from None
        except apsw.NotADBError:
            raise Unavailable("The file given as the store is not a SQLite database.") from None
        self._cursor = self._db.cursor()
        self._path = path

    def _setup(self) -> None:
        for pragma in (
            f"page_size={PAGE_SIZE}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "wal_autocheckpoint=0",
            f"cache_size=-{CACHE_KIB}",
            f"mmap_size={MAP_BYTES}",
            "temp_store=MEMORY",
        ):
            self._db.execute(f"PRAGMA {pragma}").fetchall()

    def value(self, sql: str, *parameters: Any) -> Any:
        """See Engine."""
        try:
            return self._cursor.execute(sql, parameters).get
        except _TROUBLE as error:
            raise _unavailable(error) from None

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See Engine."""
        try:
            return self._db.execute(sql, parameters).fetchall()
        except _TROUBLE as error:
            raise _unavailable(error) from None

    def among(self, sql: str, values: Iterable[Any]) -> list[Row]:
        """See Engine. One statement for all: each of many would begin and end a transaction of its own."""
        given = tuple(values)
        if not given:
            return []
        return self.rows(f"{sql} IN carray(?)", (apsw.carray(array("q", given) if type(given[0]) is int else given),))

    def each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[Row]:
        """See Engine."""
        try:
            return self._db.executemany(sql, parameters).fetchall()
        except _TROUBLE as error:
            raise _unavailable(error) from None

    def change(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See Engine."""
        before = self._db.total_changes()
        self.each(sql, parameters)
        return self._db.total_changes() - before

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[Any]:
        """See Engine."""
        key, places = columns[0], ", ".join("?" * len(columns))
        added = self.each(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
            f" ON CONFLICT ({key}) DO NOTHING RETURNING {key}",
            rows,
        )
        return {value for (value,) in added}

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """See Engine."""
        places = ", ".join("?" * len(columns))
        try:
            self.each(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows)
        except apsw.ConstraintError as error:
            raise Contended(str(error)) from None

    def script(self, sql: str) -> None:
        """See Engine."""
        self.rows(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See Engine."""
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
            self.rows("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def lock(self, name: str, *, shared: bool = False) -> None:
        """See Engine. A file has one writer at a time."""

    def hold(self) -> None:
        """See Engine."""
        self.rows("BEGIN")

    def release(self) -> None:
        """See Engine."""
        self.rows("COMMIT")

    def tables(self) -> set[str]:
        """See Engine."""
        return {name for (name,) in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}

    def warm(self) -> None:
        """See Engine. The first seconds on a cold page cache have a tenth of the throughput."""
        if hasattr(os, "posix_fadvise") and os.path.exists(self._path):
            with open(self._path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def tend(self) -> None:
        """Write the log back in the background of everything else, and begin it anew before it grows too long."""
        try:
            pages = os.stat(f"{self._path}-wal").st_size // PAGE_SIZE
        except FileNotFoundError:
            return
        if pages < LOG_PAGES_CHECKPOINT:
            return
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE if pages < LOG_PAGES_LIMIT else apsw.SQLITE_CHECKPOINT_TRUNCATE
        try:
            self._db.wal_checkpoint(mode=mode)
        except _TROUBLE:
            return  # somebody reads an old state; the next call tries again

    def check(self) -> list[str]:
        """See Engine."""
        return [str(line) for (line,) in self.rows("PRAGMA quick_check(20)") if line != "ok"]

    def close(self) -> None:
        """See Engine."""
        self._db.close()


def _unavailable(error: apsw.Error) -> Unavailable:
    return Unavailable(f"The store cannot answer at the moment: {type(error).__name__}.")
