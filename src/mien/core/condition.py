"""Conditions and scalars at an instant: what is true, what a value is, and when that may change by itself."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec.structs import replace

from mien.core import values
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
    Reduction,
    Scalar,
    Session,
    Sliding,
    Stream,
    TimeRef,
    TraitRef,
)
from mien.core.spans import NEVER, Span, add, look
from mien.core.tally import Tallier, tallier

Weighed = tuple[bool, int]
"""Whether something holds, and until when it may be relied on if nothing happens (microseconds since 1970)."""
Measured = tuple[Any, int]
"""A value, None for none, and until when."""


class Occurrence(Protocol):
    """Something that happened, as far as definitions look at it."""

    at: int
    order: int
    source: str

    def value(self, ref: EventValue) -> Any:
        """Return a value of the event, None when it has none there."""


class Facts(Protocol):
    """What a definition can ask about a profile."""

    def trait(self, key: str) -> Any:
        """Return the value of a trait: computed, an audience, or custom; None when there is none."""

    def reduce(self, reduction: Reduction, view: "View") -> Measured:
        """Return what a reduction comes to that stands by itself."""

    def times(self, reduction: Reduction, view: "View") -> int:
        """Return how many events a reduction is made of that stands by itself."""

    def occurrences(self, reduction: Reduction, event: str) -> Sequence[Occurrence]:
        """Return the events of a name that a reduction, or one within it, looks at one by one."""

    def members(self, condition: Condition) -> Sequence[Weighed]:
        """Return for each user of an account whether a condition holds."""


class View(NamedTuple):
    """Where a condition looks from: at which profile, when, at which event, and at which event around that.

    `root` is the reduction whose events are looked at.
    """

    facts: Facts
    now: int
    event: Occurrence | None = None
    parent: Occurrence | None = None
    root: Reduction | None = None


def weigh(condition: Condition, view: View) -> Weighed:
    """Say whether a condition holds, and until when that may be relied on."""
    return _WEIGH[type(condition)](condition, view)


def _weigh_comparison(comparison: Comparison, view: View) -> Weighed:
    value, due = measure(comparison.scalar, view)
    if not comparison.operands:
        held, until = compare(comparison, value, (), view.now)
        return held, min(due, until)
    operands = []
    for operand in comparison.operands:
        other, until = measure(operand, view)
        operands.append(other)
        due = min(due, until)
    return compare(comparison, value, operands, view.now)[0], due


def _weigh_and(condition: And, view: View) -> Weighed:
    """While one part does not hold the whole does not, whatever the others do."""
    due = NEVER
    for part in condition.parts:
        held, until = weigh(part, view)
        if not held:
            return False, until
        due = min(due, until)
    return True, due


def _weigh_or(condition: Or, view: View) -> Weighed:
    due = NEVER
    for part in condition.parts:
        held, until = weigh(part, view)
        if held:
            return True, until
        due = min(due, until)
    return False, due


def _weigh_not(condition: Not, view: View) -> Weighed:
    held, due = weigh(condition.part, view)
    return not held, due


def _weigh_any(condition: AnyMember, view: View) -> Weighed:
    weighed = view.facts.members(condition.part)
    holding = [until for held, until in weighed if held]
    if holding:
        return True, max(holding)
    return False, min((until for _, until in weighed), default=NEVER)


def _weigh_all(condition: AllMembers, view: View) -> Weighed:
    weighed = view.facts.members(condition.part)
    missing = [until for held, until in weighed if not held]
    if missing:
        return False, max(missing)
    return True, min((until for _, until in weighed), default=NEVER)


_WEIGH: Mapping[type, Callable[[Any, View], Weighed]] = {
    Comparison: _weigh_comparison,
    And: _weigh_and,
    Or: _weigh_or,
    Not: _weigh_not,
    AnyMember: _weigh_any,
    AllMembers: _weigh_all,
}


def measure(scalar: Scalar, view: View) -> Measured:
    """Return a scalar's value, and until when it may be relied on."""
    return _MEASURE[type(scalar)](scalar, view)


def _measure_trait(ref: TraitRef, view: View) -> Measured:
    value = view.facts.trait(ref.path[0])
    return (value if len(ref.path) == 1 else values.walk(value, ref.path[1:])), NEVER


def _measure_event(ref: EventValue, view: View) -> Measured:
    looked_at = view.parent if isinstance(ref, PropertyRef) and ref.parent else view.event
    return (None if looked_at is None else looked_at.value(ref)), NEVER


