"""A model of people that is small and obviously right.

A person is a story: messages, and other people's stories that joined it. Everything else (identifiers, traits,
counts, events, links) is read off the story by going through all of it. Nothing is kept up to date, so nothing can be
stale.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message
from mien.core.rules import Rules


@dataclass
class Told:
    """A message, and the identifiers by which it was taken into a person's story."""

    message: Message
    claimed: list[Identifier]
    erased: bool = False
    """It was deleted with another person: what it changed stays, but it is not told again."""


@dataclass
class Removed:
    """An identifier that was removed."""

    identifier: Identifier


@dataclass
class Kept:
    """An identifier that stayed when the message that brought it was no longer there."""

    identifier: Identifier
    at: int


@dataclass
class Person:
    """What was told of one person, in order. `born` orders people by age; a younger one joins an older one."""

    born: int
    collection: str
    story: "list[Told | Removed | Kept | Person]" = field(default_factory=list)
    apart: set[int] = field(default_factory=set)

    def told(self) -> Iterator[Told]:
        """Yield everything told of this person and of whoever joined."""
        for part in self.story:
            if isinstance(part, Person):
                yield from part.told()
            elif isinstance(part, Told):
                yield part

    def people(self) -> "Iterator[Person]":
        """Yield this person and whoever joined."""
        yield self
        for part in self.story:
            if isinstance(part, Person):
                yield from part.people()

    def everyone_apart(self) -> set[int]:
        return {born for person in self.people() for born in person.apart}

    def identifiers(self) -> dict[Identifier, int]:
        """Return the identifiers, each with the time at which it was first named in the story."""
        found: dict[Identifier, int] = {}
        for part in self.story:
            if isinstance(part, Person):
                found = part.identifiers() | found
            elif isinstance(part, Removed):
                found.pop(part.identifier, None)
            elif isinstance(part, Kept):
                found.setdefault(part.identifier, part.at)
            elif part.message.kind != Kind.ALIAS:
                found = dict.fromkeys(part.claimed, part.message.timestamp) | found
        return found

    def traits(self) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        for one in sorted(self.told(), key=lambda t: (t.message.timestamp, t.message.order)):
            if one.message.subject == self.collection:
                values.update(one.message.traits)
        return {key: value for key, value in values.items() if value != b"null"}

    def activity(self) -> dict[str, tuple[int, int, int]]:
        seen: dict[str, list[int]] = {}
        for one in self.told():
            if one.message.event is not None:
                seen.setdefault(one.message.event, []).append(one.message.timestamp)
        return {name: (len(times), min(times), max(times)) for name, times in seen.items()}

    def events(self) -> list[str]:
        return sorted(t.message.id for t in self.told() if t.message.event is not None and not t.erased)

    def messages(self) -> set[str]:
        return {one.message.id for one in self.told()}


Story = list[Told | Removed | Kept | Person]


