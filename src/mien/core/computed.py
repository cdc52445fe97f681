"""What is computed of a profile: kept up to date as messages come in, and exact at any instant.

Each message is noted in the memories it touches. Then whatever was touched, or is due, is evaluated, and what depends
on it (assess.py). The same is done when time has passed, and over a whole history when definitions are new.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Raw, Struct
from msgspec.structs import replace

from mien.core.condition import Weighed
from mien.core.definition import Kind
from mien.core.lazy import Lazy
from mien.core.memory import Happened, Memory
from mien.core.message import Message
from mien.core.plan import Plan
from mien.core.spans import NEVER

AT_ONCE = 0
"""When a profile is due whose history has to be looked at, or whose users have changed."""
TRUE, FALSE, ABSENT = b"true", b"false", b""
STEPS = 100
"""How many instants a profile is brought through one by one, when it was due more than once."""

ANONYMOUS = frozenset(
    {
        "anonymous_id",
        "cross_domain_id",
        "ga_client_id",
        "android.id",
        "ios.id",
        "android.push_token",
        "ios.push_token",
    }
)
"""Identifiers of a browser or a device, by which nobody is known."""


class How(StrEnum):
    """What made a value change."""

    MESSAGE = "message"
    TIME = "time"
    DEFINITION = "definition"
    MERGE = "merge"
    UNMERGE = "unmerge"
    REMOVAL = "removal"
    """An identifier was removed."""


class Cause(NamedTuple):
    """What made a value change, and the message if it was one."""

    how: How
    message: str = ""


class Result(Struct, frozen=True, array_like=True, gc=False):
    """A value: its JSON text (ABSENT when there is none), since when, until when, and what made it so.

    An audience that somebody left is FALSE, one that somebody never was in is ABSENT.
    """

    text: bytes
    at: int
    due: int
    cause: Cause


class Computed(Struct, frozen=True):
    """What is computed of a profile.

    `upto` is the highest number of a definition that its whole history was evaluated for, `epoch` that of the plan
    its values were last shown by. `noted_at` is when a change was last noted. `states` are memories as they are
    stored, `fresh` those that changed. `touched` are the places in the plan that have to be evaluated, each with the
    message that touched it last, or "" if none did, and in that order; None for all. `until` is when something may
    change by itself. `stale` is a profile that has to be looked at whole: at its history, or at its users.
    """

    upto: int = 0
    epoch: int = 0
    noted_at: int = 0
    states: Mapping[int, Raw] = {}
    results: Mapping[int, Result] = {}
    until: int = NEVER
    stale: bool = False
    fresh: Mapping[int, Any] = {}
    touched: Mapping[int, str] | None = {}

    @property
    def shown_by(self) -> int:
        """The epoch of the plan that readers see values by; 0 when there are none to see."""
        return self.epoch if self.results else 0

    @property
    def due(self) -> int | None:
        """When something may change by itself; AT_ONCE when it has to be looked at; None for never."""
        if self.stale:
            return AT_ONCE
        return None if self.until == NEVER else self.until


NOTHING = Computed()
"""What is computed where nothing is defined."""


class Shown(NamedTuple):
    """A value as readers see it: the JSON text, and of which kind."""

    text: bytes
    kind: Kind


class Patched(Lazy[str, Shown]):
    """What readers see of what is computed, where a few values became others or, with None, none."""

    def __init__(self, before: Mapping[str, Shown], patches: Mapping[str, Shown | None]) -> None:
        self.before = before
        self.patches = patches

    def _make(self) -> dict[str, Shown]:
        both = {**dict(self.before.items()), **self.patches}
        return {key: shown for key, shown in both.items() if shown is not None}


class Change(NamedTuple):
    """A value that readers see became another; ABSENT is none."""

    key: str
    kind: Kind
    was: bytes
    now: bytes
    at: int
    cause: Cause


class Noted(NamedTuple):
    """What changed of a profile at once; the times of a profile's notes grow."""

    profile: int
    at: int
    changes: Sequence[Change]


class Passage(NamedTuple):
    """Somebody entered an audience, or left it: by the number of its definition."""

    number: int
    entered: bool
    at: int
    cause: Cause


def is_known(types: Iterable[str]) -> bool:
    """Say whether somebody who holds identifiers of these types is known, and not only where they browse."""
    return any(kind not in ANONYMOUS for kind in types)


def born(plan: Plan, message: str) -> Computed:
    """Return what is computed of a profile that a message makes: nothing yet."""
    return Computed(upto=plan.upto, epoch=plan.epoch, touched=dict.fromkeys(plan.births, message))


