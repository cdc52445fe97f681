"""Undoing a merge: the two are as they would be had it not happened."""

from collections.abc import Callable

import pytest

from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message
from mien.core.profile import Profile
from mien.core.rules import Rules, TypeRule
from mien.core.space import DAY, Space
from mien.core.story import REMOVED, Merge, Unmerge
from mien.errors import CannotUnmerge, NotMerged
from mien.services import lookup
from mien.services.forget import forget
from mien.services.identifiers import remove
from mien.services.preparation import advance
from mien.services.spaces import read_catalog
from mien.services.unmerge import unmerge
from mien.store.base import EventQuery
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, ids, message, space, take_in, user

LOOSE = space(policy=Policy(rules=Rules(other=TypeRule(limit=100))))
A, B, C, D = (user("email", name) for name in "abcd")


def profile_of(store: SqlStore, name: Identifier) -> Profile:
    owner = store.owner("acme", name)
    assert owner is not None
    found = store.profile(owner)
    assert found is not None
    return found


def values(store: SqlStore, name: Identifier) -> dict[str, bytes]:
    return {key: trait.value for key, trait in profile_of(store, name).traits.items() if trait.value}


def held(store: SqlStore, name: Identifier) -> set[str]:
    return {value for _, value in profile_of(store, name).identifiers}


def events(store: SqlStore, name: Identifier) -> list[str]:
    head = store.head(profile_of(store, name).id)
    assert head is not None
    return sorted(event.message for event in store.events(head, EventQuery(limit=1000)))


def undo(store: SqlStore, absorbed: int, *, forever: bool = False, tenant: Space = LOOSE) -> Unmerge:
    return unmerge(store, tenant, absorbed, forever=forever, now=NOW + 10**9, ids=ids())


def group(member: Identifier, name: str, **fields: object) -> Message:
    account = Identifier(ACCOUNTS, "group_id", name)
    return message(member, account, kind=Kind.GROUP, subject=ACCOUNTS, **fields)


def take(store: SqlStore, *messages: Message) -> None:
    for one in messages:
        take_in(store, one, tenant=LOOSE)


def test_each_has_its_own_again_and_what_came_since(store: SqlStore) -> None:
    take(
        store,
        message(A, id="a1", at=1, traits={"plan": "free", "city": "Ulm"}),
        message(B, id="b1", at=2, traits={"plan": "pro"}),
        message(A, id="a2", at=3, event="Bought"),
        message(A, B, id="both", at=4, traits={"seen": "both"}),
        message(B, id="b2", at=5, event="Bought"),
        message(B, C, id="b3", at=6, traits={"size": 3}),
        message(A, id="a3", at=7, event="Bought", traits={}),
    )
    one = profile_of(store, A)
    [absorbed] = one.members
    assert held(store, B) == {"a", "b", "c"}

    account = undo(store, absorbed)

    assert account.came == (one.id, absorbed)
    assert (held(store, A), held(store, B)) == ({"a"}, {"b", "c"})
    assert values(store, A) == {"plan": b'"free"', "city": b'"Ulm"', "seen": b'"both"'}
    assert values(store, B) == {"plan": b'"pro"', "size": b"3"}
    assert events(store, A) == ["a2", "a3"]
    assert events(store, B) == ["b2"]
    assert profile_of(store, A).activity["Bought"].times == 2
    assert store.owner("acme", C) == absorbed


def test_the_next_message_that_names_both_merges_again_unless_told_never_to(store: SqlStore) -> None:
    take(store, message(A), message(B), message(A, B))
    [absorbed] = profile_of(store, A).members
    undo(store, absorbed)
    take(store, message(A, B))
    assert profile_of(store, A).members == (absorbed,)

    undo(store, absorbed, forever=True)
    take(store, message(A, B, id="refused"))
    assert profile_of(store, A).members == ()
    assert store.owner("acme", B) == absorbed
    discards = store.discards("acme", reason="profiles_kept_apart", limit=10)
    assert [row.discard.message for row in discards] == ["refused"]


