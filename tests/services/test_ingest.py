"""Taking messages in: one transaction, folded again when another was first."""

import threading
from collections.abc import Callable, Iterator

from mien.core.fold import Policy
from mien.core.message import Identifier, Kind, Submission
from mien.core.presets import preset
from mien.core.rules import Rules, TypeRule
from mien.core.space import DAY, Retention
from mien.core.story import MOST_NOTES
from mien.services.ingest import Receipt, settle
from mien.store.sql import SqlStore
from tests.factories import NOW, ids, message, sheet_of, space, take_in, user

U1 = user("user_id", "u1")


def test_a_receipt_counts_what_became_of_a_batch(store: SqlStore) -> None:
    one, nobody = message(U1), message(user("user_id", "null"))
    receipt = take_in(store, one, one, nobody)
    assert receipt == Receipt(accepted=2, duplicates=1, discarded=2)
    assert {row.discard.reason for row in store.discards("acme", reason=None, limit=9)} == {
        "id_value_blocked",
        "no_matching_identifiers",
    }


def test_messages_of_a_space_that_is_gone_are_recorded(store: SqlStore) -> None:
    settle(store, [Submission((message(U1, space="gone"),))], {}, now=NOW, ids=ids())
    assert [row.discard.reason for row in store.discards("gone", reason=None, limit=9)] == ["unknown_source"]


def test_connections_that_race_for_the_same_people_end_as_if_one_after_another(
    open_again: Callable[[], SqlStore],
) -> None:
    """Four threads with a connection each link, merge and set traits on the same few people."""
    open_again().close()
    policy = Policy(rules=preset("segment"))
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        numbers = ids_of(worker)
        try:
            with open_again() as store:
                for n in range(60):
                    links = (user("email", f"e{n % 7}"), user("anonymous_id", f"a{(n * worker) % 5}"))
                    more = message(*links, id=f"{worker}-{n}", traits={f"w{worker}": n}, at=NOW + n)
                    settle(store, [Submission((more,))], {"acme": space(policy=policy)}, now=NOW, ids=numbers)
        except BaseException as error:  # noqa: BLE001 (shown by the main thread)
            failures.append(error)

    def ids_of(worker: int) -> Iterator[int]:
        return (n * 10 + worker for n in ids())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with open_again() as store:
        counted = 0
        for row in store.recent("acme", "users", beyond=None, offset=0, limit=1000):
            profile = store.profile(row.id)
            assert profile is not None
            assert all(store.owner("acme", name) == profile.id for name in profile.names())
            counted += len(profile.identifiers)
        assert counted == 7 + 5


def test_a_profile_whose_time_is_over_begins_anew(store: SqlStore) -> None:
    tenant = space(retention=Retention(profiles=DAY))
    take_in(store, message(U1, traits={"old": 1}), tenant=tenant)
    take_in(store, message(U1, traits={"new": 1}), tenant=tenant, now=NOW + 2 * DAY)
    profile = store.owner("acme", U1)
    assert profile is not None
    sheet = sheet_of(store, profile)
    assert sheet is not None
    assert sheet.text == b'"new":1'


def test_an_alias_changes_nobody(store: SqlStore) -> None:
    take_in(store, message(U1), message(user("anonymous_id", "a")))
    take_in(
        store,
        message(U1, user("anonymous_id", "a"), kind=Kind.ALIAS),
        message(user("user_id", "u9"), kind=Kind.ALIAS),
    )
    assert store.owner("acme", U1) != store.owner("acme", user("anonymous_id", "a"))
    assert store.owner("acme", user("user_id", "u9")) is None


def test_an_event_of_an_account_is_kept_with_user_and_account(store: SqlStore) -> None:
    group = Identifier("accounts", "group_id", "g")
    take_in(store, message(U1, group, event="E"))
    for name in (U1, group):
        profile = store.owner("acme", name)
        assert profile is not None
        assert store.activity(profile)["E"].times == 1


def test_a_merge_storm_on_one_hub_ends_at_the_cap_and_is_listed(store: SqlStore) -> None:
    """A tablet's id on everybody's messages: so many become one, and all later ones stay by themselves."""
    rules = Rules(types={"email": TypeRule(limit=1000, priority=1)}, other=TypeRule(limit=1000), max_merges=20)
    tenant, hub = space(policy=Policy(rules=rules)), user("tablet", "t1")
    people = [user("email", f"e{n}@x.c") for n in range(120)]
    take_in(store, *[message(person) for person in people], tenant=tenant)
    for person in people:
        take_in(store, message(hub, person), tenant=tenant)
    crowd = store.profile(store.owner("acme", hub) or 0)
    assert crowd is not None
    assert len(crowd.members) == 20
    assert store.owner("acme", people[-1]) != crowd.id
    refused = store.discards("acme", reason="profile_merge_limit_exceeded", limit=1000)
    assert len(refused) == 120 - 21


def test_a_profile_stops_taking_identifiers_at_the_cap_and_its_story_stays_short(store: SqlStore) -> None:
    rules = Rules(types={"user_id": TypeRule(priority=1)}, other=TypeRule(limit=10**6), max_identifiers=100)
    tenant = space(policy=Policy(rules=rules))
    cards = [user("card", str(n)) for n in range(3, 1003)]
    for start in range(0, 1000, 10):
        take_in(store, message(U1, *cards[start : start + 10]), tenant=tenant)
    profile = store.profile(store.owner("acme", U1) or 0)
    assert profile is not None
    assert len(profile.identifiers) == 100
    assert profile.serial == 100
    assert len(profile.notes) == MOST_NOTES
    assert {note.what for note in profile.notes} == {"id_mapping_limit_exceeded"}
