"""Why somebody is in an audience, and what would change that."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.app import SECTIONS
from mien.core.assess import Bar
from mien.core.computed import How
from mien.core.definition import Kind, State
from mien.core.message import ACCOUNTS, USERS, Identifier, Message
from mien.core.parser import MOST_COMPARISONS
from mien.core.query import Query
from mien.core.space import DAY, Space
from mien.core.why import Turn, leaves
from mien.core.wording import show
from mien.errors import DefinitionNotFound, ProfileNotFound
from mien.services.close_up import defined, named
from mien.services.lookup import one
from mien.services.spaces import apply, read_catalog
from mien.services.why import Why, told, why
from mien.store.base import Store
from mien.store.sql import SqlStore, open_store
from tests import queries
from tests.defining import defining, order
from tests.factories import NOW, message, take_in, user

U1 = user("user_id", "u1")
ORDERS = "event('Order').within(7 days).count()"
_serial = count()


def explained(
    store: Store, space: Space, key: str, *names: Identifier, kind: Kind = Kind.AUDIENCE, **how: Any
) -> Why:
    definition = named(defined(store, space), kind, key)
    return why(store, space, definition, names or [U1], **{"now": NOW, **how})


def leaf_changes(turn: Turn | None) -> list[tuple[str, str, Any]]:
    """Return what has to change, leaf by leaf."""
    assert turn is not None
    if turn.turns:
        return [change for part in turn.turns for change in leaf_changes(part)]
    assert turn.want is not None
    return [(turn.text, turn.want.words, turn.want.by)]


def test_somebody_learns_what_brought_them_in_and_when_they_will_leave(store: SqlStore) -> None:
    space = defining(store, audiences={"big": f"{ORDERS} >= 2 AND trait('plan') = 'pro'"})
    take_in(store, order(NOW - DAY), message(U1, traits={"plan": "pro"}), tenant=space)
    take_in(store, order(NOW, id="the-second"), tenant=space, now=NOW + 5)
    found = explained(store, space, "big", now=NOW + DAY)
    assert found.answer is True
    assert found.since == NOW + 5
    assert found.cause == (How.MESSAGE, "the-second")
    assert found.entry is not None
    assert found.entry.message.event == "Order"
    orders, plan = leaves(found.reason)
    assert (orders.held, orders.found[0].value, orders.found[0].events, orders.found[1].value) == (True, 2, 2, 2)
    assert orders.until == NOW + 6 * DAY
    assert plan.found[0].value == "pro"
    assert found.turn is not None
    assert found.turn.need == "one"
    assert leaf_changes(found.turn) == [
        (ORDERS, "be less than 2", -1),
        ("trait('plan')", "be other than 'pro'", None),
    ]
    assert found.outlook.at == NOW + 6 * DAY
    assert found.outlook.answer is False
    [leaving] = found.outlook.because
    assert leaving.found[0].value == 1


def test_somebody_outside_learns_what_is_missing(store: SqlStore) -> None:
    space = defining(store, audiences={"big": f"{ORDERS} >= 3 AND (trait('plan') = 'pro' OR trait('vip') = true)"})
    take_in(store, order(), tenant=space)
    found = explained(store, space, "big")
    assert found.answer is False
    assert (found.since, found.cause) == (None, None)
    assert found.turn is not None
    assert (found.turn.need, found.turn.fewest) == ("all", 2)
    assert leaf_changes(found.turn) == [
        (ORDERS, "be at least 3", 2),
        ("trait('plan')", "be 'pro'", None),
        ("trait('vip')", "be true", None),
    ]
    assert (found.outlook.at, found.outlook.sure_until) == (None, None)


def test_who_left_learns_when_and_that_time_did_it(store: SqlStore) -> None:
    space = defining(store, audiences={"recent": f"{ORDERS} >= 1"})
    take_in(store, order(), tenant=space)
    found = explained(store, space, "recent", now=NOW + 8 * DAY)
    assert (found.answer, found.since, found.cause) == (False, NOW + 7 * DAY, (How.TIME, ""))


def test_the_next_change_is_that_of_the_answer_and_not_of_a_window(store: SqlStore) -> None:
    """Two of three orders leave the window before the third does."""
    space = defining(store, audiences={"recent": f"{ORDERS} >= 1"}, computed_traits={"orders": ORDERS})
    take_in(store, order(NOW - 3 * DAY), order(NOW - 2 * DAY), order(NOW), tenant=space)
    assert explained(store, space, "recent").outlook.at == NOW + 7 * DAY
    value = explained(store, space, "orders", kind=Kind.COMPUTED_TRAIT)
    assert (value.answer, value.reason.held, value.turn) == (3, None, None)
    assert (value.outlook.at, value.outlook.answer) == (NOW + 4 * DAY, 2)


def test_it_is_said_how_far_ahead_anybody_looked(store: SqlStore) -> None:
    space = defining(store, audiences={"ever": f"{ORDERS} >= 0", "far": "trait('until').within_next(10000 days)"})
    minute = DAY // 1440
    take_in(store, *(order(NOW - n * minute) for n in range(400)), tenant=space)
    take_in(store, message(U1, traits={"until": "2090-01-01"}), tenant=space)
    ever, far = (explained(store, space, key).outlook for key in ("ever", "far"))
    assert ever.at is None
    assert ever.sure_until is not None
    assert NOW + 6 * DAY < ever.sure_until <= NOW + 7 * DAY
    assert far.at is None
    assert far.sure_until is not None
    assert far.sure_until > NOW + 30 * 365 * DAY


def test_one_is_in_by_another_audience_that_one_leaves_by_itself(store: SqlStore) -> None:
    space = defining(
        store,
        audiences={"recent": f"{ORDERS} >= 1", "both": "trait('recent') = true AND trait('n') > 0"},
        computed_traits={"n": "event('Order').count()", "other": "event('Order').within(1 day).count()"},
    )
    take_in(store, order(), tenant=space)
    found = explained(store, space, "both")
    assert found.reason.parts[0].found[0].trait == "recent"
    assert found.outlook.at == NOW + 7 * DAY
    assert explained(store, space, "both", now=NOW + 8 * DAY).answer is False


def test_what_keeps_people_out_is_said_beside_the_condition(store: SqlStore) -> None:
    browser = user("anonymous_id", "a1")
    later = "2026-11-20T00:00:00Z"
    space = defining(
        store,
        audiences={
            "known": "event('Order').count() >= 1",
            "all": {"query": "event('Order').count() >= 1", "anonymous": True},
            "over": {"query": "event('Order').count() >= 1", "anonymous": True, "expires": later},
        },
    )
    take_in(store, order(NOW, browser), tenant=space)
    known, everybody = (explained(store, space, key, browser) for key in ("known", "all"))
    assert (known.answer, known.bar, known.reason.held, known.turn) == (False, Bar.UNKNOWN, True, None)
    assert (everybody.answer, everybody.bar) == (True, None)
    ends = everybody.outlook
    assert ends.at is None
    over = explained(store, space, "over", browser)
    assert over.outlook.at is not None
    after = explained(store, space, "over", browser, now=over.outlook.at)
    assert (after.answer, after.bar) == (False, Bar.ENDED)


@pytest.mark.parametrize("ready", [False, True])
def test_what_is_prepared_or_disabled_is_looked_at_from_the_history(store: SqlStore, ready: bool) -> None:
    first = defining(store, audiences={})
    take_in(store, order(), order(NOW - DAY), tenant=first)
    body = {"query": f"{ORDERS} >= 2", "enabled": not ready}
    space = defining(store, ready=False, audiences={"big": body, "in_big": "trait('big') = true"})
    found = explained(store, space, "big")
    assert found.definition.state is State.PREPARING
    assert found.answer is True
    assert told(found)["told_to_readers"] is False
    assert found.outlook.at == NOW + 6 * DAY
    assert explained(store, space, "in_big").answer is not ready


def test_nothing_is_stored_by_looking(store: SqlStore) -> None:
    space = defining(store, audiences={"big": f"{ORDERS} >= 2"})
    take_in(store, order(), tenant=space)
    profile = store.owner("acme", U1)
    assert profile is not None
    before = store.profile(profile)
    found = explained(store, space, "big", now=NOW + 30 * DAY, suppose=[order(NOW + 30 * DAY)])
    assert (found.supposed, found.answer) == (True, False)
    after = store.profile(profile)
    assert before is not None
    assert after is not None
    assert (after.version, after.computed.results) == (before.version, before.computed.results)
    assert len(store.changes("acme", beyond=None, limit=10)) == 0


def test_what_if_some_more_had_happened(store: SqlStore) -> None:
    space = defining(
        store,
        audiences={"big": f"{ORDERS} >= 2 AND trait('plan') = 'pro'"},
        computed_traits={"spent": "event('Order').sum(property('revenue'))"},
    )
    take_in(store, order(), tenant=space)
    more = [order(NOW - DAY, user("user_id", "somebody else"), revenue="0.1"), message(U1, traits={"plan": "pro"})]
    found = explained(store, space, "big", suppose=more)
    assert (found.answer, found.since, found.entry) == (True, NOW, None)
    assert found.cause == (How.MESSAGE, more[-1].id)
    assert found.outlook.at == NOW + 6 * DAY
    spent = explained(store, space, "spent", kind=Kind.COMPUTED_TRAIT, suppose=more)
    assert spent.answer == Decimal("10.1")
    assert told(spent)["answer"] == 10.1
    assert explained(store, space, "big").answer is False


def test_what_if_counts_where_a_window_cuts_through_many_events(store: SqlStore) -> None:
    """Beyond 64 moments events are joined, and have to be looked up again: supposed ones, too."""
    space = defining(store, computed_traits={"orders": ORDERS})
    minute = DAY // 1440
    take_in(store, *(order(NOW - n * 2 * minute) for n in range(300)), tenant=space)
    more = [order(NOW - n * 2 * minute - minute) for n in range(300)]
    last = NOW + 7 * DAY - 300 * minute
    for now in (NOW, last, last + 7 * minute, last + 150 * minute):
        found = explained(store, space, "orders", kind=Kind.COMPUTED_TRAIT, now=now, suppose=more)
        left = [m for m in range(600) if NOW - m * minute > now - 7 * DAY]
        assert found.answer == len(left)
        assert found.reason.found[0].events == len(left)


def test_what_if_over_a_history_that_was_never_evaluated(store: SqlStore) -> None:
    take_in(store, order(), tenant=defining(store, audiences={}))
    space = defining(store, ready=False, audiences={"big": f"{ORDERS} >= 2"})
    assert explained(store, space, "big").answer is False
    assert explained(store, space, "big", suppose=[order()]).answer is True


@pytest.mark.parametrize("defined_first", [True, False])
def test_an_account_is_in_for_its_users(store: SqlStore, defined_first: bool) -> None:
    account = Identifier(ACCOUNTS, "group_id", "g1")
    bodies = {
        "some": {"query": f"ANY {ORDERS} >= 1", "collection": ACCOUNTS},
        "every": {"query": f"ALL {ORDERS} >= 1", "collection": ACCOUNTS},
    }
    space = defining(store, audiences=bodies if defined_first else {})
    names = [user("user_id", f"u{n}") for n in range(3)]
    take_in(store, *(message(name, account, kind="group", subject=ACCOUNTS) for name in names), tenant=space)
    take_in(store, order(NOW, names[1]), order(NOW, names[2]), tenant=space)
    if not defined_first:
        space = defining(store, ready=False, audiences=bodies)
    some, every = (explained(store, space, key, account) for key in ("some", "every"))
    assert (some.answer, every.answer) == (True, False)
    assert some.reason.users is not None
    assert (some.reason.users.holding, some.reason.users.all) == (2, 3)
    assert some.outlook.at == NOW + 7 * DAY
    assert leaf_changes(every.turn) == [(f"ALL {ORDERS} >= 1", "hold for every user", 1)]
    assert leaf_changes(some.turn) == [(f"ANY {ORDERS} >= 1", "hold for none", -2)]


def test_nobody_and_nothing_are_not_found(store: SqlStore) -> None:
    space = defining(store, audiences={"big": f"{ORDERS} >= 2"})
    with pytest.raises(ProfileNotFound):
        explained(store, space, "big", user("user_id", "nobody"))
    with pytest.raises(DefinitionNotFound):
        explained(store, space, "small")
    with pytest.raises(DefinitionNotFound):
        explained(store, space, "big", kind=Kind.COMPUTED_TRAIT)


def test_an_audience_is_found_by_its_id(store: SqlStore) -> None:
    space = defining(store, audiences={"big": {"query": f"{ORDERS} >= 2", "id": 77}})
    assert named(defined(store, space), Kind.AUDIENCE, "77").key == "big"


@st.composite
def _lives(draw: st.DrawFn) -> list[Message]:
    """Return what happened to one person within a few days."""
    found = []
    for _ in range(draw(st.integers(0, 6))):
        at = NOW + draw(st.integers(-9 * 24, 0)) * DAY // 24
        if draw(st.booleans()):
            trait = draw(st.sampled_from(["plan", "age", "since", "score"]))
            value = draw(st.sampled_from(["pro", "free", 5, 10, "10", "2026-11-18", True]))
            found.append(message(U1, at=at, traits={trait: value}))
        else:
            body = {"price": draw(st.integers(0, 12)), "brand": draw(st.sampled_from(["Acme", "a"]))}
            event = draw(st.sampled_from(queries.EVENTS))
            found.append(message(U1, at=at, event=event, properties=msgspec.json.encode(body)))
    return found


@pytest.fixture(scope="module")
def quick() -> Iterator[SqlStore]:
    """A store in memory, for many small spaces."""
    with open_store("sqlite:///:memory:") as opened:
        yield opened


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(queries.conditions(USERS), queries.scalars(), _lives(), st.integers(0, 10 * 24))
def test_the_explanation_and_what_readers_are_told_are_one(
    quick: SqlStore, condition: Query, scalar: Query, life: list[Message], hours: int
) -> None:
    """Whatever the query: the root's truth is what is told, and the next change is the next one that is told."""
    slug = f"space-{next(_serial)}"
    bodies = {"audiences": {"who": {"query": show(condition)}}, "computed_traits": {"what": {"query": show(scalar)}}}
    apply(quick, yaml.safe_dump({"spaces": {slug: bodies}}), SECTIONS, {}, now=NOW - 10 * DAY)
    space = read_catalog(quick).spaces[slug]
    for one_message in [message(U1), *life]:
        take_in(quick, msgspec.structs.replace(one_message, space=slug), tenant=space)
    now = NOW + hours * DAY // 24
    members = one(quick, space, [U1], now=now).sheet.members()
    who = why(quick, space, named(defined(quick, space), Kind.AUDIENCE, "who"), [U1], now=now)
    assert who.answer == (bytes(members.get("who", b"false")) == b"true") == who.reason.held
    what = why(quick, space, named(defined(quick, space), Kind.COMPUTED_TRAIT, "what"), [U1], now=now)
    shown = bytes(members["what"]) if "what" in members else None
    assert (None if what.answer is None else msgspec.json.encode(told(what)["answer"])) == shown
    for found, key in ((who, "who"), (what, "what")):
        if found.outlook.at is not None:
            before, after = (
                one(quick, space, [U1], now=at).sheet.members().get(key)
                for at in (found.outlook.at - 1, found.outlook.at)
            )
            assert before == members.get(key)
            assert after != before
    assert repr(condition).count("Comparison(") <= MOST_COMPARISONS
    told(who)
