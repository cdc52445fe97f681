"""The language of definitions: what its texts mean. What is refused is in test_parser_refusals.py."""

from decimal import Decimal

import pytest

from mien.core.message import ACCOUNTS, USERS
from mien.core.parser import audience, computed_trait, show
from mien.core.query import (
    AfterParent,
    And,
    AnyMember,
    Comparison,
    Condition,
    ContextRef,
    Literal,
    Not,
    Operator,
    Or,
    PropertyRef,
    Reducer,
    Reduction,
    Session,
    Sliding,
    Stream,
    TimeRef,
    TraitRef,
)

HOUR = 3_600_000_000
DAY = 24 * HOUR


def of_events(reducer: str, filters: str = "") -> Reduction:
    """Return a computed trait of one event, by the end of its text."""
    found = computed_trait(f"event('Shoes Bought'){filters}.{reducer}", collection=USERS)
    assert isinstance(found, Reduction)
    return found


def where(text: str) -> Condition:
    found = of_events("count()", f".where({text})").stream.where
    assert found is not None
    return found


def users(text: str) -> Condition:
    return audience(text, collection=USERS)


def compared(text: str) -> Comparison:
    found = users(f"trait('t'){text}")
    assert isinstance(found, Comparison)
    assert found.scalar == TraitRef(("t",))
    return found


A = Comparison(TraitRef(("a",)), Operator.EQUALS, (Literal(1),))
B = Comparison(TraitRef(("b",)), Operator.EQUALS, (Literal(2),))
C = Comparison(TraitRef(("c",)), Operator.EQUALS, (Literal(3),))


# What Segment's page shows, by the rows of its tables and then its examples.


@pytest.mark.parametrize(
    ("collection", "text", "canonical"),
    [
        (
            USERS,
            "event('Shoes Bought').where( property('price') >= 100 ).within(7 days).count() >= 1",
            "event('Shoes Bought').where(property('price') >= 100).within(7 days).count() >= 1",
        ),
        (
            USERS,
            """event('Shoes Bought').where(
            property('price') >= trait('avg_spend')
            AND
            event('Shoes Returned').within(parent: 5 days).count() >= 1
            ).within(30 days).count() >= 1""",
            "event('Shoes Bought').where(property('price') >= trait('avg_spend') AND "
            "event('Shoes Returned').within(parent: 5 days).count() >= 1).within(30 days).count() >= 1",
        ),
        (
            USERS,
            "NOT ( event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200 )",
            "NOT (event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200)",
        ),
        (
            ACCOUNTS,
            "ALL ( event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200 )",
            "ALL (event('Shoes Bought').count() >= 1 AND trait('total_spend') > 200)",
        ),
        (ACCOUNTS, "ALL NOT event('Shoes Bought').count() >= 1", "ALL NOT event('Shoes Bought').count() >= 1"),
        (ACCOUNTS, "ANY event('Shoes Bought').count() >= 1", "ANY event('Shoes Bought').count() >= 1"),
        (USERS, "trait('VIP') = 'true'", "trait('VIP') = 'true'"),
    ],
)
def test_an_audience_of_the_vendors_page_reads_as_it_says(collection: str, text: str, canonical: str) -> None:
    found = audience(text, collection=collection)
    assert show(found) == canonical
    assert audience(canonical, collection=collection) == found


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("event('Shoes Bought').within(30 days).avg(property('spend'))", None),
        (
            "event('Shoes Bought').where( property('price') > 100 AND property('brand') = 'My Brand' )"
            ".min(property('spend'))",
            "event('Shoes Bought').where(property('price') > 100 AND property('brand') = 'My Brand')"
            ".min(property('spend'))",
        ),
        ("event('Shoes Bought').within(30 days).first(property('spend'))", None),
        ("event('Shoes Bought').within(30 days).mode(property('spend'), 2)", None),
        (
            "event('Shoes Bought').where({property('price_usd') > 100}).count()",
            "event('Shoes Bought').where(property('price_usd') > 100).count()",
        ),
    ],
)
def test_a_computed_trait_of_the_vendors_page_reads_as_it_says(text: str, canonical: str | None) -> None:
    found = computed_trait(text, collection=USERS)
    assert show(found) == (canonical or text)
    assert computed_trait(show(found), collection=USERS) == found


