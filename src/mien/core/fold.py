"""Fold messages over profiles: everything one batch changes, decided without touching a store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from mien.core.activity import Activity, count
from mien.core.computed import NOTHING, Computed, Noted, Passage, born, combine, is_known, note_known
from mien.core.computed import note as note_message
from mien.core.identity import Held, Reason, Refusal, Resolution, resolve
from mien.core.message import ACCOUNTS, USERS, Discard, Identifier, Kind, Message, identifier_key
from mien.core.plan import Plan
from mien.core.profile import Profile, Stamp, absorb, own_identifier
from mien.core.rules import Rules
from mien.core.story import GONE_OVER, MADE_BESIDE, Merge, Note, Notes, note
from mien.core.traits import Write, settle


class Loss(StrEnum):
    """Why a message, or a part of it, was not kept, beyond what the resolver refuses."""

    NOBODY = "no_matching_identifiers"
    SUPPRESSED = "suppressed"
    COLLECTIONS_LIMIT = "collections_limit_exceeded"
    TRAITS_LIMIT = "traits_limit_exceeded"
    EVENT_NAMES_LIMIT = "event_names_limit_exceeded"
    SPACE_GONE = "unknown_source"


NOBODY = 0
"""The profile under which messages are kept that name nobody, emptied: so that they are known, and go with age."""

MOST_COLLECTIONS = 2
"""A message brings its event to one profile of each; a profile knows of one other that keeps it too."""

SUPPRESSED = -1
"""The owner of an identifier that must not come back: a message that holds one is dropped."""


class Policy(Struct, frozen=True, kw_only=True):
    """What the settings of a space say about folding."""

    rules: Rules = Rules()
    max_traits: int = 6000
    max_event_names: int = 10_000
    plans: Mapping[str, Plan] = {}


class Entry(NamedTuple):
    """A message as it is kept with a profile, the `serial`-th it took in.

    With it are kept the identifiers that named the profile, those that were refused, and the profiles that became one
    with it because of this message. `twin` is the profile of another collection that keeps it too, and its era.
    """

    profile: int
    message: Message
    claimed: tuple[Identifier, ...] = ()
    refused: tuple[Refusal, ...] = ()
    absorbed: tuple[int, ...] = ()
    serial: int = 0
    twin: tuple[int, int] | None = None


class Link(NamedTuple):
    """A profile belongs to another, since a time (microseconds since 1970). Always noted from both sides.

    `era` and `linked_era` are those of the two when it was noted.
    """

    profile: int
    era: int
    linked: int
    linked_era: int
    at: int


class Absorption(NamedTuple):
    """The account of a merge, and the survivor as it was before."""

    merge: Merge
    before: Profile


class State(Struct):
    """Profiles and the owners of identifiers, as the store holds them before a batch."""

    owners: Mapping[Identifier, int] = {}
    profiles: Mapping[int, Profile] = {}


class Outcome(Struct):
    """What a batch changes: `claims` are identifiers nobody owned before, `moves` get another owner.

    `passages` are who entered and left audiences, by the id of the profile, and `noted` is what readers see change.
    `look_again` are other profiles that are due at once.
    """

    profiles: Sequence[Profile] = ()
    claims: Mapping[Identifier, int] = {}
    moves: Mapping[Identifier, int] = {}
    entries: Sequence[Entry] = ()
    links: Sequence[Link] = ()
    absorptions: Sequence[Absorption] = ()
    discards: Sequence[Discard] = ()
    passages: Sequence[tuple[int, Passage]] = ()
    noted: Sequence[Noted] = ()
    look_again: Sequence[int] = ()


class Desk(Struct):
    """The working state of one fold: the only place where something changes."""

    policy: Policy
    ids: Iterator[int]
    owners: dict[Identifier, int]
    profiles: dict[int, Profile]
    entries: list[Entry] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    absorptions: list[Absorption] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)


def fold(state: State, messages: Iterable[Message], policy: Policy, *, ids: Iterator[int]) -> Outcome:
    """Say what these messages of one space change, in their order.

    `state` must hold the owners of all identifiers in the messages and all their profiles. `ids` gives a fresh,
    growing profile id for each profile that is created. Messages must be unseen, have distinct ids and canonical
    identifiers.
    """
    desk = Desk(policy, ids, dict(state.owners), dict(state.profiles))
    for message in messages:
        take(desk, message)
    stored = _stored_names(state, desk)
    return Outcome(
        profiles=[p for p in desk.profiles.values() if p is not state.profiles.get(p.id)],
        claims={i: owner for i, owner in desk.owners.items() if i not in stored},
        moves={i: owner for i, owner in desk.owners.items() if i in stored and state.owners.get(i) != owner},
        entries=desk.entries,
        links=desk.links,
        absorptions=desk.absorptions,
        discards=desk.discards,
    )


def _stored_names(state: State, desk: Desk) -> set[Identifier]:
    """Return the identifiers that the store holds already, as far as this batch touches them."""
    stored = set(state.owners)
    for profile in state.profiles.values():
        if desk.profiles[profile.id].merged_into is not None:
            stored.update(profile.names())
    return stored


def take(desk: Desk, message: Message) -> list[Entry]:
    """Take one message in, with one profile for each collection it names, two at most; return how it is kept."""
    if any(desk.owners.get(identifier) == SUPPRESSED for identifier in message.identifiers):
        return _drop(desk, message, Loss.SUPPRESSED)
    entries: list[Entry] = []
    refused: list[Refusal] = []
    for collection, claims in _by_collection(desk, message).items():
        resolution = _resolve(desk, message, claims)
        refused += resolution.refused
        if resolution.survivor is not None:
            profile = _merge(desk, resolution.survivor, resolution, message, collection)
            _take_over(desk, resolution, message)
            entries.append(_settle(desk, profile, message, resolution))
    desk.discards += [
        _discard(message, reason, f"type {i.type}") for i, reason, _ in refused if reason is not Reason.ELSEWHERE
    ]
    if not entries:
        return _drop(desk, message, Loss.NOBODY)
    if len(entries) > 1:
        entries = _twins(desk, entries)
    desk.entries += entries
    return entries


def _drop(desk: Desk, message: Message, reason: Loss) -> list[Entry]:
    """Keep nothing of a message but that it is known."""
    if reason is Loss.SUPPRESSED:
        # All are counted as one: nothing is to tell when somebody who was forgotten did what.
        desk.entries.append(Entry(NOBODY, replace(_emptied(message), timestamp=message.received_at)))
        desk.discards.append(_discard(replace(message, id=""), reason, "an identifier in it is suppressed"))
    else:
        desk.entries.append(Entry(NOBODY, _emptied(message)))
        desk.discards.append(_discard(message, reason, "nothing in it names a profile"))
    return []


def _twins(desk: Desk, entries: Sequence[Entry]) -> list[Entry]:
    """Let two profiles that keep a message know of each other; a group message links them, from both sides.

    The account keeps of a group message what it says of the account, and nothing of who sent it.
    """
    one, other = (desk.profiles[entry.profile] for entry in entries)
    first = entries[0]._replace(twin=(other.id, other.era))
    second = entries[1]._replace(twin=(one.id, one.era))
    if first.message.kind != Kind.GROUP:
        return [first, second]
    link(desk, one.id, (other.id, other.era), first.message.timestamp)
    return [_bare(entry) if p.collection == ACCOUNTS else entry for entry, p in ((first, one), (second, other))]


def _bare(entry: Entry) -> Entry:
    return entry._replace(message=replace(entry.message, properties=b"{}", context=b"{}"))


def link(desk: Desk, profile: int, linked: tuple[int, int], at: int) -> None:
    """Link a profile with one of another collection, of which id and era are enough."""
    era = desk.profiles[profile].era
    desk.links += [Link(profile, era, *linked, at), Link(*linked, profile, era, at)]


def _by_collection(desk: Desk, message: Message) -> dict[str, list[Identifier]]:
    parts: dict[str, list[Identifier]] = {}
    for identifier in message.identifiers:
        parts.setdefault(identifier.collection, []).append(identifier)
    if len(parts) > MOST_COLLECTIONS or message.kind == Kind.GROUP:
        return _narrowed(desk, message, parts)
    return parts


def _narrowed(desk: Desk, message: Message, parts: Mapping[str, list[Identifier]]) -> dict[str, list[Identifier]]:
    """Leave out collections that a message cannot name, too: users and accounts come before those named later.

    A group message speaks of a user and an account, and of nothing else.
    """
    first = [collection for collection in (USERS, ACCOUNTS) if collection in parts]
    others = [collection for collection in parts if collection not in first]
    kept = first if message.kind == Kind.GROUP else [*first, *others][:MOST_COLLECTIONS]
    over = sum(len(claims) for collection, claims in parts.items() if collection not in kept)
    if over:
        detail = f"{over} identifiers of collections that it cannot name as well"
        desk.discards.append(_discard(message, Loss.COLLECTIONS_LIMIT, detail))
    return {collection: claims for collection, claims in parts.items() if collection in kept}


def _resolve(desk: Desk, message: Message, claims: Sequence[Identifier]) -> Resolution:
    owners = {i: desk.profiles[desk.owners[i]] for i in claims if i in desk.owners}
    if message.kind == Kind.ALIAS:
        named = claims[:1] if claims[0] in owners else []
        return Resolution(survivor=owners[claims[0]].id if named else None, claimed=tuple(named))
    return resolve(
        claims,
        owners,
        desk.policy.rules,
        at=message.timestamp,
        new_id=next(desk.ids),
        leaving=message.kind == Kind.LOGOUT,
    )


def _merge(desk: Desk, survivor_id: int, resolution: Resolution, message: Message, collection: str) -> Profile:
    """Return the profile the message belongs to, made new or one with those it absorbs."""
    stamp = Stamp(message.received_at, message.id, message.source)
    survivor = desk.profiles.get(survivor_id)
    if survivor is None:
        plan = desk.policy.plans.get(collection)
        computed = NOTHING if plan is None else born(plan, message.id)
        survivor = Profile(survivor_id, message.space, collection, first=stamp, last=stamp, computed=computed)
        desk.owners[own_identifier(collection, survivor.id)] = survivor.id
    before = survivor
    for absorbed_id in resolution.absorbed:
        absorbed = desk.profiles[absorbed_id]
        desk.absorptions.append(Absorption(_account(desk, before, absorbed, message, resolution), before))
        survivor = _computed_together(desk, absorb(survivor, absorbed), absorbed, message)
        desk.profiles[absorbed_id] = replace(absorbed, merged_into=survivor.id)
        desk.owners.update(dict.fromkeys(absorbed.names(), survivor.id))
    return survivor


def _computed_together(desk: Desk, whole: Profile, absorbed: Profile, message: Message) -> Profile:
    plan = desk.policy.plans.get(whole.collection)
    if plan is None:
        return whole
    return replace(whole, computed=combine(whole.computed, absorbed.computed, plan, message))


def _account(desk: Desk, survivor: Profile, absorbed: Profile, message: Message, resolution: Resolution) -> Merge:
    """Say how two profiles become one."""
    return Merge(
        survivor=survivor.id,
        absorbed=absorbed.id,
        serial=survivor.serial,
        at=message.received_at,
        message=message.id,
        source=message.source,
        named=tuple((i, desk.owners[i]) for i in resolution.claimed if i in desk.owners),
        refused=tuple((i.type, str(reason)) for i, reason, _ in resolution.refused),
    )


def _take_over(desk: Desk, resolution: Resolution, message: Message) -> None:
    """Let identifiers leave the profiles that held them."""
    for identifier, loser_id in resolution.taken.items():
        loser = desk.profiles[loser_id]
        rest = {pair: held for pair, held in loser.identifiers.items() if pair != (identifier.type, identifier.value)}
        gone = _note(loser, message, GONE_OVER, identifier, other=resolution.survivor or 0)
        left = replace(loser, identifiers=rest, notes=note(loser.notes, [gone]))
        plan = desk.policy.plans.get(left.collection)
        if left.known != loser.known and plan is not None:
            left = replace(left, computed=note_known(left.computed, plan, message))
        desk.profiles[loser_id] = left


def _settle(desk: Desk, profile: Profile, message: Message, resolution: Resolution) -> Entry:
    """Write the message into its profile; return how it is kept."""
    identifiers = profile.identifiers
    new = [i for i in resolution.claimed if (i.type, i.value) not in identifiers]
    if new:
        held = Held(message.timestamp, message.source, message.id)
        identifiers = {**identifiers, **{(i.type, i.value): held for i in new}}
        desk.owners.update(dict.fromkeys(new, profile.id))
    traits = profile.traits
    if message.traits and message.subject == profile.collection:
        write = Write(message.timestamp, message.order, message.source, message.id)
        traits, over = settle(traits, message.traits, write, limit=desk.policy.max_traits)
        if over:
            desk.discards.append(_discard(message, Loss.TRAITS_LIMIT, f"{len(over)} keys not kept"))
    serial = profile.serial + 1
    desk.profiles[profile.id] = replace(
        profile,
        last=max(profile.last, Stamp(message.received_at, message.id, message.source)),
        identifiers=identifiers,
        traits=traits,
        activity=_counted(desk, profile, message),
        serial=serial,
        notes=_noted(profile, message, resolution),
        computed=_computed(desk, profile, message, new),
    )
    return Entry(profile.id, message, resolution.claimed, resolution.refused, resolution.absorbed, serial)


def _computed(desk: Desk, profile: Profile, message: Message, new: Sequence[Identifier]) -> Computed:
    """Return what is computed of the profile, with the message noted; to be evaluated once the batch is folded."""
    plan = desk.policy.plans.get(profile.collection)
    if plan is None:
        return profile.computed
    keys = message.traits if message.subject == profile.collection else ()
    computed = note_message(profile.computed, plan, message, keys)
    if new and not profile.known and is_known(i.type for i in new):
        return note_known(computed, plan, message)
    return computed


def _noted(profile: Profile, message: Message, resolution: Resolution) -> Notes:
    """Return the profile's notes with what the resolver refused."""
    more = [_note(profile, message, reason, i, rule=rule) for i, reason, rule in resolution.refused]
    if resolution.beside is not None:
        nothing = Identifier(profile.collection, "", "")
        more.append(_note(profile, message, MADE_BESIDE, nothing, other=resolution.beside))
    return note(profile.notes, more) if more else profile.notes


