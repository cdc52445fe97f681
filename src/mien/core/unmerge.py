"""Undo a merge: tell again what happened since, with the two kept apart."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mien.core.fold import Desk, Entry, Outcome, Policy, link, take
from mien.core.message import Identifier
from mien.core.profile import Profile
from mien.core.rules import MOST, TypeRule
from mien.core.story import Merge


class Family(Struct, frozen=True, kw_only=True):
    """What the store holds of a merge and of everything since.

    `today` is the profile that has them all; `merge` is the account of the two that became one.
    `before` are the profiles as they were then, and those that joined later as they were when they did, each with its
    version of today. `entries` are the messages taken in since, in that order, as they are kept.
    """

    today: Profile
    merge: Merge
    before: Sequence[Profile]
    entries: Sequence[Entry]


class Split(Struct, frozen=True, kw_only=True):
    """What undoing a merge changes, beside the outcome of telling it again.

    `merge` is what was undone, and `came` are the profiles that hold the two from now on. `freed` are identifiers
    that nobody owns any more. `unkept` are the keys of traits that were set since by messages no longer kept: they
    are as they were at the merge.
    """

    outcome: Outcome
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
    desk = _begin(family, policy, ids)
    for entry in family.entries:
        _tell(desk, entry, family.merge.survivor)
    _strip(desk, family)
    _keep_apart(desk, family, forever=forever)
    return _split(desk, family)


def _tell(desk: Desk, entry: Entry, survivor: int) -> None:
    """Take a message in once more, by the identifiers that named its profile then."""
    if not entry.claimed:  # it named nobody by itself
        holder = desk.profiles[_holder(desk.profiles, survivor)]
        desk.profiles[holder.id] = replace(holder, serial=holder.serial + 1)
        desk.entries.append(entry._replace(profile=holder.id, serial=holder.serial + 1))
        return
    for told in take(desk, replace(entry.message, identifiers=entry.claimed)):
        if entry.linked is not None:
            link(desk, told.profile, entry.linked, entry.message.timestamp)
        desk.entries[-1] = told._replace(linked=entry.linked, refused=entry.refused)


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
    pair = {family.merge.survivor, family.merge.absorbed}
    profiles = {p.id: replace(p, merged_into=None) for p in family.before}
    owners = {name: p.id for p in profiles.values() for name in p.names()}
    for one in pair:
        holder = profiles[_holder(profiles, one)]
        profiles[holder.id] = replace(holder, apart=holder.apart | (pair - {one}))
    return Desk(_unlimited(policy), ids, owners, profiles)


def _holder(profiles: Mapping[int, Profile], member: int) -> int:
    """Return the profile that is, or has absorbed, a profile."""
    return next(p.id for p in profiles.values() if p.merged_into is None and member in {p.id, *p.members})


def _strip(desk: Desk, family: Family) -> None:
    """Take away the identifiers that were removed since, or went over to somebody else."""
    still = family.today.identifiers
    for profile in list(desk.profiles.values()):
        gone = [pair for pair in profile.identifiers if pair not in still]
        if gone and profile.merged_into is None:
            rest = {pair: held for pair, held in profile.identifiers.items() if pair in still}
            desk.profiles[profile.id] = replace(profile, identifiers=rest)
            for pair in gone:
                desk.owners.pop(Identifier(profile.collection, *pair), None)


def _keep_apart(desk: Desk, family: Family, *, forever: bool) -> None:
    """Mark the two as never to become one again, or no longer."""
    one, other = (desk.profiles[_holder(desk.profiles, i)] for i in (family.merge.survivor, family.merge.absorbed))
    pair = {family.merge.survivor, family.merge.absorbed}
    for profile, against in ((one, other), (other, one)):
        apart = (profile.apart - pair) | ({against.id} if forever else set())
        desk.profiles[profile.id] = replace(profile, apart=apart)


def _split(desk: Desk, family: Family) -> Split:
    """Compare what came out with what the store holds: all names find the profile of today."""
    today = family.today
    stored = set(today.names())
    versions = {p.id: p.version for p in family.before}
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
        merge=family.merge,
        came=(_holder(desk.profiles, family.merge.survivor), _holder(desk.profiles, family.merge.absorbed)),
        freed=[i for i in stored if i not in desk.owners],
        unkept=sorted(key for key, trait in today.traits.items() if trait.write not in told),
    )
