"""Every sentence of the reference that says what definitions mean exactly."""

from typing import Any

import pytest

from mien.core.computed import packed, shown
from mien.core.definition import Kind
from mien.core.memory import MOST_ENTRIES
from tests.factories import NOW
from tests.recorded import DAY, MINUTE, Case, Ev, Has, check
from tests.somebody import Somebody, definition, plans_of


def e(age: str = "1d", **properties: Any) -> Ev:
    return Ev("E", age, properties)


def p(value: Any, age: str = "1d") -> Ev:
    return Ev("E", age, {"p": value})


def has(value: Any, **more: Any) -> list[Ev | Has]:
    return [Has({"t": value, **more})]


SENTENCES: dict[str, list[Case]] = {
    "what is absent satisfies no comparison but absent and omits": [
        *(Case(f"trait('t'){test}", [], False) for test in ("= 5", "!= 5", "< 5", ".contains('')", ".none_of(5)")),
        *(
            Case(f"trait('t'){test}", [], False)
            for test in (".exists()", ".before_date('2030-01-01')", ".matches('*')")
        ),
        *(Case(f"trait('t'){test}", [], True) for test in (".absent()", ".omits('a')")),
        Case("NOT trait('t') = 5", [], True),
        Case("event('E').where(property('p').absent()).count() = 1", [p(None)], True),
    ],
    "what is absent on the right equals nothing and is contained in nothing": [
        Case("trait('t') = trait('x')", has(5), False),
        Case("trait('t') != trait('x')", has(5), True),
        Case("trait('t').omits(trait('x'))", has("a"), True),
        Case("trait('t').contains(trait('x'))", has("a"), False),
        Case("trait('t') < trait('x')", has(5), False),
    ],
    "numbers are exact, and shown as doubles": [
        Case("event('E').sum(property('p')) = 0.3", [p(0.1)] * 3, True),
        Case("event('E').sum(property('p'))", [p(2.5), p(0.5)], 3),
        Case("event('E').avg(property('p'))", [p(1), p(1), p(0)], 2 / 3),
        Case("trait('t') = 3.00", has(3), True),
    ],
    "a text that is a number counts as one": [
        Case("event('E').sum(property('p'))", [p("12.50"), p(" 1e1 "), p("1,000"), p(True)], 22.5),
        Case("event('E').max(property('p'))", [p("9"), p("10"), p("x")], 10),
        Case("trait('t') > 9", has("10"), True),
        Case("trait('t') > '9'", has("10"), False),
        Case("trait('t') >= 0", has("x"), False),
        Case("trait('t') = 1", has(True), False),
        Case("trait('t') = 'true'", has(True), True),
    ],
    "of a list a comparison holds when it holds of one item": [
        Case("trait('t') = 2", has([1, 2]), True),
        Case("trait('t') != 2", has([1, 2]), False),
        Case("trait('t').none_of(3, 4)", has([1, 2]), True),
        Case("trait('t').omits('a')", has(["b", "ba"]), False),
        Case("trait('t') > 1 AND trait('t') < 2", has([0, 5]), True),
        Case("trait('t').one_of(trait('u'))", has(2, u=[1, 2]), True),
        Case("trait('t').contains(trait('u'))", has("abc", u=["x", "b"]), True),
        Case("trait('t') = trait('u')", has([1, {"a": 1, "b": 2}], u=[1.0, {"b": 2, "a": 1}]), True),
        Case("trait('t') > trait('u')", has(5, u=[1]), False),
    ],
    "a path goes into each item, and is absent when it finds nothing": [
        Case("event('E').where(property('i.$.sku') = 'a').count()", [e(i=[{"sku": "b"}, {"sku": "a"}])], 1),
        Case("event('E').where(property('i.sku') = 'a').count()", [e(i=[{"sku": ["a", "b"]}])], 1),
        Case("event('E').where(property('i.$.sku').exists()).count()", [e(i=[{"name": "a"}]), e(i=[])], None),
        Case("event('E').first(property('i.sku'))", [e("2d", i=[]), e("1d", i=[{"sku": 1}])], [1]),
    ],
    "dates without a zone are UTC, and before and after are strict": [
        Case("trait('t').after_date('2024-01-31')", has("2024-01-31T00:00:00Z"), False),
        Case("trait('t').after_date('2024-01-31')", has("2024-01-31T00:00:00.000001"), True),
        Case("trait('t').before_date('2024-01-31')", has("2024-01-31T01:59:59+02:00"), True),
        Case("trait('t').before_date('2024-01-31')", has("soon"), False),
        Case("trait('t').before_last(1 day)", has(20240101), False),
    ],
    "the ends of comparisons with the clock are included": [
        # It is 2026-11-18T11:06:40Z.
        *(
            Case(f"trait('t').{test}", has(f"2026-11-{day}T11:06:{second:09.6f}Z"), held)
            for test, day, second, held in (
                *(("within_last(1 day)", 17, 40.0, True), ("within_last(1 day)", 17, 39.999999, False)),
                *(("within_last(1 day)", 18, 40.0, True), ("within_last(1 day)", 18, 40.000001, False)),
                *(("within_next(1 day)", 19, 40.0, True), ("within_next(1 day)", 19, 40.000001, False)),
                *(("within_next(1 day)", 18, 40.0, True), ("within_next(1 day)", 18, 39.999999, False)),
                *(("before_last(1 day)", 17, 40.0, True), ("before_last(1 day)", 17, 40.000001, False)),
                *(("after_next(1 day)", 19, 40.0, True), ("after_next(1 day)", 19, 39.999999, False)),
            )
        )
    ],
    "the time of an event is text with six digits after the second": [
        Case("event('E').first(timestamp())", [e("0d")], "2026-11-18T11:06:40.000000Z"),
        Case("event('E').where(timestamp() >= '2026-11-18').count()", [e("0d"), e("12h")], 1),
        Case("event('E').where(timestamp().before_date('2026-11-18T11:06:40Z')).count()", [e("1us"), e("0d")], 1),
    ],
    "what is exactly as old as a window is outside, and the future is inside": [
        Case("event('E').within(7 days).count()", [e("7d"), e("7d-1us"), e("-1d")], 2),
    ],
    "between has its nearer end inside, and its farther end outside": [
        Case("event('E').between(7 days, 10 days).count()", [e("7d"), e("7d-1us"), e("10d"), e("10d-1us")], 2),
        Case("event('E').between(0 days, 1 day).count()", [e("0d"), e("-1us")], 1),
    ],
    "a session has less than its pause between events, and is over when that has passed": [
        Case("event('E').expires_after(30 minutes).count()", [e("70m"), e("40m"), e("10m+1us"), e("1m")], 3),
        Case("event('E').expires_after(30 minutes).count()", [e("30m-1us"), e("40m"), e("70m")], 2),
        Case("event('E').expires_after(30 minutes).count()", [e("30m"), e("31m")], None),
        Case("event('E').expires_after(30 minutes).count()", [e("1m"), e("-60m")], 1),
    ],
    "every event has a session go on, also one without the value that is reduced": [
        Case("event('E').expires_after(30 minutes).last(property('p'))", [p("a", "40m"), e("15m")], "a"),
        Case("event('E').expires_after(30 minutes).last(property('p'))", [p("a", "50m"), e("15m")], None),
        Case("event('E').expires_after(30 minutes).sum(property('p')) = 0", [p("a", "5m")], True),
    ],
    "what follows an event does so from its instant until the end of the window, and is another event": [
        Case("event('E').where(event('F').within(parent: 1 day).count() = 1).count()", [e("2d"), Ev("F", "1d")], 1),
        Case("event('E').where(event('F').within(parent: 1 day).count() = 1).count()", [e("2d"), Ev("F", "2d")], 1),
        Case(
            "event('E').where(event('F').within(parent: 1 day).count() = 0).count()", [e("2d"), Ev("F", "1d-1us")], 1
        ),
        Case("event('E').where(event('E').within(parent: 1 day).count() = 0).count()", [e("2d")], 1),
        Case("event('E').where(event('E').within(parent: 1 day).count() = 1).count()", [e("2d"), e("2d")], 2),
        Case("event('E').where(event('F').within(1 day).count() = 1).count()", [e("9d"), Ev("F", "1h")], 1),
        Case(
            "event('E').where(event('F').between(parent: 1 hour, 1 day).count() = 1).count()",
            [e("2h"), Ev("F", "1h")],
            1,
        ),
    ],
    "of nothing counts and sums are 0 in a condition, and all else is absent": [
        *(Case(f"event('E').{of} = 0", [], True) for of in ("count()", "sum(property('p'))")),
        Case("event('E').unique(property('p')).count() < 1", [p(None)], True),
        *(
            Case(f"event('E').{of}(property('p')).absent()", [], True)
            for of in ("avg", "min", "max", "mode", "first")
        ),
        *(Case(f"event('E').{of}", [e()], None) for of in ("sum(property('p'))", "unique(property('p'))")),
        *(Case(f"event('E').{of}", [], None) for of in ("count()", "unique(property('p')).count()")),
    ],
    "first and last go by timestamp, then by receipt, and pass over events without the value": [
        Case("event('E').first(property('p'))", [p("b"), p("a"), p("c", "1h"), e("2d")], "b"),
        Case("event('E').last(property('p'))", [p("b"), p("a"), p("c", "2d"), e("1h")], "a"),
        Case("event('E').last(property('p'))", [p([1, None])], [1, None]),
    ],
    "mode has the first by its text, and understands values as it is told": [
        Case("event('E').mode(property('p'), 1)", [p("b"), p("a"), p(["b", "a"])], "a"),
        Case("event('E').mode(property('p'), 2)", [p(5), p("5"), p("6")], "5"),
        Case("event('E').mode(property('p') as number, 1)", [p(9), p("10"), p("x"), p("x")], 10),
        Case("event('E').mode(property('p') as array)", [p([2, 1]), p([1]), p([2, 1])], [2, 1]),
        Case("event('E').mode(property('p'))", [p("a"), p("b")], None),
    ],
    "unique is sorted by text": [
        Case(
            "event('E').unique(property('p'))",
            [p("b"), p(["a", 10]), p(9), p("9"), p(True)],
            [10, "9", 9, "a", "b", True],
        ),
        Case("event('E').unique(property('p')).count()", [p(1), p(1.0), p("1")], 2),
    ],
    "all users of an account without users do, and none does": [
        Case("ALL event('E').count() > 0", [], True, users=[]),
        Case("ANY event('E').count() > 0", [], False, users=[]),
        Case("ALL event('E').count() > 0", [], False, users=[[e()], []]),
    ],
}
CASES = [(sentence, case) for sentence, cases in SENTENCES.items() for case in cases]


