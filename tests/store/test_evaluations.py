"""What is kept of computed traits and audiences; every engine passes all of it."""

import pytest

from mien.core.computed import ABSENT, Cause, Change, How, Noted, Passage
from mien.core.definition import Definition, Kind
from mien.core.fold import Outcome
from mien.core.message import ACCOUNTS, USERS, Identifier
from mien.core.message import Kind as MessageKind
from mien.errors import Contended
from mien.store.computed import DefinitionRecord, Evaluation, Member
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, message, sheet_of, take_in, user

DAY = 86_400_000_000
WHY = Cause(How.MESSAGE, "m1")
U1, U2 = user("user_id", "u1"), user("user_id", "u2")


def entered(number: int, at: int) -> Passage:
    return Passage(number, True, at, WHY)


def left(number: int, at: int) -> Passage:
    return Passage(number, False, at, Cause(How.TIME))


def write(store: SqlStore, **what: object) -> None:
    with store.begin() as unit:
        unit.write("acme", Outcome(**what))  # type: ignore[arg-type]


def owner(store: SqlStore, name: Identifier) -> int:
    found = store.owner("acme", name)
    assert found is not None
    return found


def test_members_come_in_pages_and_are_counted(store: SqlStore) -> None:
    write(store, passages=[(p, entered(1, NOW + p)) for p in (30, 10, 20)] + [(10, entered(2, NOW))])
    write(store, passages=[(20, left(1, NOW + 99))])
    first = store.members("acme", 1, beyond=0, limit=1)
    assert [(m.profile, m.since, m.cause) for m in first] == [(10, NOW + 10, WHY)]
    assert [m.profile for m in store.members("acme", 1, beyond=10, limit=9)] == [30]
    assert (store.count_members("acme", 1), store.count_members("acme", 2), store.count_members("acme", 3)) == (
        2,
        1,
        0,
    )
    assert store.count_members("beta", 1) == 0


def test_somebody_who_comes_and_goes_in_one_batch_is_noted_each_time(store: SqlStore) -> None:
    passages = [(1, entered(1, NOW)), (1, left(1, NOW + 1)), (2, entered(1, NOW)), (1, entered(1, NOW + 2))]
    write(store, passages=passages)
    profile = owner_head(store)
    stays = store.memberships(profile._replace(id=1, members=()), limit=9)
    assert [(stay.since - NOW, stay.until and stay.until - NOW) for stay in stays] == [(2, None), (0, 1)]
    assert (stays[1].entered, stays[1].left, stays[0].left) == (WHY, Cause(How.TIME), None)
    assert store.count_members("acme", 1) == 2


def owner_head(store: SqlStore):  # type: ignore[no-untyped-def]
    take_in(store, message(U1))
    return store.head(owner(store, U1))


def test_memberships_of_absorbed_profiles_are_found_with_the_survivor(store: SqlStore) -> None:
    head = owner_head(store)
    write(store, passages=[(7, entered(1, NOW)), (head.id, entered(1, NOW + 1))])
    stays = store.memberships(head._replace(members=(7,)), limit=9)
    assert [stay.profile for stay in stays] == [head.id, 7]
    assert len(store.memberships(head._replace(members=(7,)), limit=1)) == 1


def test_sizes_are_told_for_each_day_on_which_they_changed(store: SqlStore) -> None:
    day = NOW // DAY * DAY
    write(store, passages=[(1, entered(1, day)), (2, entered(1, day + DAY - 1)), (3, entered(1, day + DAY))])
    write(store, passages=[(1, left(1, day + DAY + 5))])
    write(store, passages=[(2, left(1, day + 3 * DAY))])
    assert [tuple(size) for size in store.sizes("acme", 1)] == [
        (day, 2, 2, 0),
        (day + DAY, 2, 1, 1),
        (day + 3 * DAY, 1, 0, 1),
    ]


