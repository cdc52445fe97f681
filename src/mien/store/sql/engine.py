"""The named things on which databases differ."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from msgspec import Struct

Row = tuple[Any, ...]


class Limits(Struct, frozen=True, kw_only=True):
    """How many connections to a server there may be, and how many seconds to wait for what; 0 is for ever.

    `wait`: for a connection. `statement`: for an answer, or between two statements of a transaction. `lock`: for what
    another transaction holds. An embedded database has no use for them.
    """

    connections: int = 8
    wait: float = 3.0
    statement: float = 10.0
    lock: float = 3.0


class Engine(Protocol):
    """A database. Statements outside a transaction stand alone.

    Whoever opens a transaction, or holds a state, does everything until its end on the same thread.
    """

    @property
    def words(self) -> Mapping[str, str]:
        """What stands for `$blob`, `$int`, `$rowid`, `$clustered`, `$rewritten` and `$whole_rows` in a migration."""

    @property
    def instant(self) -> bool:
        """Whether a read is so short that the event loop can wait for it."""

    def value(self, sql: str, *parameters: Any) -> Any:
        """Return the one value, or the one row as a tuple, that a query has; None when it has no row."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""

    def among(self, sql: str, values: Iterable[Any]) -> list[Row]:
        """Return all rows of a query that ends in a column which is to have one of the values."""

    def each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[Row]:
        """Return all rows of a statement that is run for each of the parameters."""

    def change(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run a statement for each of the parameters; return how many rows changed."""

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> set[Any]:
        """Add the rows that are not there yet, by their first column; return what those have in it."""

    def load(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Add rows to a table as fast as this database can. Raise Contended when one of the same key is there."""

    def script(self, sql: str) -> None:
        """Run several statements."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open a write transaction: committed durably when its block ends, rolled back when it raises."""

    def lock(self, name: str, *, shared: bool = False) -> None:
        """Wait for others who locked the same name, and keep them waiting until this transaction ends.

        Those that share it do not wait for each other.
        """

    def hold(self) -> None:
        """Let all reads until `release` see one state. It saves the cost of a transaction for each of them."""

    def release(self) -> None:
        """End `hold`."""

    def tables(self) -> set[str]:
        """Return the names of the tables there are."""

    def warm(self) -> None:
        """Have the data brought into memory in the background, as far as it fits."""

    def tend(self) -> None:
        """Do the upkeep this database needs."""

    def check(self) -> list[str]:
        """Look for damage; return a sentence for each finding."""

    def close(self) -> None:
        """Close the connection."""
