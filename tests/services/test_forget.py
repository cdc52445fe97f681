"""Forgetting is complete, leaves a proof, and keeps people from coming back."""

from mien.core.deletion import Deletion, Erased
from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, Identifier, Kind, identifier_key
from mien.core.rules import Rules, TypeRule
from mien.services.forget import forget, unsuppress
from mien.services.spaces import read_catalog
from mien.services.unmerge import unmerge
from mien.store.base import EventQuery
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, ids, message, sheet_of, space, take_in, user

U1, U2 = user("user_id", "jane-1"), user("user_id", "other")
A1, A2 = user("anonymous_id", "browser-1"), user("anonymous_id", "browser-2")
SECRET = "jane"


def gone(store: SqlStore, name: Identifier = U1, *, suppress: bool = True) -> Deletion:
    tenant = read_catalog(store).spaces.get("acme", space())
    return forget(store, tenant, [name], deletion="del_1", suppress=suppress, now=NOW)


def everything(store: SqlStore) -> str:
    return repr([row for table in sorted(store.db.tables()) for row in store.db.rows(f"SELECT * FROM {table}")])


def people(store: SqlStore) -> None:
    """Jane was two profiles; she has traits, events, a link, a refused identifier; another person does too."""
    group = Identifier(ACCOUNTS, "group_id", "g1")
    tenant = defined(
        store,
        """{computed_traits: {by: {query: "event('Bought').last(property('by'))"}},
            audiences: {buyers: {query: "event('Bought').count() >= 1", anonymous: true}}}""".replace(
            "{by:",
            """{of_account: {collection: accounts, query: "event('Paid').unique(property('by'))"},
            times: {collection: accounts, query: "event('Paid').count()"}, by:""",
        ),
    )
    take_in(store, message(A1, id="m1", event="Bought", properties=b'{"by":"jane"}'), tenant=tenant)
    take_in(store, message(U1, id="m2", traits={"name": "jane"}), tenant=tenant)
    take_in(store, message(U1, A1, user("email", "jane@x.c"), id="m3"), tenant=tenant)
    take_in(store, message(U1, user("card", "null"), id="m4"), tenant=tenant)
    about = {"context": b'{"ip":"jane-ip"}', "properties": b'{"by":"jane"}'}
    take_in(store, message(U1, group, kind=Kind.GROUP, subject=ACCOUNTS, id="m5", **about), tenant=tenant)
    take_in(store, message(U1, group, event="Paid", id="m7", **about), tenant=tenant)
    take_in(
        store, message(U2, group, kind=Kind.GROUP, subject=ACCOUNTS, id="m6", traits={"plan": "pro"}), tenant=tenant
    )


def test_no_table_holds_the_person_and_the_others_are_as_they_were(store: SqlStore) -> None:
    people(store)
    assert SECRET in everything(store)
    jane = store.owner("acme", U1)
    proof = gone(store)
    left = everything(store)
    assert SECRET not in left
    assert "browser-1" not in left
    for table in ("profiles", "messages", "identifiers", "links", "history", "memberships", "changes"):
        assert jane not in {row[0] for row in store.db.rows(f"SELECT profile_id FROM {table}")}
    assert proof.erased == Erased(
        profiles=2, identifiers=5, messages=6, links=1, history=1, discards=1, memberships=1, changes=1
    )
    assert proof.suppressed == 3
    account = sheet_of(store, Identifier(ACCOUNTS, "group_id", "g1"))
    assert account is not None
    assert account.text == b'"plan":"pro","times":1', "that it was paid is still counted; by whom is told no more"
    other = store.owner("acme", U2)
    assert other is not None
    head = store.head(other)
    assert head is not None
    assert len(store.links("acme", head, beyond=None, limit=10)) == 1


def test_the_proof_is_kept_and_found_by_who_knows_the_identifier(store: SqlStore) -> None:
    people(store)
    proof = gone(store)
    assert store.deletions("acme", limit=10) == [proof]
    assert store.deletion("acme", "del_1") == proof
    assert store.deletion("acme", "del_2") is None
    assert proof.subject == identifier_key("acme", U1)


