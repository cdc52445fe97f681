"""What the language of definitions refuses, where it says so, and that nothing is too long or too deep for that."""

import sys
from collections import Counter

import pytest

from mien.core import parser
from mien.core.message import ACCOUNTS, USERS
from mien.core.parser import audience, computed_trait
from mien.core.query import Comparison, Condition, Literal, Operator, TraitRef
from mien.errors import QueryRefused


def users(text: str) -> Condition:
    return audience(text, collection=USERS)


def refusal(text: str, *, collection: str = USERS, trait: bool = False) -> str:
    with pytest.raises(QueryRefused) as caught:
        (computed_trait if trait else audience)(text, collection=collection)
    assert str(caught.value).startswith(f"line {caught.value.line}, column {caught.value.column}: ")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: expected a condition such as trait('plan') = 'pro', found the end"),
        ("  \n ", "line 1, column 1: expected a condition such as trait('plan') = 'pro', found the end"),
        (
            "trait('plan') ",
            "line 1, column 14: an audience is a condition: expected a comparison such as >= 1, found the end",
        ),
        ("event('X') >= 1", "line 1, column 12: expected a filter or a reducer such as .count(), found >="),
        ("event('X').equals(1)", "line 1, column 11: expected a filter or a reducer such as .count(), found .equals"),
        (
            "trait('a') = 1\nAND foo",
            "line 2, column 5: expected a condition such as trait('plan') = 'pro', found foo",
        ),
        ("trait('a').like('x')", "line 1, column 11: expected a comparison such as >= 1, found .like"),
        ("trait('a') = 1 trait('b')", "line 1, column 16: expected AND, OR or the end, found trait"),
        ("trait('a') = 1)", "line 1, column 15: expected the end, found )"),
        ("(trait('a') = 1", "line 1, column 16: expected ), found the end"),
        ("trait(a) = 1", "line 1, column 7: expected a text in quotes, found a"),
        ("trait('a') = 'x", "line 1, column 14: the text that begins here has no end; close it with '"),
        ('trait("a) = 1', 'line 1, column 7: the text that begins here has no end; close it with "'),
        ("trait('a') = null", "line 1, column 14: there is no null; use .absent() or .exists()"),
        (
            "trait('') = 1",
            "line 1, column 7: a name, or a part of it between points, is empty; write '\\.' for a point",
        ),
        ("trait('a..b') = 1", "line 1, column 7: a name, or a part"),
        ("trait('a.') = 1", "line 1, column 7: a name, or a part"),
        ("event('').count() = 1", "line 1, column 7: the name of an event cannot be empty"),
        (
            "entity('car') = 1",
            "line 1, column 1: entity(…) reads linked data, which is not available; use trait(…) or event(…)",
        ),
        ("property('a') = 1", "line 1, column 1: property(…) is of one event: it can stand in where(…) or a reducer"),
        ("trait('a') = context('b')", "line 1, column 14: context(…) is of one event"),
        ("timestamp().exists()", "line 1, column 1: timestamp(…) is of one event"),
        ("event('X').where(property(parent: 'a') = 1).count() = 1", "line 1, column 27: parent: is of the event"),
        (
            "event('X').where(event('Y').sum(property(parent: 'a')) = 1).count() = 1",
            "line 1, column 42: parent: is of the event around",
        ),
        ("event('X').within(parent: 1 day).count() = 1", "line 1, column 19: there is no event around this one"),
        (
            "event('X').where(event('Y').where(event('Z').count() = 1).count() = 1).count() = 1",
            "line 1, column 35: an event within an event within an event; two levels are the most",
        ),
        (
            "event('X').where(event('Y').expires_after(1 day).count() = 1).count() = 1",
            "line 1, column 28: sessions are for events that stand outside of where(…); use within(…) here",
        ),
        ("event('X').within(1 day).within(2 days).count() = 1", "line 1, column 25: a second window on the same"),
        ("event('X').within(0 days).count() = 1", "line 1, column 11: the window is empty"),
        ("event('X').within(-1 days).count() = 1", "line 1, column 19: expected a whole number"),
        ("event('X').within(1.5 days).count() = 1", "line 1, column 19: expected a whole number"),
        ("event('X').within(1001 years).count() = 1", "line 1, column 24: expected minutes, hours, days or weeks"),
        ("event('X').within(365001 days).count() = 1", "line 1, column 19: expected a duration of at least 1 minute"),
        ("event('X').within(days).count() = 1", "line 1, column 19: expected a whole number, found days"),
        (
            "event('X').between(2 days, 48 hours).count() = 1",
            "line 1, column 11: both ends of between(…) are the same",
        ),
        ("trait('a').within_last(0 days)", "line 1, column 24: expected a duration of at least 1 minute"),
        ("trait('a').before_date('soon')", "line 1, column 24: expected a date such as '2024-01-31' or"),
        ("trait('a').after_date(2024)", "line 1, column 23: expected a date such as '2024-01-31' or"),
        ("trait('a') = 2024-02-30", "line 1, column 14: there is no such date"),
        ("trait('a') = 1e999", "line 1, column 14: this number is too large or too long"),
        (f"trait('a') = '{'x' * 1001}'", "line 1, column 14: a text has at most 1,000 characters"),
        ("ANY trait('a') = 1", "line 1, column 1: ANY asks about the users of an account; only definitions for acc"),
        ("event('X').where(ALL trait('a') = 1).count() = 1", "line 1, column 18: ALL cannot stand in where(…)"),
        ("event('X').sources({exclude: ''}).count() = 1", "line 1, column 30: the id of a source cannot be empty"),
        (
            "event('X').sources('a').count() = 1",
            "line 1, column 20: expected exclude: and the ids of sources, found a",
        ),
        ("event('X').mode(property('a'), 0) = 1", "line 1, column 32: expected a frequency from 1 to 1,000,000"),
        ("event('X').mode(property('a'), 'x') = 1", "line 1, column 32: expected a whole number, found a text"),
        ("event('X').max(property('a') as array) = 1", "line 1, column 33: max reads number or string; only mode"),
        ("event('X').sum('a') = 1", "line 1, column 16: expected property('…'), context('…') or timestamp(), found"),
        ("trait('a') = 'b\0'", "line 1, column 16: U+0000 cannot stand in a query; remove it"),
        ("trait('a') = 'b\ud800'", "line 1, column 16: U+D800 cannot stand in a query; remove it"),
        ("trait('a').one_of()", "line 1, column 19: expected a value such as 'pro', trait('plan') or event('Login')"),
        ("\x07", "line 1, column 1: expected a condition such as trait('plan') = 'pro', found U+0007"),
    ],
)
def test_what_is_refused_says_where_and_what_to_do(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


def test_any_and_all_do_not_nest() -> None:
    said = refusal("ANY (trait('a') = 1 AND\n NOT ALL trait('b') = 2)", collection=ACCOUNTS)
    assert said.startswith("line 2, column 6: ALL stands within another ANY or ALL")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("event('X').count() >= 1", "line 1, column 20: a computed trait is one value: expected the end, found >="),
        ("event('X')", "line 1, column 11: expected a filter or a reducer such as .count(), found the end"),
        ("5", "line 1, column 1: a computed trait is a value of events, such as event('Login').count(), or a trait"),
        ("property('a')", "line 1, column 1: a computed trait is a value of events"),
        (
            "NOT trait('a')",
            "line 1, column 1: expected a value such as 'pro', trait('plan') or event('Login').count()",
        ),
    ],
)
def test_a_computed_trait_is_a_value(text: str, said: str) -> None:
    assert refusal(text, trait=True).startswith(said)


