"""What every engine promises: each promise of store/base.py once, run on each engine."""

from collections.abc import Callable

import pytest

from mien.core.fold import Link, Outcome
from mien.core.message import ACCOUNTS, USERS, Discard, Identifier, Kind, Message, order_of
from mien.core.profile import Profile, Stamp, own_identifier
from mien.core.space import Credential, Source, SourceKind
from mien.errors import Contended
from mien.store.base import EventQuery, Head, Place, Recent, SpaceRecord
from mien.store.sql import SqlStore
from tests.factories import NOW, message, sheet_of, take_in, user

U1 = user("user_id", "u1")


def head_of(store: SqlStore, identifier: Identifier = U1) -> Head:
    profile = store.owner("acme", identifier)
    assert profile is not None
    head = store.head(profile)
    assert head is not None
    return head


def test_what_was_committed_is_read_by_another_connection_at_once(open_again: Callable[[], SqlStore]) -> None:
    with open_again() as writer, open_again() as reader:
        assert reader.owner("acme", U1) is None
        take_in(writer, message(U1, traits={"plan": "pro"}))
        profile = reader.owner("acme", U1)
        assert profile is not None
        sheet = sheet_of(reader, profile)
        assert sheet is not None
        assert sheet.text == b'"plan":"pro"'


def test_a_held_state_does_not_change_and_is_let_go(open_again: Callable[[], SqlStore]) -> None:
    with open_again() as writer, open_again() as reader:
        reader.hold()
        assert reader.owner("acme", U1) is None
        take_in(writer, message(U1))
        assert reader.owner("acme", U1) is None
        reader.release()
        assert reader.owner("acme", U1) is not None


