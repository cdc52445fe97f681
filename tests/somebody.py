"""Somebody of whom something is computed, without a store: kept up to date as messages come in.

Beside it lies all that ever came in, so that what is computed can be compared with what the whole history says.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from mien.core.assess import Edge, Needs, Subject, Supplied, assess
from mien.core.computed import TRUE, Cause, Computed, How, asked, born, packed, shown
from mien.core.computed import note as noted
from mien.core.condition import Weighed
from mien.core.definition import Definition, Kind, State
from mien.core.message import USERS, Message
from mien.core.plan import Plan, parse, plans
from mien.core.traits import Traits, Write, settle
from tests import oracle
from tests.factories import NOW

_WHY = Cause(How.MESSAGE)


def definition(query: str, **fields: Any) -> Definition:
    """Return a live audience, unless told otherwise."""
    given = {"number": 1, "kind": Kind.AUDIENCE, "key": "other", "name": "", "state": State.LIVE, **fields}
    return Definition(query=query, created_at=NOW, updated_at=NOW, **given)


def plans_of(made: Sequence[Definition]) -> Mapping[str, Plan]:
    """Return a plan for each collection, of definitions that every profile was evaluated for."""
    number = max(d.number for d in made)
    return plans(made, upto=number, settled=number, epoch=1)


class Somebody:
    """A profile that is kept up to date as messages come in, and all that ever came in; `users` are an account's."""

    def __init__(
        self, plan: Plan, *, known: bool = True, collection: str = USERS, users: "Sequence[Somebody]" = ()
    ) -> None:
        self.plan = plan
        self.known = known
        self.collection = collection
        self.users = users
        self.computed = born(plan, "")
        self.messages: list[Message] = []
        self.traits: Traits = {}

    def take(self, message: Message) -> None:
        """Take a message in, and evaluate what it touches."""
        self.note(message)
        self.computed = packed(self.at(message.received_at), self.plan)

    def note(self, message: Message) -> None:
        """Take a message in, and evaluate nothing."""
        self.keep(message)
        self.computed = noted(self.computed, self.plan, message, message.traits.keys())

    def keep(self, message: Message) -> None:
        """Know of a message as somebody does of whom nothing is computed."""
        write = Write(message.timestamp, message.order, message.source, message.id)
        self.messages.append(message)
        self.traits, _ = settle(self.traits, message.traits, write, limit=1000)

    def look_again(self, now: int) -> None:
        """Evaluate what is asked of an account's users, one of whom is not as before."""
        touched = {**dict.fromkeys(self.plan.of_members, ""), **(self.computed.touched or {})}
        self.computed = packed(self.at(now, replace(self.computed, touched=touched)), self.plan)

    def at(self, now: int, computed: Computed | None = None) -> Computed:
        """Return what is computed at an instant; what that asks for is looked up."""
        subject = Subject(self.collection, computed or self.computed, self.traits, self.known)
        supplied = Supplied()
        while True:
            result = assess(subject, self.plan, now=now, cause=_WHY, supplied=supplied)
            if not result.needs.edges and not result.needs.members:
                return result.computed
            supplied = self._supplied(result.needs, supplied, now)

    def _supplied(self, needs: Needs, have: Supplied, now: int) -> Supplied:
        edges = {(edge.memory.key, edge.span.first): self._happened(edge) for edge in needs.edges}
        members = self._members(now) if needs.members else have.members
        return Supplied({**have.edges, **edges}, members)

    def _happened(self, edge: Edge) -> list[Message]:
        first, last, event = edge.span.first, edge.span.last, edge.memory.event
        return [m for m in self.messages if m.event == event and first <= m.timestamp <= last]

    def _members(self, now: int) -> Mapping[int, list[Weighed]]:
        slots = [slot for place in self.plan.of_members for slot in self.plan.definitions[place].members.values()]
        answers = [asked(user.at(now), user.plan) for user in self.users]
        return {slot: [of[slot] for of in answers] for slot in slots}

    def past(self, computed: Computed, now: int) -> oracle.Past:
        """Return all that is known of them, with what readers see of what is computed."""
        custom = {key: trait.value for key, trait in self.traits.items() if trait.value}
        seen = {key: value.text for key, value in shown(computed, self.plan).items()}
        return oracle.Past(self.messages, custom | seen, [user.past(user.at(now), now) for user in self.users])

    def check(self, now: int) -> None:
        """Compare what is computed at an instant with what the whole history says."""
        self.compare(self.at(now), now)

    def compare(self, computed: Computed, now: int) -> None:
        """Compare what was computed with what the whole history says at an instant."""
        past, seen = self.past(computed, now), shown(computed, self.plan)
        for one in self.plan.visible.values():
            have = seen[one.key].text if one.key in seen else None
            if one.kind is Kind.AUDIENCE:
                holds = oracle.belongs(one, parse(one), past, known=self.known, now=now)
                assert (have == TRUE) == holds, (one.key, have, now - NOW)
            else:
                assert have == oracle.value(parse(one), past, now=now), (one.key, now - NOW)
