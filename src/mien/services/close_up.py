"""Close-up: a space with one definition and those it refers to, nothing else to evaluate, and nothing to store."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from msgspec.structs import replace

from mien.core.computed import Cause, How
from mien.core.definition import Definition, Kind, State
from mien.core.message import Message
from mien.core.plan import Plan, all_references, plans
from mien.core.profile import Profile
from mien.core.space import Space
from mien.errors import DefinitionNotFound
from mien.services.evaluation import bring
from mien.store.base import Store
from mien.store.computed import Evaluation


class CloseUp(NamedTuple):
    """A definition, and the space as if there were only this one and those it refers to.

    `anew` says that profiles may not have been evaluated for it: their history has to be looked at.
    """

    definition: Definition
    space: Space
    anew: bool

    @property
    def plan(self) -> Plan:
        """The definitions of its collection."""
        return self.space.policy.plans[self.definition.collection]

    def of(self, profile: Profile) -> Profile:
        """Return a profile without what is computed of it by other definitions."""
        plan = self.space.policy.plans.get(profile.collection)
        places = {} if plan is None else plan.places
        results = {slot: result for slot, result in profile.computed.results.items() if slot in places}
        return replace(profile, computed=replace(profile.computed, results=results))


def defined(store: Store, space: Space) -> list[Definition]:
    """Return the definitions of a space that are not retired, by number."""
    records = [record.definition for record in store.definitions() if record.space == space.slug]
    return [definition for definition in records if definition.state is not State.RETIRED]


def named(definitions: Sequence[Definition], kind: Kind, name: str) -> Definition:
    """Return the definition of a kind by its key or an audience's id: the one that readers see, or else the newest.

    Raise DefinitionNotFound when there is none.
    """
    of_kind = [d for d in definitions if d.kind is kind]
    meant = [d for d in of_kind if d.key == name] or [d for d in of_kind if d.id and str(d.id) == name]
    if not meant:
        raise DefinitionNotFound(f"There is no {kind.replace('_', ' ')} `{name}` in this space.")
    return max(meant, key=lambda d: (d.state is State.LIVE, d.number))


def close_up(store: Store, space: Space, definition: Definition) -> CloseUp:
    """Return a close-up of a definition that the space has, or of one that it does not have, if its number is 0.

    One that is disabled is looked at as if it were new. Raise QueryRefused when it cannot be understood.
    """
    evaluation = store.evaluations().get(space.slug, Evaluation())
    anew = definition.number == 0 or definition.state is State.DISABLED
    if anew:
        definition = replace(definition, number=evaluation.target + 1, state=State.PREPARING)
    others = _visible_to(definition, defined(store, space))
    chosen = [definition, *_referred(definition, others)]
    upto = max(evaluation.target, definition.number)
    made = plans(chosen, upto=upto, settled=evaluation.settled, epoch=evaluation.epoch)
    close = replace(space, policy=replace(space.policy, plans=made))
    return CloseUp(definition, close, anew=any(d.state is State.PREPARING for d in chosen))


def _visible_to(definition: Definition, definitions: Iterable[Definition]) -> Mapping[str, Definition]:
    """Return what keys mean to a definition: to one that is being prepared what is newest, else what is live."""
    states = {State.LIVE, State.PREPARING} if definition.state is State.PREPARING else {State.LIVE}
    return {d.key: d for d in definitions if d.state in states and d.key != definition.key}


def _referred(definition: Definition, others: Mapping[str, Definition]) -> list[Definition]:
    """Return the definitions that one refers to, and those that these refer to."""
    found: dict[str, Definition] = {}
    waiting = [definition]
    while waiting:
        for key in all_references(waiting.pop()) & others.keys() - found.keys():
            found[key] = others[key]
            waiting.append(others[key])
    return list(found.values())


class Aside:
    """A store as it would be with some more messages of a profile, and with others evaluated for a close-up.

    Nothing of that is stored.
    """

    def __init__(self, store: Store, close: CloseUp, *, now: int) -> None:
        self._store = store
        self._close = close
        self._now = now
        self._owner = 0
        self._more: Sequence[Message] = ()

    def suppose(self, profile: int, messages: Sequence[Message]) -> None:
        """Let some messages have come to a profile."""
        self._owner, self._more = profile, messages

    def happened(
        self,
        space: str,
        profiles: Iterable[int],
        events: Collection[str],
        *,
        first: int = -(2**63),
        last: int = 2**63 - 1,
    ) -> list[Message]:
        """See Store."""
        of = list(profiles)
        found = self._store.happened(space, of, events, first=first, last=last)
        more = self._more if self._owner in of else ()
        return found + [m for m in more if m.event in events and first <= m.timestamp <= last]

    def profiles(self, profiles: Iterable[int]) -> dict[int, Profile]:
        """See Store."""
        return {own: self.brought(profile) for own, profile in self._store.profiles(profiles).items()}

    def brought(self, profile: Profile) -> Profile:
        """Return a profile with what the close-up computes of it; for nothing else it has to be looked at whole."""
        how = How.DEFINITION if self._close.anew else How.TIME
        brought = bring(
            self.store,
            self._close.space,
            self._close.of(profile),
            now=self._now,
            cause=Cause(how),
            whole=self._close.anew,
            members=profile.computed.stale,
        ).profile
        return replace(brought, computed=replace(brought.computed, stale=False))

    @property
    def store(self) -> Store:
        """Itself: it can do all that a store can."""
        return cast(Store, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