def test_an_example_is_this_tree() -> None:
    assert users("event('Shoes Bought').where( property('price') >= 100 ).within(7 days).count() >= 1") == Comparison(
        Reduction(
            Stream(
                event="Shoes Bought",
                where=Comparison(PropertyRef(("price",)), Operator.AT_LEAST, (Literal(100),)),
                window=Sliding(7 * DAY),
            ),
            Reducer.COUNT,
        ),
        Operator.AT_LEAST,
        (Literal(1),),
    )


SPEND = PropertyRef(("spend",))


@pytest.mark.parametrize(
    ("reducer", "expected"),
    [
        ("count()", (Reducer.COUNT, None, "string", 2)),
        ("sum(property('spend'))", (Reducer.SUM, SPEND, "string", 2)),
        ("avg(property('spend'))", (Reducer.AVG, SPEND, "string", 2)),
        ("max(property('spend'))", (Reducer.MAX, SPEND, "number", 2)),
        ("max(property('spend') as string)", (Reducer.MAX, SPEND, "string", 2)),
        ("min(property('spend'))", (Reducer.MIN, SPEND, "number", 2)),
        ("min(property('spend') as string)", (Reducer.MIN, SPEND, "string", 2)),
        ("min(property('spend') AS Number)", (Reducer.MIN, SPEND, "number", 2)),
        ("mode(property('spend'), 3)", (Reducer.MODE, SPEND, "string", 3)),
        ("mode(property('spend'))", (Reducer.MODE, SPEND, "string", 2)),
        ("mode(property('spend') as array, 2)", (Reducer.MODE, SPEND, "array", 2)),
        ("mode(property('spend') as number)", (Reducer.MODE, SPEND, "number", 2)),
        ("first(property('spend'))", (Reducer.FIRST, SPEND, "string", 2)),
        ("last(property('spend'))", (Reducer.LAST, SPEND, "string", 2)),
        ("unique(property('spend'))", (Reducer.UNIQUE, SPEND, "string", 2)),
        ("unique(property('spend')).count()", (Reducer.UNIQUE_COUNT, SPEND, "string", 2)),
        ("last(context('page.url'))", (Reducer.LAST, ContextRef(("page", "url")), "string", 2)),
        ("last(timestamp())", (Reducer.LAST, TimeRef(), "string", 2)),
    ],
)
def test_each_reducer(reducer: str, expected: tuple[Reducer, object, str, int]) -> None:
    found = of_events(reducer)
    assert (found.reducer, found.of, found.kind, found.frequency) == expected
    assert found.stream == Stream("Shoes Bought")