def note(computed: Computed, plan: Plan, message: Message, keys: Collection[str] = ()) -> Computed:
    """Return what is computed once a message is noted in the memories it touches, and has set the traits `keys`.

    What is not evaluated over the history yet is left alone: it is to be looked at whole.
    """
    touches = plan.by_event.get(message.event, ()) if message.event is not None else ()
    touched_by_traits = [plan.by_trait[key] for key in keys if key in plan.by_trait] if plan.by_trait else ()
    if not touches and not touched_by_traits:
        return computed
    upto, stale = max(computed.upto, plan.settled), computed.stale
    fresh, places = dict(computed.fresh), set().union(*touched_by_traits)
    happened = Happened(message)
    for memory, since, looking in touches:
        if since > upto:
            stale = True
            continue
        state = state_of(computed, fresh, memory)
        after = memory.add(state, happened, now=message.received_at)
        if after is not state:
            fresh[memory.key] = after
            places |= looking
    return replace(computed, fresh=fresh, touched=_touched(computed, places, message), stale=stale)


def note_known(computed: Computed, plan: Plan, message: Message) -> Computed:
    """Return what is computed once a message made somebody known, or known no more."""
    return replace(computed, touched=_touched(computed, plan.of_the_known, message))


def _touched(computed: Computed, places: Collection[int], message: Message) -> dict[int, str] | None:
    if computed.touched is None:
        return None
    before = {place: by for place, by in computed.touched.items() if place not in places}
    return before | dict.fromkeys(places, message.id)


def state_of(computed: Computed, fresh: Mapping[int, Any], memory: Memory) -> Any:
    """Return the state of a memory; None when there is none."""
    state = fresh.get(memory.key)
    if state is None:
        written = computed.states.get(memory.key)
        if written is not None:
            return memory.read(written)
    return state


def is_current(computed: Computed, plan: Plan, *, now: int) -> bool:
    """Say whether nothing of what was evaluated has to be evaluated again, and readers see what they are to see."""
    if computed.touched != {} or computed.epoch != plan.epoch:
        return False
    return (until_of(computed.results) if computed.stale else computed.until) > now


def packed(computed: Computed, plan: Plan) -> Computed:
    """Return what is computed as it is stored: every memory that changed is written."""
    if not computed.fresh:
        return computed
    memories = plan.memories
    fresh = {key: Raw(memories[key].memory.write(state)) for key, state in computed.fresh.items() if key in memories}
    return replace(computed, states={**dict(computed.states.items()), **fresh}, fresh={})


def dated(computed: Computed, plan: Plan) -> Computed:
    """Return what is computed as it is stored for later, when more definitions may be settled than are today."""
    return replace(packed(computed, plan), upto=max(computed.upto, plan.settled))


def combine(ours: Computed, theirs: Computed, plan: Plan, message: Message) -> Computed:
    """Return what is computed of two profiles that a message makes one; everything is to be evaluated."""
    upto = min(max(ours.upto, plan.settled), max(theirs.upto, plan.settled))
    fresh: dict[int, Any] = {}
    for key, touch in plan.memories.items():
        one, other = (state_of(computed, computed.fresh, touch.memory) for computed in (ours, theirs))
        if touch.since > upto or (one is None and other is None):
            continue
        if one is None or other is None:
            fresh[key] = other if one is None else one
        else:
            fresh[key] = touch.memory.combine(one, other, now=message.received_at)
    return Computed(
        upto=upto,
        epoch=ours.epoch,
        noted_at=max(ours.noted_at, theirs.noted_at),
        results=ours.results,
        until=ours.until,
        stale=ours.stale or theirs.stale or upto < plan.upto,
        fresh=fresh,
        touched=dict.fromkeys(range(len(plan.definitions)), message.id),
    )


def catch_up(computed: Computed, plan: Plan, history: Iterable[Message], *, upto: int) -> Computed:
    """Return what is computed once a whole history is noted for the definitions above the number `upto`.

    `history` are all messages that `missing` asks for. What was touched by nothing is to be evaluated, too.
    """
    computed = _noted_anew(pruned(computed, plan), missing(plan, upto), history)
    new = {place for place, c in enumerate(plan.definitions) if c.number > upto}
    touched = None if computed.touched is None else {**dict.fromkeys(new, ""), **computed.touched}
    return replace(
        computed,
        upto=plan.upto,
        touched=touched,
        stale=False,
    )


