"""Queries for the laws: small, and like those that people write. Few names and small numbers, so that they meet."""

from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from mien.core.grammar import UNITS
from mien.core.message import ACCOUNTS
from mien.core.parser import MOST_COMPARISONS
from mien.core.query import (
    AfterParent,
    AllMembers,
    And,
    AnyMember,
    Comparison,
    Condition,
    ContextRef,
    EventValue,
    Literal,
    Not,
    Operator,
    Or,
    PropertyRef,
    Reducer,
    Reduction,
    Scalar,
    Session,
    Sliding,
    Stream,
    TimeRef,
    TraitRef,
    Window,
)

EVENTS = ("Order Completed", "Product Viewed", "Login")
PROPERTIES = (("price",), ("brand",), ("items", "$", "sku"), ("when",))
TRAITS = (("plan",), ("age",), ("since",), ("score",))
CONTEXTS = (("page", "url"), ("locale",))
SOURCES = ("web", "phone")
WORDS = ("pro", "free", "Acme", "a", "", "10", "true", "2024-01-02")
DATES = ("2024-01-01", "2024-01-02T12:00:00Z", "2024-01-03T00:00:00+02:00")

_SINGLE = (
    *(Operator.EQUALS, Operator.DIFFERS, Operator.GREATER_THAN, Operator.AT_LEAST, Operator.LESS_THAN),
    *(Operator.AT_MOST, Operator.OMITS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.MATCHES),
)
_MANY = (Operator.CONTAINS, Operator.ONE_OF, Operator.NONE_OF)
_PLAIN = (Operator.EXISTS, Operator.ABSENT)
_CLOCK = (Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT)
_DATE = (Operator.BEFORE_DATE, Operator.AFTER_DATE)

spans = st.builds(lambda n, unit: n * UNITS[unit], st.integers(1, 9), st.sampled_from(["hour", "day"]))
literals: st.SearchStrategy[Literal] = st.builds(
    Literal,
    st.one_of(
        st.integers(-3, 12),
        st.sampled_from([Decimal("2.5"), Decimal("-0.1"), Decimal("3.00")]),
        st.sampled_from(WORDS + DATES),
        st.booleans(),
    ),
)
traits = st.builds(TraitRef, st.sampled_from(TRAITS))


def scalars() -> st.SearchStrategy[Scalar]:
    """Return what a computed trait may ask."""
    return _mostly((9, _reductions(0)), (1, traits))


def conditions(collection: str) -> st.SearchStrategy[Condition]:
    """Return what an audience of a collection may ask."""
    if collection != ACCOUNTS:
        return _junctions(_comparisons(0)).filter(_fits)
    own = _junctions(_comparisons(0), depth=1)
    of_members = st.sampled_from([AnyMember, AllMembers]).flatmap(lambda which: st.builds(which, own))
    return _junctions(_mostly((1, _comparisons(0)), (2, of_members))).filter(_fits)


def _fits(query: Condition) -> bool:
    return repr(query).count("Comparison(") <= MOST_COMPARISONS


def event_values(events: int = 1) -> st.SearchStrategy[EventValue]:
    """Return values of an event, from two events on also those of the event around it."""
    own = [
        st.builds(PropertyRef, st.sampled_from(PROPERTIES)),
        st.builds(PropertyRef, st.sampled_from(PROPERTIES)),
        st.builds(ContextRef, st.sampled_from(CONTEXTS)),
        st.just(TimeRef()),
    ]
    around = st.builds(PropertyRef, st.sampled_from(PROPERTIES), parent=st.just(True))
    return st.one_of(*own, around) if events > 1 else st.one_of(*own)