class World:
    """All people of a space."""

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.seen: set[str] = set()
        self.suppressed: set[Identifier] = set()
        self._born = 0

    def find(self, identifier: Identifier) -> Person | None:
        """Return who is named by an identifier."""
        return next((person for person in self.people if identifier in person.identifiers()), None)

    def take(self, message: Message, rules: Rules) -> None:
        """Take a message in, once."""
        if message.id in self.seen:
            return
        self.seen.add(message.id)
        if any(identifier in self.suppressed for identifier in message.identifiers):
            return
        for collection in named(message):
            claims = [i for i in message.identifiers if i.collection == collection]
            if message.kind == Kind.ALIAS:
                person = self.find(claims[0])
                if person is not None:
                    person.story.append(Told(message, claims[:1]))
                continue
            self.tell(message, [i for i in dict.fromkeys(claims) if i.value.strip()], self.people, rules)

    def tell(self, message: Message, claims: list[Identifier], among: list[Person], rules: Rules) -> None:
        """Resolve a message among some people, by the documented steps, and write it into a story."""
        claims = sorted(claims, key=rules.rank)
        while claims:
            named = [p for p in among if any(i in p.identifiers() for i in claims)]
            if fits(named, claims, message.timestamp, rules):
                break
            claims.remove(lowest(named, claims, rules))
        else:
            return
        person = self._join(named, among) if named else self._new(claims[0].collection, among)
        kept, held = [], set(person.identifiers())
        for identifier in claims:
            if identifier in held or len(held) < rules.max_identifiers:
                kept.append(identifier)
                held.add(identifier)
        person.story.append(Told(message, kept))

    def _new(self, collection: str, among: list[Person]) -> Person:
        self._born += 1
        person = Person(self._born, collection)
        among.append(person)
        return person

    def _join(self, named: Sequence[Person], among: list[Person]) -> Person:
        eldest, *others = sorted(named, key=lambda p: p.born)
        for other in others:
            among.remove(other)
            eldest.story.append(other)
        return eldest

    def absorbed(self) -> list[int]:
        """Return everyone who joined somebody."""
        return [p.born for person in self.people for p in person.people() if p is not person]

    def unmerge(self, born: int, rules: Rules, *, forever: bool) -> None:
        """Tell again what happened since somebody joined, with the two kept apart."""
        root = next(p for p in self.people if born in {one.born for one in p.people()})
        today = root.identifiers()
        cast: list[Person] = []
        since: Story = []
        survivor = self._take_apart(root, born, cast, since)
        absorbed = next(p for p in cast if p.born == born)
        absorbed.apart.add(survivor)
        next(p for p in cast if p.born == survivor).apart.add(born)
        for one in since:
            if isinstance(one, Kept) or (isinstance(one, Told) and one.erased):
                continue
            if isinstance(one, Removed):
                leave(cast, {one.identifier})
            elif isinstance(one, Person):
                leave(cast, set(one.identifiers()))
                cast.append(one)
            elif one.message.kind == Kind.ALIAS:
                holder = next((p for p in cast if set(one.claimed) & set(p.identifiers())), cast[0])
                holder.story.append(one)
            else:
                self.tell(one.message, one.claimed, cast, rules)
        self.people.remove(root)
        self.people += cast
        for person in cast:
            person.story += [Removed(identifier) for identifier in set(person.identifiers()) - set(today)]
        there = {identifier for person in cast for identifier in person.identifiers()}
        eldest = next(p for p in cast if survivor in _all(p))
        eldest.story += [Kept(identifier, at) for identifier, at in today.items() if identifier not in there]
        one_side, other_side = (next(p for p in cast if b in {q.born for q in p.people()}) for b in (survivor, born))
        for person in [*one_side.people(), *other_side.people()]:
            person.apart -= {survivor, born}
        if forever:
            for one, other in ((survivor, born), (born, survivor)):
                person = next(q for p in cast for q in p.people() if q.born == one)
                person.apart.add(other)

    def _take_apart(
        self, person: Person, born: int, cast: list[Person], since: "list[Told | Removed | Person]"
    ) -> int:
        """Put a person as it was before the join, and whoever joined since, into `cast`; return who was joined."""
        at = next(n for n, part in enumerate(person.story) if isinstance(part, Person) and born in _all(part))
        joined = person.story[at]
        assert isinstance(joined, Person)
        first = at
        while first and isinstance(person.story[first - 1], Person):
            first -= 1  # the same message made others join
        later = person.story[first:at] + person.story[at + 1 :]
        person.story = person.story[:first]
        if joined.born == born:
            survivor = person.born
            cast.append(joined)
        else:
            survivor = self._take_apart(joined, born, cast, since)
        cast.append(person)
        since += later
        return survivor

    def forget(self, identifier: Identifier, *, suppress: bool) -> None:
        person = self.find(identifier)
        held = set(person.identifiers()) if person else set()
        if person is not None:
            self.people.remove(person)
            for one in (one for other in self.people for one in other.told()):
                shown = one.message.event is not None
                one.erased |= shown and person.collection == USERS and one.message.id in person.messages()
        if suppress:
            self.suppressed |= held | {identifier}

    def remove(self, identifier: Identifier) -> None:
        person = self.find(identifier)
        if person is not None:
            person.story.append(Removed(identifier))

    def links(self, person: Person) -> set[tuple[int, frozenset[Identifier]]]:
        """Return since when a person is linked with whom: those whose stories hold the same group messages."""
        found: dict[int, tuple[int, Person]] = {}
        for one in (told for told in person.told() if told.message.kind == Kind.GROUP):
            for other in self.people:
                if other.collection != person.collection and one.message.id in other.messages():
                    at = min(one.message.timestamp, found.get(other.born, (one.message.timestamp, other))[0])
                    found[other.born] = (at, other)
        return {(at, frozenset(other.identifiers())) for at, other in found.values()}

    def seen_by_reading(self) -> Any:
        """Return all that can be read of everybody."""
        return sorted(
            (
                sorted(person.identifiers()),
                sorted(person.traits().items()),
                sorted(person.activity().items()),
                person.events(),
                sorted((at, sorted(other)) for at, other in self.links(person)),
                sum(1 for _ in person.people()) - 1,
            )
            for person in self.people
        )


