"""Everything one database holds, moved to another in pages, and the two compared.

A page and the record of it are committed together, so that a copy which ended anywhere, however it ended, goes on
where it was. The record is a table in the target that is there only while the copy is unfinished; meanwhile the
target is opened by nobody else.
"""

from collections.abc import Generator, Iterator
from hashlib import blake2b
from string import Template
from typing import NamedTuple

from msgspec import msgpack

from mien.errors import Contended, CopyDiffers, CopyRefused
from mien.store.sql.documents import encode
from mien.store.sql.engine import Engine, Row
from mien.store.sql.migrate import migrate, number_of, schema_of, steps
from mien.store.sql.tables import PROGRESS, TABLES, Table

FIRST_ROWS = 100
MOST_ROWS = 2000
PAGE_BYTES = 4 << 20
"""A page is of so many rows as had about this size on the page before, and of no more than `MOST_ROWS`."""
TEND_BYTES = 16 << 20
"""After so much was written the target does its upkeep."""

_RECORD = f"""CREATE TABLE {PROGRESS} (
    store $int NOT NULL,
    name TEXT NOT NULL,
    last_key $blob,
    moved $int NOT NULL
)"""


class Moved(NamedTuple):
    """So many rows of a table were moved, or read again and compared."""

    table: str
    rows: int


class _Tally(NamedTuple):
    """What stands in a table, whatever its order: how many rows, and the sum of their hashes."""

    rows: int
    digest: int


class _Place(NamedTuple):
    """How far a copy is: the table, the last key moved (None before its first row), and how many rows in all."""

    table: str
    after: Row | None
    moved: int


class Transfer:
    """A copy of one database to another: begun when it is made, or taken up where it was interrupted.

    The source is never changed. Raise CopyRefused when it holds no store, when one of the two has another schema
    than this program, or when the target holds anything that an unfinished copy of the same store did not write.
    """

    def __init__(self, source: Engine, target: Engine) -> None:
        self._source, self._target = source, target
        store = _store_in(source)
        _prepare(target)
        with target.transaction():
            target.lock("schema")
            if PROGRESS not in target.tables():
                _begin(target, store)
            self._place = _resume(target, store)
        self._untended = 0

    @property
    def moved(self) -> int:
        """How many rows are in the target."""
        return self._place.moved

    def rows(self) -> int:
        """Return how many rows there are in the source."""
        return sum(self._source.value(f"SELECT COUNT(*) FROM {table.name}") for table in TABLES)

    def move(self) -> Iterator[Moved]:
        """Move what is not in the target yet; what was yielded is durable there.

        Raise CopyRefused when somebody else writes to the target meanwhile.
        """
        first = [table.name for table in TABLES].index(self._place.table)
        for table in TABLES[first:]:
            after = self._place.after if table.name == self._place.table else None
            for rows in _pages(self._source, table, after):
                self._write(table, rows)
                yield Moved(table.name, len(rows))

    def _write(self, table: Table, rows: list[Row]) -> None:
        keys = [_key(table, row) for row in rows]
        place = _Place(table.name, keys[-1], self._place.moved + len(rows))
        try:
            with self._target.transaction():
                _note(self._target, self._place, place)
                if table.seeded:
                    same = " AND ".join(f"{column} = ?" for column in table.key)
                    self._target.change(f"DELETE FROM {table.name} WHERE {same}", keys)
                self._target.load(table.name, table.columns, rows)
        except Contended:
            raise CopyRefused(
                f"Somebody else writes to the target (table {table.name}). Stop them, empty it, and copy again."
            ) from None
        self._place = place
        self._tend(rows)

    def _tend(self, rows: list[Row]) -> None:
        self._untended += _weight(rows)
        if self._untended > TEND_BYTES:
            self._target.tend()
            self._untended = 0

    def compare(self) -> Iterator[Moved]:
        """Read everything again on both sides. Raise CopyDiffers, naming the tables, unless it is the same."""
        differences = []
        for table in TABLES:
            ours = yield from _tally(self._source, table)
            theirs = yield from _tally(self._target, table)
            if ours != theirs:
                differences.append(_difference(table, ours, theirs))
        if differences:
            raise CopyDiffers(
                f"The copy differs in {'; '.join(differences)}. Something was written to one of the two meanwhile:"
                " stop every Mien that uses them, empty the target, and copy again."
            )

    def finish(self) -> None:
        """Let the target be opened by everybody."""
        self._target.script(f"DROP TABLE IF EXISTS {PROGRESS}")


