"""Every query has a text that is read as the same query, and every other text is refused."""

from collections.abc import Callable

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mien.core.message import ACCOUNTS, USERS
from mien.core.parser import audience, computed_trait, show
from mien.core.query import Comparison, Condition, Literal, Operator, Query, Scalar, TraitRef
from mien.errors import QueryRefused
from tests import queries


def users(text: str) -> Condition:
    return audience(text, collection=USERS)


@given(queries.scalars())
def test_a_computed_trait_is_read_back_from_its_text(query: Scalar) -> None:
    assert repr(computed_trait(show(query), collection=USERS)) == repr(query)


@given(st.sampled_from([USERS, ACCOUNTS]).flatmap(lambda c: st.tuples(st.just(c), queries.conditions(c))))
def test_an_audience_is_read_back_from_its_text(case: tuple[str, Condition]) -> None:
    collection, query = case
    assert repr(audience(show(query), collection=collection)) == repr(query)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50))
@example("\\")
@example("'")
def test_every_text_can_be_written(text: str) -> None:
    query = Comparison(TraitRef((f"a{text}", f"{text}b")), Operator.EQUALS, (Literal(text),))
    assert users(show(query)) == query


def test_texts_tell_apart_what_python_does_not() -> None:
    assert len({show(users(f"trait('t') = {value}")) for value in ("1", "true", "1.0", "'1'")}) == 4


WORDS = [
    *("event('X')", "trait('a')", "property('p')", "property(parent: 'p')", "context('c.d')", "literal(5)"),
    *("timestamp()", ".where(", ".sources({exclude: 'a'})", ".within(7 days)", ".within(parent: 1 hour)"),
    *(".between(1 day, 2 days)", ".expires_after(30 minutes)", ".count()", ".sum(", ".max(", " as string", ".mode("),
    *(
        ".unique(",
        ".exists()",
        ".one_of(",
        ".before_date(",
        ".within_last(",
        "=",
        "!=",
        ">=",
        "<",
        "(",
        ")",
        "[",
        "]",
    ),
    *("{", "}", ",", ":", ".", " ", "\n", " AND ", " or ", " NOT ", " ANY ", " ALL ", "1", "-2.5", "1e5", "'a\\.b'"),
    *(
        '"',
        "'",
        "\\",
        "true",
        "2024-01-01",
        "2024-99-99",
        "7 days",
        "0 weeks",
        "entity('e')",
        "null",
        "dayſ",
        "ⅷ",
        "٣",
    ),
]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(WORDS), st.text(max_size=3)), max_size=25))
def test_nothing_but_a_refusal_comes_of_any_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    for collection in (USERS, ACCOUNTS):
        for read in (audience, computed_trait):
            found = outcome(read, text, collection)
            if isinstance(found, QueryRefused):
                assert 1 <= found.line <= text.count("\n") + 1
                assert 1 <= found.column <= len(text) + 1
            else:
                assert repr(read(show(found), collection=collection)) == repr(found)


def outcome(read: Callable[..., Query], text: str, collection: str) -> Query | QueryRefused:
    try:
        return read(text, collection=collection)
    except QueryRefused as refused:
        return refused