def test_whoever_joined_later_goes_to_the_one_it_was_named_with(store: SqlStore) -> None:
    take(store, message(A), message(B), message(C, traits={"c": 1}), message(D, traits={"d": 1}))
    take(store, message(A, B), message(B, C), message(A, D))
    [absorbed, *_] = profile_of(store, A).members
    undo(store, absorbed)
    assert (held(store, A), held(store, B)) == ({"a", "d"}, {"b", "c"})
    assert (values(store, A), values(store, B)) == ({"d": b"1"}, {"c": b"1"})


def test_a_merge_below_another_is_undone_and_the_other_stays(store: SqlStore) -> None:
    """B went into A's younger friend C before C went into A's elder."""
    take(store, message(A), message(B), message(C))
    take(store, message(B, C), message(A, B))
    below = store.owner("acme", B)
    assert below == profile_of(store, A).id
    c = profile_of(store, A).members[-1]
    undo(store, c)
    assert (held(store, A), held(store, C)) == ({"a", "b"}, {"c"})


def test_links_go_with_the_messages_that_made_them(store: SqlStore) -> None:
    take(store, group(A, "old", at=10), message(B))
    take(store, message(A, B), group(B, "new", at=20), group(B, "old", at=5))
    [absorbed] = profile_of(store, A).members
    undo(store, absorbed)

    def links(name: Identifier) -> list[tuple[int, str]]:
        head = store.head(profile_of(store, name).id)
        assert head is not None
        rows = store.links("acme", head, beyond=None, limit=100)
        return [(row.since, store.identifiers(row.today)[0].value) for row in rows]

    assert links(A) == [(10, "old")]
    assert links(B) == [(5, "old"), (20, "new")]
    old = Identifier(ACCOUNTS, "group_id", "old")
    assert [since for since, _ in links(old)] == [5, 10]


def test_an_identifier_that_was_removed_since_does_not_come_back(store: SqlStore) -> None:
    from mien.services.identifiers import remove  # noqa: PLC0415

    take(store, message(A), message(B, C), message(A, B))
    one = profile_of(store, A)
    remove(store, LOOSE, one.id, C, now=NOW)
    undo(store, one.members[0])
    assert (held(store, A), held(store, B)) == ({"a"}, {"b"})
    assert store.owner("acme", C) is None


def test_what_was_purged_stays_as_it_was_at_the_merge_and_is_named(store: SqlStore) -> None:
    take(store, message(A, traits={"kept": 1}), message(B), message(A, B))
    take(store, message(B, id="lost", at=5, traits={"city": "Ulm"}), message(B, at=NOW + 10**9, traits={"new": 1}))
    with store.begin() as unit:
        unit.purge_messages("acme", before=NOW + 10**8, limit=100)
    account = undo(store, profile_of(store, A).members[0])
    assert account.unkept == ("city",)
    assert (values(store, A), values(store, B)) == ({"kept": b"1"}, {"new": b"1"})


def test_the_history_tells_of_the_merge_and_of_its_undoing(store: SqlStore) -> None:
    take(store, message(A), message(B), message(A, B, id="both"))
    head = store.head(profile_of(store, A).id)
    assert head is not None
    [merge] = store.history(head)
    assert isinstance(merge, Merge)
    assert (merge.message, set(merge.named)) == ("both", {(A, head.id), (B, head.members[0])})
    undo(store, head.members[0])
    for name in (A, B):
        now = store.head(profile_of(store, name).id)
        assert now is not None
        [account] = store.history(now)
        assert isinstance(account, Unmerge)
        assert account.merge == merge


def test_what_was_not_merged_cannot_be_undone(store: SqlStore) -> None:
    take(store, message(A), message(B))
    with pytest.raises(NotMerged):
        undo(store, profile_of(store, A).id)
    with pytest.raises(NotMerged):
        undo(store, 12345)