@pytest.mark.parametrize(("sentence", "case"), CASES, ids=lambda given: getattr(given, "query", given))
def test_what_a_definition_means_exactly(sentence: str, case: Case) -> None:
    check(case)


def only(query: str, **fields: Any) -> Somebody:
    """Return somebody of whom one thing is computed, `it`."""
    known = fields.pop("known", True)
    return Somebody(plans_of([definition(query, key="it", **fields)])["users"], known=known)


def seen(somebody: Somebody, now: int = NOW) -> bytes | None:
    found = shown(somebody.at(now), somebody.plan).get("it")
    return None if found is None else found.text


def test_an_audience_is_absent_until_somebody_enters_and_false_once_they_left() -> None:
    somebody = only("event('E').within(1 day).count() = 1")
    assert seen(somebody) is None
    somebody.take(e("0d").told(0))
    assert seen(somebody) == b"true"
    assert seen(somebody, NOW + DAY - 1) == b"true"
    assert seen(somebody, NOW + DAY) == b"false"


def test_everybody_leaves_an_audience_at_the_instant_it_ends() -> None:
    somebody = only("event('E').count() = 1", expires_at=NOW + DAY)
    somebody.take(e("0d").told(0))
    assert seen(somebody, NOW + DAY - 1) == b"true"
    assert seen(somebody, NOW + DAY) == b"false"


