"""PostgreSQL 14 and newer: one database, any number of nodes."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from math import ceil
from typing import Any, ClassVar, TypeVar

import psycopg
from psycopg import Connection, RawCursor, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper

from mien.errors import ConnectionLost, Contended, SettingsRefused, Unavailable
from mien.store.sql.engine import Limits, Row
from mien.store.sql.pool import ListeningConnection, Pool

_T = TypeVar("_T")

OLDEST = 14
GRACE_SECONDS = 1.0
"""How much longer than its time-outs we wait for a word of the server's."""
TRANSACTION_STATEMENTS = 3
"""A whole transaction may last as long as so many of its longest statements."""

REWRITTEN = "WITH (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.05)"
"""For tables whose rows are written again and again: a quarter of each page, which is the longest row that is kept as
it is, stays free for the next version of one; tidied before much gathers. docs/decisions has what was measured."""
WHOLE_ROWS = (
    "ALTER TABLE profiles ALTER head SET STORAGE MAIN, ALTER traits SET STORAGE MAIN,"
    " ALTER identifiers SET STORAGE MAIN, ALTER activity SET STORAGE MAIN;"
)
"""Longer rows are compressed, and only what then does not fit into a page leaves them."""

_CONTENDED = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
_STATES = (errors.ReadOnlySqlTransaction, errors.IdleInTransactionSessionTimeout, errors.TransactionTimeout)
"""A server that became a standby, and transactions that took too long."""
_TROUBLE = (psycopg.OperationalError, psycopg.InterfaceError, *_STATES)


class _Here(threading.local):
    """What one thread holds."""

    connection: Connection[Row] | None = None
    steady: ExitStack


