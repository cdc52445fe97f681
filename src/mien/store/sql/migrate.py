"""Bring a database to the schema this program knows, or refuse politely.

The steps are numbered files in `migrations/`; a released one never changes.
"""

from importlib.resources import files
from string import Template

from mien.errors import Contended, SchemaRefused, Unavailable
from mien.store.sql.engine import Engine


def steps() -> list[tuple[int, str]]:
    """Return the number and the SQL of each migration, in their order."""
    folder = files("mien.store.sql") / "migrations"
    return sorted(
        (int(file.name.split("_")[0]), file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    )


def schema_of(db: Engine) -> tuple[int, int]:
    """Return the schema's number and the oldest number a program must know to open it; zeros when empty."""
    if "meta" not in db.tables():
        return 0, 0
    meta: dict[str, int] = dict(db.rows("SELECT name, value FROM meta"))
    return meta["schema"], meta["oldest"]


def migrate(db: Engine) -> int:
    """Apply the steps that are missing, all or none; return how many that were.

    Raise SchemaRefused when the database needs a newer program, Unavailable while another one is at it for long.
    """
    known = steps()
    if schema_of(db)[0] == known[-1][0]:
        return 0
    with db.transaction():
        try:
            db.lock("schema")
        except Contended:
            raise Unavailable("Another node is bringing the database's schema up to date.") from None
        schema, oldest = schema_of(db)  # again: another process may have migrated since
        if oldest > known[-1][0]:
            raise SchemaRefused(
                f"The database has schema {schema}, this Mien knows {known[-1][0]}: use a newer Mien."
            )
        missing = [(number, sql) for number, sql in known if number > schema]
        for number, sql in missing:
            db.script(Template(sql).substitute(db.words))
            db.change("UPDATE meta SET value = ? WHERE name = 'schema'", [(number,)])
    return len(missing)