def test_who_only_browses_enters_where_an_audience_says_so() -> None:
    for anonymous, held in ((True, b"true"), (False, None)):
        somebody = only("event('E').count() = 1", anonymous=anonymous, known=False)
        somebody.take(e("0d").told(0))
        assert seen(somebody) == held
    counted = only("event('E').count()", kind=Kind.COMPUTED_TRAIT, known=False)
    counted.take(e("0d").told(0))
    assert seen(counted) == b"1"


def test_what_is_computed_hides_what_was_sent_and_shows_it_when_it_is_absent() -> None:
    plan = plans_of(
        [
            definition("event('E').within(1 day).last(property('p'))", key="plan", kind=Kind.COMPUTED_TRAIT),
            definition("trait('plan') = 'sent'", key="it", number=2),
        ]
    )["users"]
    somebody = Somebody(plan)
    somebody.take(Has({"plan": "sent"}).told(0))
    assert seen(somebody) == b"true"
    somebody.take(p("computed", "0d").told(1))
    assert seen(somebody) == b"false"
    assert seen(somebody, NOW + DAY) == b"true"


def test_a_condition_that_asks_for_more_than_the_event_looks_at_the_last_events_of_each_name() -> None:
    history = [p(n, f"{600 - n}m") for n in range(MOST_ENTRIES + 10)]
    check(Case("event('E').count()", history, MOST_ENTRIES + 10))
    somebody = only("event('E').where(trait('t').absent()).count()", kind=Kind.COMPUTED_TRAIT)
    for place, one in enumerate(history):
        somebody.note(one.told(place))
    assert seen(somebody) == b"%d" % MOST_ENTRIES


def test_a_window_over_many_events_is_exact() -> None:
    somebody = only("event('E').within(100 minutes).sum(property('p'))", kind=Kind.COMPUTED_TRAIT)
    for place in range(300):
        somebody.note(p(1 + place % 7, f"{(place * 37) % 300}m").told(place))
    somebody.computed = packed(somebody.at(NOW), somebody.plan)
    for minutes in range(101):
        somebody.check(NOW + minutes * MINUTE)
        if minutes % 9 == 0:
            somebody.computed = packed(somebody.at(NOW + minutes * MINUTE), somebody.plan)
