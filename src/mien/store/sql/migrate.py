"""Bring a database to the schema this program knows, or refuse politely.

The steps are numbered files in `migrations/`; a released one never changes.
"""

import secrets
from importlib.resources import files
from string import Template
from typing import NamedTuple

from mien.errors import Contended, CopyUnfinished, SchemaRefused, Unavailable
from mien.store.sql.engine import Engine
from mien.store.sql.tables import PROGRESS


class Step(NamedTuple):
    """A migration: its number, its name, and its SQL."""

    number: int
    name: str
    sql: str


def steps() -> list[Step]:
    """Return all migrations in their order."""
    folder = files("mien.store.sql") / "migrations"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))
    return [
        Step(int(number), title.removesuffix(".sql"), (folder / name).read_text("utf-8"))
        for name in names
        for number, _, title in [name.partition("_")]
    ]


def schema_of(db: Engine) -> tuple[int, int]:
    """Return the schema's number and the oldest number a program must know to open it; zeros when empty."""
    if "meta" not in db.tables():
        return 0, 0
    meta: dict[str, int] = dict(db.rows("SELECT name, value FROM meta"))
    return meta["schema"], meta["oldest"]


def number_of(db: Engine) -> int | None:
    """Return the number by which a store is told from others; None when it was not opened since there are such."""
    number: int | None = db.value("SELECT value FROM meta WHERE name = 'store'")
    return number


def missing(db: Engine) -> list[Step]:
    """Return the steps that a database still needs, in their order; nothing is changed.

    Raise SchemaRefused when it needs a newer program, and CopyUnfinished when it holds a part of another one.
    """
    known = steps()
    schema, oldest = schema_of(db)
    if oldest > known[-1].number:
        raise SchemaRefused(
            f"The database has schema {schema}, this Mien knows {known[-1].number}: use a newer Mien."
        )
    if PROGRESS in db.tables():
        raise CopyUnfinished
    return [step for step in known if step.number > schema]


def migrate(db: Engine) -> list[Step]:
    """Apply the steps that are missing, all or none, and return them.

    Raise as `missing` does, and Unavailable when another process is at it for long.
    """
    if not missing(db) and number_of(db) is not None:
        return []
    with db.transaction():
        try:
            db.lock("schema")
        except Contended:
            raise Unavailable("Another node is bringing the database's schema up to date.") from None
        needed = missing(db)  # again: another process may have migrated since
        for step in needed:
            apply(db, step)
        _name(db)
    return needed


def apply(db: Engine, step: Step) -> None:
    """Apply one step to a database that has all before it, within a transaction."""
    db.script(Template(step.sql).substitute(db.words))
    db.change("UPDATE meta SET value = ? WHERE name = 'schema'", [(step.number,)])


def _name(db: Engine) -> None:
    """Give the store a number if it has none; a copy of it has the same."""
    db.change(
        "INSERT INTO meta (name, value) VALUES ('store', ?) ON CONFLICT (name) DO NOTHING",
        [(secrets.randbits(63),)],
    )
