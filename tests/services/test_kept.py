"""What is kept of a history has limits: what comes beyond them, alone and where two profiles become one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mien.core.definition import Kind
from mien.core.fold import Policy
from mien.core.memory import MOST_ENTRIES
from mien.core.message import Identifier, Message, order_of
from mien.core.plan import parse
from mien.core.presets import preset
from mien.core.space import DAY, Retention, Space
from mien.core.spans import MOST_SPANS
from mien.core.tally import MOST_DISTINCT
from mien.services import lookup
from mien.services.retention import purge
from mien.services.sweep import sweep
from mien.store.sql import SqlStore
from tests import oracle
from tests.defining import U1
from tests.factories import NOW, message, space, take_in, user
from tests.somebody import definition, plans_of

MINUTE = 60_000_000
A1 = user("anonymous_id", "a1")


def computing(*, retention: Retention | None = None, **queries: str) -> Space:
    """Return a space with computed traits."""
    made = [
        definition(query, key=key, number=number, kind=Kind.COMPUTED_TRAIT)
        for number, (key, query) in enumerate(queries.items(), 1)
    ]
    return space(policy=Policy(rules=preset("segment"), plans=plans_of(made)), retention=retention or Retention())


def values(store: SqlStore, tenant: Space, who: Identifier = U1, *, at: int = NOW) -> dict[str, Any]:
    """Return what readers see of somebody at an instant."""
    found = lookup.one(store, tenant, [who], now=at).sheet.members()
    return {key: json.loads(bytes(text)) for key, text in found.items()}


def right(tenant: Space, messages: Sequence[Message], *, at: int) -> Mapping[str, Any]:
    """Return what they are to see, by the whole history."""
    visible = tenant.policy.plans["users"].visible.values()
    found = {d.key: oracle.value(parse(d), oracle.Past(messages), now=at) for d in visible}
    return {key: json.loads(text) for key, text in found.items() if text is not None}


def bring(store: SqlStore, tenant: Space, events: Sequence[Message], *, of_two: bool) -> None:
    """Take events of somebody in, in a few batches; or half of them of each of two, who then become one."""
    for first in range(0, len(events), 2500):
        take_in(store, *events[first : first + 2500], tenant=tenant)
    if of_two:
        take_in(store, message(U1, A1), tenant=tenant)


def event(nth: int, at: int, *, of_two: bool, **properties: Any) -> Message:
    """Return the n-th event."""
    who = A1 if of_two and nth % 2 else U1
    return message(who, event="E", at=at, order=order_of(NOW, nth), properties=json.dumps(properties).encode())


@pytest.mark.parametrize("of_two", [False, True])
def test_beyond_so_many_distinct_values_new_ones_are_not_kept_and_old_ones_are_counted_on(
    store: SqlStore, of_two: bool
) -> None:
    tenant = computing(
        all="event('E').unique(property('v'))",
        number="event('E').unique(property('v')).count()",
        most="event('E').mode(property('v'))",
    )
    events = [event(nth, NOW, of_two=of_two, v=f"{nth:05}") for nth in range(MOST_DISTINCT + 2)]
    bring(store, tenant, events, of_two=of_two)
    take_in(store, event(0, NOW, of_two=of_two, v="new"), event(0, NOW, of_two=of_two, v="00000"), tenant=tenant)
    found = values(store, tenant)
    assert (found["number"], len(found["all"]), found["most"]) == (MOST_DISTINCT, MOST_DISTINCT, "00000")
    assert "new" not in found["all"]
    assert found["all"] == sorted(found["all"])


@pytest.mark.parametrize("of_two", [False, True])
def test_a_window_over_more_moments_than_are_kept_apart_is_exact_while_the_events_are_kept(
    store: SqlStore, of_two: bool
) -> None:
    tenant = computing(
        n="event('E').within(1 day).count()",
        lately="event('E').between(1 hour, 5 hours).sum(property('v'))",
        last="event('E').expires_after(30 minutes).count()",
    )
    events = [event(n, NOW - n * 7 * MINUTE, of_two=of_two, v=n) for n in range(3 * MOST_SPANS)]
    bring(store, tenant, events, of_two=of_two)
    for later in (0, 1, 7 * MINUTE, 31 * MINUTE, 3 * 60 * MINUTE, 5 * 60 * MINUTE, DAY - 1, DAY, 2 * DAY):
        assert values(store, tenant, at=NOW + later) == right(tenant, events, at=NOW + later)


@pytest.mark.parametrize("of_two", [False, True])
def test_of_more_sessions_than_are_kept_the_last_are_known(store: SqlStore, of_two: bool) -> None:
    """That is all that is asked for: only the last one can go on."""
    tenant = computing(n="event('E').expires_after(30 minutes).count()")
    events = [event(n, NOW + n * 15 * MINUTE * (1 + n % 3), of_two=of_two) for n in range(4 * MOST_SPANS)]
    bring(store, tenant, events, of_two=of_two)
    at = max(one.timestamp for one in events)
    assert values(store, tenant, at=at) == right(tenant, events, at=at)
    assert values(store, tenant, at=at + 30 * MINUTE) == {}


@pytest.mark.parametrize("of_two", [False, True])
def test_a_funnel_looks_at_the_last_events_of_each_name(store: SqlStore, of_two: bool) -> None:
    tenant = computing(
        n="event('E').where(property('v') > trait('least')).count()",
        first="event('E').where(NOT trait('none').exists()).first(property('v'))",
    )
    take_in(store, message(U1, traits={"least": -1}), tenant=tenant)
    events = [event(n, NOW + n, of_two=of_two, v=n) for n in range(MOST_ENTRIES)]
    bring(store, tenant, events, of_two=of_two)
    assert (values(store, tenant)["n"], values(store, tenant)["first"]) == (MOST_ENTRIES, 0)
    take_in(store, event(MOST_ENTRIES, NOW + MOST_ENTRIES, of_two=False, v=MOST_ENTRIES), tenant=tenant)
    assert (values(store, tenant)["n"], values(store, tenant)["first"]) == (MOST_ENTRIES, 1)
    take_in(store, event(0, NOW - 1, of_two=False, v=7), tenant=tenant)
    assert (values(store, tenant)["n"], values(store, tenant)["first"]) == (MOST_ENTRIES, 1), "it is older than all"


def test_what_is_purged_in_the_middle_of_a_history_still_counts(store: SqlStore) -> None:
    """Without a window for ever; in one, where moments were joined whose events are gone, they leave together."""
    tenant = computing(
        retention=Retention(events=DAY),
        all="event('E').count()",
        sum="event('E').sum(property('v'))",
        some="event('E').unique(property('v')).count()",
        lately="event('E').within(10 days).count()",
    )
    then = [NOW + n * 7 * MINUTE for n in range(2 * MOST_SPANS)]
    events = [
        message(U1, event="E", at=at, order=order_of(at), properties=b'{"v":%d}' % (n % 9))
        for n, at in enumerate(then)
    ]
    take_in(store, *events, tenant=tenant, now=then[-1])
    today = then[-1] + 2 * DAY
    while purge(store, [tenant], now=today):
        pass
    more = [message(U1, event="E", at=today + n, order=order_of(today + n), properties=b'{"v":50}') for n in range(3)]
    take_in(store, *more, tenant=tenant, now=today + 3)
    whole, before = [*events, *more], len(events)
    assert values(store, tenant, at=today + 3) == right(tenant, whole, at=today + 3)
    for later in range(NOW + 10 * DAY, then[-1] + 10 * DAY, 60 * MINUTE):
        while sweep(store, {"acme": tenant}, now=later).profiles:
            pass
        found, expected = values(store, tenant, at=later), right(tenant, whole, at=later)
        assert {**found, "lately": 0} == {**expected, "lately": 0}
        assert expected["lately"] <= found["lately"] <= before + 3, "nothing leaves before its time"
        before = found["lately"] - 3
    end = then[-1] + 10 * DAY
    assert values(store, tenant, at=end) == right(tenant, whole, at=end)


def test_somebody_whose_time_is_over_is_in_no_audience_and_comes_back_as_another(store: SqlStore) -> None:
    made = [definition("event('E').count() >= 1", key="some", number=1)]
    policy = Policy(rules=preset("segment"), plans=plans_of(made))
    tenant = space(policy=policy, retention=Retention(profiles=DAY))
    take_in(store, message(U1, event="E"), tenant=tenant)
    was = store.owner("acme", U1)
    over = NOW + 2 * DAY
    while sweep(store, {"acme": tenant}, now=over).profiles:
        pass
    take_in(store, message(U1, order=order_of(over)), tenant=tenant, now=over)
    assert store.owner("acme", U1) != was
    assert values(store, tenant, at=over) == {}
    assert (store.count_members("acme", 1), store.changes("acme", beyond=None, limit=9)) == (0, [])
    take_in(store, message(U1, event="E", order=order_of(over)), tenant=tenant, now=over)
    [member] = store.members("acme", 1, beyond=0, limit=9)
    assert (member.profile, member.since) == (store.owner("acme", U1), over)
    while purge(store, [tenant], now=over + DAY + 1):
        pass
    assert (store.count_members("acme", 1), store.due(now=over + 9 * DAY, limit=9)) == (0, [])
