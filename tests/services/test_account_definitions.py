"""What accounts ask of their users holds the moment a user changes, comes, goes, or time passes."""

from mien.core.message import ACCOUNTS, Identifier, Kind, Message, order_of
from mien.services import lookup
from mien.services.forget import forget
from mien.services.preparation import advance
from mien.services.spaces import read_catalog
from mien.services.sweep import PAUSE, put_off, sweep
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, message, take_in, user

DAY = 86_400_000_000
G1, ANN, BOB = Identifier(ACCOUNTS, "group_id", "g1"), user("user_id", "ann"), user("user_id", "bob")
ACTIVE = """{audiences: {
    active: {collection: accounts, query: "ANY event('Order').within(7 days).count() >= 1"},
    idle: {collection: accounts, query: "ALL NOT event('Order').within(7 days).count() >= 1"},
    pro: {collection: accounts, query: "trait('plan') = 'pro' AND ANY trait('role') = 'admin'"}}}"""


def joins(who: Identifier, **fields: object) -> Message:
    return message(who, G1, kind=Kind.GROUP, subject=ACCOUNTS, **fields)


def true(store: SqlStore, *, at: int = NOW) -> set[str]:
    """Return the audiences the account is in."""
    tenant = read_catalog(store).spaces["acme"]
    members = lookup.one(store, tenant, [G1], now=at).sheet.members()
    return {key for key, value in members.items() if bytes(value) == b"true"}


def listed(store: SqlStore, *, at: int = NOW) -> set[str]:
    """Return the audiences whose lists the account is in once what is due was done."""
    spaces = read_catalog(store).spaces
    while advance(store, spaces, now=at) or sweep(store, spaces, now=at).profiles:
        spaces = read_catalog(store).spaces
    found = {r.definition.key: r.definition.number for r in store.definitions()}
    return {key for key, number in found.items() if store.members("acme", number, beyond=0, limit=9)}