def named(message: Message) -> list[str]:
    """Return the collections of which a message names a profile, in its order: two, and for a group always these."""
    there = list(dict.fromkeys(i.collection for i in message.identifiers))
    order = [USERS, ACCOUNTS, *there]
    best = sorted(there, key=order.index)[:2]
    return [c for c in there if c in ((USERS, ACCOUNTS) if message.kind == Kind.GROUP else best)]


def _all(person: Person) -> set[int]:
    return {one.born for one in person.people()}


def leave(people: Iterable[Person], identifiers: set[Identifier]) -> None:
    """Let nobody hold these any more."""
    for person in people:
        person.story += [Removed(identifier) for identifier in identifiers & set(person.identifiers())]


def lowest(named: Sequence[Person], claims: Sequence[Identifier], rules: Rules) -> Identifier:
    """Return the claim that is dropped: the last, of those that name people who must stay apart if there are some."""
    apart = [p for p in named for q in named if p is not q and are_apart(p, q)] if within_caps(named, rules) else []
    return next((i for i in reversed(claims) if any(i in p.identifiers() for p in apart)), claims[-1])


def are_apart(one: Person, other: Person) -> bool:
    return bool(one.everyone_apart() & _all(other) or other.everyone_apart() & _all(one))


def within_caps(named: Sequence[Person], rules: Rules) -> bool:
    """Say whether these people together merged no more often and hold no more identifiers than they may."""
    merges = sum(sum(1 for _ in p.people()) for p in named) - 1
    return len(named) < 2 or (
        merges <= rules.max_merges and sum(len(p.identifiers()) for p in named) <= rules.max_identifiers
    )


def fits(named: Sequence[Person], claims: Iterable[Identifier], at: int, rules: Rules) -> bool:
    """Say whether these people and these identifiers may be one person."""
    if not within_caps(named, rules):
        return False
    if any(p is not q and p.everyone_apart() & _all(q) for p in named for q in named):
        return False
    parts = [p.identifiers() for p in named]
    union: dict[Identifier, int] = {i: t for part in reversed(parts) for i, t in part.items()}
    fresh = [i for i in claims if i not in union]
    union.update(dict.fromkeys(fresh, at))
    touched = {i.type for i in (union if len(named) > 1 else fresh)}
    for kind in touched:
        rule = rules.of(kind)
        most = fullest([t for i, t in union.items() if i.type == kind], rule.period)
        before = max(
            (fullest([t for i, t in part.items() if i.type == kind], rule.period) for part in parts), default=0
        )
        if most > rule.limit and most > before:
            return False
    return True


def fullest(times: Sequence[int], period: int | None) -> int:
    """Return how many times the fullest window of a length holds."""
    if period is None:
        return len(times)
    return max((sum(start <= t < start + period for t in times) for start in times), default=0)
