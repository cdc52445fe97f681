"""The named things on which databases differ."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = tuple[Any, ...]


class Engine(Protocol):
    """One connection to a database. Used by one thread at a time; statements outside a transaction stand alone."""

    @property
    def words(self) -> Mapping[str, str]:
        """What stands for `$blob`, `$int`, `$rowid` and `$clustered` in a migration."""

    def value(self, sql: str, *parameters: Any) -> Any:
        """Return the one value, or the one row as a tuple, that a query has; None when it has no row."""

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Return all rows of a query."""

    def each(self, sql: str, parameters: Iterable[Sequence[Any]]) -> list[Row]:
        """Return all rows of a statement that is run for each of the parameters."""

    def change(self, sql: str, parameters: Iterable[Sequence[Any]]) -> int:
        """Run a statement for each of the parameters; return how many rows changed."""

    def script(self, sql: str) -> None:
        """Run several statements."""

    def transaction(self) -> AbstractContextManager[None]:
        """Open a write transaction: committed durably when its block ends, rolled back when it raises."""

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
