"""Lists are right for profiles that nobody reads."""

from mien.core.computed import How
from mien.services.pace import Pace
from mien.services.spaces import read_catalog
from mien.services.sweep import Swept, sweep
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, message, sheet_of, take_in, user

DAY = 86_400_000_000
RECENT = """{audiences: {recent: {query: "event('E').within(1 day).count() >= 1"},
    between: {query: "event('E').between(1 day, 2 days).count() >= 1"}}}"""
PEOPLE = [user("user_id", f"u{n}") for n in range(3)]


def people(store: SqlStore) -> None:
    tenant = defined(store, RECENT)
    for n, name in enumerate(PEOPLE):
        take_in(store, message(name, event="E", at=NOW + n), tenant=tenant)


def swept(store: SqlStore, now: int, **how: int) -> Swept:
    return sweep(store, read_catalog(store).spaces, now=now, **how)


def members(store: SqlStore, number: int) -> int:
    return store.count_members("acme", number)


def test_those_whose_time_has_come_are_brought_up_to_date_the_oldest_first(store: SqlStore) -> None:
    people(store)
    assert swept(store, NOW + DAY - 1) == Swept(0, 0)
    assert swept(store, NOW + DAY + 1, pace=Pace(1)) == Swept(1, 1)
    assert (members(store, 1), members(store, 2)) == (2, 1)
    assert swept(store, NOW + DAY + 9) == Swept(2, 8)
    assert swept(store, NOW + DAY + 9) == Swept(0, 0)
    assert (members(store, 1), members(store, 2)) == (0, 3)
    sheet = sheet_of(store, PEOPLE[0])
    assert sheet is not None
    assert sheet.text == b'"between":true,"recent":false'


def test_what_happened_between_two_sweeps_is_noted_at_its_instants(store: SqlStore) -> None:
    people(store)
    assert swept(store, NOW + 9 * DAY).profiles == 3
    profile = store.owner("acme", PEOPLE[0])
    assert profile is not None
    head = store.head(profile)
    assert head is not None
    stays = store.memberships(head, limit=9)
    assert [(stay.number, (stay.since - NOW) // DAY, ((stay.until or 0) - NOW) // DAY) for stay in stays] == [
        (2, 1, 2),
        (1, 0, 1),
    ]
    assert [stay.left.how for stay in stays if stay.left] == [How.TIME, How.TIME]
    assert store.due(now=NOW + 99 * DAY, limit=9) == []


def test_whoever_was_absorbed_is_not_due(store: SqlStore) -> None:
    tenant = defined(store, RECENT)
    anonymous = user("anonymous_id", "a1")
    take_in(store, message(anonymous, event="E"), message(PEOPLE[0], event="E"), tenant=tenant)
    take_in(store, message(PEOPLE[0], anonymous), tenant=tenant)
    assert len(store.due(now=NOW + 9 * DAY, limit=9)) == 1
    assert swept(store, NOW + DAY).profiles == 1
    assert members(store, 1) == 0


def test_nothing_is_swept_by_spaces_that_changed(store: SqlStore) -> None:
    people(store)
    revision = read_catalog(store).revision
    defined(store, RECENT.replace(">= 1", ">= 2"))
    assert swept(store, NOW + 9 * DAY, revision=revision).profiles == 0
    assert swept(store, NOW + 9 * DAY, revision=read_catalog(store).revision).profiles == 3