@pytest.mark.parametrize(
    ("text", "operator", "operands"),
    [
        (".equals(500)", Operator.EQUALS, (500,)),
        (" == 500", Operator.EQUALS, (500,)),
        ("=500", Operator.EQUALS, (500,)),
        (".differs(500)", Operator.DIFFERS, (500,)),
        (" != 500", Operator.DIFFERS, (500,)),
        (".absent()", Operator.ABSENT, ()),
        (".exists()", Operator.EXISTS, ()),
        (".greater_than(500)", Operator.GREATER_THAN, (500,)),
        (" > 500", Operator.GREATER_THAN, (500,)),
        (".at_least(500)", Operator.AT_LEAST, (500,)),
        (">=500", Operator.AT_LEAST, (500,)),
        (".less_than(500)", Operator.LESS_THAN, (500,)),
        (" <-500", Operator.LESS_THAN, (-500,)),
        (".at_most(500)", Operator.AT_MOST, (500,)),
        (" <= 500", Operator.AT_MOST, (500,)),
        (".contains('shoes','shirts')", Operator.CONTAINS, ("shoes", "shirts")),
        (".contains(['shoes'])", Operator.CONTAINS, ("shoes",)),
        (".omits('shoes')", Operator.OMITS, ("shoes",)),
        (".starts_with('total')", Operator.STARTS_WITH, ("total",)),
        (".ends_with('total')", Operator.ENDS_WITH, ("total",)),
        (".matches('a*b?')", Operator.MATCHES, ("a*b?",)),
        (".one_of('shoes','shirts')", Operator.ONE_OF, ("shoes", "shirts")),
        (".one_of([1, 'shirts', true])", Operator.ONE_OF, (1, "shirts", True)),
        (".none_of('shoes','shirts')", Operator.NONE_OF, ("shoes", "shirts")),
        (".before_date('2023-12-07T18:50:00Z')", Operator.BEFORE_DATE, ("2023-12-07T18:50:00Z",)),
        (".after_date(2023-12-07)", Operator.AFTER_DATE, ("2023-12-07",)),
        (" \n .\n equals ( 5 ) ", Operator.EQUALS, (5,)),
    ],
)
def test_each_comparison(text: str, operator: Operator, operands: tuple[object, ...]) -> None:
    found = compared(text)
    assert (found.operator, found.span) == (operator, 0)
    assert repr([o.value for o in found.operands if isinstance(o, Literal)]) == repr(list(operands))


@pytest.mark.parametrize("name", ["within_last", "within_next", "before_last", "after_next"])
def test_each_comparison_with_the_clock(name: str) -> None:
    assert compared(f".{name}(7 days)") == Comparison(TraitRef(("t",)), Operator(name), span=7 * DAY)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-7", -7),
        ("+7", 7),
        ("007", 7),
        ("0.10", Decimal("0.10")),
        ("123456789012345678901234567890.1", Decimal("123456789012345678901234567890.1")),
        ("1e3", Decimal("1e3")),
        ("true", True),
        ("FALSE", False),
        ("2023-12-07", "2023-12-07"),
        ("2023-12-07T18:50:00.5Z", "2023-12-07T18:50:00.5Z"),
        ("2023-12-07T18:50+02:00", "2023-12-07T18:50+02:00"),
        ("literal(100)", 100),
        ("literal('a')", "a"),
        ("''", ""),
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        (r'"say \"hi\""', 'say "hi"'),
        (r"'a\\b'", r"a\b"),
        (r"'a\nb'", r"a\nb"),
        ("'a\nb'", "a\nb"),
        ("'日本'", "日本"),
    ],
)
def test_each_literal(text: str, value: object) -> None:
    [operand] = compared(f" = {text}").operands
    assert isinstance(operand, Literal)
    assert (repr(operand.value), type(operand.value)) == (repr(value), type(value))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        (r"a\.b", ("a.b",)),
        (r"a\\.b", ("a.b",)),
        (r"a\\\\.b", ("a\\", "b")),
        (r"a\b", (r"a\b",)),
        (r"it\'s", ("it's",)),
        ("items.$.sku", ("items", "$", "sku")),
        (" ", (" ",)),
    ],
)
def test_a_point_walks_into_what_is_nested_unless_it_is_escaped(name: str, path: tuple[str, ...]) -> None:
    found = users(f"trait('{name}').exists()")
    assert found == Comparison(TraitRef(path), Operator.EXISTS)
    assert users(show(found)) == found