def _note(
    profile: Profile, message: Message, what: str, identifier: Identifier, *, rule: str = "", other: int = 0
) -> Note:
    return Note(
        what=str(what),
        type=identifier.type,
        key=identifier_key(message.space, identifier),
        rule=rule,
        other=other,
        times=1,
        first_at=message.received_at,
        last_at=message.received_at,
        message=message.id,
        source=message.source,
        profile=profile.id,
        serial=profile.serial,
    )


def _counted(desk: Desk, profile: Profile, message: Message) -> Mapping[str, Activity]:
    """Return the profile's activity with the message's event, if it has one."""
    event, activity = message.event, profile.activity
    if event is None:
        return activity
    if event not in activity and len(activity) >= desk.policy.max_event_names:
        desk.discards.append(_discard(message, Loss.EVENT_NAMES_LIMIT, "the event is kept, but not counted by name"))
        return activity
    return count(activity, event, message.timestamp)


def _emptied(message: Message) -> Message:
    """Return a message with nothing in it that could be somebody's."""
    return replace(message, identifiers=(), traits={}, event=None, properties=b"{}", context=b"{}")


def _discard(message: Message, reason: str, detail: str) -> Discard:
    return Discard(
        space=message.space,
        source=message.source,
        message=message.id,
        kind=message.kind,
        reason=reason,
        detail=detail,
        received_at=message.received_at,
    )
