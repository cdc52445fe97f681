"""A store moved to another place is the same store, however often the way was interrupted."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice

import pytest

from mien.errors import CopyDiffers, CopyRefused, CopyUnfinished
from mien.store.sql import open_engine, open_store, transfer
from mien.store.sql.engine import Engine, Row
from mien.store.sql.migrate import schema_of
from mien.store.sql.tables import PROGRESS, TABLES
from mien.store.sql.transfer import Transfer
from tests.factories import message, take_in, user
from tests.store.released import NEWEST, everything_is_there, it_goes_on, make


@pytest.fixture
def source(url: str) -> Iterator[Engine]:
    """A store that has rows in every table."""
    make(url, NEWEST)
    with open_store(url) as store:
        take_in(store, *[message(user("user_id", f"v{n}"), event="E", id=f"v{n}") for n in range(30)])
        yield store.db


@pytest.fixture
def target(other_url: str) -> Iterator[Engine]:
    """A database that holds nothing."""
    with closing(open_engine(other_url)) as db:
        yield db


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "FIRST_ROWS", 2)
    monkeypatch.setattr(transfer, "MOST_ROWS", 3)


def copy(source: Engine, target: Engine) -> int:
    """Copy what is not there yet, compare, and finish; return how many rows were moved."""
    begun = Transfer(source, target)
    moved = sum(rows for _, rows in begun.move())
    assert sum(rows for _, rows in begun.compare()) == 2 * begun.rows()
    begun.finish()
    return moved


def begin(source: Engine, target: Engine, pages: int = 1) -> int:
    """Copy so many pages and be interrupted; return how many rows were moved."""
    return sum(rows for _, rows in islice(Transfer(source, target).move(), pages))


def contents(db: Engine) -> dict[str, list[Row]]:
    """Return everything a store holds."""
    return {t.name: sorted(db.rows(f"SELECT {', '.join(t.columns)} FROM {t.name}"), key=repr) for t in TABLES}


def test_a_copy_is_the_same_store(source: Engine, target: Engine, other_url: str) -> None:
    moved = copy(source, target)
    held = contents(source)
    assert contents(target) == held
    assert moved == sum(map(len, held.values()))
    assert all(held.values()), "a table without rows proves nothing: tests/store/released has to have some"
    with open_store(other_url) as store:
        everything_is_there(store)
        it_goes_on(store)


@pytest.mark.usefixtures("_small_pages")
def test_a_copy_interrupted_after_every_page_loses_nothing_and_repeats_nothing(
    source: Engine, target: Engine
) -> None:
    moved = [begin(source, target)]
    while moved[-1]:
        moved.append(begin(source, target))
    assert len(moved) > 30
    assert copy(source, target) == 0
    assert contents(target) == contents(source)
    assert sum(moved) == sum(map(len, contents(source).values()))


def test_a_copy_that_fails_while_it_compares_compares_again(source: Engine, target: Engine) -> None:
    half = Transfer(source, target)
    list(half.move())
    list(islice(half.compare(), 3))
    assert copy(source, target) == 0
    assert contents(target) == contents(source)


def test_nobody_opens_the_target_before_the_copy_is_finished(source: Engine, target: Engine, other_url: str) -> None:
    begin(source, target)
    with pytest.raises(CopyUnfinished, match="mien copy"):
        open_store(other_url)
    copy(source, target)
    open_store(other_url).close()
    assert PROGRESS not in target.tables()


def test_a_late_write_is_found_and_its_tables_are_named(source: Engine, target: Engine, other_url: str) -> None:
    half = Transfer(source, target)
    list(half.move())
    source.change("INSERT INTO seen (key) VALUES (?)", [(b"late",)])
    source.change("UPDATE identifiers SET profile_id = 1 WHERE profile_id <> ?", [(1,)])
    rows = source.value("SELECT COUNT(*) FROM seen")
    with pytest.raises(CopyDiffers, match=r"differs in identifiers \(\d+ rows on both sides, not the same\)") as told:
        list(half.compare())
    assert f"seen ({rows} rows in the source, {rows - 1} in the target)" in str(told.value)
    assert "messages" not in str(told.value)
    with pytest.raises(CopyUnfinished):
        open_store(other_url)


def test_a_row_that_was_changed_in_the_target_is_found(source: Engine, target: Engine) -> None:
    half = Transfer(source, target)
    list(half.move())
    target.change("UPDATE discards SET times = times + 1 WHERE reason = ?", [("event_not_string",)])
    with pytest.raises(CopyDiffers, match="differs in discards"):
        list(half.compare())


def test_a_target_that_holds_data_is_refused_and_left_alone(source: Engine, target: Engine, other_url: str) -> None:
    make(other_url, NEWEST)
    before = contents(target)
    with pytest.raises(CopyRefused, match="not empty"):
        Transfer(source, target)
    assert contents(target) == before
    assert PROGRESS not in target.tables()


def test_a_target_that_holds_data_of_an_older_schema_is_not_even_migrated(
    source: Engine, target: Engine, other_url: str
) -> None:
    make(other_url, 1)
    with pytest.raises(CopyRefused, match="not empty"):
        Transfer(source, target)
    assert schema_of(target)[0] == 1


def test_a_finished_copy_is_not_copied_over(source: Engine, target: Engine) -> None:
    copy(source, target)
    with pytest.raises(CopyRefused, match="not empty"):
        Transfer(source, target)


def test_a_store_is_not_copied_over_itself(source: Engine) -> None:
    with pytest.raises(CopyRefused, match="not empty"):
        Transfer(source, source)


def test_a_copy_of_one_store_does_not_go_on_with_another(source: Engine, target: Engine) -> None:
    begin(source, target)
    source.change("UPDATE meta SET value = value + 1 WHERE name = ?", [("store",)])
    with pytest.raises(CopyRefused, match="another store"):
        Transfer(source, target)


def test_two_copies_at_once_do_not_mix(source: Engine, target: Engine, other_url: str) -> None:
    with closing(open_engine(other_url)) as again:
        one, other = Transfer(source, target), Transfer(source, again)
        list(islice(one.move(), 2))
        with pytest.raises(CopyRefused, match="under way"):
            list(other.move())
    copy(source, target)
    assert contents(target) == contents(source)


def test_somebody_else_who_writes_to_the_target_is_noticed(source: Engine, target: Engine) -> None:
    begin(source, target)
    target.load("seen", ("key",), source.rows("SELECT key FROM seen"))
    with pytest.raises(CopyRefused, match="Somebody else writes to the target"):
        copy(source, target)


def test_a_database_without_a_store_is_not_copied(url: str, target: Engine) -> None:
    with closing(open_engine(url)) as empty, pytest.raises(CopyRefused, match="empty"):
        Transfer(empty, target)
    assert target.tables() == set()


def test_a_half_copied_store_is_not_copied(
    source: Engine, target: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    begin(source, target)
    third = f"sqlite:///{tmp_path_factory.mktemp('third') / 'mien.db'}"
    with closing(open_engine(third)) as db, pytest.raises(CopyRefused, match="finish that copy first"):
        Transfer(target, db)


@pytest.mark.parametrize(("schema", "way"), [(NEWEST - 1, "mien migrate"), (NEWEST + 1, "newer Mien")])
def test_a_store_of_another_schema_is_not_copied(schema: int, way: str, source: Engine, target: Engine) -> None:
    source.change("UPDATE meta SET value = ? WHERE name = 'schema'", [(schema,)])
    with pytest.raises(CopyRefused, match=way):
        Transfer(source, target)
    assert target.tables() == set()


def test_a_target_of_another_schema_is_refused(source: Engine, target: Engine, other_url: str) -> None:
    begin(source, target)
    target.change("UPDATE meta SET value = ? WHERE name = 'schema'", [(NEWEST + 1,)])
    with pytest.raises(CopyRefused, match=f"target has schema {NEWEST + 1}"):
        Transfer(source, target)


def test_large_rows_are_moved_a_few_at_a_time(source: Engine, target: Engine) -> None:
    big = [(b"big%4d" % n, "acme", "r", n, 1, bytes(1 << 17)) for n in range(300)]
    source.load("discards", ("key", "space", "reason", "last_at", "times", "body"), big)
    pages = [rows for table, rows in Transfer(source, target).move() if table == "discards"]
    assert pages[0] == transfer.FIRST_ROWS
    assert max(pages[1:]) <= transfer.PAGE_BYTES >> 17