@pytest.mark.parametrize(
    ("text", "window"),
    [
        (".within(7 days)", Sliding(7 * DAY)),
        (".within(1 Day)", Sliding(DAY)),
        (".within(90minutes)", Sliding(90 * HOUR // 60)),
        (".within(2 weeks)", Sliding(14 * DAY)),
        (".between(7 days, 10 days)", Sliding(10 * DAY, 7 * DAY)),
        (".between(10 days, 1 week)", Sliding(10 * DAY, 7 * DAY)),
        (".between(0 days, 1 week)", Sliding(7 * DAY, 0)),
        (".expires_after(30 minutes)", Session(HOUR // 2)),
    ],
)
def test_each_window(text: str, window: object) -> None:
    assert of_events("count()", text).stream.window == window


@pytest.mark.parametrize(
    ("text", "window"),
    [
        (".within(parent: 5 days)", AfterParent(0, 5 * DAY)),
        (".within( PARENT : 5 days )", AfterParent(0, 5 * DAY)),
        (".between(parent: 1 hour, 5 days)", AfterParent(HOUR, 5 * DAY)),
        (".within(5 days)", Sliding(5 * DAY)),
    ],
)
def test_each_window_of_an_event_within_an_event(text: str, window: object) -> None:
    found = where(f"event('B'){text}.count() > 0")
    assert isinstance(found, Comparison)
    assert isinstance(found.scalar, Reduction)
    assert found.scalar.stream.window == window


@pytest.mark.parametrize(
    "text",
    [
        "sources({exclude: ['a', 'b']})",
        "sources({exclude: {'a', 'b'}})",
        "sources({exclude: 'a', 'b'})",
        "sources(exclude: 'a','b')",
        "sources({Exclude: 'a'}).sources({exclude: 'b'})",
    ],
)
def test_sources_are_excluded_however_it_is_written(text: str) -> None:
    assert of_events("count()", f".{text}").stream.excluded == ("a", "b")


def test_filters_come_in_any_order_and_conditions_join() -> None:
    text = ".within(1 day).where(trait('a') = 1).sources(exclude: 'x').where(trait('b') = 2)"
    assert of_events("count()", text).stream == Stream("Shoes Bought", And((A, B)), ("x",), Sliding(DAY))


def test_an_event_within_an_event_knows_both() -> None:
    inner = "event('B').where(property('id') = property(parent: 'id') AND context('ip').exists()).count() = 0"
    found = where(f"timestamp() > '2024' AND {inner}")
    assert isinstance(found, And)
    assert found.parts[0] == Comparison(TimeRef(), Operator.GREATER_THAN, (Literal("2024"),))
    assert show(found.parts[1]) == inner


def test_the_right_side_is_any_value() -> None:
    found = users("trait('a') > event('X').max(property('p')) OR trait('b').one_of(trait('c'), 5)")
    assert show(found) == "trait('a') > event('X').max(property('p')) OR trait('b').one_of(trait('c'), 5)"
    assert users("5 = trait('a')") == Comparison(Literal(5), Operator.EQUALS, (TraitRef(("a",)),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a} AND {b} OR {c}", Or((And((A, B)), C))),
        ("{a} OR {b} AND {c}", Or((A, And((B, C))))),
        ("({a} OR {b}) AND {c}", And((Or((A, B)), C))),
        ("{a} and {b} And {c}", And((A, B, C))),
        ("({a} AND {b}) AND {c}", And((And((A, B)), C))),
        ("NOT {a} AND {b}", And((Not(A), B))),
        ("not not {a} or {b}", Or((Not(Not(A)), B))),
        ("NOT ({a} OR {b})", Not(Or((A, B)))),
        ("ANY {a} AND {b}", And((AnyMember(A), B))),
        ("NOT ANY NOT {a}", Not(AnyMember(Not(A)))),
        ("(({a}))", A),
        ("NOT({a})", Not(A)),
    ],
)
def test_junctions_bind_as_the_page_says(text: str, expected: Condition) -> None:
    written = text.format(a="trait('a')=1", b="trait('b')=2", c="trait('c')=3")
    assert audience(written, collection=ACCOUNTS) == expected


def test_a_trait_may_be_a_computed_trait_as_it_is() -> None:
    assert computed_trait("trait('plan')", collection=ACCOUNTS) == TraitRef(("plan",))