def test_a_merge_from_before_there_was_a_history_is_refused(open_again: Callable[[], SqlStore]) -> None:
    with open_again() as store:
        take(store, message(A), message(B), message(A, B))
        absorbed = profile_of(store, A).members[0]
        with store.db.transaction():
            store.db.change("DELETE FROM history WHERE kind = 'merge' AND profile_id > ?", [(0,)])
        with pytest.raises(CannotUnmerge):
            undo(store, absorbed)


def test_another_space_cannot_undo_it(store: SqlStore) -> None:
    take(store, message(A), message(B), message(A, B))
    with pytest.raises(NotMerged):
        undo(store, profile_of(store, A).members[0], tenant=Space(slug="beta", name="Beta"))


def test_a_message_that_named_nobody_by_itself_stays_with_the_survivor(store: SqlStore) -> None:
    alias = message(Identifier(USERS, "email", "b"), kind=Kind.ALIAS)
    take(store, message(A), message(B), message(A, B), alias)
    undo(store, profile_of(store, A).members[0])
    assert profile_of(store, B).serial == 2


def test_a_later_merge_whose_message_is_gone_stands_by_its_account(store: SqlStore) -> None:
    take(store, message(A), message(B), message(C))
    take(store, message(A, B, at=NOW + 10**9), message(B, C, at=5, id="gone"))
    with store.begin() as unit:
        unit.purge_messages("acme", before=NOW + 10**8, limit=100)
    undo(store, next(m for m in profile_of(store, A).members if store.profile(m) and _began_with(store, m, B)))
    assert (held(store, A), held(store, B)) == ({"a"}, {"b", "c"})


def _began_with(store: SqlStore, profile: int, name: Identifier) -> bool:
    found = store.profile(profile)
    return found is not None and (name.type, name.value) in found.identifiers


def test_an_identifier_came_by_the_message_that_named_it_for_who_holds_it(store: SqlStore) -> None:
    """Both named it; it is with the one that the first of them went to."""
    new = user("user_id", "u")
    first, second = message(A, B, new), message(B, new)
    take(store, message(A), message(B), message(A, B), first, second)
    undo(store, profile_of(store, A).members[0])
    assert (held(store, A), held(store, B)) == ({"a", "u"}, {"b"})
    assert profile_of(store, A).identifiers["user_id", "u"].message == first.id


def test_what_was_removed_is_known_to_the_next_unmerge(store: SqlStore) -> None:
    """The card went from B to A: it was removed, and came again with A."""
    card = user("card", "1")
    take(store, message(A), message(B))
    second = profile_of(store, B).id
    take(store, message(A, B), message(B, card), message(C))
    third = profile_of(store, C).id
    take(store, message(A, C))
    remove(store, LOOSE, profile_of(store, A).id, card, now=NOW)
    take(store, message(A, card))
    undo(store, third)
    assert REMOVED in {one.what for one in profile_of(store, A).notes}
    undo(store, second)
    assert held(store, A) == {"a", "1"}
    assert held(store, B) == {"b"}


def test_what_was_removed_before_a_merge_may_come_again_after_it(store: SqlStore) -> None:
    """The card was removed from B and C, who were one, before they became one with A, and came again with C."""
    card = user("card", "1")
    take(store, message(A), message(B), message(C))
    third = profile_of(store, C).id
    take(store, message(B, C), message(B, card))
    remove(store, LOOSE, profile_of(store, B).id, card, now=NOW)
    take(store, message(A, B), message(C, card))
    undo(store, third)
    assert held(store, A) == {"a", "b"}
    assert held(store, C) == {"c", "1"}


def test_no_link_with_somebody_forgotten_comes_back(store: SqlStore) -> None:
    take(store, group(B, "g"), message(A))
    forget(store, LOOSE, [Identifier(ACCOUNTS, "group_id", "g")], deletion="d1", suppress=False, now=NOW)
    take(store, message(A, B), group(A, "h"))
    forget(store, LOOSE, [Identifier(ACCOUNTS, "group_id", "h")], deletion="d2", suppress=False, now=NOW)
    undo(store, profile_of(store, A).members[0])
    assert store.db.rows("SELECT 1 FROM links") == []


