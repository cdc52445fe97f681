"""The law of what is computed: what was kept up to date equals what the whole history says, at any instant."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st

from mien.core import spans
from mien.core.computed import FALSE, NOTHING, catch_up, combine, packed, shown
from mien.core.computed import note as noted
from mien.core.condition import parts_of
from mien.core.definition import Definition, Kind
from mien.core.message import ACCOUNTS, USERS, Message, order_of
from mien.core.parser import show
from mien.core.plan import Plan, cycle_in, parse
from mien.core.query import AfterParent, Comparison, Reduction, Session, Sliding
from mien.core.traits import combine as combine_traits
from tests import factories
from tests.factories import NOW
from tests.histories import DAY, histories
from tests.queries import conditions, scalars
from tests.somebody import Somebody, definition, plans_of

MONTH = 30 * DAY


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """Return definitions that may refer to each other; some bear the key of a trait that is sent."""
    keys = draw(st.lists(st.sampled_from(["score", "plan", "since", "other"]), min_size=1, max_size=3, unique=True))
    found = [draw(_definitions(key, number)) for number, key in enumerate(keys, 1)]
    while cycle_in(found):
        found.pop()
    assume(found)
    return found


@st.composite
def _definitions(draw: st.DrawFn, key: str, number: int) -> Definition:
    is_audience = draw(st.booleans())
    ends = st.integers(0, 12).map(lambda days: NOW + days * DAY)
    return definition(
        show(draw(conditions(USERS) if is_audience else scalars())),
        kind=Kind.AUDIENCE if is_audience else Kind.COMPUTED_TRAIT,
        key=key,
        number=number,
        expires_at=draw(st.one_of(st.none(), st.none(), st.none(), ends)) if is_audience else None,
        anonymous=draw(st.booleans()),
    )


def plan_of_users(made: Sequence[Definition]) -> Plan:
    return plans_of(made)[USERS]


def slides(made: Definition) -> bool:
    """Say whether a definition has a window that slides."""
    return "within(" in made.query or "between(" in made.query


all_plans = definitions().map(plan_of_users)
plans_of_windows = definitions().filter(lambda made: any(map(slides, made))).map(plan_of_users)
by_way_of_others = ("ANY trait('score') = true", "NOT ANY trait('plan').exists()", "ALL trait('other') > 1")
of_accounts = st.one_of(conditions(ACCOUNTS).map(show), st.sampled_from(by_way_of_others)).map(
    lambda query: definition(query, key="fit", number=9, collection=ACCOUNTS)
)


def instants(plan: Plan, messages: Iterable[Message], *, after: int) -> list[int]:
    """Return when windows begin and end for events, and when dates come near."""
    lengths = {0, *(length for part in asked(plan) for length in lengths_in(part))}
    edges = {m.timestamp + length for m in messages for length in lengths}
    edges |= {d.expires_at for d in plan.visible.values() if d.expires_at is not None}
    return sorted(
        {edge + off for edge in edges for off in (-1, 0, 1) if edge + off >= after} | {after, after + MONTH}
    )


def asked(plan: Plan) -> list[Any]:
    return [part for d in plan.visible.values() for part in parts_of(parse(d))]


def lengths_in(part: Any) -> list[int]:
    match part:
        case Reduction(stream=stream):
            match stream.window:
                case Sliding(oldest, newest):
                    return [oldest, newest or 0]
                case Session(idle):
                    return [idle]
                case AfterParent(first, last):
                    return [first, last]
        case Comparison(span=span):
            return [span]
    return []


def follow(data: st.DataObject, plan: Plan, messages: Sequence[Message], somebody: Somebody | None = None) -> None:
    """Take messages in, one after another, and check at the instants that matter between them."""
    for one in plan.visible.values():
        note(f"{one.key}: {one.query}")
    somebody = somebody or Somebody(plan, known=data.draw(st.sampled_from([True, True, True, False])))
    for place, message in enumerate(messages):
        somebody.take(message)
        until = messages[place + 1].received_at if place + 1 < len(messages) else None
        times = instants(plan, somebody.messages, after=message.received_at)
        times = [at for at in times if until is None or at <= until]
        for at in sorted(data.draw(st.lists(st.sampled_from(times), max_size=3 if until else 12))):
            somebody.check(at)
            if data.draw(st.integers(0, 3)) == 0:
                somebody.computed = packed(somebody.at(at), plan)


def told(data: st.DataObject, plan: Plan) -> list[Message]:
    """Return a history that is mostly of what the definitions look at."""
    names = sorted({part.stream.event for part in asked(plan) if isinstance(part, Reduction)})
    return data.draw(histories(names))


@given(plan=all_plans, data=st.data())
def test_what_is_kept_up_to_date_is_what_the_whole_history_says(plan: Plan, data: st.DataObject) -> None:
    follow(data, plan, told(data, plan))


@given(plan=all_plans, data=st.data())
def test_before_it_is_due_nothing_changes(plan: Plan, data: st.DataObject) -> None:
    messages = told(data, plan)
    somebody = Somebody(plan)
    for message in messages:
        somebody.take(message)
    last = messages[-1].received_at
    due = somebody.computed.due or last + 2 * MONTH
    assert due > last
    times = [at for at in instants(plan, messages, after=last) if at < due] + [due - 1]
    for at in data.draw(st.lists(st.sampled_from(times), max_size=6)):
        somebody.compare(somebody.computed, at)


@pytest.fixture
def joined_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few spans are kept apart, so that edges have to be resolved by looking the events up."""
    monkeypatch.setattr(spans, "MOST_SPANS", 4)
    monkeypatch.setattr(spans, "EDGE", 2)