def _noted_anew(computed: Computed, memories: Mapping[int, Memory], history: Iterable[Message]) -> Computed:
    """Return what is computed with some memories begun anew, and a history noted in them."""
    kept = {key: state for key, state in computed.states.items() if key not in memories}
    fresh = {key: state for key, state in computed.fresh.items() if key not in memories}
    by_event: dict[str, list[Memory]] = {}
    for memory in memories.values():
        by_event.setdefault(memory.event, []).append(memory)
    for message in history:
        happened = Happened(message)
        for memory in by_event.get(message.event or "", ()):
            after = memory.add(fresh.get(memory.key), happened, now=message.received_at)
            if after is not None:
                fresh[memory.key] = after
    return replace(computed, states=kept, fresh=fresh)


def telling(plan: Plan) -> dict[int, Memory]:
    """Return the memories that keep values of events."""
    return {key: touch.memory for key, touch in plan.memories.items() if touch.memory.telling}


def without_values(computed: Computed, plan: Plan, history: Iterable[Message]) -> Computed:
    """Return what is computed where values are only those of a history: counts and sums stay as they were.

    `history` are all messages of the events of `telling`.
    """
    return replace(_noted_anew(computed, telling(plan), history), touched=None)


def pruned(computed: Computed, plan: Plan) -> Computed:
    """Return what is computed without what belongs to definitions that are no more.

    A plan that is older than what is computed lets go of nothing.
    """
    if computed.upto > plan.upto:
        return computed
    return replace(
        computed,
        states={key: state for key, state in computed.states.items() if key in plan.memories},
        fresh={key: state for key, state in computed.fresh.items() if key in plan.memories},
        results={slot: result for slot, result in computed.results.items() if slot in plan.places},
    )


def until_of(results: Mapping[int, Result]) -> int:
    """Return when one of some values may change by itself."""
    return min([result.due for result in results.values()], default=NEVER)


def missing(plan: Plan, upto: int) -> dict[int, Memory]:
    """Return the memories that a profile lacks whose history was evaluated up to a number."""
    return {key: touch.memory for key, touch in plan.memories.items() if touch.since > upto}


def asked(computed: Computed, plan: Plan) -> dict[int, Weighed]:
    """Return whether each condition that accounts put on their users holds of one, and until when if nothing happens.

    It may change when a value does that it refers to.
    """
    results = computed.results
    return {
        slot: (
            slot in results and results[slot].text == TRUE,
            min((results[one].due for one in deciding if one in results), default=NEVER),
        )
        for slot, deciding in plan.asked.items()
    }


def shown(computed: Computed, plan: Plan) -> dict[str, Shown]:
    """Return what readers see of what is computed."""
    return {
        plan.visible[slot].key: Shown(result.text, plan.visible[slot].kind)
        for slot, result in computed.results.items()
        if result.text != ABSENT and slot in plan.visible
    }


def patches(
    before: Mapping[int, Result],
    after: Mapping[int, Result],
    slots: Mapping[int, Cause],
    plan: Plan,
    *,
    at: int,
) -> list[Change]:
    """Return what became another value for readers among some slots, in the order of the keys.

    `at`, and the cause of its slot, are those of what is there no longer.
    """
    found = []
    for slot, cause in slots.items():
        definition = plan.visible.get(slot)
        if definition is not None:
            was, now = before.get(slot), after.get(slot)
            found.append(_change(definition.key, definition.kind, was.text if was else ABSENT, now, at, cause))
    return sorted((change for change in found if change.was != change.now), key=lambda change: change.key)


def changes(before: Mapping[str, Shown], computed: Computed, plan: Plan, *, at: int, cause: Cause) -> list[Change]:
    """Return what became another value for readers who saw something `before`, in the order of the keys.

    `at` and `cause` are those of what is there no longer.
    """
    after = {plan.visible[slot].key: result for slot, result in computed.results.items() if slot in plan.visible}
    kinds = {definition.key: definition.kind for definition in plan.visible.values()}
    found = []
    for key in sorted(before.keys() | after.keys()):
        was = before.get(key)
        kind = kinds[key] if was is None else was.kind
        found.append(_change(key, kind, was.text if was else ABSENT, after.get(key), at, cause))
    return [change for change in found if change.was != change.now]


def _change(key: str, kind: Kind, was: bytes, now: Result | None, at: int, cause: Cause) -> Change:
    if now is None:
        return Change(key, kind, was, ABSENT, at, cause)
    return Change(key, kind, was, now.text, now.at, now.cause)