def _measure_reduction(reduction: Reduction, view: View) -> Measured:
    if view.event is None or view.root is None:
        return view.facts.reduce(reduction, view)
    value, due = one_by_one(reduction, view, view.root)
    return (nothing(reduction) if value is None else value), due


_MEASURE: Mapping[type, Callable[[Any, View], Measured]] = {
    Literal: lambda literal, view: (literal.value, NEVER),
    TraitRef: _measure_trait,
    PropertyRef: _measure_event,
    ContextRef: _measure_event,
    TimeRef: _measure_event,
    Reduction: _measure_reduction,
}


class _Nobody:
    """The facts of somebody of whom nothing is known."""

    def trait(self, key: str) -> Any:
        """See Facts."""
        return None

    def reduce(self, reduction: Reduction, view: View) -> Measured:
        """See Facts."""
        return nothing(reduction), NEVER

    def times(self, reduction: Reduction, view: View) -> int:
        """See Facts."""
        return 0

    def occurrences(self, reduction: Reduction, event: str) -> Sequence[Occurrence]:
        """See Facts."""
        return ()

    def members(self, condition: Condition) -> Sequence[Weighed]:
        """See Facts."""
        return ()


_NOBODY = _Nobody()
NOBODY = View(_NOBODY, 0)
"""The view of a condition that looks at somebody of whom nothing is known."""


def nothing(reduction: Reduction) -> Any:
    """Return what a reduction of nothing comes to in a condition: counts and sums are 0, all else is absent."""
    return 0 if reduction.reducer in {"count", "sum", "unique_count"} else None


def one_by_one(reduction: Reduction, view: View, root: Reduction) -> Measured:
    """Return what a reduction comes to by looking at each event: where its condition asks for more than the event.

    Of nothing it is None.
    """
    tallying, window = tallier(reduction), reduction.stream.window
    found, due = [], NEVER
    for occurrence in view.facts.occurrences(root, reduction.stream.event):
        if occurrence is view.event or occurrence.source in reduction.stream.excluded:
            continue
        if isinstance(window, AfterParent) and not _after(occurrence, view.event, window):
            continue
        held, until = True, NEVER
        if reduction.stream.where is not None:
            inner = View(view.facts, view.now, occurrence, view.event, root)
            held, until = weigh(reduction.stream.where, inner)
        due = min(due, until)
        span = span_of(reduction, occurrence, tallying) if held else None
        if span is not None:
            found.append(span)
    sliding = window if isinstance(window, Sliding | Session) else None
    seen = look(list(_apart(found, tallying, sliding)), tallying.plus, sliding, now=view.now)
    return (None if seen.tally is None else tallying.result(seen.tally)), min(due, seen.due)


def _apart(found: Iterable[Span[Any]], tallying: Tallier, window: Sliding | Session | None) -> Iterable[Span[Any]]:
    """Return spans as a window wants them, all of them."""
    if isinstance(window, Sliding):
        by_time: dict[int, Span[Any]] = {}
        for one in found:
            span, have = one, by_time.get(one.first)
            if have is not None:
                span = replace(have, times=have.times + span.times, tally=tallying.plus(have.tally, span.tally))
            by_time[span.first] = span
        return [by_time[at] for at in sorted(by_time)]
    return add([], found, tallying.plus, window, now=0)


def _after(occurrence: Occurrence, parent: Occurrence | None, window: AfterParent) -> bool:
    return parent is not None and parent.at + window.first <= occurrence.at <= parent.at + window.last


def span_of(reduction: Reduction, occurrence: Occurrence, tallying: Tallier) -> Span[Any] | None:
    """Return one event as a span; None when there is nothing in it to reduce, unless a session goes on by it."""
    value = None if reduction.of is None else occurrence.value(reduction.of)
    tally = tallying.of(value, occurrence.at, occurrence.order)
    if tally is None and not isinstance(reduction.stream.window, Session):
        return None
    return Span(occurrence.at, occurrence.at, 1, tally)


def takes(stream: Stream, occurrence: Occurrence) -> bool:
    """Say whether a stream whose condition asks for nothing but the event takes it in."""
    if occurrence.source in stream.excluded:
        return False
    return stream.where is None or weigh(stream.where, View(_NOBODY, 0, occurrence))[0]