def _mostly(*weighted: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Return one of several strategies, each as often as its weight says. The first is what failures shrink to."""
    return st.sampled_from([one for weight, one in weighted for _ in range(weight)]).flatmap(lambda one: one)


@st.composite
def _junctions(draw: st.DrawFn, leaves: st.SearchStrategy[Condition], depth: int = 2) -> Condition:
    size = draw(st.sampled_from([0, 0, 0, 1, 2, 2, 3])) if depth else 0
    parts = tuple(draw(_junctions(leaves, depth - 1)) for _ in range(size))
    if not parts:
        return draw(leaves)
    if len(parts) == 1:
        return Not(parts[0])
    return And(parts) if draw(st.booleans()) else Or(parts)


@st.composite
def _comparisons(draw: st.DrawFn, events: int) -> Condition:
    # What a composite is made of does not show in its name, which would fill pages.
    return draw(_every_comparison(events))


@st.composite
def _reductions(draw: st.DrawFn, events: int) -> Reduction:
    return draw(_every_reduction(events))


@cache
def _every_comparison(events: int) -> st.SearchStrategy[Condition]:
    """Return comparisons that stand within so many `where`."""
    values = _mostly((9, event_values(events)), (2, traits)) if events else traits
    counted = _reductions(events) if events < 2 else values
    left = _mostly((6, values), (1, counted)) if events else _mostly((1, values), (3, counted))
    right = _mostly((8, literals), (2, values), (1, counted))
    dates = _mostly((3, st.builds(Literal, st.sampled_from(DATES))), (1, values))
    return _mostly(
        (5, st.builds(Comparison, left, st.sampled_from(_SINGLE), st.tuples(right))),
        (2, st.builds(Comparison, left, st.sampled_from(_MANY), st.lists(right, min_size=1, max_size=3).map(tuple))),
        (2, st.builds(Comparison, left, st.sampled_from(_PLAIN))),
        (1, st.builds(Comparison, left, st.sampled_from(_DATE), st.tuples(dates))),
        (1, st.builds(Comparison, left, st.sampled_from(_CLOCK), span=spans)),
    )


@cache
def _every_reduction(events: int) -> st.SearchStrategy[Reduction]:
    streams, of = _streams(events), event_values()
    plain = [Reducer.SUM, Reducer.AVG, Reducer.FIRST, Reducer.LAST, Reducer.UNIQUE, Reducer.UNIQUE_COUNT]
    extreme = st.sampled_from([Reducer.MIN, Reducer.MAX])
    numeric = st.sampled_from(["number", "string"])
    kinds, mode = st.sampled_from(["string", "number", "array"]), st.just(Reducer.MODE)
    return _mostly(
        (4, st.builds(Reduction, streams, st.just(Reducer.COUNT))),
        (5, st.builds(Reduction, streams, st.sampled_from(plain), of)),
        (2, st.builds(Reduction, streams, extreme, of, kind=numeric)),
        (2, st.builds(Reduction, streams, mode, of, kind=kinds, frequency=st.integers(1, 3))),
    )


@cache
def _streams(events: int) -> st.SearchStrategy[Stream]:
    where = _mostly((3, st.none()), (4, _where(events + 1)))
    excluded = st.sampled_from([(), (), (), ("web",), SOURCES])
    return st.builds(Stream, st.sampled_from(EVENTS), where, excluded, _windows(events))


def _where(events: int) -> st.SearchStrategy[Condition]:
    one = _comparisons(events)
    two = st.tuples(one, one)
    return _mostly((6, one), (1, st.builds(And, two)), (1, st.builds(Or, two)), (1, st.builds(Not, one)))


def _windows(events: int) -> st.SearchStrategy[Window | None]:
    within, between = st.builds(Sliding, spans), st.builds(lambda a, b: Sliding(a + b, a), spans, spans)
    if not events:
        return _mostly((3, st.none()), (3, within), (2, between), (1, st.builds(Session, spans)))
    after = st.builds(AfterParent, st.just(0), spans)
    later = st.builds(lambda a, b: AfterParent(a, a + b), spans, spans)
    return _mostly((2, st.none()), (4, after), (2, later), (1, within), (1, between))
