"""The checker finds what is wrong, and nothing where nothing is."""

import pytest
from benchmarks.invariants import findings

from mien.core.message import ACCOUNTS, Identifier, Kind, identifier_key
from mien.core.space import Space
from mien.services.forget import forget
from mien.services.unmerge import unmerge
from mien.store.sql import SqlStore
from mien.store.sql.documents import message_key
from tests.factories import NOW, ids, message, space, take_in, user

U1, A1, A2, E1 = user("user_id", "u1"), user("anonymous_id", "a1"), user("anonymous_id", "a2"), user("email", "e1")
GONE = user("user_id", "gone")
G = Identifier(ACCOUNTS, "group_id", "g")
ACME: Space = space()
SENT = {
    ("acme", "m1"): frozenset({U1, A1}),
    ("acme", "m2"): frozenset({A2}),
    ("acme", "m3"): frozenset({U1, A2}),
    ("acme", "m4"): frozenset({U1, G}),
    ("acme", "m5"): frozenset({E1}),
    ("acme", "m6"): frozenset({GONE}),
}


@pytest.fixture
def lived_in(store: SqlStore) -> SqlStore:
    """A store in which two became one, one was forgotten, and all of it was acknowledged."""
    take_in(
        store, message(U1, A1, id="m1", event="Bought"), message(A2, id="m2", traits={"plan": "free"}, at=NOW - 9)
    )
    take_in(store, message(U1, A2, id="m3", traits={"plan": "pro"}))
    take_in(store, message(U1, G, id="m4", kind=Kind.GROUP, subject=ACCOUNTS), message(E1, id="m5"))
    take_in(store, message(GONE, id="m6", event="Bought"))
    forget(store, ACME, [GONE], deletion="d1", suppress=True, now=NOW)
    return store


def owner(store: SqlStore, identifier: Identifier) -> int:
    found = store.owner("acme", identifier)
    assert found is not None
    return found


def absorbed(store: SqlStore) -> int:
    head = store.head(owner(store, U1))
    assert head is not None
    return head.members[0]


def break_it(store: SqlStore, sql: str, *parameters: object) -> list[str]:
    """Change something behind Mien's back, and look."""
    assert store.db.change(sql, [parameters]) > 0
    return findings(store, SENT)


def test_a_sound_store_has_no_findings(lived_in: SqlStore) -> None:
    assert findings(lived_in, SENT) == []
    unmerge(lived_in, ACME, absorbed(lived_in), forever=True, now=NOW, ids=ids())
    assert findings(lived_in, SENT) == []


def test_an_identifier_that_finds_somebody_else_is_found(lived_in: SqlStore) -> None:
    sql = "UPDATE identifiers SET profile_id = ? WHERE key = ?"
    found = break_it(lived_in, sql, owner(lived_in, E1), identifier_key("acme", A1))
    assert any("anonymous_id:a1" in line and str(owner(lived_in, E1)) in line for line in found)


def test_an_identifier_of_a_profile_that_was_merged_is_found(lived_in: SqlStore) -> None:
    sql = "INSERT INTO identifiers (key, profile_id) VALUES (?, ?)"
    found = break_it(lived_in, sql, b"0123456789abcdef", absorbed(lived_in))
    assert any("which was merged" in line for line in found)


@pytest.mark.parametrize("lost", ["m1", "m4", "m6"])
def test_a_message_that_is_gone_is_found(lived_in: SqlStore, lost: str) -> None:
    found = break_it(lived_in, "DELETE FROM messages WHERE key = ?", message_key("acme", lost))
    assert any(f"The acknowledged message {lost} of acme is kept with nobody." in line for line in found)


def test_a_message_that_would_count_again_is_found(lived_in: SqlStore) -> None:
    found = break_it(lived_in, "DELETE FROM seen WHERE key = ?", message_key("acme", "m1"))
    assert any("never seen" in line for line in found)


def test_a_message_kept_twice_is_found(lived_in: SqlStore) -> None:
    sql = (
        "INSERT INTO messages (profile_id, shown, timestamp, received_order, key, space, aged_at, event, body)"
        " SELECT ?, shown, timestamp, received_order, key, space, aged_at, event, body FROM messages WHERE key = ?"
    )
    found = break_it(lived_in, sql, owner(lived_in, E1), message_key("acme", "m1"))
    assert any("kept more than once" in line for line in found)
    assert any(f"The activity of {owner(lived_in, E1)} named Bought" in line for line in found)


@pytest.mark.parametrize("part", ["traits", "activity"])
def test_a_lost_update_is_found(lived_in: SqlStore, part: str) -> None:
    sql = f"UPDATE profiles SET {part} = (SELECT {part} FROM profiles WHERE profile_id = ?) WHERE profile_id = ?"
    found = break_it(lived_in, sql, owner(lived_in, E1), owner(lived_in, U1))
    assert any(str(owner(lived_in, U1)) in line and "the messages say" in line for line in found)


def test_a_link_with_one_side_is_found(lived_in: SqlStore) -> None:
    found = break_it(lived_in, "DELETE FROM links WHERE profile_id = ?", owner(lived_in, U1))
    assert any("other side" in line for line in found)
    lived_in.db.change("DELETE FROM links", [()])
    assert any("linked since None" in line for line in findings(lived_in, SENT))


def test_a_merge_without_an_account_is_found(lived_in: SqlStore) -> None:
    found = break_it(lived_in, "DELETE FROM history WHERE other_id = ?", absorbed(lived_in))
    assert any("accounts of that: 0" in line for line in found)


def test_a_member_that_is_gone_is_found(lived_in: SqlStore) -> None:
    found = break_it(lived_in, "DELETE FROM profiles WHERE profile_id = ?", absorbed(lived_in))
    assert any(f"lists the member {absorbed(lived_in)}, which is not there" in line for line in found)
    assert any("There are messages whose profile_id" in line for line in found)


def test_a_profile_that_was_merged_and_is_not_listed_is_found(lived_in: SqlStore) -> None:
    sql = "UPDATE profiles SET merged_into = ? WHERE profile_id = ?"
    found = break_it(lived_in, sql, owner(lived_in, U1), owner(lived_in, E1))
    assert any("which does not list it" in line for line in found)


def test_what_is_suppressed_and_came_back_is_found(lived_in: SqlStore) -> None:
    sql = "UPDATE identifiers SET profile_id = ? WHERE key = ?"
    found = break_it(lived_in, sql, owner(lived_in, E1), identifier_key("acme", GONE))
    assert any(line.startswith("The suppressed identifier") for line in found)


def test_what_is_left_of_somebody_forgotten_is_found(lived_in: SqlStore) -> None:
    sql = "UPDATE messages SET body = (SELECT body FROM messages WHERE key = ?) WHERE key = ?"
    found = break_it(lived_in, sql, message_key("acme", "m5"), message_key("acme", "m6"))
    assert any("is kept with nobody, and is not empty" in line for line in found)


def test_where_nobody_interfered_whoever_was_named_together_is_one(lived_in: SqlStore) -> None:
    sent = {("acme", "m5"): frozenset({E1, user("phone", "1")})}
    assert findings(lived_in, sent) == []
    [line] = findings(lived_in, sent, calm={"acme"})
    assert "lacks ['phone:1']" in line
