"""Everything one batch changes."""

from mien.core.fold import NOBODY, Loss, Policy, State, fold
from mien.core.message import ACCOUNTS, Identifier, Kind
from tests.factories import ids, message, user

U1 = user("user_id", "u1")


def test_more_event_names_than_allowed_are_kept_but_not_counted() -> None:
    policy = Policy(max_event_names=2)
    messages = [message(U1, id=n, event=n) for n in ("a", "b", "c", "a")]
    outcome = fold(State(), messages, policy, ids=ids())
    assert {name: seen.times for name, seen in outcome.profiles[0].activity.items()} == {"a": 2, "b": 1}
    assert [(d.reason, d.message) for d in outcome.discards] == [("event_names_limit_exceeded", "c")]
    assert len(outcome.entries) == 4


def test_a_message_that_names_nobody_is_kept_empty_so_that_it_goes_with_age() -> None:
    outcome = fold(State(), [message(U1, kind=Kind.ALIAS, traits={"a": 1})], Policy(), ids=ids())
    [entry] = outcome.entries
    assert entry.profile == NOBODY
    assert (entry.message.identifiers, entry.message.traits, entry.message.context) == ((), {}, b"{}")


def test_the_message_that_made_two_profiles_one_is_known() -> None:
    one, other, both = message(U1), message(user("email", "e")), message(U1, user("email", "e"))
    outcome = fold(State(), [one, other, both], Policy(), ids=ids())
    [survivor, absorbed] = outcome.profiles
    assert absorbed.merged_into == survivor.id
    assert [entry.absorbed for entry in outcome.entries] == [(), (), (absorbed.id,)]


STORE, ACCOUNT, PRODUCT = (Identifier(name, "id", "1") for name in ("stores", ACCOUNTS, "products"))


def kept_with(*identifiers: Identifier, kind: Kind = Kind.TRACK) -> list[str]:
    """Return the collections whose profiles keep a message, and what was said of the others."""
    outcome = fold(State(), [message(*identifiers, kind=kind)], Policy(), ids=ids())
    assert [d.reason for d in outcome.discards if d.reason != Loss.COLLECTIONS_LIMIT] == []
    found = {p.id: p.collection for p in outcome.profiles}
    return [found[entry.profile] for entry in outcome.entries] + [d.detail[:13] for d in outcome.discards]


def test_a_message_is_kept_with_profiles_of_two_collections_at_most() -> None:
    assert kept_with(STORE) == ["stores"]
    assert kept_with(STORE, U1) == ["stores", "users"]
    assert kept_with(PRODUCT, STORE) == ["products", "stores"]
    assert kept_with(PRODUCT, STORE, U1) == ["products", "users", "1 identifiers"]
    assert kept_with(STORE, ACCOUNT, PRODUCT, U1) == ["accounts", "users", "2 identifiers"]


def test_a_group_message_speaks_of_a_user_and_an_account_only() -> None:
    assert kept_with(U1, ACCOUNT, STORE, kind=Kind.GROUP) == ["users", "accounts", "1 identifiers"]
    assert kept_with(STORE, ACCOUNT, kind=Kind.GROUP) == ["accounts", "1 identifiers"]


def test_traits_are_those_of_the_subject() -> None:
    outcome = fold(
        State(), [message(U1, STORE, traits={"a": 1}), message(STORE, subject="stores", traits={"b": 2})], Policy(),
        ids=ids(),
    )  # fmt: skip
    assert {p.collection: list(p.traits) for p in outcome.profiles} == {"users": ["a"], "stores": ["b"]}
