"""Spans: a profile's events of one sort on the line of time, tallied, with what a window needs kept apart.

Without a window all is one span. In a sliding window each moment is a span of its own, until there are MOST_SPANS:
then the newer ones are joined, and the oldest, which leave next, stay apart. When a joined span lies across the edge
of the window, the events themselves decide, and take its place. In a session window each session is a span.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import Any, Generic, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mien.core.query import Session, Sliding, Window

_T = TypeVar("_T")

NEVER = 2**62
"""When nothing will change by itself."""
MOST_SPANS = 64
EDGE = 16
"""How many of the oldest spans are never joined."""

Plus = Callable[[Any, Any], Any]


class Span(Struct, Generic[_T], frozen=True, array_like=True, gc=False):
    """Events between two times, both included, how many, and their tally.

    `lost` says that some of the events are no longer kept, so that they are inside a window until the last leaves.
    """

    first: int
    last: int
    times: int
    tally: _T
    lost: bool = False


Spans = Sequence[Span[Any]]


class Sight(NamedTuple):
    """What is seen in a window: the tally of what is inside (None of nothing), how many events that are, when it may
    change by itself, and the spans that lie across an edge."""

    tally: Any
    times: int
    due: int
    across: tuple[Span[Any], ...] = ()


def add(spans: Spans, more: Iterable[Span[Any]], plus: Plus, window: Window | None, *, now: int) -> Spans:
    """Return the spans with more of them."""
    match window:
        case Sliding():
            return _kept_short(_without_old(_in_order(spans, more, plus), now - window.oldest), plus)
        case Session():
            return _sessions(_in_order(spans, more, plus), plus, window.idle)[-MOST_SPANS:]
        case _:
            return _all_in_one((*spans, *more), plus)


def _in_order(spans: Spans, more: Iterable[Span[Any]], plus: Plus) -> list[Span[Any]]:
    ordered = list(spans)
    for span in more:
        _put(ordered, span, plus)
    return ordered


def _put(spans: list[Span[Any]], new: Span[Any], plus: Plus) -> None:
    """Put a span in its place; those that it touches become one with it."""
    if not spans or spans[-1].last < new.first:  # most events are the newest
        spans.append(new)
        return
    place = bisect_right(spans, new.first, key=lambda span: span.first)
    if place and spans[place - 1].last >= new.first:
        place -= 1
    end = place
    while end < len(spans) and spans[end].first <= new.last:
        new = _both(spans[end], new, plus)
        end += 1
    spans[place:end] = [new]


def _both(one: Span[Any], other: Span[Any], plus: Plus) -> Span[Any]:
    return Span(
        min(one.first, other.first),
        max(one.last, other.last),
        one.times + other.times,
        plus(one.tally, other.tally),
        one.lost or other.lost,
    )


def _all_in_one(spans: Spans, plus: Plus) -> list[Span[Any]]:
    return [reduce(lambda one, other: _both(one, other, plus), spans)] if spans else []


def _sessions(spans: Spans, plus: Plus, idle: int) -> list[Span[Any]]:
    sessions: list[Span[Any]] = []
    for span in spans:
        if sessions and span.first - sessions[-1].last < idle:
            sessions[-1] = _both(sessions[-1], span, plus)
        else:
            sessions.append(span)
    return sessions


def _without_old(spans: list[Span[Any]], before: int) -> list[Span[Any]]:
    return spans if spans and spans[0].last > before else [span for span in spans if span.last > before]


def _kept_short(spans: list[Span[Any]], plus: Plus) -> list[Span[Any]]:
    """Join neighbours until there are few enough: of the newer ones, those that hold the fewest events."""
    if len(spans) > 2 * MOST_SPANS:  # one after another would take the square of the time
        return _evenly(spans, plus)
    while len(spans) > MOST_SPANS:
        pairs = range(EDGE, len(spans) - 1)
        place = min(pairs, key=lambda n: (spans[n].times + spans[n + 1].times, -n))
        spans[place : place + 2] = [_both(spans[place], spans[place + 1], plus)]
    return spans


def _evenly(spans: list[Span[Any]], plus: Plus) -> list[Span[Any]]:
    """Join neighbours beyond the oldest so that each holds about as many events."""
    kept, newer = spans[:EDGE], spans[EDGE:]
    most = -(-sum(span.times for span in newer) // (MOST_SPANS - EDGE))
    joined: list[Span[Any]] = []
    for span in newer:
        if joined and joined[-1].times + span.times <= most:
            joined[-1] = _both(joined[-1], span, plus)
        else:
            joined.append(span)
    return kept + joined


def look(spans: Spans, plus: Plus, window: Window | None, *, now: int) -> Sight:
    """Return what is seen in the window at an instant."""
    match window:
        case Sliding():
            return _slide(spans, plus, window, now)
        case Session():
            if not spans or spans[-1].last + window.idle <= now:
                return Sight(None, 0, NEVER)
            return Sight(spans[-1].tally, spans[-1].times, spans[-1].last + window.idle)
        case _:
            return Sight(spans[0].tally, spans[0].times, NEVER) if spans else Sight(None, 0, NEVER)


def _slide(spans: Spans, plus: Plus, window: Sliding, now: int) -> Sight:
    """What happened at the very instant `oldest` ago is outside, at `newest` ago inside."""
    after = now - window.oldest
    until = NEVER if window.newest is None else now - window.newest
    tally, times, due, across = None, 0, NEVER, []
    for span in spans:
        if span.last <= after:
            continue
        if span.first > until:
            due = min(due, span.first + (window.newest or 0))
            break
        if span.first <= after or span.last > until:
            if not span.lost:
                across.append(span)
            # What cannot be told apart any more comes with its last and goes with its last.
            if span.last > until:
                due = min(due, span.last + (window.newest or 0))
                continue
            due = min(due, span.last + window.oldest)
        else:
            due = min(due, (span.last if span.lost else span.first) + window.oldest)
        tally = span.tally if times == 0 else plus(tally, span.tally)
        times += span.times
    return Sight(tally, times, due, tuple(across))


def resolve(spans: Spans, across: Span[Any], events: Iterable[Span[Any]], plus: Plus) -> Spans:
    """Return the spans with a joined one replaced by its events, or marked as lost when they are not all there.

    That may be many: `shortened` has what is to be kept.
    """
    apart: list[Span[Any]] = []
    for event in events:
        _put(apart, event, plus)
    if sum(span.times for span in apart) != across.times:
        apart = [replace(across, lost=True)]
    place = list(spans).index(across)
    return [*spans[:place], *apart, *spans[place + 1 :]]


def shortened(spans: Spans, plus: Plus, window: Window | None, *, now: int) -> Spans:
    """Return what is to be kept of spans at an instant: those that have left the window are gone."""
    if not isinstance(window, Sliding) or not spans:
        return spans
    return _kept_short(_without_old(list(spans), now - window.oldest), plus)
