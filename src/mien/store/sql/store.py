"""The store over SQL, put together from its nouns."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from mien.core.fold import Outcome
from mien.core.story import Unmerge
from mien.core.unmerge import Family, Split
from mien.errors import SettingsRefused
from mien.store.sql.discards import DiscardReads, DiscardWrites
from mien.store.sql.engine import Engine, Limits
from mien.store.sql.erasure import ErasureReads, ErasureWrites
from mien.store.sql.evaluations import EvaluationReads, EvaluationWrites
from mien.store.sql.history import HistoryReads, HistoryWrites
from mien.store.sql.links import LinkReads
from mien.store.sql.messages import MessageReads
from mien.store.sql.migrate import migrate
from mien.store.sql.postgres import Postgres
from mien.store.sql.profiles import ProfileReads
from mien.store.sql.sqlite import Sqlite
from mien.store.sql.tenancy import TenancyReads, TenancyWrites


class SqlUnit(HistoryWrites, DiscardWrites, ErasureWrites, EvaluationWrites, TenancyWrites):
    """See Unit."""

    def __init__(self, db: Engine) -> None:
        self.db = db

    def write(self, space: str, outcome: Outcome) -> None:
        """See Unit."""
        self.write_profiles(space, outcome)
        self._write_what_came(space, outcome)

    def _write_what_came(self, space: str, outcome: Outcome) -> None:
        self.write_messages(outcome.entries)
        self.write_links(outcome.links)
        self.write_absorptions(outcome.absorptions)
        self.record(outcome.discards)
        self.write_passages(space, outcome.passages)
        self.write_noted(space, outcome.noted)
        self.look_again(outcome.look_again)

    def write_split(self, space: str, family: Family, split: Split, unmerge: Unmerge) -> None:
        """See Unit."""
        # Profiles first, as `write` does: two transactions that meet wait, and never for each other.
        self.write_profiles(space, split.outcome)
        self.unpick(family)
        self._write_what_came(space, split.outcome)
        self.write_twins(split.twins)
        self.write_unmerge(unmerge)


class SqlStore(
    ProfileReads,
    MessageReads,
    LinkReads,
    HistoryReads,
    DiscardReads,
    ErasureReads,
    EvaluationReads,
    TenancyReads,
):
    """See Store. Making one brings the schema up to date."""

    def __init__(self, db: Engine) -> None:
        self.db = db
        migrate(db)

    @contextmanager
    def begin(self, *, alone: bool = False) -> Iterator[SqlUnit]:
        """See Store."""
        with self.db.transaction():
            self.db.lock("unit", shared=not alone)
            yield SqlUnit(self.db)

    @property
    def instant(self) -> bool:
        """See Store."""
        return self.db.instant

    def hold(self) -> None:
        """See Store."""
        self.db.hold()

    def release(self) -> None:
        """See Store."""
        self.db.release()

    def warm(self) -> None:
        """See Store."""
        self.db.warm()

    def tend(self) -> None:
        """See Store."""
        self.db.tend()

    def check(self) -> list[str]:
        """See Store."""
        return self.db.check()

    def close(self) -> None:
        """See Store."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str, limits: Limits | None = None) -> SqlStore:
    """Open the store a URL names, and bring its schema up to date.

    Raise as `open_engine` does, SchemaRefused when it was written by a newer program, and CopyUnfinished when it
    holds only a part of another store.
    """
    db = open_engine(url, limits)
    try:
        return SqlStore(db)
    except BaseException:
        db.close()
        raise


def open_engine(url: str, limits: Limits | None = None, *, create: bool = True) -> Engine:
    """Open the database a URL names: `sqlite:///relative.db`, `sqlite:////absolute.db`, `postgresql://…`.

    Nothing is migrated, and a file that is not there is made only with `create`. Raise SettingsRefused for any
    other URL, and Unavailable when the database cannot be opened.
    """
    scheme, _, place = url.partition("://")
    if scheme in {"postgresql", "postgres"}:
        return Postgres(url, limits or Limits())
    if scheme == "sqlite" and len(place) > 1 and place.startswith("/"):
        return Sqlite(place[1:], create=create)
    raise SettingsRefused(
        "The store must be given as sqlite:///FILE (a relative path), sqlite:////FILE, or postgresql://…."
    )