class Postgres:
    """A database reached through a pool of connections; safe to use from several threads.

    Statements are written as for SQLite: each `?` becomes `$1`, `$2`, …. What is read outside a transaction over a
    lost connection is read again over a new one; a transaction is not repeated here.
    """

    words: ClassVar = {
        "blob": "BYTEA",
        "int": "BIGINT",
        "rowid": "BIGINT",
        "clustered": "",
        "rewritten": REWRITTEN,
        "whole_rows": WHOLE_ROWS,
    }
    instant = False

    def __init__(self, url: str, limits: Limits) -> None:
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise SettingsRefused("The store's address is not one that PostgreSQL understands.") from None
        self._url = url
        self._limits = limits
        self._here = _Here()
        self._pool = Pool(self._connect, size=limits.connections, wait=limits.wait)
        self._check_version()

    def _check_version(self) -> None:
        try:
            with self._pool.lend() as connection:
                version = connection.info.server_version // 10_000
        except Unavailable as error:
            raise Unavailable(f"The database cannot be reached: {error.detail or error}") from None
        if version < OLDEST:
            self.close()
            raise SettingsRefused(f"This is PostgreSQL {version}; Mien needs {OLDEST} or newer.")

    def _connect(self) -> Connection[Row]:
        """Connect: numbers and lists in their binary form, and no statement that never ends."""
        connection = ListeningConnection.connect(
            self._url,
            autocommit=True,
            cursor_factory=RawCursor,
            prepare_threshold=1,
            connect_timeout=max(round(self._limits.wait), 2),  # the least the driver knows
            # A network that forgot an idle connection is found out within half a minute; the server looks as well.
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
        if self._limits.statement:
            connection.patience = self._limits.statement + GRACE_SECONDS
        connection.adapters.register_dumper(int, Int8BinaryDumper)
        connection.adapters.register_dumper(list, ListBinaryDumper)
        try:
            connection.execute(self._time_outs(connection.info.server_version))
        except BaseException:
            connection.close()
            raise
        return connection

    def _time_outs(self, version: int) -> bytes:
        """Return the statements that make the server let go of what a node holds that hangs or is gone."""
        statement = ceil(self._limits.statement * 1000)
        settings = {
            "statement_timeout": statement,
            "lock_timeout": ceil(self._limits.lock * 1000),
            "idle_in_transaction_session_timeout": statement,
            "tcp_keepalives_idle": 10,
            "tcp_keepalives_interval": 5,
            "tcp_keepalives_count": 3,
        }
        if version >= 170_000:
            # The driver ends what it sends in one go with a Flush, and with it the server's watch over idling.
            settings["transaction_timeout"] = TRANSACTION_STATEMENTS * statement
        return "; ".join(f"SET {name} = {value}" for name, value in settings.items()).encode()

    @contextmanager
    def _pooled(self) -> Iterator[Connection[Row]]:
        """Lend a connection, and hold it for all that this thread does meanwhile."""
        with self._pool.lend() as connection:
            self._here.connection = connection
            try:
                with _explained(connection):
                    yield connection
            finally:
                self._here.connection = None

    def _ask(self, work: Callable[[Connection[Row]], _T]) -> _T:
        """Do a piece of work that only reads, or is part of a transaction."""
        connection: Connection[Row] | None = self._here.connection
        if connection is not None:
            with _explained(connection):
                return work(connection)
        try:
            with self._pooled() as connection:
                return work(connection)
        except ConnectionLost:
            with self._pooled() as connection:
                return work(connection)

    def value(self, sql: str, *parameters: Any) -> Any:
        """See Engine."""
        row = self._ask(lambda c: c.cursor(binary=True).execute(_numbered(sql), parameters).fetchone())
        return row[0] if row is not None and len(row) == 1 else row

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """See Engine."""
        return self._ask(lambda c: c.cursor(binary=True).execute(_numbered(sql), parameters).fetchall())

    def among(self, sql: str, values: Iterable[Any]) -> list[Row]:
        """See Engine."""
        given = list(values)
        return self.rows(f"{sql} = ANY(?)", (given,)) if given else []

    def each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[Row]:
        """See Engine. All are sent before the first answer is awaited."""
        given = list(parameters)
        return self._ask(lambda c: list(_each(c, sql, given))) if given else []

    def change(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """See Engine."""
        given = list(parameters)
        return self._ask(lambda c: _change(c, sql, given)) if given else 0

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[Any]:
        """See Engine. All go in one statement, a list for each column."""
        if not rows:
            return set()
        key, places = columns[0], ", ".join("?" * len(columns))
        added = self.rows(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM unnest({places})"
            f" ON CONFLICT ({key}) DO NOTHING RETURNING {key}",
            [list(column) for column in zip(*rows, strict=True)],
        )
        return {value for (value,) in added}

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """See Engine."""
        self._ask(lambda c: _load(c, f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)", rows))

    def script(self, sql: str) -> None:
        """See Engine."""
        self._ask(lambda c: c.execute(sql.encode()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See Engine. What a transaction reads may change meanwhile; what it writes is guarded by versions."""
        with self._pooled() as connection, connection.transaction():
            yield

    def lock(self, name: str, *, shared: bool = False) -> None:
        """See Engine. What is locked is a number of the database's, in which schemas are told apart."""
        way = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        self.rows(f"SELECT {way}(hashtextextended(current_schema() || '/mien/' || ?, 0))", (name,))

    def hold(self) -> None:
        """See Engine."""
        with ExitStack() as stack:
            connection = stack.enter_context(self._pooled())
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            stack.callback(_end, connection)
            self._here.steady = stack.pop_all()

    def release(self) -> None:
        """See Engine."""
        self._here.steady.close()

    def tables(self) -> set[str]:
        """See Engine."""
        return {name for (name,) in self.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")}

    def warm(self) -> None:
        """See Engine. PostgreSQL keeps what is read; nothing is to be done."""

    def tend(self) -> None:
        """See Engine. Autovacuum does the upkeep."""

    def check(self) -> list[str]:
        """See Engine."""
        invalid = self.rows(
            "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace"
        )
        return [f"The index {name} is not valid: REINDEX it." for (name,) in invalid]

    def close(self) -> None:
        """See Engine."""
        self._pool.close()


@contextmanager
def _explained(connection: Connection[Row]) -> Iterator[None]:
    """Say in our words what went wrong."""
    try:
        yield
    except _CONTENDED as error:
        raise Contended(type(error).__name__) from None
    except _TROUBLE as error:
        if _ends_it(error):
            connection.close()
        kind = ConnectionLost if connection.closed else Unavailable
        raise kind(f"The database cannot answer at the moment: {type(error).__name__}.") from None


def _ends_it(error: psycopg.Error) -> bool:
    """Say whether a connection is of no use after an error, though the driver may not know yet."""
    return error.diag.severity_nonlocalized in {"FATAL", "PANIC"} or isinstance(error, errors.ReadOnlySqlTransaction)


def _each(connection: Connection[Row], sql: str, parameters: list[Sequence[Any]]) -> list[Row]:
    cursor = connection.cursor(binary=True)
    cursor.executemany(_numbered(sql), parameters, returning=True)
    return [row for result in cursor.results() for row in result]


def _change(connection: Connection[Row], sql: str, parameters: list[Sequence[Any]]) -> int:
    cursor = connection.cursor()
    cursor.executemany(_numbered(sql), parameters)
    return cursor.rowcount


def _load(connection: Connection[Row], sql: str, rows: Sequence[Row]) -> None:
    try:
        with connection.cursor().copy(sql.encode()) as sink:
            for row in rows:
                sink.write_row(row)
    except errors.UniqueViolation as error:
        raise Contended(type(error).__name__) from None


def _end(connection: Connection[Row]) -> None:
    if not connection.closed:
        connection.execute("COMMIT")


@lru_cache(512)
def _numbered(sql: str) -> bytes:
    """Return a statement with `$1`, `$2`, … for each `?`."""
    first, *rest = sql.split("?")
    return (first + "".join(f"${n}{part}" for n, part in enumerate(rest, 1))).encode()
