"""Plan: all definitions of a collection, prepared: in which order they are evaluated, and what touches them."""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple, Self

from mien.core import parser
from mien.core.condition import NOBODY, parts_of, weigh
from mien.core.definition import Definition, Kind, State
from mien.core.memory import Journal, Memory, Tallies, is_plain, journals_of
from mien.core.message import USERS
from mien.core.query import AllMembers, AnyMember, Condition, Query, Reduction, TraitRef
from mien.errors import QueryRefused

MOST_MEMBER_CONDITIONS = 64
COMPUTED_STATES = frozenset({State.PREPARING, State.LIVE})
"""The states of definitions that are computed."""


class Compiled(NamedTuple):
    """A definition with its query as a tree.

    `number` is that of the definition. The conditions that an account's definition puts on its users are evaluated
    with each user, under a `slot` of their own below 0; of any other the slot is its number. `is_audience` says that
    it is true or not, rather than a value. `tallies` and `journals` are what is kept for each reduction that stands
    by itself, by its `id()`; `members` are the slots of the conditions on users, by theirs.
    """

    definition: Definition
    query: Query
    slot: int
    number: int
    is_audience: bool
    tallies: Mapping[int, Tallies]
    journals: Mapping[int, Mapping[str, Journal]]
    traits: frozenset[str]
    members: Mapping[int, int]

    @property
    def memories(self) -> list[Memory]:
        """All that is kept for it."""
        return [*self.tallies.values(), *(journal for part in self.journals.values() for journal in part.values())]


class Touch(NamedTuple):
    """A memory, the number of the definition that wanted it first, and the places of all that look at it."""

    memory: Memory
    since: int
    places: frozenset[int]