def _store_in(source: Engine) -> int:
    """Return the number of the store that is to be copied."""
    schema, known = schema_of(source)[0], steps()[-1].number
    if not schema:
        raise CopyRefused("There is no store to be copied: the database is empty.")
    if PROGRESS in source.tables():
        raise CopyRefused("The store to be copied holds a part of another one: finish that copy first.")
    if schema > known:
        raise CopyRefused(f"The store to be copied has schema {schema}, this Mien knows {known}: use a newer Mien.")
    number = number_of(source)
    if schema < known or number is None:
        raise CopyRefused("The store to be copied is not up to date: run `mien migrate` on it first.")
    return number


def _prepare(target: Engine) -> None:
    """Bring the schema of an empty target up to date; one that has a part of a copy stays under its own."""
    there = target.tables()
    if PROGRESS not in there:
        for table in TABLES:
            if table.name in there and not table.seeded and target.rows(f"SELECT 1 FROM {table.name} LIMIT 1"):
                raise CopyRefused(f"The target is not empty: there are {table.name} in it. Nothing was changed.")
        migrate(target)
    schema, known = schema_of(target)[0], steps()[-1].number
    if schema != known:
        raise CopyRefused(f"The target has schema {schema}, this Mien knows {known}: empty the target first.")


def _begin(target: Engine, store: int) -> None:
    """Note that a copy begins."""
    target.script(Template(_RECORD).substitute(target.words))
    target.load(PROGRESS, ("store", "name", "last_key", "moved"), [(store, TABLES[0].name, None, 0)])


def _resume(target: Engine, store: int) -> _Place:
    """Return how far the copy in the target is."""
    whose, name, last_key, moved = target.value(f"SELECT store, name, last_key, moved FROM {PROGRESS}")
    if whose != store:
        raise CopyRefused("The target holds an unfinished copy of another store. Finish that one, or empty it.")
    return _Place(name, None if last_key is None else tuple(msgpack.decode(last_key)), moved)


def _note(target: Engine, before: _Place, place: _Place) -> None:
    """Note how far the copy is, unless another process went on with it meanwhile."""
    changed = target.change(
        f"UPDATE {PROGRESS} SET name = ?, last_key = ?, moved = ? WHERE moved = ?",
        [(place.table, encode(place.after), place.moved, before.moved)],
    )
    if not changed:
        raise CopyRefused("Another `mien copy` into the target is under way.")


def _pages(db: Engine, table: Table, after: Row | None = None) -> Iterator[list[Row]]:
    """Walk a table in the order of its key, from beyond one of them."""
    size = FIRST_ROWS
    while rows := _page(db, table, after, size):
        yield rows
        after = _key(table, rows[-1])
        size = min(MOST_ROWS, max(1, len(rows) * PAGE_BYTES // max(1, _weight(rows))))


def _page(db: Engine, table: Table, after: Row | None, size: int) -> list[Row]:
    key = ", ".join(table.key)
    beyond = f" WHERE ({key}) > ({', '.join('?' * len(table.key))})" if after is not None else ""
    return db.rows(
        f"SELECT {', '.join(table.columns)} FROM {table.name}{beyond} ORDER BY {key} LIMIT ?", (*(after or ()), size)
    )


def _key(table: Table, row: Row) -> Row:
    return row[: len(table.key)]


def _weight(rows: list[Row]) -> int:
    """Return about how many bytes rows have."""
    return sum(len(value) if isinstance(value, bytes | str) else 8 for row in rows for value in row)


def _tally(db: Engine, table: Table) -> Generator[Moved, None, _Tally]:
    """Read a whole table; return what stands in it."""
    count, total = 0, 0
    for rows in _pages(db, table):
        count += len(rows)
        total += sum([int.from_bytes(blake2b(encode(row), digest_size=16).digest()) for row in rows])
        yield Moved(table.name, len(rows))
    return _Tally(count, total % 2**128)


def _difference(table: Table, ours: _Tally, theirs: _Tally) -> str:
    if ours.rows == theirs.rows:
        return f"{table.name} ({ours.rows:,} rows on both sides, not the same)"
    return f"{table.name} ({ours.rows:,} rows in the source, {theirs.rows:,} in the target)"
