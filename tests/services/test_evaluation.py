"""What is computed of profiles, where several things meet."""

import json

from mien.core.computed import Cause, How
from mien.core.fold import Policy
from mien.core.message import Identifier, Submission
from mien.core.presets import preset
from mien.services import lookup
from mien.services.identifiers import remove
from mien.services.ingest import settle
from mien.services.pace import Pace
from mien.services.preparation import advance
from mien.services.spaces import read_catalog
from mien.services.sweep import sweep
from mien.services.unmerge import unmerge
from mien.store.sql import SqlStore
from tests.factories import NOW, defined, ids, message, sheet_of, take_in, user

DAY = 86_400_000_000
MINUTE = 60_000_000
U1, U2, A1 = user("user_id", "u1"), user("user_id", "u2"), user("anonymous_id", "a1")
COUNT = """{computed_traits: {n: {query: "event('E').count()"}},
    audiences: {some: {query: "event('E').count() >= 1", anonymous: true}}}"""


def stored(store: SqlStore, name: Identifier) -> dict[str, object]:
    sheet = sheet_of(store, name)
    return {} if sheet is None else {key: json.loads(bytes(text)) for key, text in sheet.members().items()}


def read(store: SqlStore, name: Identifier, *, at: int = NOW) -> dict[str, object]:
    found = lookup.one(store, read_catalog(store).spaces["acme"], [name], now=at)
    return {key: json.loads(bytes(text)) for key, text in found.sheet.members().items()}


def test_after_an_unmerge_both_are_stored_with_what_is_computed_of_them(store: SqlStore) -> None:
    tenant = defined(store, COUNT)
    take_in(store, message(U1), message(A1), tenant=tenant)
    take_in(store, message(U1, A1), tenant=tenant)
    take_in(store, message(U1, event="E"), tenant=tenant)
    head = store.head(store.owner("acme", U1) or 0)
    assert head is not None
    unmerge(store, tenant, head.members[0], forever=True, now=NOW, ids=ids())
    assert sorted([stored(store, U1), stored(store, A1)], key=len) == [{}, {"n": 1, "some": True}]


def test_an_unmerge_and_a_removal_go_by_the_definitions_of_now_and_not_of_when_they_were_asked_for(
    store: SqlStore,
) -> None:
    before = defined(store, """{computed_traits: {old: {query: "event('E').count()"}}}""")
    email = user("email", "a@b.co")
    take_in(store, message(U1, event="E"), message(A1, email, event="E"), message(U1, A1), tenant=before)
    more = """{computed_traits: {old: {query: "event('E').count()"}},
        audiences: {new: {query: "event('E').count() = 1", anonymous: true}}}"""
    defined(store, more)
    while advance(store, read_catalog(store).spaces, now=NOW):
        pass
    assert stored(store, U1) == {"old": 2}
    head = store.head(store.owner("acme", U1) or 0)
    assert head is not None
    unmerge(store, before, head.members[0], forever=True, now=NOW, ids=ids())
    assert stored(store, U1) == stored(store, A1) == {"old": 1, "new": True}
    remove(store, before, store.owner("acme", A1) or 0, email, now=NOW)
    assert stored(store, A1) == {"old": 1, "new": True}