def test_a_unit_that_raises_leaves_nothing_behind(store: SqlStore) -> None:
    def half_done() -> None:
        with store.begin() as unit:
            unit.unseen([message(id="m1")])
            unit.save_space(SpaceRecord("acme", b"{}"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_done()
    assert store.tenancy().spaces == []
    with store.begin() as unit:
        assert unit.unseen([message(id="m1")])


def test_a_message_delivered_twice_counts_once(store: SqlStore) -> None:
    """Within one batch, and later; the same id in another space is another message."""
    one, same, other = message(id="m1"), message(id="m1"), message(id="m1", space="beta")
    with store.begin() as unit:
        assert unit.unseen([one, same, other]) == [one, other]
    with store.begin() as unit:
        assert unit.unseen([same]) == []


def test_unseen_messages_keep_their_order(store: SqlStore) -> None:
    messages = [message(id=f"m{n}") for n in range(50)]
    with store.begin() as unit:
        assert unit.unseen(messages) == messages


def test_a_profile_written_on_a_stale_version_is_contended(store: SqlStore) -> None:
    take_in(store, message(U1))
    with store.begin() as unit:
        stale = unit.load("acme", [U1])
    take_in(store, message(U1, traits={"a": 1}))
    with pytest.raises(Contended), store.begin() as unit:
        unit.write("acme", Outcome(profiles=list(stale.profiles.values())))
    assert head_of(store).id in stale.profiles


def test_an_identifier_claimed_twice_is_contended(store: SqlStore) -> None:
    take_in(store, message(U1))
    stamp = Stamp(NOW, "m", "web")
    late = Profile(id=order_of(NOW) + 7, space="acme", collection=USERS, first=stamp, last=stamp)
    claims = {U1: late.id, own_identifier(USERS, late.id): late.id}
    with pytest.raises(Contended), store.begin() as unit:
        unit.write("acme", Outcome(profiles=[late], claims=claims))
    assert store.profile(late.id) is None


def test_spaces_and_collections_never_meet(store: SqlStore) -> None:
    take_in(store, message(U1))
    assert store.owner("beta", U1) is None
    assert store.owner("acme", Identifier(ACCOUNTS, "user_id", "u1")) is None


@pytest.mark.parametrize("value", ["ü", "a:b", "\0", "x" * 1000, "'; --", "\ufffe", "😀"])
def test_identifiers_of_any_characters_are_found(store: SqlStore, value: str) -> None:
    take_in(store, message(user("user_id", value), traits={value: value}))
    profile = store.owner("acme", user("user_id", value))
    assert profile is not None
    assert [row.value for row in store.identifiers(profile)] == [value]
    sheet = sheet_of(store, profile)
    assert sheet is not None
    assert list(sheet.members()) == [value]


def test_many_are_found_at_once_as_each_alone(store: SqlStore) -> None:
    u2, nobody = user("user_id", "u2"), user("user_id", "nobody")
    take_in(store, message(U1, user("email", "e"), traits={"a": 1}), message(u2, traits={"a": 2}))
    owners = store.owners("acme", [nobody, u2, user("email", "e"), U1, U1])
    assert owners == {name: store.owner("acme", name) for name in (U1, user("email", "e"), u2)}
    assert store.owners("beta", [U1, u2]) == {}
    profiles = set(owners.values())
    assert {p: look.sheet for p, look in store.looks([*owners.values(), 5]).items()} == {
        profile: sheet_of(store, profile) for profile in profiles
    }
    assert store.heads([*owners.values(), 5]) == {profile: store.head(profile) for profile in profiles}
    assert store.owners("acme", []) == store.looks([]) == store.heads([]) == {}


def test_trait_keys_come_in_the_order_of_their_bytes(store: SqlStore) -> None:
    take_in(store, message(U1, traits={"é": 1, "a": 1, "B": 1, "3_a": 1, "😀": 1, "ﬀ": 1}))
    sheet = sheet_of(store, head_of(store).id)
    assert sheet is not None
    assert list(sheet.members()) == sorted(sheet.members(), key=str.encode) == ["3_a", "B", "a", "é", "ﬀ", "😀"]


def test_every_trait_knows_the_message_that_set_it(store: SqlStore) -> None:
    take_in(
        store,
        message(U1, id="m1", at=NOW, traits={"a": 1, "b": 1}),
        message(U1, id="m2", at=NOW + 1, traits={"b": 2}),
    )
    sheet = sheet_of(store, U1)
    assert sheet is not None
    assert [(key, value, write.message, write.timestamp) for key, (value, write) in sheet.written().items()] == [
        ("a", b"1", "m1", NOW),
        ("b", b"2", "m2", NOW + 1),
    ]
    assert sheet_of(store, user("user_id", "nobody")) is None


def test_identifiers_come_newest_first(store: SqlStore) -> None:
    take_in(store, message(U1, at=5), message(U1, user("email", "e"), at=9), message(U1, user("card", "c"), at=7))
    assert [row.type for row in store.identifiers(head_of(store).id)] == ["email", "card", "user_id"]


def _names(store: SqlStore, **query: object) -> list[str]:
    return [event.message for event in store.events(head_of(store), EventQuery(**{"limit": 100, **query}))]


def test_events_come_by_time_then_by_receipt_in_both_directions(store: SqlStore) -> None:
    take_in(store, *[message(U1, id=i, at=at, event="E") for i, at in (("c", 7), ("a", 5), ("b", 5), ("d", 9))])
    assert _names(store) == ["d", "c", "b", "a"]
    assert _names(store, ascending=True) == ["a", "b", "c", "d"]
    assert _names(store, after=5, before=9) == ["c"]
    assert _names(store, limit=2) == ["d", "c"]


def test_events_are_chosen_by_name(store: SqlStore) -> None:
    take_in(store, *[message(U1, id=n, event=n) for n in ("a", "b", "c")], message(U1, id="identify"))
    assert set(_names(store)) == {"a", "b", "c"}
    assert set(_names(store, include=frozenset({"a", "b"}), exclude=frozenset({"b"}))) == {"a"}
    assert _names(store, include=frozenset({"'"})) == []


@pytest.mark.parametrize("ascending", [True, False])
def test_a_page_of_events_begins_where_the_last_one_ended(store: SqlStore, ascending: bool) -> None:
    """Also when all have the same timestamp, and when they are spread over merged profiles."""
    other = user("anonymous_id", "a1")
    take_in(store, *[message(U1 if n % 2 else other, id=f"m{n}", at=NOW, event="E") for n in range(20)])
    take_in(store, message(U1, other))
    head = head_of(store)
    assert len(head.members) == 1
    seen: list[str] = []
    beyond: Place | None = None
    while page := store.events(head, EventQuery(limit=3, ascending=ascending, beyond=beyond)):
        seen += [event.message for event in page]
        beyond = page[-1].place
        assert store.place("acme", head, NOW, page[-1].message) == beyond
    assert seen == sorted(seen, key=lambda m: int(m[1:]), reverse=not ascending)
    assert len(seen) == 20
    assert store.place("acme", head, NOW, "nobody") is None


def test_profiles_come_by_recent_activity_without_those_absorbed(store: SqlStore) -> None:
    for n in range(5):
        take_in(store, message(user("user_id", f"u{n}"), user("email", f"e{n}")))
    take_in(store, message(user("email", "e1"), user("anonymous_id", "a")), message(user("anonymous_id", "b")))
    take_in(store, message(user("email", "e1"), user("anonymous_id", "b")))
    everybody = store.recent("acme", USERS, beyond=None, offset=0, limit=100)
    assert len(everybody) == 5
    assert everybody[0].id == head_of(store, user("user_id", "u1")).id
    assert everybody == sorted(everybody, reverse=True)
    assert store.recent("acme", USERS, beyond=None, offset=2, limit=2) == everybody[2:4]
    assert store.recent("acme", USERS, beyond=everybody[1], offset=0, limit=2) == everybody[2:4]
    assert store.recent("acme", ACCOUNTS, beyond=None, offset=0, limit=2) == []
    assert store.recent("acme", USERS, beyond=Recent(0, 0), offset=0, limit=2) == []


def _group(member: Identifier, group: str, at: int) -> Message:
    return message(member, Identifier(ACCOUNTS, "group_id", group), kind=Kind.GROUP, subject=ACCOUNTS, at=at)


def test_links_are_seen_from_both_sides_oldest_first(store: SqlStore) -> None:
    take_in(store, *[_group(U1, f"g{n}", at=100 - n) for n in range(5)], _group(U1, "g0", at=3000))
    head = head_of(store)
    links = store.links("acme", head, beyond=None, limit=100)
    assert [since for since, _, _ in links] == [96, 97, 98, 99, 100]
    assert store.links("acme", head, beyond=links[1][:2], limit=2) == links[2:4]
    account = head_of(store, Identifier(ACCOUNTS, "group_id", "g3"))
    assert [linked for _, _, linked in store.links("acme", account, beyond=None, limit=10)] == [head.id]


def test_a_link_to_two_profiles_that_became_one_is_one_link(store: SqlStore) -> None:
    other = user("anonymous_id", "a1")
    take_in(store, _group(U1, "g", at=20), _group(other, "g", at=10))
    account = head_of(store, Identifier(ACCOUNTS, "group_id", "g"))
    assert len(store.links("acme", account, beyond=None, limit=10)) == 2
    take_in(store, message(U1, other))
    assert [(since, linked) for since, _, linked in store.links("acme", account, beyond=None, limit=10)] == [
        (10, head_of(store).id)
    ]
    assert [since for since, _, _ in store.links("acme", head_of(store), beyond=None, limit=10)] == [10]


def test_erased_means_no_table_holds_them(store: SqlStore) -> None:
    other = user("anonymous_id", "a1")
    take_in(
        store, _group(U1, "g", at=1), message(other, event="E"), message(U1, other), message(user("user_id", "u2"))
    )
    victim = store.profile(head_of(store).id)
    assert victim is not None
    with store.begin() as unit:
        unit.erase("acme", [victim])
    assert store.owner("acme", U1) is None
    assert store.owner("acme", other) is None
    ids = (victim.id, *victim.members)
    for table, column in (
        ("profiles", "profile_id"),
        ("messages", "profile_id"),
        ("identifiers", "profile_id"),
        ("links", "profile_id"),
        ("links", "linked_id"),
    ):
        assert not store.db.rows(f"SELECT 1 FROM {table} WHERE {column} IN ({ids[0]}, {ids[-1]})"), table
    assert store.owner("acme", user("user_id", "u2")) is not None


def test_who_changed_since_they_were_read_is_not_erased(store: SqlStore) -> None:
    """Neither when a message came meanwhile, nor when they became one with somebody."""
    other = user("anonymous_id", "a1")
    take_in(store, message(other), message(U1))
    then = store.profile(head_of(store).id)
    take_in(store, message(U1, other))
    now = store.profile(head_of(store).members[0])
    for absorbed in (then, now):
        assert absorbed is not None
        with pytest.raises(Contended), store.begin() as unit:
            unit.erase("acme", [absorbed])
    assert len(store.identifiers(head_of(store).id)) == 2


def test_an_owner_that_does_not_hold_the_identifier_is_contended(store: SqlStore) -> None:
    """As one look may find it when somebody moves an identifier before the next."""
    other = user("anonymous_id", "a1")
    take_in(store, message(U1), message(other))
    store.db.change("UPDATE identifiers SET profile_id = ?", [(head_of(store).id,)])
    with store.begin() as unit:
        assert unit.load("acme", [U1]).owners == {U1: head_of(store).id}
    with pytest.raises(Contended), store.begin() as unit:
        unit.load("acme", [other])


def test_messages_are_purged_when_timestamp_and_receipt_are_old(store: SqlStore) -> None:
    take_in(store, message(U1, id="old", at=10, order=order_of(NOW - 50), event="E"))
    take_in(store, message(U1, id="imported", at=10, order=order_of(NOW + 50), event="E"))
    take_in(store, message(U1, id="future", at=NOW + 99, order=order_of(NOW - 50), event="E"))
    with store.begin() as unit:
        assert unit.purge_messages("acme", before=NOW, limit=10) == 1
        assert unit.purge_messages("acme", before=NOW, limit=10) == 0
        assert [m.id for m in unit.unseen([message(id="old"), message(id="imported")])] == ["old"]
    assert _names(store) == ["future", "imported"]
    assert store.activity(head_of(store).id)["E"].times == 3


def test_profiles_are_purged_when_they_were_long_idle(store: SqlStore) -> None:
    take_in(store, message(U1, order=order_of(NOW - 10)), message(user("user_id", "u2"), order=order_of(NOW + 10)))
    with store.begin() as unit:
        assert unit.purge_profiles("acme", before=NOW, limit=10) == 1
    assert store.owner("acme", U1) is None
    assert store.owner("acme", user("user_id", "u2")) is not None


def _discard(message: str, at: int, reason: str = "bad_request") -> Discard:
    return Discard("acme", "web", message, "track", reason, "why", at)


def test_discards_are_counted_and_come_latest_first(store: SqlStore) -> None:
    with store.begin() as unit:
        unit.record([_discard("m1", 1), _discard("m2", 2), _discard("m1", 3), _discard("m3", 4, "id_required")])
    rows = store.discards("acme", reason=None, limit=10)
    assert [(row.discard.message, row.times, row.last_at) for row in rows] == [
        ("m3", 1, 4),
        ("m1", 2, 3),
        ("m2", 1, 2),
    ]
    assert [row.discard.message for row in store.discards(None, reason="bad_request", limit=1)] == ["m1"]
    with store.begin() as unit:
        assert unit.purge_discards("acme", before=3, limit=10) == 1
    assert len(store.discards("acme", reason=None, limit=10)) == 2


def test_every_change_of_the_tenancy_is_a_new_revision(store: SqlStore) -> None:
    source = Source(space="acme", name="web", id="1", kind=SourceKind.SDK, digest=b"1", created_at=1)
    credential = Credential(space="acme", dialect="segment", name="x", digest=b"2", created_at=1)
    revisions = [store.revision()]
    for save in ("space", "source", "credential", "credential"):
        with store.begin() as unit:
            {
                "space": lambda: unit.save_space(SpaceRecord("acme", b"{}")),
                "source": lambda: unit.save_source(source),
                "credential": lambda: unit.save_credential(credential),
            }[save]()
        revisions.append(store.revision())
    assert revisions == sorted(set(revisions))
    tenancy = store.tenancy()
    assert (tenancy.spaces, tenancy.sources, tenancy.credentials) == (
        [SpaceRecord("acme", b"{}")],
        [source],
        [credential],
    )


def test_a_link_keeps_its_oldest_time(store: SqlStore) -> None:
    take_in(store, _group(U1, "g", at=50))
    head = head_of(store)
    account = head_of(store, Identifier(ACCOUNTS, "group_id", "g"))
    with store.begin() as unit:
        unit.write("acme", Outcome(links=[Link(head.id, 0, account.id, 0, at) for at in (70, 20)]))
    assert [since for since, _, _ in store.links("acme", head, beyond=None, limit=10)] == [20]


def test_a_sound_store_has_no_findings(store: SqlStore) -> None:
    take_in(store, message(U1))
    store.tend()
    assert store.check() == []
