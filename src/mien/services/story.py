"""How a profile became what it is: for people who ask why."""

from collections.abc import Iterator
from typing import NamedTuple

from mien.core.identity import Held
from mien.core.message import Identifier, identifier_key
from mien.core.profile import Stamp
from mien.core.story import Merge, Note, Unmerge
from mien.store.base import Head, Store


class Origin(NamedTuple):
    """How a profile came by an identifier.

    `beside` are the other identifiers by which the same message named the profile; None when it is no longer kept.
    """

    identifier: Identifier
    held: Held
    beside: tuple[Identifier, ...] | None


class Noted(NamedTuple):
    """A note, and the value of its identifier where the message it came from is still kept."""

    note: Note
    value: str | None


Event = Stamp | Origin | Merge | Unmerge | Noted
"""Something that happened to a profile. A Stamp is its beginning."""


def origins(store: Store, space: str, head: Head) -> list[Origin]:
    """Return how a profile came by each of its identifiers, the oldest first."""
    found = []
    for row in reversed(store.identifiers(head.id)):
        identifier = Identifier(head.collection, row.type, row.value)
        entry = store.entry(space, head, row.held.message, at=row.held.at)
        beside = None if entry is None else tuple(i for i in entry.claimed if i != identifier)
        found.append(Origin(identifier, row.held, beside))
    return found


def history(store: Store, space: str, head: Head) -> list[tuple[int, Event]]:
    """Return what happened to a profile, each with its time: its beginning, and then the oldest first."""
    told: list[tuple[int, Event]] = [(origin.held.at, origin) for origin in origins(store, space, head)]
    told += [(account.at, account) for account in store.history(head)]
    told += [(noted.note.last_at, noted) for noted in _noted(store, space, head)]
    return [(head.first.at, head.first), *sorted(told, key=lambda one: one[0])]


def _noted(store: Store, space: str, head: Head) -> Iterator[Noted]:
    for note in head.notes:
        entry = store.entry(space, head, note.message) if note.message else None
        refused = [refusal.identifier for refusal in entry.refused] if entry else []
        yield Noted(note, next((i.value for i in refused if identifier_key(space, i) == note.key), None))