def test_an_error_repeats_little_of_the_query() -> None:
    said = refusal("trait('a') = " + "secret" * 100)
    assert "secretsecretsecretsecret" in said
    assert said.count("secret") == 4
    assert "jane" not in refusal("trait('a') 'jane@example.com'")


# However long or deep a text is.

ONE = "trait('a')=1"
A = Comparison(TraitRef(("a",)), Operator.EQUALS, (Literal(1),))


def nested(depth: int) -> str:
    return "(" * depth + ONE + ")" * depth


def test_the_limits_are_as_documented() -> None:
    assert users(nested(parser.DEEPEST)) == A
    assert refusal(nested(parser.DEEPEST + 1)).startswith("line 1, column 33: nested more than 32 deep")
    assert users("NOT " * 32 + ONE)
    assert refusal("NOT " * 33 + ONE).startswith("line 1, column 129: nested more than 32 deep")
    assert users(" AND ".join([ONE] * 50))
    assert refusal(" AND ".join([ONE] * 51)).startswith("line 1, column 851: more than 50 comparisons")
    assert refusal(f"event('X').where({' OR '.join([ONE] * 50)}).count() = 1").startswith("line 1, column ")
    assert users(ONE.ljust(parser.LONGEST)) == A
    assert refusal(ONE.ljust(parser.LONGEST + 1)).startswith("line 1, column 10001: a query has at most 10,000 char")
    assert users(f"trait('a').one_of({','.join('5' * 1000)})")
    assert refusal(f"trait('a').one_of({','.join('5' * 1001)})").startswith("line 1, column 2019: a list has at most")
    assert refusal(f"event('X').sources(exclude:{','.join(['5'] * 1001)}).count()=1").startswith("line 1, column 28")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000,
        nested(1000),
        nested(4900),
        "(" * 5000 + ONE + ")" * 4000,
        "NOT " * 2400 + ONE,
        "NOT " * 2500,
        "ANY " * 2400 + ONE,
        " AND ".join([ONE] * 580),
        " OR ".join([ONE] * 580),
        "event('X').where(" * 500,
        "event('X').where(" * 300 + ONE + ").count()=1" * 300,
        "trait('a') = '" + "x" * 9900,
        "trait('a') = '" + "\\'" * 4900,
        "trait('a') = " + "9" * 9900,
        "event('X')" + f".where({ONE})" * 450 + ".count() = 1",
        "event('X')" + ".within(1 day)" * 600 + ".count() = 1",
        "trait('" + "a." * 490 + "') = 1",
        "." * 10_000,
        "\n" * 9_999 + "x",
    ],
)
def test_long_and_deep_texts_are_refused_without_a_fuss(text: str) -> None:
    assert len(text) <= parser.LONGEST
    assert len(refusal(text)) < 200


@pytest.mark.parametrize("piece", ["(", "NOT ", f"{ONE} AND ", f"({ONE}) OR (", "event('X').where(", "5,", "'", "."])
def test_the_work_grows_with_the_length_of_a_text_and_no_faster(piece: str) -> None:
    users(ONE)
    short, long = calls(piece * (1000 // len(piece))), calls(piece * (8000 // len(piece)))
    assert long < 12 * short


def calls(text: str) -> int:
    """Return how many calls it takes to refuse a text."""
    counted = Counter[str]()
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _argument: counted.update([event]))
    try:
        refusal(text)
    finally:
        sys.setprofile(before)
    return counted.total()