def test_what_went_to_the_one_that_absorbed_both_is_not_held_twice(store: SqlStore) -> None:
    """The card was removed from B and C, who were one, and came to A before A became one with them."""
    card = user("card", "1")
    take(store, message(A), message(B, card), message(C))
    third = profile_of(store, C).id
    take(store, message(B, C))
    remove(store, LOOSE, profile_of(store, B).id, card, now=NOW)
    take(store, message(A, card), message(A, C))
    undo(store, third)
    assert held(store, A) == {"a", "c", "1"}
    assert held(store, B) == {"b"}
    assert store.owner("acme", card) == store.owner("acme", A)


def test_what_a_message_brought_beside_the_two_is_not_lost(store: SqlStore) -> None:
    """It named both and somebody new, and somebody else: these stay with the one that the message goes to."""
    new = user("user_id", "new")
    take(store, message(A), message(B), message(C), message(A, B), message(A, B, C, new))
    names = held(store, A)
    undo(store, next(m for m in profile_of(store, A).members if _began_with(store, m, B)))
    assert (held(store, A), held(store, B)) == ({"a", "c", "new"}, {"b"})
    assert held(store, A) | held(store, B) == names


def test_for_ever_apart_a_message_of_both_still_brings_what_is_new(store: SqlStore) -> None:
    take(store, message(A), message(B), message(A, B))
    undo(store, profile_of(store, A).members[0], forever=True)
    take(store, message(A, B, user("user_id", "new")))
    assert held(store, A) == {"a", "new"}


def test_what_readers_see_of_the_survivor_stays_where_it_does_not_change(store: SqlStore) -> None:
    take_in(store, message(A, event="E"), message(B), tenant=LOOSE)
    take_in(store, message(A, B), tenant=LOOSE)
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    while advance(store, read_catalog(store).spaces, now=NOW):
        tenant = read_catalog(store).spaces["acme"]
    undo(store, profile_of(store, A).members[0], tenant=tenant)
    seen = {one: bytes(lookup.one(store, tenant, [one], now=NOW + 10**9).sheet.text) for one in (A, B)}
    assert seen == {A: b'"n":1', B: b""}


def test_two_may_become_one_of_whom_one_has_seen_everything_leave_its_window(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').within(1 day).count()"}}}""")
    take_in(store, message(A, event="E", at=NOW - 30 * DAY), message(B), message(A, B), tenant=tenant)
    assert lookup.one(store, tenant, [B], now=NOW).sheet.text == b""


def test_values_of_definitions_that_are_gone_are_noted_as_gone_though_a_merge_is_undone_first(
    store: SqlStore,
) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    take_in(store, message(A), message(B), message(A, B), message(A, event="E"), tenant=tenant)
    tenant = defined(store, "{computed_traits: {}}")
    undo(store, profile_of(store, A).members[0], tenant=tenant)
    while advance(store, read_catalog(store).spaces, now=NOW + 10**9):
        pass
    rows = store.changes("acme", beyond=None, limit=10)
    assert [(change.key, change.was, change.now) for row in rows for change in row.changes] == [
        ("n", b"", b"1"),
        ("n", b"1", b""),
    ]


def test_what_was_before_a_definition_counts_when_one_merge_after_another_is_undone(store: SqlStore) -> None:
    """How the survivor was before the second merge is kept anew as the first is undone."""
    tenant = defined(store, "{}")
    for name in (A, B, C):
        take_in(store, message(name, event="E"), tenant=tenant)
    absorbed = [profile_of(store, name).id for name in (B, C)]
    for one in (B, C):
        take_in(store, message(A, one), tenant=tenant)
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    while advance(store, {"acme": tenant}, now=NOW):
        tenant = read_catalog(store).spaces["acme"]
    for one in absorbed:
        undo(store, one, tenant=tenant)
    assert [dict(profile_of(store, name).shown)["n"].text for name in (A, B, C)] == [b"1", b"1", b"1"]
