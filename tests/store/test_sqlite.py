"""What is particular to SQLite."""

from pathlib import Path

import pytest

from mien.errors import SchemaRefused, SettingsRefused, Unavailable
from mien.store.sql import open_store
from mien.store.sql.migrate import steps
from mien.store.sql.sqlite import LOG_PAGES_LIMIT, PAGE_SIZE
from tests.factories import message, take_in, user


def test_opening_twice_migrates_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mien.db'}"
    with open_store(url) as one, open_store(url) as other:
        assert one.db.value("SELECT value FROM meta WHERE name = 'schema'") == steps()[-1][0]
        assert other.revision() == one.revision()


def test_a_database_that_needs_a_newer_program_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mien.db'}"
    with open_store(url) as store:
        store.db.change("UPDATE meta SET value = 1000 WHERE name IN ('schema', 'oldest')", [()])
    with pytest.raises(SchemaRefused, match="newer Mien"):
        open_store(url)


def test_a_newer_schema_that_this_program_may_open_is_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mien.db'}"
    with open_store(url) as store:
        store.db.change("UPDATE meta SET value = 1000 WHERE name = 'schema'", [()])
    with open_store(url) as store:
        assert store.db.value("SELECT value FROM meta WHERE name = 'schema'") == 1000


@pytest.mark.parametrize("url", ["", "mien.db", "redis://x", "sqlite://", "sqlite:///"])
def test_a_url_that_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(SettingsRefused, match="sqlite:///FILE"):
        open_store(url)


def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_store(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder.db'}")
    other = tmp_path / "other.db"
    other.write_bytes(b"this is something else" * 1000)
    with pytest.raises(Unavailable, match="not a SQLite database"):
        open_store(f"sqlite:///{other}")


def test_the_log_is_written_back_and_does_not_grow_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "mien.db"
    with open_store(f"sqlite:///{path}") as store:
        longest = 0
        for n in range(60):
            big = {f"t{k}": "x" * 10_000 for k in range(30)}
            take_in(store, *[message(user("user_id", f"{n}-{k}"), traits=big) for k in range(20)])
            store.tend()
            longest = max(longest, path.with_name("mien.db-wal").stat().st_size)
        assert longest < (LOG_PAGES_LIMIT + 3000) * PAGE_SIZE
        assert store.check() == []