def test_an_account_follows_its_users_and_time(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    take_in(store, joins(ANN), joins(BOB), tenant=tenant)
    assert true(store) == listed(store) == {"idle"}
    take_in(store, message(ANN, event="Order"), tenant=tenant)
    assert true(store) == {"active"}
    assert true(store, at=NOW + 7 * DAY - 1) == {"active"}
    assert true(store, at=NOW + 7 * DAY) == {"idle"}
    assert listed(store) == {"active"}
    assert listed(store, at=NOW + 7 * DAY) == {"idle"}


def test_what_the_account_and_its_users_are_together(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    take_in(store, joins(ANN, traits={"plan": "pro"}), tenant=tenant)
    take_in(store, message(ANN, traits={"role": "admin"}), tenant=tenant)
    assert "pro" in true(store)
    take_in(store, message(ANN, traits={"role": "guest"}), tenant=tenant)
    assert "pro" not in true(store)
    take_in(store, message(BOB, traits={"role": "admin"}), joins(BOB), tenant=tenant)
    assert "pro" in true(store)


def test_a_user_counts_who_joins_an_account_that_becomes_another_in_the_same_batch(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    old, young = (Identifier(ACCOUNTS, "domain", name) for name in ("old.example", "young.example"))
    take_in(store, message(old, G1), message(young), message(ANN, event="Order"), tenant=tenant)
    listed(store)
    take_in(store, message(ANN, young, kind=Kind.GROUP, subject=ACCOUNTS), message(old, young), tenant=tenant)
    assert true(store) == listed(store) == {"active"}


def test_an_account_that_was_put_off_is_looked_at_later(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    take_in(store, joins(ANN), tenant=tenant)
    listed(store)
    take_in(store, message(ANN, event="Order"), tenant=tenant)
    put_off(store, now=NOW)
    assert listed(store) == {"idle"}
    assert listed(store, at=NOW + PAUSE) == {"active"}


def test_an_account_that_was_put_off_and_hears_of_something_else_is_looked_at_all_the_same(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    take_in(store, joins(ANN), tenant=tenant)
    listed(store)
    take_in(store, message(ANN, event="Order"), message(ANN, traits={"role": "admin"}), tenant=tenant)
    put_off(store, now=NOW)
    take_in(store, joins(ANN, traits={"plan": "pro"}), tenant=tenant)
    assert listed(store, at=NOW + PAUSE) == true(store, at=NOW + PAUSE) == {"active", "pro"}


def test_users_who_were_there_before_the_definition_count(store: SqlStore) -> None:
    tenant = defined(store, "{}")
    take_in(store, joins(ANN), message(ANN, event="Order"), tenant=tenant)
    defined(store, ACTIVE)
    assert listed(store) == true(store) == {"active"}


def test_users_who_become_one_or_are_forgotten_count_no_more(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    device = user("anonymous_id", "device")
    take_in(store, joins(device), joins(BOB), message(device, event="Order"), tenant=tenant)
    take_in(store, message(ANN, device), tenant=tenant)
    assert true(store) == listed(store) == {"active"}
    forget(store, tenant, [ANN], deletion="d", suppress=True, now=NOW)
    assert true(store) == listed(store) == {"idle"}
    forget(store, tenant, [BOB], deletion="e", suppress=True, now=NOW)
    assert true(store) == listed(store) == {"idle"}, "nobody is left of whom it does not hold"


def test_a_user_who_changes_before_the_sweeper_came_is_seen_as_they_are(store: SqlStore) -> None:
    tenant = defined(store, ACTIVE)
    take_in(store, joins(ANN), message(ANN, event="Order", at=NOW - 6 * DAY), tenant=tenant)
    later = NOW + 2 * DAY
    take_in(store, message(BOB, event="Order", at=later), joins(BOB, at=later), tenant=tenant, now=later)
    assert true(store, at=later) == {"active"}
    assert true(store, at=later + 7 * DAY) == {"idle"}


def test_an_account_that_was_there_first_follows_its_users(store: SqlStore) -> None:
    """Whoever of them is prepared first."""
    take_in(store, message(ANN, event="Order"), tenant=defined(store, "{audiences: {}}"))
    take_in(store, joins(ANN), tenant=read_catalog(store).spaces["acme"])
    defined(store, ACTIVE)
    assert listed(store) == true(store) == {"active"}


def test_what_accounts_ask_by_way_of_another_definition_follows_time(store: SqlStore) -> None:
    """It is right at the instant of a read, before anybody has looked at the user."""
    by_way = """{audiences: {
        recent: {query: "event('Order').within(7 days).count() >= 1"},
        any: {collection: accounts, query: "ANY trait('recent') = true"},
        none: {collection: accounts, query: "NOT ANY trait('recent') = true"}}}"""
    take_in(store, joins(ANN), message(ANN, event="Order"), tenant=defined(store, by_way))
    assert listed(store) - {"recent"} == {"any"}
    assert true(store, at=NOW + 7 * DAY - 1) == {"any"}
    assert true(store, at=NOW + 7 * DAY) == {"none"}
    assert listed(store, at=NOW + 7 * DAY) == {"none"}


def test_a_user_whose_time_is_over_is_no_user_of_the_account_any_more(store: SqlStore) -> None:
    tenant = defined(
        store,
        """{retention: {profiles: 30d}, audiences: {
        ever: {collection: accounts, query: "ANY event('Order').count() >= 1"}}}""",
    )
    take_in(store, joins(ANN), message(ANN, event="Order"), tenant=tenant)
    later = NOW + 20 * DAY
    take_in(
        store, message(G1, traits={"plan": "pro"}, subject=ACCOUNTS, order=order_of(later)), tenant=tenant, now=later
    )
    over = NOW + 31 * DAY
    assert listed(store, at=later) == {"ever"}
    assert true(store, at=NOW + 30 * DAY) == {"ever"}
    assert true(store, at=over) == listed(store, at=over) == set()