@given(plan=plans_of_windows, data=st.data())
def test_what_is_joined_is_told_apart_again_at_an_edge(joined_soon: None, plan: Plan, data: st.DataObject) -> None:
    follow(data, plan, told(data, plan))


@given(window=st.sampled_from(["within(2 days)", "within(5 hours)", "between(1 day, 4 days)"]), data=st.data())
def test_what_is_no_longer_kept_leaves_its_window_all_the_same(
    joined_soon: None, window: str, data: st.DataObject
) -> None:
    """Nothing says when each lost event leaves, but when the last has left nothing is inside."""
    counted = definition(f"event('Login').{window}.count()", kind=Kind.COMPUTED_TRAIT)
    plan = plan_of_users([counted])
    messages = data.draw(histories(["Login"], most=20))
    somebody = Somebody(plan)
    for message in messages:
        somebody.take(message)
    somebody.messages = data.draw(st.lists(st.sampled_from(messages), unique_by=lambda m: m.id))
    after = messages[-1].received_at
    for at in sorted(data.draw(st.lists(st.sampled_from(instants(plan, messages, after=after)), max_size=12))):
        somebody.computed = packed(somebody.at(at), plan)
        assert somebody.computed.due is None or somebody.computed.due > at
    somebody.messages = []
    somebody.check(max(after, *(m.timestamp for m in messages)) + MONTH)


@given(plan=all_plans, data=st.data())
def test_several_who_become_one_are_what_their_whole_history_says(plan: Plan, data: st.DataObject) -> None:
    """In whatever order they become one."""
    messages = told(data, plan)
    parts = [Somebody(plan) for _ in range(3)]
    for message in messages:
        data.draw(st.sampled_from(parts)).take(message)
    now = messages[-1].received_at
    a, b, c = data.draw(st.permutations(parts))
    one = together(together(a, b, now), c, now)
    other = together(c, together(b, a, now), now)
    assert {key: value.text for key, value in shown(one.at(now), plan).items() if value.text != FALSE} == {
        key: value.text for key, value in shown(other.at(now), plan).items() if value.text != FALSE
    }
    times = instants(plan, messages, after=now)
    for at in sorted(data.draw(st.lists(st.sampled_from(times), max_size=6))):
        one.check(at)
        other.check(at)


def together(one: Somebody, other: Somebody, now: int) -> Somebody:
    """Return two profiles as one, evaluated."""
    both = Somebody(one.plan)
    both.messages = [*one.messages, *other.messages]
    both.traits = combine_traits(one.traits, other.traits)
    both.computed = combine(one.computed, other.computed, one.plan, factories.message(order=order_of(now)))
    both.computed = packed(both.at(now), one.plan)
    return both


@given(plan=all_plans, data=st.data())
def test_a_history_noted_later_comes_to_the_same(plan: Plan, data: st.DataObject) -> None:
    """As it is for definitions that are newer than the profile."""
    messages = told(data, plan)
    somebody = Somebody(plan)
    for message in messages:
        somebody.keep(message)
    before = data.draw(st.integers(0, len(messages)))
    somebody.computed = catch_up(NOTHING, plan, data.draw(st.permutations(messages[:before])), upto=0)
    assert somebody.computed.touched is not None
    for message in messages[before:]:
        somebody.computed = noted(somebody.computed, plan, message, message.traits.keys())
    somebody.check(messages[-1].received_at)


@given(made=definitions(), one=of_accounts, data=st.data())
def test_an_account_is_what_it_and_its_users_are(
    made: list[Definition], one: Definition, data: st.DataObject
) -> None:
    plans = plans_of([*made, one])
    users = [Somebody(plans[USERS]) for _ in range(data.draw(st.integers(0, 3)))]
    account = Somebody(plans[ACCOUNTS], collection=ACCOUNTS, users=users)
    note(f"{one.key}: {one.query}")
    messages = data.draw(histories())
    for message in messages:
        who = data.draw(st.sampled_from([*users, account]))
        who.take(message)
        account.look_again(message.received_at)
        account.check(message.received_at)
    now = messages[-1].received_at
    due = account.computed.due or now + 2 * MONTH
    assert due > now
    account.compare(account.computed, due - 1)
    times = [at for plan in plans.values() for at in instants(plan, messages, after=now)]
    for at in sorted(data.draw(st.lists(st.sampled_from(times), max_size=6))):
        if at < due:
            account.compare(account.computed, at)
        account.check(at)
