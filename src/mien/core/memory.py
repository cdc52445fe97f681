"""Memories: what a profile keeps of its events, so that definitions need not look at them again.

A reduction whose condition asks for nothing but the event is tallied in spans. Any other, a funnel or one that
compares with traits or with the clock, keeps the events it looks at one by one: a journal of the last MOST_ENTRIES of
each name.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from mien.core import values
from mien.core.condition import Occurrence, parts_of, span_of, takes
from mien.core.message import Message
from mien.core.parser import show
from mien.core.query import (
    Comparison,
    ContextRef,
    EventValue,
    Operator,
    PropertyRef,
    Reducer,
    Reduction,
    TimeRef,
    TraitRef,
)
from mien.core.spans import Span, Spans, add
from mien.core.tally import tallier

MOST_ENTRIES = 500
LONGEST_VALUE = 1024
"""Bytes of a value in a journal: a longer one is absent."""
_CLOCK = {Operator.WITHIN_LAST, Operator.WITHIN_NEXT, Operator.BEFORE_LAST, Operator.AFTER_NEXT}

_encode = msgspec.msgpack.Encoder(decimal_format="string").encode


class Happened:
    """An event of a message, understood only as far as somebody looks."""

    __slots__ = ("_context", "_message", "_properties", "at", "order", "source")

    def __init__(self, message: Message) -> None:
        self._message = message
        self._properties: Any = None
        self._context: Any = None
        self.at = message.timestamp
        self.order = message.order
        self.source = message.source

    def value(self, ref: EventValue) -> Any:
        """See Occurrence."""
        match ref:
            case PropertyRef(path=path):
                if self._properties is None:
                    self._properties = values.read(self._message.properties)
                return values.walk(self._properties, path)
            case ContextRef(path=path):
                if self._context is None:
                    self._context = values.read(self._message.context)
                return values.walk(self._context, path)
            case TimeRef():
                return values.write_time(self.at)


class Entry(NamedTuple):
    """An event in a journal, with the JSON text of the values that are looked at, in the order of its references."""

    at: int
    order: int
    source: str
    looked_at: tuple[bytes, ...]


class Recalled:
    """An event as a journal has it."""

    __slots__ = ("_places", "_values", "at", "order", "source")

    def __init__(self, entry: Entry, places: Mapping[tuple[type, tuple[str, ...]], int]) -> None:
        self._values = [values.read(text) for text in entry.looked_at]
        self._places = places
        self.at = entry.at
        self.order = entry.order
        self.source = entry.source

    def value(self, ref: EventValue) -> Any:
        """See Occurrence."""
        if isinstance(ref, TimeRef):
            return values.write_time(self.at)
        return self._values[self._places[type(ref), ref.path]]


def _bare(ref: PropertyRef | ContextRef) -> PropertyRef | ContextRef:
    return PropertyRef(ref.path) if isinstance(ref, PropertyRef) and ref.parent else ref


class Memory(Protocol):
    """What is kept of the events of one name for one reduction. `key` names it, on every node alike.

    `telling` says that values of the events are kept, and not only how many there were and what they add up to.
    """

    key: int
    event: str
    telling: bool

    def add(self, state: Any, occurrence: Occurrence, *, now: int) -> Any:
        """Return the state (None at first) with one more event."""

    def combine(self, one: Any, other: Any, *, now: int) -> Any:
        """Return the state of two profiles as one."""

    def read(self, written: bytes) -> Any:
        """Return the state that `write` wrote."""

    def write(self, state: Any) -> bytes:
        """Return the state as MessagePack."""


class Tallies:
    """The memory of a reduction that needs only tallies."""

    def __init__(self, reduction: Reduction) -> None:
        self.reduction = reduction
        self.key = key_of("tallies", show(reduction))
        self.event = reduction.stream.event
        self.window = reduction.stream.window
        self.tallier = tallier(reduction)
        self.telling = reduction.reducer not in {Reducer.COUNT, Reducer.SUM, Reducer.AVG}
        self.read: Callable[[bytes], Spans] = msgspec.msgpack.Decoder(list[Span[self.tallier.form]]).decode  # type: ignore[name-defined]
        self.write = _encode

    def span(self, occurrence: Occurrence) -> Span[Any] | None:
        """Return an event as a span, None when it does not belong."""
        if not takes(self.reduction.stream, occurrence):
            return None
        return span_of(self.reduction, occurrence, self.tallier)

    def add(self, state: Spans | None, occurrence: Occurrence, *, now: int) -> Spans | None:
        """See Memory."""
        span = self.span(occurrence)
        return state if span is None else add(state or (), (span,), self.tallier.plus, self.window, now=now)

    def combine(self, one: Spans, other: Spans, *, now: int) -> Spans:
        """See Memory."""
        return add(one, other, self.tallier.plus, self.window, now=now)


class Journal:
    """The memory of the events of one name that a reduction looks at one by one."""

    def __init__(self, root: Reduction, event: str) -> None:
        self.event = event
        self.telling = True
        self.key = key_of("journal", show(root), event)
        self.refs = _refs(root)
        self._places = {(type(ref), ref.path): place for place, ref in enumerate(self.refs)}
        self.read = msgspec.msgpack.Decoder(list[Entry]).decode
        self.write = _encode

    def add(self, state: Sequence[Entry] | None, occurrence: Occurrence, *, now: int) -> Sequence[Entry]:
        """See Memory."""
        looked_at = tuple(_short(values.write(occurrence.value(ref))) for ref in self.refs)
        entry = Entry(occurrence.at, occurrence.order, occurrence.source, looked_at)
        return self.combine(state or (), (entry,), now=now)

    def combine(self, one: Iterable[Entry], other: Iterable[Entry], *, now: int) -> Sequence[Entry]:
        """See Memory."""
        return sorted([*one, *other])[-MOST_ENTRIES:]

    def recall(self, state: Sequence[Entry] | None) -> list[Recalled]:
        """Return the events that are kept."""
        return [Recalled(entry, self._places) for entry in state or ()]


def _short(text: bytes) -> bytes:
    return text if len(text) <= LONGEST_VALUE else b"null"


def _refs(root: Reduction) -> list[PropertyRef | ContextRef]:
    """Return what is looked at of any event in a reduction."""
    found = {_bare(part) for part in parts_of(root) if isinstance(part, PropertyRef | ContextRef)}
    return sorted(found, key=show)


def is_plain(reduction: Reduction) -> bool:
    """Say whether a reduction needs only tallies: its condition asks for nothing but the event."""
    if reduction.stream.where is None:
        return True
    return not any(
        isinstance(part, TraitRef | Reduction) or (isinstance(part, Comparison) and part.operator in _CLOCK)
        for part in parts_of(reduction.stream.where)
    )


def journals_of(reduction: Reduction) -> dict[str, Journal]:
    """Return what has to be kept, by event, for a reduction that is not plain."""
    events = {part.stream.event for part in parts_of(reduction) if isinstance(part, Reduction)}
    return {event: Journal(reduction, event) for event in sorted(events)}


def key_of(*parts: str) -> int:
    """Return a number of 63 bits that stands for some text."""
    return int.from_bytes(hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()) >> 1