class Plan:
    """The definitions of one collection, each after those it refers to.

    `upto` is the highest number there is in the space. `settled` is the number up to which every profile was
    evaluated, whatever is stored with it. `epoch` grows whenever other definitions become visible to readers.
    `births` are the places of those that hold of somebody of whom nothing is known, `of_the_known` of those that are
    only for people who are known, and `of_members` of those that look at an account's users. `asked` is what accounts
    ask of these profiles, who are users: by the slot of each condition the slots of all values that decide it, its
    own included.
    """

    def __init__(self, compiled: Sequence[Compiled], *, upto: int, settled: int, epoch: int) -> None:
        self.upto = upto
        self.settled = settled
        self.epoch = epoch
        self.definitions = compiled
        self.visible = {c.slot: c.definition for c in compiled if c.slot > 0 and c.definition.state is State.LIVE}
        self.places = {c.slot: place for place, c in enumerate(compiled)}
        self._keys = Keys(compiled)
        self.memories = _touches(compiled)
        self.by_event: dict[str, list[Touch]] = {}
        for touch in self.memories.values():
            self.by_event.setdefault(touch.memory.event, []).append(touch)
        self.births = frozenset(place for place, c in enumerate(compiled) if _is_true_of_nobody(c))
        self.of_the_known = frozenset(
            place for place, c in enumerate(compiled) if c.is_audience and c.slot > 0 and not c.definition.anonymous
        )
        self.asked = {c.slot: self._deciding(c) for c in compiled if c.slot < 0}
        self.of_members = frozenset(place for place, c in enumerate(compiled) if c.members)
        self.by_trait: dict[str, set[int]] = {}
        self.by_slot: dict[int, set[int]] = {}
        for place, c in enumerate(compiled):
            for key in c.traits:
                self.by_trait.setdefault(key, set()).add(place)
                slot = self.slot_of(key, c)
                if slot is not None:
                    self.by_slot.setdefault(slot, set()).add(place)

    def unsettled(self) -> Self:
        """Return the plan for profiles as they were: what they were evaluated for they say themselves."""
        plan = copy(self)
        plan.settled = 0
        return plan

    def is_newer(self, slot: int) -> bool:
        """Say whether a slot belongs to a definition that is newer than the plan."""
        return (slot if slot > 0 else -slot // MOST_MEMBER_CONDITIONS) > self.upto

    def slot_of(self, key: str, asking: Compiled) -> int | None:
        """Return the slot of the value that `trait(key)` means to a definition; None for a custom trait."""
        return self._keys.slot_of(key, asking)

    def _deciding(self, compiled: Compiled) -> frozenset[int]:
        """Return the slots of all values that decide one, its own included."""
        found, looking = {compiled.slot}, [compiled]
        while looking:
            asking = looking.pop()
            slots = {slot for key in asking.traits if (slot := self.slot_of(key, asking)) is not None} - found
            found |= slots
            looking += [self.definitions[self.places[slot]] for slot in slots]
        return frozenset(found)


class Keys:
    """What the keys of computed traits and audiences mean: what is being prepared looks at what is being prepared."""

    def __init__(self, compiled: Iterable[Compiled]) -> None:
        own = sorted((c for c in compiled if c.slot > 0), key=lambda c: c.slot)
        self._newest = {c.definition.key: c.slot for c in own}
        self._live = {c.definition.key: c.slot for c in own if c.definition.state is State.LIVE}

    def slot_of(self, key: str, asking: Compiled) -> int | None:
        """Return the slot of the value that a key means to a definition; None when it means a custom trait."""
        return (self._newest if asking.definition.state is State.PREPARING else self._live).get(key)


def _is_true_of_nobody(compiled: Compiled) -> bool:
    if compiled.is_audience:
        return weigh(compiled.query, NOBODY)[0]  # type: ignore[arg-type]
    return False


def _touches(compiled: Sequence[Compiled]) -> dict[int, Touch]:
    touches: dict[int, Touch] = {}
    for place, c in enumerate(compiled):
        for memory in c.memories:
            have = touches.get(memory.key)
            since = c.number if have is None else min(have.since, c.number)
            places = frozenset({place}) if have is None else have.places | {place}
            touches[memory.key] = Touch(memory if have is None else have.memory, since, places)
    return touches


def plans(definitions: Iterable[Definition], *, upto: int, settled: int, epoch: int) -> dict[str, Plan]:
    """Return a plan for each collection that has definitions. They must be sound, as `cycle_in` says.

    One whose query is not understood any more, by a program that is older or newer than it, is left out: it must not
    keep the others from being computed.
    """
    by_collection: dict[str, list[Compiled]] = {}
    for definition in definitions:
        if definition.state not in COMPUTED_STATES:
            continue
        try:
            compiled = compile_definition(definition)
        except QueryRefused:
            continue
        by_collection.setdefault(definition.collection, []).append(compiled)
        if compiled.members:
            by_collection.setdefault(USERS, []).extend(_member_conditions(compiled))
    return {
        collection: Plan(_in_order(compiled), upto=upto, settled=settled, epoch=epoch)
        for collection, compiled in by_collection.items()
    }


def parse(definition: Definition) -> Query:
    """Return the query of a definition; raise QueryRefused when it cannot be understood."""
    return _parse(definition.kind, definition.query, definition.collection)


@lru_cache(4096)
def _parse(kind: Kind, query: str, collection: str) -> Query:
    read = parser.audience if kind is Kind.AUDIENCE else parser.computed_trait
    return read(query, collection=collection)


def is_understood(definition: Definition) -> bool:
    """Say whether this program understands the query of a definition; `plans` leaves out what it does not."""
    try:
        parse(definition)
    except QueryRefused:
        return False
    return True


def compile_definition(definition: Definition) -> Compiled:
    """Return a definition as it is evaluated; raise QueryRefused when its query cannot be understood."""
    query = parse(definition)
    first = -definition.number * MOST_MEMBER_CONDITIONS
    members = {id(condition): first - place for place, condition in enumerate(_on_members(query))}
    return _compiled(definition, query, definition.number, members)


def _on_members(query: Query) -> list[Condition]:
    """Return the conditions that an account's definition puts on its users."""
    return [part.part for part in parts_of(query) if isinstance(part, AnyMember | AllMembers)]


def _member_conditions(compiled: Compiled) -> list[Compiled]:
    return [
        _compiled(compiled.definition, condition, compiled.members[id(condition)], {})
        for condition in _on_members(compiled.query)
    ]


def _compiled(definition: Definition, query: Query, slot: int, members: Mapping[int, int]) -> Compiled:
    within = {id(node) for condition in _on_members(query) for node in parts_of(condition)}
    own = [node for node in parts_of(query) if id(node) not in within]
    own_reductions = [node for node in standing(query) if id(node) not in within]
    traits = frozenset(node.path[0] for node in own if isinstance(node, TraitRef))
    return Compiled(
        definition,
        query,
        slot,
        definition.number,
        is_audience=slot < 0 or definition.kind is Kind.AUDIENCE,
        tallies={id(node): Tallies(node) for node in own_reductions if is_plain(node)},
        journals={id(node): journals_of(node) for node in own_reductions if not is_plain(node)},
        traits=traits,
        members=members,
    )


def standing(query: Query) -> list[Reduction]:
    """Return the reductions that stand by themselves, and not within another's condition."""
    reductions = [node for node in parts_of(query) if isinstance(node, Reduction)]
    nested = {id(node) for r in reductions if r.stream.where is not None for node in parts_of(r.stream.where)}
    return [r for r in reductions if id(r) not in nested]


def references(definition: Definition) -> frozenset[str]:
    """Return the keys of all traits of its own profile that a definition refers to."""
    return compile_definition(definition).traits


def all_references(definition: Definition) -> frozenset[str]:
    """Return the keys of all traits a definition refers to, those of an account's users included."""
    return frozenset(node.path[0] for node in parts_of(parse(definition)) if isinstance(node, TraitRef))


def cycle_in(definitions: Iterable[Definition]) -> list[str]:
    """Return the keys of definitions of one collection that refer to themselves through each other; none if sound."""
    try:
        tuple(TopologicalSorter({d.key: references(d) for d in definitions}).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


def _in_order(compiled: Sequence[Compiled]) -> list[Compiled]:
    """Return definitions with each after those it refers to."""
    keys = Keys(compiled)
    graph = {c.slot: {slot for key in c.traits if (slot := keys.slot_of(key, c)) is not None} for c in compiled}
    by_slot = {c.slot: c for c in compiled}
    return [by_slot[slot] for slot in TopologicalSorter(graph).static_order()]