def test_later_messages_are_dropped_and_counted(store: SqlStore) -> None:
    people(store)
    gone(store)
    for name in (U1, A1, user("email", "jane@x.c")):
        take_in(store, message(name, traits={"back": True}), message(name, U2, traits={"back": True}))
    assert store.owner("acme", U1) is None
    assert sheet_of(store, A1) is None
    sheet = sheet_of(store, U2)
    assert sheet is not None
    assert b"back" not in sheet.text
    [row] = store.discards("acme", reason="suppressed", limit=10)
    assert (row.times, row.discard.message) == (6, "")


def test_what_is_sent_again_does_not_bring_them_back(store: SqlStore) -> None:
    """Even where nothing is suppressed: a message counts once."""
    take_in(store, message(U1, id="m1"))
    gone(store, suppress=False)
    take_in(store, message(U1, id="m1"))
    assert store.owner("acme", U1) is None
    take_in(store, message(U1, id="m2"))
    assert store.owner("acme", U1) is not None


def test_suppression_can_end(store: SqlStore) -> None:
    people(store)
    gone(store)
    assert len(store.suppressions("acme", beyond=None, limit=10)) == 3
    assert unsuppress(store, space(), [U1]) == 1
    assert unsuppress(store, space(), [U1]) == 0
    take_in(store, message(U1))
    assert store.owner("acme", U1) is not None
    assert len(store.suppressions("acme", beyond=None, limit=10)) == 2


def test_suppressions_come_in_pages(store: SqlStore) -> None:
    people(store)
    gone(store)
    whole = store.suppressions("acme", beyond=None, limit=10)
    first = store.suppressions("acme", beyond=None, limit=2)
    rest = store.suppressions("acme", beyond=(first[-1].since, first[-1].key), limit=2)
    assert [*first, *rest] == whole
    assert store.suppressions("beta", beyond=None, limit=10) == []


def test_somebody_unknown_is_suppressed_all_the_same(store: SqlStore) -> None:
    proof = gone(store)
    assert (sum(proof.erased), proof.suppressed) == (0, 1)
    take_in(store, message(U1))
    assert store.owner("acme", U1) is None


def test_forgetting_twice_is_harmless(store: SqlStore) -> None:
    people(store)
    gone(store)
    again = forget(store, space(), [U1], deletion="del_2", suppress=True, now=NOW)
    assert (sum(again.erased), again.suppressed) == (0, 0)


def test_an_unmerged_profile_leaves_no_trace_in_the_other(store: SqlStore) -> None:
    take_in(store, message(U2, user("email", "shared@x.c")))
    take_in(store, message(A1, user("email", "jane@x.c")))
    take_in(store, message(user("email", "shared@x.c"), user("email", "jane@x.c")))
    head = store.head(store.owner("acme", U2) or 0)
    assert head is not None
    unmerge(store, space(), head.members[0], forever=True, now=NOW, ids=ids())
    gone(store, user("email", "jane@x.c"))
    assert SECRET not in everything(store)
    assert store.owner("acme", U2) == head.id
    assert store.events(head, EventQuery()) == []


def test_who_was_known_in_another_case_does_not_come_back_in_todays(store: SqlStore) -> None:
    """Case was not folded when the address came; it is now."""
    strict = space(policy=Policy(rules=Rules(other=TypeRule())))
    take_in(store, message(U1, user("email", "Jane@X.c")), tenant=strict)
    gone(store)
    take_in(store, message(user("email", "JANE@x.c")))
    assert store.owner("acme", user("email", "jane@x.c")) is None


def test_an_account_that_is_forgotten_leaves_its_members(store: SqlStore) -> None:
    people(store)
    gone(store, Identifier(ACCOUNTS, "group_id", "g1"))
    head = store.head(store.owner("acme", U1) or 0)
    assert head is not None
    assert [event.message for event in store.events(head, EventQuery())] == ["m7", "m1"]
    assert store.links("acme", head, beyond=None, limit=10) == []
