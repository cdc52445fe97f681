"""What is particular to SQLite."""

from pathlib import Path

import pytest

from mien.errors import SettingsRefused, Unavailable
from mien.store.sql import open_engine, open_store
from mien.store.sql.sqlite import LOG_PAGES_LIMIT, PAGE_SIZE
from tests.factories import message, take_in, user


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


def test_a_file_that_is_not_there_is_made_only_when_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "mien.db"
    with pytest.raises(Unavailable):
        open_engine(f"sqlite:///{file}", create=False)
    assert not file.exists()
    open_engine(f"sqlite:///{file}").close()
    assert file.exists()


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