def test_events_at_the_edge_of_a_joined_span_count_in_the_batch_that_brings_them(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').between(1 day, 3 days).count()"}}}""")
    times = [NOW - k * 7 * MINUTE for k in range(400)]
    take_in(store, *(message(U1, event="E", at=at) for at in times), tenant=tenant)
    inside = sum(NOW - 3 * DAY < at <= NOW - DAY for at in times)
    assert read(store, U1) == stored(store, U1) == {"n": inside}


def test_a_window_over_many_events_slides_over_all_of_them(store: SqlStore) -> None:
    tenant = defined(store, """{computed_traits: {n: {query: "event('E').within(1 day).count()"}}}""")
    times = [NOW - DAY + k * MINUTE for k in range(1, 1000)]
    for first in range(0, len(times), 250):
        take_in(store, *(message(U1, event="E", at=at) for at in times[first : first + 250]), tenant=tenant)
    for later in range(0, 1000, 37):
        at = NOW + later * MINUTE
        assert read(store, U1, at=at).get("n", 0) == sum(t > at - DAY for t in times)
        sweep(store, {"acme": tenant}, now=at)


def test_whoever_loses_what_they_are_known_by_leaves_audiences_of_the_known(store: SqlStore) -> None:
    base = defined(store, """{audiences: {some: {query: "event('E').count() >= 1"}}}""")
    tenant = type(base)(
        slug="acme", name="acme", policy=Policy(rules=preset("mparticle/default"), plans=base.policy.plans)
    )
    device, mail = user("ios.id", "d"), user("email", "x@y.z")
    take_in(store, message(device, mail, event="E"), tenant=tenant)
    assert stored(store, device) == {"some": True}
    for name in (user("ios.id", "other"), mail):
        take_in(store, message(user("user_id", "c"), name), tenant=tenant)
    assert store.owner("acme", mail) != store.owner("acme", device)
    assert stored(store, device) == {"some": False}
    remove(store, tenant, store.owner("acme", mail) or 0, mail, now=NOW)


def test_what_belonged_to_a_removed_definition_is_let_go_of(store: SqlStore) -> None:
    tenant = defined(
        store,
        """{computed_traits: {who: {query: "event('E').unique(property('by'))"},
        n: {query: "event('E').count()"}}}""",
    )
    take_in(store, message(U1, event="E", properties=b'{"by":"jane"}'), tenant=tenant)
    defined(store, """{computed_traits: {n: {query: "event('E').count()"}}}""")
    while advance(store, read_catalog(store).spaces, now=NOW):
        pass
    [(computed,)] = store.db.rows("SELECT computed FROM profiles")
    assert b"jane" not in bytes(computed)
    assert read(store, U1) == {"n": 1}


def test_nothing_is_live_before_everybody_who_waits_was_looked_at(store: SqlStore) -> None:
    defined(store, "{}")
    take_in(store, *(message(user("user_id", f"x{n}"), event="E") for n in range(600)))
    take_in(store, message(U1, event="E"), message(A1, event="E"))
    tenant = defined(store, COUNT)
    while advance(store, {"acme": tenant}, now=NOW, pace=Pace(601)) and store.evaluations()["acme"].done < 601:
        pass
    take_in(store, message(U1, A1), tenant=tenant)
    with store.begin() as unit:
        unit.look_again(p.id for p in store.profiles_beyond("acme", 0, limit=600, computed=False))
    assert not advance(store, {"acme": tenant}, now=NOW) or store.evaluations()["acme"].settled == 0
    while advance(store, read_catalog(store).spaces, now=NOW) or sweep(store, {"acme": tenant}, now=NOW).profiles:
        pass
    assert read(store, U1) == {"n": 2, "some": True}


def test_an_older_plan_lets_go_of_nothing_that_is_newer(store: SqlStore) -> None:
    take_in(store, message(U1, A1, event="E"))
    old = defined(store, """{computed_traits: {m: {query: "event('E').count()"}}}""")
    while advance(store, read_catalog(store).spaces, now=NOW):
        pass
    defined(store, COUNT.replace("{n:", """{m: {query: "event('E').count()"}, n:"""))
    while advance(store, read_catalog(store).spaces, now=NOW):
        pass
    remove(store, old, store.owner("acme", U1) or 0, A1, now=NOW)
    assert read(store, U1) == {"m": 1, "n": 1, "some": True}


def test_who_was_absorbed_is_said_to_have_left(store: SqlStore) -> None:
    tenant = defined(store, COUNT)
    for name in (U1, A1):
        take_in(store, message(name, event="E"), tenant=tenant)
    both = {store.owner("acme", U1), store.owner("acme", A1)}
    settle(store, [Submission((message(U1, A1),))], {"acme": tenant}, now=NOW + 1, ids=ids())
    [absorbed] = both - {store.owner("acme", U1)}
    seen: dict[int, dict[str, bytes]] = {}
    for row in store.changes("acme", beyond=None, limit=99):
        for change in row.changes:
            seen.setdefault(row.profile, {})[change.key] = change.now
    assert seen[absorbed or 0] == {"n": b"", "some": b""}


def test_each_value_knows_the_message_that_touched_it_last(store: SqlStore) -> None:
    """Also where several came together, and one of them was about something else."""
    tenant = defined(
        store,
        """{computed_traits: {a: {query: "event('A').count()"}, b: {query: "event('B').count()"},
            twice: {query: "trait('a')"}, plan_is: {query: "trait('plan')"},
            soon: {query: "event('A').within(1 hour).count()"}}}""",
    )
    first, second = (message(U1, event=name, id=name.lower(), order=n) for n, name in enumerate("AB"))
    take_in(store, first, second, message(U1, traits={"plan": "pro"}, id="t"), tenant=tenant)
    assert causes(store, at=NOW) == {
        "a": Cause(How.MESSAGE, "a"),
        "b": Cause(How.MESSAGE, "b"),
        "twice": Cause(How.MESSAGE, "a"),
        "plan_is": Cause(How.MESSAGE, "t"),
        "soon": Cause(How.MESSAGE, "a"),
    }
    later = NOW + 2 * 60 * MINUTE
    take_in(store, message(U1, event="B", id="b2", at=later), tenant=tenant, now=later)
    assert causes(store, at=later)["b"] == Cause(How.MESSAGE, "b2")
    assert "soon" not in causes(store, at=later)
    [row] = [row for row in store.changes("acme", beyond=None, limit=9) if row.at >= later]
    assert {change.key: change.cause.how for change in row.changes} == {"b": How.MESSAGE, "soon": How.TIME}


def test_what_makes_somebody_known_brings_them_in_though_they_did_the_rest_before(store: SqlStore) -> None:
    tenant = defined(
        store,
        """{audiences: {x: {query: "event('A').count() >= 1"}, none: {query: "event('B').count() = 0"}},
            computed_traits: {n: {query: "event('A').count()"}}}""",
    )
    take_in(store, message(A1, event="A", id="a"), message(A1, U1, id="known"), tenant=tenant)
    assert causes(store, at=NOW) == {
        "x": Cause(How.MESSAGE, "known"),
        "none": Cause(How.MESSAGE, "known"),
        "n": Cause(How.MESSAGE, "a"),
    }


def test_the_cause_is_the_later_of_a_message_and_of_a_value_referred_to(store: SqlStore) -> None:
    tenant = defined(
        store,
        """{computed_traits: {t: {query: "event('B').count()"}},
            audiences: {x: {query: "event('A').count() >= 1 AND trait('t') >= 1"}}}""",
    )
    take_in(store, message(event="A", id="a"), message(event="B", id="b"), tenant=tenant)
    assert causes(store, at=NOW) == {"t": Cause(How.MESSAGE, "b"), "x": Cause(How.MESSAGE, "b")}
    take_in(store, message(event="B", id="b2"), message(event="A", id="a2"), tenant=tenant)
    assert causes(store, at=NOW) == {"t": Cause(How.MESSAGE, "b2"), "x": Cause(How.MESSAGE, "b")}


def test_what_comes_after_a_merge_in_its_batch_is_not_put_down_to_it(store: SqlStore) -> None:
    tenant = defined(
        store, """{computed_traits: {a: {query: "event('A').count()"}, b: {query: "event('B').count()"}}}"""
    )
    take_in(store, message(U1, event="A"), tenant=tenant)
    take_in(store, message(A1, event="A"), tenant=tenant)
    take_in(store, message(U1, A1, id="merge"), message(U1, event="B", id="b"), tenant=tenant)
    assert causes(store, at=NOW) == {"a": Cause(How.MERGE, "merge"), "b": Cause(How.MESSAGE, "b")}


def test_a_source_s_own_trait_is_not_explained_by_a_definition_of_its_key_that_has_no_value(store: SqlStore) -> None:
    tenant = defined(
        store, """{audiences: {vip: {query: "event('A').within(1 day).count() = 0 AND event('A').count() >= 1"}}}"""
    )
    take_in(store, message(event="A"), message(traits={"vip": "own"}), tenant=tenant)
    assert read(store, U1) == {"vip": "own"}
    assert causes(store, at=NOW) == {}
    assert causes(store, at=NOW + 2 * DAY).keys() == {"vip"}


def causes(store: SqlStore, *, at: int) -> dict[str, Cause]:
    """Return what made each computed trait of U1 what it is."""
    tenant = read_catalog(store).spaces["acme"]
    found = lookup.one(store, tenant, [U1], now=at)
    return {key: result.cause for key, (_, result) in lookup.explained(store, tenant, found, now=at).computed.items()}


def test_who_is_absorbed_once_all_definitions_are_gone_is_said_to_have_none_of_their_values(
    store: SqlStore,
) -> None:
    tenant = defined(store, COUNT)
    for name in (U1, A1):
        take_in(store, message(name, event="E"), tenant=tenant)
    absorbed = store.owner("acme", A1)
    take_in(store, message(U1, A1), tenant=defined(store, "{audiences: {}, computed_traits: {}}"))
    seen = {
        change.key: change.now
        for row in store.changes("acme", beyond=None, limit=99)
        if row.profile == absorbed
        for change in row.changes
    }
    assert seen == {"n": b"", "some": b""}
