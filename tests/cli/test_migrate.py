"""`mien migrate`."""

from contextlib import closing
from pathlib import Path

from mien.store.sql import open_engine, open_store
from mien.store.sql.migrate import schema_of, steps
from tests.cli.conftest import Mien

NEWEST = steps()[-1]


def test_it_says_from_where_to_where_it_went_and_then_that_there_is_nothing_to_do(mien: Mien, url: str) -> None:
    first, again = mien("migrate", "--store", url), mien("migrate", "--store", url)
    assert first.status == again.status == 0
    assert f"from 0 to {NEWEST.number}" in first.out
    assert all(f"{step.number} {step.name}" in first.out for step in steps())
    assert again.out == f"Nothing to do: the schema is at {NEWEST.number}.\n"


def test_a_check_says_what_is_missing_and_changes_nothing(mien: Mien, url: str) -> None:
    open_engine(url).close()
    told = mien("migrate", "--check", "--store", url)
    assert told.status == 1
    assert "The schema is at 0. Missing:" in told.out
    assert f"{NEWEST.number} {NEWEST.name}" in told.out
    with closing(open_engine(url)) as db:
        assert schema_of(db) == (0, 0)
    mien("migrate", "--store", url)
    assert mien("migrate", "--check", "--store", url).status == 0


def test_a_check_does_not_make_a_file(mien: Mien, tmp_path: Path) -> None:
    told = mien("migrate", "--check", "--store", f"sqlite:///{tmp_path / 'typo.db'}")
    assert told.status == 1
    assert "cannot be opened" in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_needs_a_newer_mien_is_refused_in_a_sentence(mien: Mien, url: str) -> None:
    with open_store(url) as store:
        store.db.change("UPDATE meta SET value = 1000 WHERE name IN ('schema', 'oldest')", [()])
    for flags in ([], ["--check"]):
        told = mien("migrate", *flags, "--store", url)
        assert told.status == 1
        assert "The database has schema 1000" in told.err
        assert "use a newer Mien" in told.err
