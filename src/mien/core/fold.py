"""Fold messages over profiles: everything one batch changes, decided without touching a store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from mien.core.activity import Activity, note
from mien.core.identity import Held, Refusal, Resolution, Rules, resolve
from mien.core.message import Discard, Identifier, Kind, Message
from mien.core.profile import Profile, Stamp, absorb, own_identifier
from mien.core.traits import Write, settle


class Loss(StrEnum):
    """Why a message, or a part of it, was not kept, beyond what the resolver refuses."""

    NOBODY = "no_matching_identifiers"
    TRAITS_LIMIT = "traits_limit_exceeded"
    EVENT_NAMES_LIMIT = "event_names_limit_exceeded"
    SPACE_GONE = "unknown_source"


NOBODY = 0
"""The profile under which messages are kept that name nobody, emptied: so that they are known, and go with age."""


class Policy(Struct, frozen=True, kw_only=True):
    """What the settings of a space say about folding."""

    rules: Rules = Rules()
    max_traits: int = 6000
    max_event_names: int = 10_000


class Entry(NamedTuple):
    """A message as it is kept with a profile.

    With it are kept the identifiers that named the profile, those that were refused, and the profiles that became one
    with it because of this message.
    """

    profile: int
    message: Message
    claimed: tuple[Identifier, ...] = ()
    refused: tuple[Refusal, ...] = ()
    absorbed: tuple[int, ...] = ()


class Link(NamedTuple):
    """A profile belongs to another, since a time (microseconds since 1970). Always noted from both sides."""

    profile: int
    linked: int
    at: int


class State(Struct):
    """Profiles and the owners of identifiers, as the store holds them before a batch."""

    owners: Mapping[Identifier, int] = {}
    profiles: Mapping[int, Profile] = {}


class Outcome(Struct):
    """What a batch changes: `claims` are identifiers nobody owned before, `moves` get another owner."""

    profiles: Sequence[Profile] = ()
    claims: Mapping[Identifier, int] = {}
    moves: Mapping[Identifier, int] = {}
    entries: Sequence[Entry] = ()
    links: Sequence[Link] = ()
    discards: Sequence[Discard] = ()


class _Desk(Struct):
    """The working state of one fold: the only place where something changes."""

    policy: Policy
    ids: Iterator[int]
    owners: dict[Identifier, int]
    profiles: dict[int, Profile]
    entries: list[Entry] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    discards: list[Discard] = field(default_factory=list)


def fold(state: State, messages: Iterable[Message], policy: Policy, *, ids: Iterator[int]) -> Outcome:
    """Say what these messages of one space change, in their order.

    `state` must hold the owners of all identifiers in the messages and all their profiles. `ids` gives a fresh,
    growing profile id for each profile that is created. Messages must be unseen and have distinct ids.
    """
    desk = _Desk(policy, ids, dict(state.owners), dict(state.profiles))
    for message in messages:
        _take(desk, message)
    stored = _stored_names(state, desk)
    return Outcome(
        profiles=[p for p in desk.profiles.values() if p is not state.profiles.get(p.id)],
        claims={i: owner for i, owner in desk.owners.items() if i not in stored},
        moves={i: owner for i, owner in desk.owners.items() if i in stored and state.owners.get(i) != owner},
        entries=desk.entries,
        links=desk.links,
        discards=desk.discards,
    )


def _stored_names(state: State, desk: _Desk) -> set[Identifier]:
    """Return the identifiers that the store holds already, as far as this batch touches them."""
    stored = set(state.owners)
    for profile in state.profiles.values():
        if desk.profiles[profile.id].merged_into is not None:
            stored.update(profile.names())
    return stored


def _take(desk: _Desk, message: Message) -> None:
    """Take one message in: one profile for each collection it names."""
    touched: dict[str, int] = {}
    refused: list[Refusal] = []
    for collection, claims in _by_collection(message.identifiers).items():
        resolution = _resolve(desk, message, claims)
        refused += resolution.refused
        if resolution.survivor is None:
            continue
        profile = _merge(desk, resolution.survivor, resolution.absorbed, message, collection)
        _settle(desk, profile, message, resolution)
        touched[collection] = profile.id
    if message.kind == Kind.GROUP and len(touched) > 1:
        one, other = touched.values()
        desk.links += [Link(one, other, message.timestamp), Link(other, one, message.timestamp)]
    desk.discards += [_discard(message, reason, f"type {i.type}") for i, reason in refused]
    if not touched:
        desk.discards.append(_discard(message, Loss.NOBODY, "nothing in it names a profile"))
        desk.entries.append(Entry(NOBODY, _emptied(message)))


def _by_collection(identifiers: Iterable[Identifier]) -> dict[str, list[Identifier]]:
    parts: dict[str, list[Identifier]] = {}
    for identifier in identifiers:
        parts.setdefault(identifier.collection, []).append(identifier)
    return parts


def _resolve(desk: _Desk, message: Message, claims: Sequence[Identifier]) -> Resolution:
    owners = {i: desk.profiles[desk.owners[i]] for i in claims if i in desk.owners}
    if message.kind == Kind.ALIAS:
        return Resolution(owners[claims[0]].id if claims[0] in owners else None, (), (), ())
    return resolve(claims, owners, desk.policy.rules, at=message.timestamp, new_id=next(desk.ids))


def _merge(desk: _Desk, survivor_id: int, absorbed_ids: Iterable[int], message: Message, collection: str) -> Profile:
    """Return the profile the message belongs to, made new or one with those it absorbs."""
    stamp = Stamp(message.received_at, message.id, message.source)
    survivor = desk.profiles.get(survivor_id)
    if survivor is None:
        survivor = Profile(survivor_id, message.space, collection, first=stamp, last=stamp)
        desk.owners[own_identifier(collection, survivor.id)] = survivor.id
    for absorbed_id in absorbed_ids:
        absorbed = desk.profiles[absorbed_id]
        survivor = absorb(survivor, absorbed)
        desk.profiles[absorbed_id] = replace(absorbed, merged_into=survivor.id)
        desk.owners.update(dict.fromkeys(absorbed.names(), survivor.id))
    return survivor


def _settle(desk: _Desk, profile: Profile, message: Message, resolution: Resolution) -> None:
    """Write the message into its profile."""
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
    desk.profiles[profile.id] = replace(
        profile,
        last=max(profile.last, Stamp(message.received_at, message.id, message.source)),
        identifiers=identifiers,
        traits=traits,
        activity=_noted(desk, profile, message),
    )
    desk.entries.append(Entry(profile.id, message, resolution.claimed, resolution.refused, resolution.absorbed))


def _noted(desk: _Desk, profile: Profile, message: Message) -> Mapping[str, Activity]:
    """Return the profile's activity with the message's event, if it has one."""
    event, activity = message.event, profile.activity
    if event is None:
        return activity
    if event not in activity and len(activity) >= desk.policy.max_event_names:
        desk.discards.append(_discard(message, Loss.EVENT_NAMES_LIMIT, "the event is kept, but not counted by name"))
        return activity
    return note(activity, event, message.timestamp)


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
