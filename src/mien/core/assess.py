"""The evaluation of a profile: what of the definitions holds at an instant, and what it comes to."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from mien.core import values
from mien.core.computed import ABSENT, FALSE, TRUE, Cause, Computed, How, Passage, Result, state_of, until_of
from mien.core.condition import Measured, Occurrence, View, Weighed, measure, nothing, one_by_one, weigh
from mien.core.definition import Definition
from mien.core.memory import Happened, Recalled, Tallies
from mien.core.message import USERS, Message
from mien.core.plan import Compiled, Plan
from mien.core.query import Condition, Reducer, Reduction
from mien.core.spans import NEVER, Sight, Span, Spans, look, resolve, shortened
from mien.core.traits import Traits

_T = TypeVar("_T")


class Edge(NamedTuple):
    """Events that have to be looked at: those of a memory between two times, both included."""

    memory: Tallies
    span: Span[Any]


class Needs(NamedTuple):
    """What has to be known before a profile can be evaluated: events at an edge, or its users' conditions."""

    edges: Sequence[Edge]
    members: bool


class Supplied(NamedTuple):
    """What was looked up: the events for each edge, and for each slot whether it holds for each user."""

    edges: Mapping[tuple[int, int], Sequence[Message]] = {}
    members: Mapping[int, Sequence[Weighed]] | None = None


NOTHING_SUPPLIED = Supplied()


class Assessment(NamedTuple):
    """What came of evaluating a profile; nothing of it counts while there are needs.

    `slots` are those whose value became another, with what made it so.
    """

    computed: Computed
    passages: Sequence[Passage]
    slots: Mapping[int, Cause]
    needs: Needs


class Subject(NamedTuple):
    """Whom is evaluated: what is computed of them, their custom traits, and whether somebody is known."""

    collection: str
    computed: Computed
    traits: Traits
    known: bool


_TIME = Cause(How.TIME)
_OF_MESSAGES = frozenset({How.MESSAGE, How.MERGE})


class Bar(StrEnum):
    """What keeps somebody out of an audience whatever its condition says."""

    ENDED = "ended"
    """The audience has ended."""
    UNKNOWN = "unknown"
    """Nothing is known of them but where they browse, and the audience is not for those."""


def bar(definition: Definition, subject: Subject, *, now: int) -> Bar | None:
    """Return what keeps somebody out of an audience at an instant, if anything does."""
    if definition.expires_at is not None and definition.expires_at <= now:
        return Bar.ENDED
    if subject.collection == USERS and not definition.anonymous and not subject.known:
        return Bar.UNKNOWN
    return None


def consult(
    subject: Subject,
    plan: Plan,
    slot: int,
    question: Callable[[View], _T],
    *,
    now: int,
    supplied: Supplied = NOTHING_SUPPLIED,
) -> tuple[_T, Needs]:
    """Return what a question comes to that looks at somebody as the definition of a slot does.

    What is computed of them must be as it is at that instant. The answer does not count while there are needs.
    """
    return _Assessing(subject, plan, now, _TIME, supplied).consult(plan.definitions[plan.places[slot]], question)


def assess(
    subject: Subject, plan: Plan, *, now: int, cause: Cause, supplied: Supplied = NOTHING_SUPPLIED
) -> Assessment:
    """Evaluate what was touched or is due, and what depends on it."""
    return _Assessing(subject, plan, now, cause, supplied).run()


