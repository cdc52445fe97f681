"""From every schema that was released, with all that a store held, to the one of today."""

from collections.abc import Callable
from contextlib import closing

import pytest

from mien.errors import CopyUnfinished, SchemaRefused
from mien.store.sql import SqlStore, migrate, open_engine, open_store
from mien.store.sql.migrate import Step, missing, schema_of, steps
from mien.store.sql.tables import PROGRESS
from tests.store.released import NEWEST, everything_is_there, it_goes_on, make


def test_the_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in steps()] == list(range(1, NEWEST + 1))


@pytest.mark.parametrize("schema", range(1, NEWEST + 1))
def test_a_store_of_every_released_schema_is_brought_up_to_date_with_all_it_holds(schema: int, url: str) -> None:
    make(url, schema)
    with open_store(url) as store:
        assert schema_of(store.db)[0] == NEWEST
        assert missing(store.db) == []
        assert store.check() == []
        everything_is_there(store, schema)
        it_goes_on(store)


def test_opening_twice_migrates_once(open_again: Callable[[], SqlStore]) -> None:
    with open_again() as one, open_again() as other:
        assert schema_of(one.db)[0] == NEWEST
        assert other.revision() == one.revision()


def test_what_is_missing_is_told_and_not_done(url: str) -> None:
    with closing(open_engine(url)) as db:
        assert missing(db) == steps()
        assert db.tables() == set()
        assert migrate.migrate(db) == steps()
        assert (missing(db), migrate.migrate(db)) == ([], [])


def test_a_step_that_fails_leaves_the_store_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(url, NEWEST)
    good = Step(NEWEST + 1, "good", "CREATE TABLE good (n $int)")
    bad = Step(NEWEST + 2, "bad", "INSERT INTO nowhere VALUES (1)")
    monkeypatch.setattr(migrate, "steps", lambda: [*steps(), good, bad])
    with pytest.raises(Exception, match="nowhere"):
        open_store(url)
    with closing(open_engine(url)) as db:
        assert schema_of(db)[0] == NEWEST
        assert "good" not in db.tables()


def test_every_store_has_a_number_of_its_own(url: str, other_url: str) -> None:
    numbers = []
    for each in (url, other_url, url):
        with open_store(each) as store:
            numbers.append(store.db.value("SELECT value FROM meta WHERE name = 'store'"))
    assert numbers[0] == numbers[2] != numbers[1]


def test_a_store_that_needs_a_newer_program_is_refused(url: str) -> None:
    with open_store(url) as store:
        store.db.change("UPDATE meta SET value = 1000 WHERE name IN ('schema', 'oldest')", [()])
    with pytest.raises(SchemaRefused, match="newer Mien"):
        open_store(url)


def test_a_newer_schema_that_this_program_may_open_is_opened(url: str) -> None:
    with open_store(url) as store:
        store.db.change("UPDATE meta SET value = 1000 WHERE name = 'schema'", [()])
    with open_store(url) as store:
        assert schema_of(store.db)[0] == 1000


def test_a_store_that_holds_half_of_another_is_not_opened(url: str) -> None:
    with open_store(url) as store:
        store.db.script(f"CREATE TABLE {PROGRESS} (n INTEGER)")
    with pytest.raises(CopyUnfinished, match="mien copy"):
        open_store(url)
