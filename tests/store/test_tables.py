"""The list of tables is that of the schema, on every engine."""

from mien.store.sql import SqlStore
from mien.store.sql.tables import TABLES

COLUMNS = {
    "sqlite": "SELECT s.name, c.name, c.pk FROM sqlite_schema s, pragma_table_info(s.name) c WHERE s.type = 'table'",
    "postgresql": "SELECT c.table_name, c.column_name, COALESCE(k.ordinal_position, 0)"
    " FROM information_schema.columns c LEFT JOIN information_schema.key_column_usage k"
    " USING (table_schema, table_name, column_name) WHERE table_schema = current_schema()",
}


def test_every_table_is_declared_with_its_key_and_all_its_columns(store: SqlStore) -> None:
    """A migration that adds or changes a table says so in tables.py."""
    assert {table.name for table in TABLES} == store.db.tables()
    rows = store.db.rows(COLUMNS["sqlite" if store.instant else "postgresql"])
    for table in TABLES:
        found = {column: place for name, column, place in rows if name == table.name}
        assert set(table.columns) == set(found), table.name
        assert {column: place + 1 for place, column in enumerate(table.key)} == {
            column: place for column, place in found.items() if place
        }, table.name
