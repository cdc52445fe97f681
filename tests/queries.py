"""Queries for the laws: small, and like those that people write. Few names and small numbers, so that they meet."""

from decimal import Decimal
from functools import cache

from hypothesis import strategies as st

from mien.core.grammar import UNITS
from mien.core.message import ACCOUNTS
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
    return st.one_of(_reductions(0), _reductions(0), traits)


def conditions(collection: str) -> st.SearchStrategy[Condition]:
    """Return what an audience of a collection may ask."""
    own = _junctions(_comparisons(0))
    if collection != ACCOUNTS:
        return own
    of_members = st.one_of(st.builds(AnyMember, own), st.builds(AllMembers, own))
    return st.one_of(own, _junctions(st.one_of(_comparisons(0), of_members)))


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


def _junctions(leaves: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    def grown(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.lists(parts, min_size=2, max_size=3).map(tuple)
        return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, parts))

    return st.recursive(leaves, grown, max_leaves=4)


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
    left = st.one_of(traits, _reductions(events)) if events < 2 else traits
    if events:
        left = st.one_of(event_values(events), left)
    right = st.one_of(literals, literals, left)
    dates = st.one_of(st.builds(Literal, st.sampled_from(DATES)), left)
    return st.one_of(
        st.builds(Comparison, left, st.sampled_from(_SINGLE), st.tuples(right)),
        st.builds(Comparison, left, st.sampled_from(_MANY), st.lists(right, min_size=1, max_size=3).map(tuple)),
        st.builds(Comparison, left, st.sampled_from(_PLAIN)),
        st.builds(Comparison, left, st.sampled_from(_DATE), st.tuples(dates)),
        st.builds(Comparison, left, st.sampled_from(_CLOCK), span=spans),
    )


@cache
def _every_reduction(events: int) -> st.SearchStrategy[Reduction]:
    streams, of = _streams(events), event_values()
    plain = [Reducer.SUM, Reducer.AVG, Reducer.FIRST, Reducer.LAST, Reducer.UNIQUE, Reducer.UNIQUE_COUNT]
    extreme = st.sampled_from([Reducer.MIN, Reducer.MAX])
    return st.one_of(
        st.builds(Reduction, streams, st.just(Reducer.COUNT)),
        st.builds(Reduction, streams, st.sampled_from(plain), of),
        st.builds(Reduction, streams, extreme, of, kind=st.sampled_from(["number", "string"])),
        st.builds(
            Reduction,
            streams,
            st.just(Reducer.MODE),
            of,
            kind=st.sampled_from(["string", "number", "array"]),
            frequency=st.integers(1, 3),
        ),
    )


@cache
def _streams(events: int) -> st.SearchStrategy[Stream]:
    where = st.none() | _where(events + 1)
    excluded = st.sampled_from([(), (), ("web",), SOURCES])
    return st.builds(Stream, st.sampled_from(EVENTS), where, excluded, _windows(events))


def _where(events: int) -> st.SearchStrategy[Condition]:
    one = _comparisons(events)
    two = st.tuples(one, one)
    return st.one_of(one, one, st.builds(And, two), st.builds(Or, two), st.builds(Not, one))


def _windows(events: int) -> st.SearchStrategy[Window | None]:
    two = st.tuples(spans, spans).filter(lambda pair: pair[0] != pair[1]).map(sorted)
    sliding = st.one_of(st.builds(Sliding, spans), two.map(lambda pair: Sliding(pair[1], pair[0])))
    if not events:
        return st.one_of(st.none(), sliding, st.builds(Session, spans))
    after = st.one_of(two.map(lambda pair: AfterParent(*pair)), st.builds(AfterParent, st.just(0), spans))
    return st.one_of(st.none(), after, after, sliding)
