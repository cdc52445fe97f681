"""What turns a condition, in words and in numbers."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.condition import NOBODY, View, weigh
from mien.core.message import USERS
from mien.core.parser import audience
from mien.core.query import And, Comparison, Literal, Not, Operator, Or
from mien.core.want import Want, want_of, worded
from mien.core.why import Found, Reason, Turn, explain, leaves, turn
from tests import queries


def want(text: str, *found: Any, held: bool) -> Want:
    comparison = audience(text, collection=USERS)
    assert isinstance(comparison, Comparison)
    return want_of(comparison, found, held=held)


COUNT = "event('A').within(7 days).count()"


@pytest.mark.parametrize(
    ("text", "found", "held", "words", "by"),
    [
        (f"{COUNT} >= 5", (3, 5), False, "be at least 5", 2),
        (f"{COUNT} > 5", (3, 5), False, "be more than 5", 3),
        (f"{COUNT} >= 4.5", (3, Decimal("4.5")), False, "be at least 4.5", 2),
        (f"{COUNT} = 5", (7, 5), False, "be 5", -2),
        (f"{COUNT} = 5", (5, 5), True, "be other than 5", None),
        (f"{COUNT} != 5", (3, 5), True, "be 5, or absent", 2),
        (f"{COUNT} < 5", (7, 5), False, "be less than 5", -3),
        (f"{COUNT} >= 5", (7, 5), True, "be less than 5", -3),
        (f"{COUNT} <= 5", (5, 5), True, "be more than 5", 1),
        ("event('A').sum(property('p')) >= 100", (Decimal("59.97"), 100), False, "be at least 100", Decimal("40.03")),
        ("trait('age') >= 18", ("15", 18), False, "be at least 18", 3),
        ("trait('age') >= '18'", ("15", "18"), False, "be at least '18'", None),
        ("trait('age') >= 18", (None, 18), False, "be at least 18", None),
        ("trait('plan') = 'pro'", (None, "pro"), False, "be 'pro'", None),
        ("trait('plan') != 'pro'", (None, "pro"), False, "be there, and other than 'pro'", None),
        ("trait('plan').exists()", ("x",), True, "be absent", None),
        ("trait('plan').absent()", ("x",), False, "be absent", None),
        ("trait('plan').one_of('a', 'b', 'c')", ("x", "a", "b", "c"), False, "be 'a', 'b' or 'c'", None),
        ("trait('plan').contains('a', 'b')", ("x", "a", "b"), False, "contain 'a' or 'b'", None),
        ("trait('a') = trait('b')", (1, 2), False, "be 2 (trait('b'))", 1),
        (
            "trait('a') = trait('b')",
            (1, None),
            False,
            "find trait('b') there: nothing compares with what is absent",
            None,
        ),
        ("trait('a').within_last(7 days)", (None,), False, "be a time in the last 7 days", None),
        ("trait('a').after_next(1 hour)", ("2030-01-01",), True, "not be a time after the next 1 hour", None),
    ],
)
def test_what_the_left_side_has_to_become(text: str, found: tuple[Any, ...], held: bool, words: str, by: Any) -> None:
    wanted = want(text, *found, held=held)
    assert (wanted.words, wanted.by, wanted.possible) == (words, by, True)


def test_what_has_to_go_beyond_a_bound_says_so() -> None:
    assert want("trait('n') > 5", 3, 5, held=False) == Want("be more than 5", by=2, beyond=True)
    assert want("trait('n') >= 5", 7, 5, held=True) == Want("be less than 5", by=-2, beyond=True)
    assert want(f"{COUNT} > 5", 3, 5, held=False).beyond is False


@pytest.mark.parametrize(
    ("text", "found", "held"),
    [
        ("event('A').count() = 1", (3, 1), False),
        ("event('A').max(property('p')) < 5", (7, 5), False),
        ("event('A').unique(property('p')).count() >= 1", (2, 1), True),
        (f"{COUNT} < 0", (0, 0), False),
        (f"{COUNT} >= 0", (0, 0), True),
        (f"{COUNT}.exists()", (0,), True),
    ],
)
def test_what_cannot_be_is_said_to_be_impossible(text: str, found: tuple[Any, ...], held: bool) -> None:
    assert not want(text, *found, held=held).possible


@pytest.mark.parametrize(
    "text",
    [
        "event('A').within(7 days).count() = 1",
        "event('A').where(property('p') > trait('q')).count() = 1",
        "event('A').sum(property('p')) = 1",
        "event('A').min(property('p')) = 1",
    ],
)
def test_what_a_window_a_trait_or_a_debt_can_take_away_is_possible(text: str) -> None:
    assert want(text, 3, 1, held=False).possible


def test_values_are_worded_as_queries_write_them() -> None:
    assert [worded(v) for v in (None, True, "it's", 3, Decimal("2.50"), ["a", 1])] == [
        "absent",
        "true",
        r"'it\'s'",
        "3",
        "2.5",
        '["a",1]',
    ]


def leaf(name: str, held: bool, *, possible: bool = True) -> Reason:
    return Reason(text=name, held=held, found=(Found(text=name, value=None),), want=Want(name, possible=possible))


def junction(word: Any, *parts: Reason) -> Reason:
    held = all(p.held for p in parts) if word == "AND" else any(p.held for p in parts)
    return Reason(text=word, word=word, held=held, parts=parts)


def test_every_part_that_fails_has_to_turn_for_and_any_for_or() -> None:
    a, b, c, d = leaf("a", True), leaf("b", False), leaf("c", False), leaf("d", False)
    found = turn(junction("AND", a, b, junction("OR", c, junction("AND", a, d, b))))
    assert (found.need, found.fewest) == ("all", 2)
    first, second = found.turns
    assert (first.need, first.text) == ("this", "b")
    assert (second.need, [one.text for one in second.turns]) == ("one", ["c", ""])
    assert [one.text for one in second.turns[1].turns] == ["d", "b"]


def test_to_leave_one_part_of_and_has_to_turn_and_every_true_part_of_or() -> None:
    a, b, c = leaf("a", True), leaf("b", True), leaf("c", False)
    assert [one.text for one in turn(junction("AND", a, b)).turns] == ["a", "b"]
    assert turn(junction("AND", a, b)).need == "one"
    either = turn(junction("OR", a, b, c))
    assert (either.need, [one.text for one in either.turns]) == ("all", ["a", "b"])
    assert turn(junction("OR", a, c)).text == "a"


def test_not_turns_as_its_part_does() -> None:
    inner = junction("AND", leaf("a", True), leaf("b", True))
    assert turn(Reason(text="NOT", word="NOT", held=False, parts=(inner,))) == turn(inner)


def test_what_cannot_turn_is_no_choice_where_there_is_another() -> None:
    a, b = leaf("a", False, possible=False), leaf("b", False)
    assert turn(junction("OR", a, b)).text == "b"
    assert not turn(junction("AND", a, b)).possible
    assert not turn(junction("OR", a)).possible


_truths = st.recursive(
    st.booleans().map(lambda b: Comparison(Literal(b), Operator.EQUALS, (Literal(True),))),
    lambda inner: st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: Or(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=10,
)


@given(_truths)
def test_the_fewest_changes_are_counted_right(condition: Any) -> None:
    """However junctions lie within each other."""
    reason = explain(condition, NOBODY)
    assert reason.held is weigh(condition, NOBODY)[0]
    all_leaves = list(leaves(reason))
    marked = {id(one): n for n, one in enumerate(all_leaves)}

    def chosen(one: Reason, wanted: bool) -> set[int]:
        """Return the leaves to be turned so that a part becomes what is wanted, by the definition of the words."""
        if one.held is wanted:
            return set()
        if not one.parts:
            return {marked[id(one)]}
        if one.word == "NOT":
            return chosen(one.parts[0], not wanted)
        sets = [chosen(part, wanted) for part in one.parts if part.held is not wanted]
        return set.union(*sets) if wanted is (one.word == "AND") else min(sets, key=len)

    found = turn(reason)
    assert found.fewest == len(chosen(reason, not reason.held))
    assert _fewest(found) == found.fewest


def _fewest(found: Turn) -> int:
    if found.need == "this":
        return 1
    sizes = [_fewest(part) for part in found.turns]
    return sum(sizes) if found.need == "all" else min(sizes)


@given(queries.conditions(USERS))
def test_of_nobody_every_query_can_be_explained(condition: Any) -> None:
    view: View = NOBODY
    reason = explain(condition, view)
    assert reason.held is weigh(condition, view)[0]
    assert all((one.want is not None) == (not one.word) for one in leaves(reason))
    assert turn(reason).fewest >= 1