class _Assessing:
    """The evaluation of one profile at one instant: its facts, and what comes of them."""

    def __init__(self, subject: Subject, plan: Plan, now: int, cause: Cause, supplied: Supplied) -> None:
        self._subject = subject
        self._computed = subject.computed
        self._plan = plan
        self._now = now
        self._view = View(self, now)
        self._cause = cause
        self._supplied = supplied
        self._fresh = dict(subject.computed.fresh)
        # What was computed by a definition that is no more is never due again; a newer one is left to newer plans.
        kept = subject.computed.results.items()
        self._results = {slot: r for slot, r in kept if slot in plan.places or plan.is_newer(slot)}
        self._passages: list[Passage] = []
        self._edges: list[Edge] = []
        self._wants_members = False
        self._recalled: dict[int, list[Recalled]] = {}
        self._asking: Compiled = plan.definitions[0]
        self._changed = len(self._results) < len(subject.computed.results)
        self._slots: dict[int, Cause] = {}
        self._passed_on: dict[int, Cause] = {}
        touching = subject.computed.touched.values() if subject.computed.touched else ()
        self._order = {message: n for n, message in enumerate(touching)}
        own = {"", cause.message}
        self._causes = {message: cause if message in own else Cause(How.MESSAGE, message) for message in self._order}

    def run(self) -> Assessment:
        plan, upto = self._plan, max(self._computed.upto, self._plan.settled)
        pending = self._pending()
        stale = self._computed.stale
        heap = list(pending)
        heapq.heapify(heap)
        while heap:
            place = heapq.heappop(heap)
            compiled = plan.definitions[place]
            if compiled.number > upto:
                stale = True
                continue
            cause = self._evaluate(compiled, place)
            if cause is not None:
                for looking in plan.by_slot.get(compiled.slot, ()):
                    self._passed_on[looking] = self._later(cause, self._passed_on.get(looking, _TIME))
                    if looking not in pending:
                        pending.add(looking)
                        heapq.heappush(heap, looking)
        computed = replace(
            self._computed,
            results=self._results if self._changed else self._computed.results,
            until=until_of(self._results),
            fresh=self._fresh,
            touched={},
            stale=stale,
        )
        return Assessment(computed, self._passages, self._slots, Needs(self._edges, self._wants_members))

    def consult(self, compiled: Compiled, question: Callable[[View], _T]) -> tuple[_T, Needs]:
        self._asking = compiled
        answer = question(self._view)
        return answer, Needs(self._edges, self._wants_members)

    def _pending(self) -> set[int]:
        if self._computed.touched is None:
            return set(range(len(self._plan.definitions)))
        places = self._plan.places
        due = {places[slot] for slot, r in self._results.items() if r.due <= self._now and slot in places}
        return due | self._computed.touched.keys()

    def _cause_of(self, place: int) -> Cause:
        """Return what makes a value another one now, if it is.

        Where messages do, it is the last that touched it, or a value it refers to.
        """
        touched = self._computed.touched
        if touched is None or self._cause.how not in _OF_MESSAGES:
            return self._cause
        passed_on = self._passed_on.get(place, _TIME)
        return self._later(self._causes[touched[place]], passed_on) if place in touched else passed_on

    def _later(self, one: Cause, other: Cause) -> Cause:
        """Return the later of two causes; one that is no message is the earlier."""
        return other if self._order.get(other.message, -1) > self._order.get(one.message, -1) else one

    def _evaluate(self, compiled: Compiled, place: int) -> Cause | None:
        """Evaluate one definition; return what made its value another one, None when it is the same."""
        self._asking = compiled
        text, due = self._value(compiled)
        have = self._results.get(compiled.slot)
        was = ABSENT if have is None else have.text
        if compiled.is_audience and text == ABSENT and was != ABSENT:
            text = FALSE
        if text == was:
            if have is not None and have.due != due:
                self._put(compiled.slot, Result(text, have.at, due, have.cause))
            elif have is None and due != NEVER:
                self._put(compiled.slot, Result(ABSENT, self._now, due, self._cause_of(place)))
            return None
        # Whose clock runs ahead may have been here before us: nobody leaves before they entered.
        at, cause = self._now if have is None else max(self._now, have.at), self._cause_of(place)
        self._slots[compiled.slot] = cause
        if cause.how is How.DEFINITION:
            at, cause = self._as_before(compiled, text) or (at, cause)
        self._put(compiled.slot, Result(text, at, due, cause))
        if compiled.is_audience and compiled.slot > 0 and TRUE in {text, was}:
            self._passages.append(Passage(compiled.slot, text == TRUE, at, cause))
        return cause

    def _put(self, slot: int, result: Result) -> None:
        self._changed = True
        if result.text == ABSENT and result.due == NEVER:
            self._results.pop(slot, None)
        else:
            self._results[slot] = result

    def _as_before(self, compiled: Compiled, text: bytes) -> tuple[int, Cause] | None:
        """Return since when, and why, a value is what it was by the definition that this one takes the place of."""
        for slot, definition in self._plan.visible.items():
            if definition.key == compiled.definition.key and slot != compiled.slot:
                before = self._results.get(slot)
                if before is not None and before.text == text:
                    return before.at, before.cause
        return None

    def _value(self, compiled: Compiled) -> tuple[bytes, int]:
        """Return the JSON text of a value and until when it is that; an audience is TRUE or ABSENT."""
        definition, view = compiled.definition, self._view
        if not compiled.is_audience:
            value, due = measure(compiled.query, view)  # type: ignore[arg-type]
            return _text(value), due
        if compiled.slot < 0:
            held, due = weigh(compiled.query, view)  # type: ignore[arg-type]
            return TRUE if held else ABSENT, due
        if bar(definition, self._subject, now=self._now):
            return ABSENT, NEVER
        held, due = weigh(compiled.query, view)  # type: ignore[arg-type]
        return TRUE if held else ABSENT, due if definition.expires_at is None else min(due, definition.expires_at)

    def trait(self, key: str) -> Any:
        """See Facts."""
        slot = self._plan.slot_of(key, self._asking)
        result = None if slot is None else self._results.get(slot)
        if result is not None and result.text != ABSENT:
            return values.read(result.text)
        custom = self._subject.traits.get(key)
        return values.read(custom.value) if custom is not None and custom.value else None

    def reduce(self, reduction: Reduction, view: View) -> Measured:
        """See Facts."""
        memory = self._asking.tallies.get(id(reduction))
        if memory is None:
            value, due = one_by_one(reduction, view._replace(root=reduction), reduction)
            return (self._nothing(reduction) if value is None else value), due
        seen = self._seen(memory)
        return (self._nothing(reduction) if seen.tally is None else memory.tallier.result(seen.tally)), seen.due

    def times(self, reduction: Reduction, view: View) -> int:
        """See Facts."""
        memory = self._asking.tallies.get(id(reduction))
        if memory is not None:
            return self._seen(memory).times
        counted = Reduction(reduction.stream, Reducer.COUNT)
        times, _ = one_by_one(counted, view._replace(root=reduction), reduction)
        return times or 0

    def _seen(self, memory: Tallies) -> Sight:
        spans = state_of(self._computed, self._fresh, memory) or ()
        seen = look(spans, memory.tallier.plus, memory.window, now=self._now)
        if seen.across:
            spans = self._resolved(memory, spans, seen.across)
            seen = look(spans, memory.tallier.plus, memory.window, now=self._now)
            self._fresh[memory.key] = shortened(spans, memory.tallier.plus, memory.window, now=self._now)
        return seen

    def _nothing(self, reduction: Reduction) -> Any:
        """Return what a reduction of nothing comes to: as a computed trait of its own it is absent, and not 0."""
        return None if self._asking.query is reduction else nothing(reduction)

    def _resolved(self, memory: Tallies, spans: Spans, across: Iterable[Span[Any]]) -> Spans:
        """Return spans with those across an edge replaced by their events, as far as these were supplied."""
        for span in across:
            messages = self._supplied.edges.get((memory.key, span.first))
            if messages is None:
                self._edges.append(Edge(memory, span))
                continue
            events = [found for message in messages if (found := memory.span(Happened(message))) is not None]
            spans = resolve(spans, span, events, memory.tallier.plus)
        return spans

    def occurrences(self, reduction: Reduction, event: str) -> Sequence[Occurrence]:
        """See Facts."""
        journal = self._asking.journals[id(reduction)][event]
        if journal.key not in self._recalled:
            self._recalled[journal.key] = journal.recall(state_of(self._computed, self._fresh, journal))
        return self._recalled[journal.key]

    def members(self, condition: Condition) -> Sequence[Weighed]:
        """See Facts."""
        if self._supplied.members is None:
            self._wants_members = True
            return ()
        return self._supplied.members.get(self._asking.members[id(condition)], ())


def _text(value: Any) -> bytes:
    """Return the JSON text of a value; ABSENT of none, and of a number that JSON's readers cannot hold."""
    text = ABSENT if value is None else values.write(value)
    return ABSENT if text == b"null" else text
