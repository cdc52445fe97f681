"""Undo a merge: tell again what happened since, with the two kept apart."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from mien.core.fold import Absorption, Desk, Entry, Outcome, Policy, link, take
from mien.core.message import Identifier, Kind, Message, identifier_key, order_of
from mien.core.profile import Profile
from mien.core.rules import MOST, TypeRule
from mien.core.story import LEFT, Merge, Note, note


class Family(Struct, frozen=True, kw_only=True):
    """What the store holds of a merge and of everything since.

    `today` is the profile that has them all. `merge` is the account of the two that became one, and `since` those of
    the merges after it. `before` are the profiles as they were then, and `joined` those that became part of it later,
    as they were when they did; each with its version of today. `entries` are the messages taken in since, in that
    order, as they are kept.
    """

    today: Profile
    merge: Merge
    since: Sequence[Merge]
    before: Sequence[Profile]
    joined: Sequence[Profile]
    entries: Sequence[Entry]


class Relinked(NamedTuple):
    """A message that is kept with a profile of another collection, too, and what that is linked with from now on."""

    kept_with: int
    message: Message
    linked: tuple[int, int]


class Split(Struct, frozen=True, kw_only=True):
    """What undoing a merge changes, beside the outcome of telling it again.

    `merge` is what was undone, and `came` are the profiles that hold the two from now on. `freed` are identifiers
    that nobody owns any more. `unkept` are the keys of traits that were set since by messages no longer kept: they
    are as they were at the merge.
    """

    outcome: Outcome
    relinked: Sequence[Relinked]
    merge: Merge
    came: tuple[int, int]
    freed: Sequence[Identifier]
    unkept: Sequence[str]


def unmerge(family: Family, policy: Policy, *, ids: Iterator[int], forever: bool) -> Split:
    """Say what becomes of the profiles had the merge not happened.

    Each message goes to the profile whose identifiers it carried, by the rules of today, and whoever joined later
    joins again, one of the two. With `forever` the two never become one again; without, the next message that names
    both makes them one.
    """
    telling = _Telling(_begin(family, policy, ids), family)
    telling.tell()
    _strip(telling.desk, family)
    _keep_apart(telling.desk, family, forever=forever)
    return _split(telling.desk, family, telling.relinked)


class _Telling:
    """Telling again what happened since a merge."""

    def __init__(self, desk: Desk, family: Family) -> None:
        self.desk = desk
        self._family = family
        self.relinked: list[Relinked] = []
        # Who absorbed the two together is there from then on: it may hold what had left them.
        self._joined = {p.id: p for p in (*family.joined, *family.before[2:])}
        # Those of a profile that was absorbed come before the absorbing one's.
        self._places = {p.id: place for place, p in enumerate(family.before)}
        self._gone = [n for n in family.today.notes if n.what in LEFT and _is_since(n, family.before)]

    def tell(self) -> None:
        """Take everything in once more, in its order."""
        kept = {entry.message.id for entry in self._family.entries}
        lost = [
            _without_content(self._family.today, merge) for merge in self._family.since if merge.message not in kept
        ]
        for entry in sorted([*self._family.entries, *lost], key=lambda e: (self._places[e.profile], e.serial)):
            self._let_go(entry)
            for other in (entry.profile, *entry.absorbed):
                self._join(other)
            told = self._take(entry)
            if entry.message.id not in kept:
                del self.desk.entries[len(self.desk.entries) - told :]
        still = {identifier_key(self._family.today.space, name) for name in self._family.today.names()}
        for due in self._gone:
            if due.key not in still:
                self._remove(due)

    def _let_go(self, entry: Entry) -> None:
        """Remove identifiers that had been removed before this message was taken in."""
        at = (self._places[entry.profile], entry.serial)
        for due in [left for left in self._gone if (self._places[left.profile], left.serial) < at]:
            self._gone.remove(due)
            self._remove(due)

    def _remove(self, due: Note) -> None:
        """Let an identifier leave whoever holds it by now, and note that there."""
        for identifier in list(self.desk.owners):
            if identifier_key(self._family.today.space, identifier) == due.key:
                owner = self._disown(identifier)
                left = due._replace(profile=owner.id, serial=owner.serial, times=1, first_at=due.last_at)
                self.desk.profiles[owner.id] = replace(owner, notes=note(owner.notes, [left]))

    def _join(self, other: int) -> None:
        """Let a profile be there that became part later; an identifier that it holds had left the others."""
        profile = self._joined.pop(other, None)
        if profile is None:
            return
        for name in profile.names():
            if name in self.desk.owners:
                self._disown(name)
            self.desk.owners[name] = profile.id
        self.desk.profiles[profile.id] = replace(profile, merged_into=None)

    def _disown(self, identifier: Identifier) -> Profile:
        """Take an identifier away from the profile that has it, and return that."""
        owner = self.desk.profiles[self.desk.owners.pop(identifier)]
        rest = {pair: held for pair, held in owner.identifiers.items() if pair != (identifier.type, identifier.value)}
        owner = self.desk.profiles[owner.id] = replace(owner, identifiers=rest)
        return owner

    def _take(self, entry: Entry) -> int:
        """Take a message in by the identifiers that named its profile then; return how many entries it made."""
        if not entry.claimed:  # it named nobody by itself
            holder = self.desk.profiles[_holder(self.desk.profiles, self._family.merge.survivor)]
            self.desk.profiles[holder.id] = replace(holder, serial=holder.serial + 1)
            self.desk.entries.append(entry._replace(profile=holder.id, serial=holder.serial + 1))
            return 1
        told = take(self.desk, replace(entry.message, identifiers=entry.claimed))
        for one in told:
            if entry.linked is not None:
                era = link(self.desk, one.profile, entry.linked, entry.message.timestamp)
                self.relinked.append(Relinked(entry.linked[0], entry.message, (one.profile, era)))
            self.desk.entries[-1] = one._replace(linked=entry.linked, refused=entry.refused)
        return len(told)


def _is_since(left: Note, before: Sequence[Profile]) -> bool:
    """Say whether an identifier left a profile after it was as it is here."""
    for then in before:
        if then.id == left.profile:
            keys = {identifier_key(then.space, Identifier(then.collection, *pair)) for pair in then.identifiers}
            return left.serial > then.serial or (left.serial == then.serial and left.key in keys)
    return False


def _without_content(today: Profile, merge: Merge) -> Entry:
    """Return what stands in for a message that is no longer kept: it named these, and so they became one."""
    names = tuple(identifier for identifier, _ in merge.named)
    message = Message(
        space=today.space,
        source=merge.source,
        id=merge.message,
        kind=Kind.IDENTIFY,
        timestamp=merge.at,
        order=order_of(merge.at),
        identifiers=names,
        subject="",
    )
    return Entry(merge.survivor, message, names, absorbed=(merge.absorbed,), serial=merge.serial + 1)


def _unlimited(policy: Policy) -> Policy:
    """Return the policy without what refuses: what was taken in by the rules of then is taken in again."""
    rules = policy.rules
    types = {name: _unlimited_type(rule) for name, rule in rules.types.items()}
    return replace(
        policy,
        rules=replace(
            rules,
            types=types,
            other=_unlimited_type(rules.other),
            auto_add=True,
            nobody=frozenset(),
            max_merges=MOST,
            max_identifiers=MOST,
        ),
    )


def _unlimited_type(rule: TypeRule) -> TypeRule:
    return replace(rule, limit=MOST, period=None, blocked=frozenset(), patterns=())


def _begin(family: Family, policy: Policy, ids: Iterator[int]) -> Desk:
    """Return the working state as it was before the merge, with the two kept apart."""
    profiles = {p.id: replace(p, merged_into=None) for p in family.before[:2]}
    owners = {name: p.id for p in profiles.values() for name in p.names()}
    for pair in _pairs(family):
        holder = profiles[_holder(profiles, pair[0])]
        profiles[holder.id] = replace(holder, apart=holder.apart | {pair})
    return Desk(_unlimited(policy), ids, owners, profiles)


def _pairs(family: Family) -> set[tuple[int, int]]:
    one, other = family.merge.survivor, family.merge.absorbed
    return {(one, other), (other, one)}


def _holder(profiles: Mapping[int, Profile], member: int) -> int:
    """Return the profile that is, or has absorbed, a profile."""
    return next(p.id for p in profiles.values() if p.merged_into is None and member in p.ids)


def _strip(desk: Desk, family: Family) -> None:
    """Take away the identifiers that were removed since, or went over to somebody else.

    The others have what brought them as they had it, unless another message brought them to who holds them now.
    """
    still, told = family.today.identifiers, {entry.message.id for entry in desk.entries}
    for profile in [p for p in desk.profiles.values() if p.merged_into is None]:
        for pair in profile.identifiers.keys() - still.keys():
            desk.owners.pop(Identifier(profile.collection, *pair), None)
        had = {pair: held for pair, held in profile.identifiers.items() if pair in still}
        rest = {pair: held if held.message in told else still[pair] for pair, held in had.items()}
        desk.profiles[profile.id] = replace(profile, identifiers=rest)


def _keep_apart(desk: Desk, family: Family, *, forever: bool) -> None:
    """Say who must never become one: the two no longer, or all of one with all of the other; and who had to since."""
    pairs = _pairs(family)
    desk.absorptions = [
        Absorption(merge, replace(before, apart=before.apart - pairs)) for merge, before in desk.absorptions
    ]
    for profile in desk.profiles.values():
        desk.profiles[profile.id] = replace(profile, apart=profile.apart - pairs)
    since = family.today.apart.difference(*(p.apart for p in (*family.before, *family.joined)))
    if forever:
        one, other = (desk.profiles[_holder(desk.profiles, member)] for member, _ in pairs)
        since |= {pair for a in one.ids for b in other.ids for pair in ((a, b), (b, a))}
    for profile in [p for p in desk.profiles.values() if p.merged_into is None]:
        ours = {pair for pair in since if pair[0] in profile.ids}
        desk.profiles[profile.id] = replace(profile, apart=profile.apart | ours)


def _split(desk: Desk, family: Family, relinked: Sequence[Relinked]) -> Split:
    """Compare what came out with what the store holds: all names find the profile of today."""
    today = family.today
    stored = set(today.names())
    versions = {p.id: p.version for p in (*family.before, *family.joined)}
    outcome = Outcome(
        profiles=[replace(p, version=versions.get(p.id, 0)) for p in desk.profiles.values()],
        claims={i: owner for i, owner in desk.owners.items() if i not in stored},
        moves={i: owner for i, owner in desk.owners.items() if i in stored and owner != today.id},
        entries=desk.entries,
        links=desk.links,
        absorptions=desk.absorptions,
    )
    told = {trait.write for p in desk.profiles.values() for trait in p.traits.values()}
    return Split(
        outcome=outcome,
        relinked=relinked,
        merge=family.merge,
        came=(_holder(desk.profiles, family.merge.survivor), _holder(desk.profiles, family.merge.absorbed)),
        freed=[i for i in stored if i not in desk.owners],
        unkept=sorted(key for key, trait in today.traits.items() if trait.write not in told),
    )
