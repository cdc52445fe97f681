"""Importing a table: what becomes of its rows, whatever happens meanwhile."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.app import SECTIONS
from mien.core.message import Identifier, order_of
from mien.errors import Busy, Invalid, SpaceNotFound
from mien.services import credentials, spaces
from mien.store.base import EventQuery, SpaceRecord
from mien.store.sql import SqlStore, open_store
from mien.tables import importing
from mien.tables.columns import Columns
from mien.tables.files import Row
from mien.tables.importing import Import, Refused, Report
from tests.factories import NOW

STORES = Columns(identifiers=[("store_id", "id"), ("email", "email")], collection="stores")
SALES = Columns(identifiers=[("store_id", "id")], collection="stores", event="Sold")
TIMED = Columns(identifiers=[("store_id", "id")], collection="stores", timestamp="at")
_ids = count(order_of(NOW))


@pytest.fixture(autouse=True)
def acme(store: SqlStore) -> None:
    """A space to import into."""
    spaces.apply(store, "spaces: {acme: {}}", SECTIONS, {}, now=NOW)


def begin(store: SqlStore, columns: Columns = STORES, *, refused: list[Refused] | None = None) -> Import:
    """Begin an import without waiting for anything."""
    source = credentials.source_of_files(store, "acme", "import", now=NOW)
    tell = [] if refused is None else refused
    return Import(store, source, columns, ids=_ids, refuse=tell.append, pause=lambda _: None)


def take_in(store: SqlStore, table: Sequence[dict[str, Any]], columns: Columns = STORES) -> Report:
    """Import a table whose first row is on line 2."""
    return list(begin(store, columns).run(rows_of(table)))[-1]


def rows_of(table: Sequence[dict[str, Any]]) -> list[Row]:
    return [Row(line, values) for line, values in enumerate(table, 2)]


def store_named(store: SqlStore, value: str) -> Any:
    owner = store.owner("acme", Identifier("stores", "id", value))
    return None if owner is None else store.profile(owner)


def seen(store: SqlStore) -> Any:
    """Return all that can be read of stores: identifiers, traits, counts, and how many events are kept."""
    found = []
    for row in store.recent("acme", "stores", beyond=None, offset=0, limit=1000):
        profile, head = store.profile(row.id), store.head(row.id)
        assert profile is not None
        assert head is not None
        found.append(
            (
                sorted(profile.identifiers),
                sorted((key, trait.value) for key, trait in profile.traits.items() if trait.value),
                sorted((event, counted.times) for event, counted in profile.activity.items()),
                len(store.events(head, EventQuery(limit=1000))),
            )
        )
    return sorted(found)


def test_a_report_counts_what_became_of_the_rows(store: SqlStore) -> None:
    refused: list[Refused] = []
    table = [{"store_id": "1", "city": "Ulm"}, {"city": "Nowhere"}, {"store_id": "2"}]
    rows = [*rows_of(table), Row(5, None, "it is odd")]
    done = begin(store, refused=refused)
    assert list(done.run(rows))[-1] == Report(rows=4, taken=2, known=0, refused=2)
    assert refused == [Refused(3, "it has no identifier"), Refused(5, "it is odd")]
    assert list(begin(store).run(rows))[-1] == Report(rows=4, taken=0, known=2, refused=2)
    assert store_named(store, "1").traits["city"].value == b'"Ulm"'


def test_a_profile_is_described_once_where_no_time_says_what_is_later(store: SqlStore) -> None:
    table = [
        {"store_id": "1", "city": "Ulm"},
        {"store_id": "1", "city": "Bonn"},
        {"store_id": "1", "city": "Ulm", "at": "2026-01-01"},
    ]
    refused: list[Refused] = []
    list(begin(store, refused=refused).run(rows_of(table)))
    assert [(row.line, "stands in line 2 already" in row.reason) for row in refused] == [(3, True), (4, True)]
    assert store_named(store, "1").traits["city"].value == b'"Ulm"'


def test_with_times_the_latest_counts_and_what_is_said_twice_counts_once(store: SqlStore) -> None:
    table = [{"store_id": "1", "city": city, "at": f"2026-01-0{day}"} for city, day in (("new", 3), ("old", 1))]
    assert take_in(store, [*table, table[1]], TIMED) == Report(rows=3, taken=2, known=1)
    assert store_named(store, "1").traits["city"].value == b'"new"'


def test_an_event_counts_as_often_as_it_stands_in_the_file(store: SqlStore) -> None:
    sale = {"store_id": "1", "price": 5}
    for taken in (3, 0):
        assert take_in(store, [sale, {**sale, "price": 6}, sale], SALES) == Report(
            rows=3, taken=taken, known=3 - taken
        )
    assert store_named(store, "1").activity["Sold"].times == 3
    assert take_in(store, [sale] * 3, SALES).taken == 1


def test_what_is_imported_later_counts_where_rows_have_no_time(store: SqlStore) -> None:
    for city in ("Ulm", "Bonn"):
        take_in(store, [{"store_id": "1", "city": city}])
    assert store_named(store, "1").traits["city"].value == b'"Bonn"'


def test_what_the_rules_pass_over_is_counted_and_listed(store: SqlStore) -> None:
    done = take_in(store, [{"store_id": "1", "email": "null"}])
    assert done == Report(rows=1, taken=1, discarded=1)
    assert [row.discard.reason for row in store.discards("acme", reason=None, limit=9)] == ["id_value_blocked"]


class Fallen(Exception):
    pass


tables = st.lists(
    st.fixed_dictionaries(
        {"store_id": st.sampled_from(["1", "2", "3", "", "null"])},
        optional={
            "email": st.sampled_from(["a@x.c", "b@x.c"]),
            "city": st.sampled_from(["Ulm", "Bonn", None]),
            "at": st.sampled_from(["2026-01-01", "2026-01-02", "never"]),
        },
    ),
    max_size=12,
)


@settings(max_examples=settings.default.max_examples // 2)
@given(
    table=tables,
    columns=st.sampled_from([STORES, SALES, TIMED]),
    cuts=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 12)), max_size=4),
)
def test_however_often_it_is_killed_the_end_is_as_if_once(
    table: list[dict[str, Any]], columns: Columns, cuts: list[tuple[int, int]]
) -> None:
    """In batches of any size, killed after any number of rows, run again, and in the end twice."""
    with open_store("sqlite:///:memory:") as once, open_store("sqlite:///:memory:") as often:
        for store in (once, often):
            spaces.apply(store, "spaces: {acme: {}}", SECTIONS, {}, now=NOW)
        report = take_in(once, table, columns)
        for size, rows in [*cuts, (3, 100), (500, 100)]:
            with pytest.MonkeyPatch.context() as patch, suppress(Fallen):
                patch.setattr(importing, "BATCH", size)
                list(begin(often, columns).run(_falling(rows_of(table), rows)))
        assert seen(often) == seen(once)
        again = take_in(once, table, columns)
        assert (again.taken, again.known, again.refused) == (0, report.taken + report.known, report.refused)


def _falling(rows: Sequence[Row], after: int) -> Iterator[Row]:
    """Yield rows, and then fall over if there are more."""
    yield from rows[:after]
    if len(rows) > after:
        raise Fallen


class Engaged:
    """A store that is busy for so many times."""

    def __init__(self, store: SqlStore, times: int) -> None:
        self._store = store
        self._times = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def begin(self, *, alone: bool = False) -> Any:
        self._times -= 1
        if self._times >= 0:
            raise Busy
        return self._store.begin(alone=alone)


def test_a_busy_store_is_waited_for(store: SqlStore) -> None:
    pauses: list[float] = []
    done = begin(store)
    done._store = Engaged(store, 3)  # type: ignore[assignment]
    done._pause = pauses.append
    assert [report.taken for report in done.run(rows_of([{"store_id": "1"}]))] == [1]
    assert pauses == [0.2, 0.5, 1, importing.GIVE_WAY]
    done = begin(store)
    done._store = Engaged(store, 100)  # type: ignore[assignment]
    with pytest.raises(Busy):
        list(done.run(rows_of([{"store_id": "1"}])))


def test_settings_that_change_meanwhile_count_from_the_next_batch(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 1)
    refused: list[Refused] = []
    run = begin(store, refused=refused).run(rows_of([{"store_id": "1"}, {"store_id": "2"}]))
    next(run)
    with store.begin() as unit:
        document = {"identity": {"types": {"id": {"blocked": ["2"]}}}, "dialects": {}}
        unit.save_space(SpaceRecord("acme", msgspec.json.encode(document)))
    list(run)
    assert [row.reason for row in refused] == ["its identifier has a value that identifies nobody"]


def test_the_source_is_made_once_and_refused_when_it_was_revoked(store: SqlStore) -> None:
    one = credentials.source_of_files(store, "acme", "crm", now=NOW)
    assert (one.kind, credentials.source_of_files(store, "acme", "crm", now=NOW + 1)) == ("csv", one)
    credentials.revoke_source(store, "acme", "crm", now=NOW)
    with pytest.raises(Invalid, match="is revoked"):
        credentials.source_of_files(store, "acme", "crm", now=NOW)
    with pytest.raises(SpaceNotFound):
        credentials.source_of_files(store, "nowhere", "crm", now=NOW)