def test_changes_are_read_in_their_order_and_purged_by_age(store: SqlStore) -> None:
    change = Change("orders", Kind.COMPUTED_TRAIT, ABSENT, b"1", NOW, WHY)
    write(store, noted=[Noted(2, NOW, [change]), Noted(1, NOW, [change]), Noted(1, NOW + 1, [change, change])])
    rows = store.changes("acme", beyond=None, limit=2)
    assert [(row.at - NOW, row.profile) for row in rows] == [(0, 1), (0, 2)]
    assert rows[0].changes == [change]
    [last] = store.changes("acme", beyond=rows[-1][:2], limit=9)
    assert (last.at, len(last.changes)) == (NOW + 1, 2)
    with store.begin() as unit:
        assert unit.purge_changes("beta", before=NOW + 9, limit=9) == 0
        assert unit.purge_changes("acme", before=NOW + 1, limit=1) == 1
        assert unit.purge_changes("acme", before=NOW + 1, limit=9) == 1
    assert len(store.changes("acme", beyond=None, limit=9)) == 1


def test_ended_memberships_are_purged_by_age(store: SqlStore) -> None:
    write(store, passages=[(1, entered(1, NOW)), (2, entered(1, NOW)), (1, left(1, NOW + 5))])
    with store.begin() as unit:
        assert unit.purge_memberships("acme", before=NOW + 5, limit=9) == 0
        assert unit.purge_memberships("acme", before=NOW + 6, limit=9) == 1
    assert store.count_members("acme", 1) == 1


def test_memberships_of_a_definition_that_is_no_more_go_and_ended_ones_go_over(store: SqlStore) -> None:
    write(store, passages=[(1, entered(1, NOW)), (2, entered(1, NOW)), (1, left(1, NOW + 5)), (2, entered(4, NOW))])
    with store.begin() as unit:
        assert unit.end_memberships("acme", 1, into=4, limit=9) == 2
        assert unit.end_memberships("acme", 1, into=4, limit=9) == 0
        assert unit.end_memberships("beta", 4, into=None, limit=9) == 0
    assert store.count_members("acme", 1) == 0
    assert [(size.entered, size.left) for size in store.sizes("acme", 4)] == [(2, 1)]