def compare(comparison: Comparison, value: Any, operands: Sequence[Any], now: int) -> Weighed:
    """Say whether a comparison holds of a value. Of a list it holds when it holds of one item."""
    if comparison.span:
        return _by_the_clock(comparison.operator, value, comparison.span, now)
    if comparison.operator in _OF_SEVERAL:
        operands = [one for operand in operands for one in values.items(operand)]
    odd = _ODD.get(comparison.operator)
    held = _holds_of_one(comparison.operator, value, operands) if odd is None else odd(value, operands)
    return held, NEVER


def _holds_of_one(operator: Operator, value: Any, operands: Sequence[Any]) -> bool:
    if value is None:
        return False
    test = _TESTS[operator]
    if isinstance(value, list):
        return any(test(item, operand) for item in value if item is not None for operand in operands) or (
            operator is Operator.EQUALS and any(isinstance(o, list) and values.same(value, o) for o in operands)
        )
    return test(value, operands[0]) if len(operands) == 1 else any(test(value, operand) for operand in operands)


def _ordered(signs: frozenset[int]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: values.order(value, operand) in signs


def _of_text(test: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: operand is not None and test(values.text(value), values.text(operand))


def _of_times(test: Callable[[int, int], bool]) -> Callable[[Any, Any], bool]:
    def compare_times(value: Any, operand: Any) -> bool:
        one, other = values.time(value), values.time(operand)
        return one is not None and other is not None and test(one, other)

    return compare_times


def _equal(value: Any, operand: Any) -> bool:
    return operand is not None and values.same(value, operand)


_OF_SEVERAL = {Operator.CONTAINS, Operator.OMITS, Operator.ONE_OF, Operator.NONE_OF}
"""A list among their operands stands for its items."""

_TESTS: Mapping[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUALS: _equal,
    Operator.ONE_OF: _equal,
    Operator.GREATER_THAN: _ordered(frozenset({1})),
    Operator.AT_LEAST: _ordered(frozenset({0, 1})),
    Operator.LESS_THAN: _ordered(frozenset({-1})),
    Operator.AT_MOST: _ordered(frozenset({-1, 0})),
    Operator.CONTAINS: _of_text(lambda value, part: part in value),
    Operator.STARTS_WITH: _of_text(str.startswith),
    Operator.ENDS_WITH: _of_text(str.endswith),
    Operator.MATCHES: _of_text(values.matches),
    Operator.BEFORE_DATE: _of_times(lambda one, other: one < other),
    Operator.AFTER_DATE: _of_times(lambda one, other: one > other),
}


_ODD: Mapping[Operator, Callable[[Any, Sequence[Any]], bool]] = {
    Operator.EXISTS: lambda value, _: value is not None,
    Operator.ABSENT: lambda value, _: value is None,
    Operator.OMITS: lambda value, parts: not _holds_of_one(Operator.CONTAINS, value, parts),
    Operator.DIFFERS: lambda value, others: value is not None and not _holds_of_one(Operator.EQUALS, value, others),
    Operator.NONE_OF: lambda value, others: value is not None and not _holds_of_one(Operator.ONE_OF, value, others),
}
"""The operators that may hold of what is absent, or of a list when they hold of none of its items."""


def _by_the_clock(operator: Operator, value: Any, span: int, now: int) -> Weighed:
    """Compare a date with the clock; both ends of a range belong to it."""
    held, due = False, NEVER
    for item in values.items(value):
        moment = values.time(item)
        if moment is None:
            continue
        begins, ends = _range(operator, moment, span)
        held = held or begins <= now <= ends
        due = min([due, *(edge for edge in (begins, ends + 1) if edge > now)])
    return held, due


def _range(operator: Operator, moment: int, span: int) -> tuple[int, int]:
    """Return from when until when a comparison with the clock holds of a date."""
    match operator:
        case Operator.WITHIN_LAST:
            return moment, moment + span
        case Operator.WITHIN_NEXT:
            return moment - span, moment
        case Operator.BEFORE_LAST:
            return moment + span, NEVER
    return -NEVER, moment - span


def parts_of(query: Condition | Scalar) -> Iterator[Condition | Scalar]:
    """Yield a tree's nodes, those within streams included, the outer ones first."""
    yield query
    within: Iterable[Condition | Scalar]
    match query:
        case And(parts=parts) | Or(parts=parts):
            within = parts
        case Not(part=part) | AnyMember(part=part) | AllMembers(part=part):
            within = (part,)
        case Comparison(scalar=scalar, operands=operands):
            within = (scalar, *operands)
        case Reduction(stream=stream, of=of):
            within = tuple(part for part in (of, stream.where) if part is not None)
        case _:
            within = ()
    for inner in within:
        yield from parts_of(inner)