def test_whoever_is_due_is_listed_oldest_first(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').within(1 day).count()"}}}""")
    for k, name in enumerate((U2, U1)):
        take_in(store, message(name, event="E", at=NOW + k), tenant=tenant)
    take_in(store, message(user("user_id", "u3"), traits={"a": 1}), tenant=tenant)
    ids = owner(store, U2), owner(store, U1)
    assert store.due(now=NOW + DAY - 1, limit=9) == []
    assert store.due(now=NOW + DAY + 1, limit=9) == [(NOW + DAY, ids[0]), (NOW + DAY + 1, ids[1])]
    assert store.due(now=NOW + DAY + 1, limit=1) == [(NOW + DAY, ids[0])]
    with store.begin() as unit:
        unit.look_again([ids[1], ids[1]])
    assert store.due(now=NOW, limit=9) == [(0, ids[1])]


def test_whoever_writes_a_profile_that_is_to_be_looked_at_finds_out(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    take_in(store, message(U1, event="E"), tenant=tenant)
    [profile] = store.profiles([owner(store, U1), 5]).values()
    with store.begin() as unit:
        unit.look_again([profile.id])
    with pytest.raises(Contended), store.begin() as unit:
        unit.write("acme", Outcome(profiles=[profile]))


def test_who_was_absorbed_cannot_be_looked_at_again(store: SqlStore) -> None:
    """Whoever means them has to find out who they are today."""
    take_in(store, message(U1))
    a1 = user("anonymous_id", "a1")
    take_in(store, message(a1))
    absorbed = owner(store, a1)
    take_in(store, message(U1, a1))
    for gone in (absorbed, 5):
        with pytest.raises(Contended), store.begin() as unit:
            unit.look_again([owner(store, U1), gone])
    assert store.due(now=NOW, limit=9) == []


def test_the_events_of_some_names_between_two_times(store: SqlStore) -> None:
    for k, name in enumerate(("A", "B", "A", "C", "A")):
        take_in(store, message(U1, id=f"m{k}", event=name, at=NOW + k, properties=b'{"k":%d}' % k))
    profile = owner(store, U1)
    found = store.happened("acme", [profile], {"A", "C"}, first=NOW + 1, last=NOW + 4)
    assert sorted((m.id, m.event, m.properties, m.timestamp) for m in found) == [
        ("m2", "A", b'{"k":2}', NOW + 2),
        ("m3", "C", b'{"k":3}', NOW + 3),
        ("m4", "A", b'{"k":4}', NOW + 4),
    ]
    assert store.happened("acme", [profile], set()) == store.happened("acme", [], {"A"}) == []
    assert len(store.happened("acme", [5, profile], {"A"})) == 3


def test_profiles_in_the_order_of_their_ids(store: SqlStore) -> None:
    take_in(store, message(U1), message(U2))
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    take_in(store, message(user("user_id", "u3"), event="E"), tenant=tenant)
    first = store.profiles_beyond("acme", 0, limit=2, computed=False)
    rest = store.profiles_beyond("acme", first[-1].id, limit=2, computed=False)
    assert [p.id for p in (*first, *rest)] == sorted(p.id for p in (*first, *rest))
    assert len(first) + len(rest) == store.count_profiles("acme") == 3
    [computed] = store.profiles_beyond("acme", 0, limit=9, computed=True)
    assert computed.id == rest[0].id
    assert store.profiles_beyond("beta", 0, limit=9, computed=False) == []


def test_what_profiles_are_linked_with_today(store: SqlStore) -> None:
    group = Identifier(ACCOUNTS, "group_id", "g1")
    anonymous = user("anonymous_id", "a1")
    for name in (U1, U2, anonymous):
        take_in(store, message(name, group, kind=MessageKind.GROUP, subject=ACCOUNTS))
    take_in(store, message(U1, anonymous))
    account = owner(store, group)
    head = store.head(account)
    assert head is not None
    assert store.users_of("acme", head) == sorted((owner(store, U1), owner(store, U2)))
    assert store.linked_today("acme", [owner(store, U2)], ACCOUNTS) == [account]
    assert store.linked_today("acme", [], USERS) == []


def test_definitions_and_how_far_a_space_is_with_them(store: SqlStore) -> None:
    definition = Definition(
        number=3,
        kind=Kind.AUDIENCE,
        key="big",
        name="Big",
        query="trait('a') = 1",
        attributes={"offer": {"trait": "a"}, "n": 1.5},
        created_at=NOW,
        updated_at=NOW,
    )
    before = store.revision()
    with store.begin() as unit:
        unit.save_definition(DefinitionRecord("acme", definition))
        unit.save_evaluation("acme", Evaluation(target=3), revised=False)
    assert store.definitions() == [DefinitionRecord("acme", definition)]
    assert store.evaluations() == {"acme": Evaluation(target=3)}
    assert store.revision() > before
    with store.begin() as unit:
        unit.remove_definition(DefinitionRecord("acme", definition))
    assert store.definitions() == []


def test_a_look_finds_what_is_computed_beside_what_was_set(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {plan: {query: "event('E').last(property('plan'))"}}}""")
    take_in(store, message(U1, traits={"plan": "free", "zip": 1}), tenant=tenant)
    take_in(store, message(U1, event="E", properties=b'{"plan":"pro"}'), tenant=tenant)
    sheet = sheet_of(store, U1)
    assert sheet is not None
    assert sheet.text == b'"plan":"pro","zip":1'
    assert list(sheet.kinds) == [1, 0]
    assert {key: value for key, (value, _) in sheet.written().items()} == {"zip": b"1"}
    take_in(store, message(U1, traits={"plan": "team"}), tenant=tenant)
    profile = store.profile(owner(store, U1))
    assert profile is not None
    assert (profile.traits["plan"].value, profile.shown["plan"].text) == (b'"team"', b'"pro"')
    again = store.sheet(profile)
    assert again == sheet_of(store, U1)


def test_whoever_leaves_and_enters_again_at_once_is_in_by_the_later_cause(store: SqlStore) -> None:
    """As by the clock of a node that is behind."""
    again = Passage(1, True, NOW, Cause(How.MESSAGE, "m2"))
    for passage in (entered(1, NOW), left(1, NOW), again):
        write(store, passages=[(7, passage)])
    assert store.members("acme", 1, beyond=0, limit=9) == [Member(7, NOW, Cause(How.MESSAGE, "m2"))]
