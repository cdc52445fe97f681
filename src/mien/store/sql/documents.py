"""How the parts of a profile and the messages are written into columns: MessagePack, kept small.

The layouts are described in docs/reference/storage.md; a change to one is a migration. Trait values are kept as
their JSON text, so that an answer is put together without understanding them. The write of a trait (message,
source, time) is kept once, however many traits it set.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec import Raw, Struct, msgpack
from msgspec.structs import replace

from mien.core.activity import Activity
from mien.core.computed import AT_ONCE, NOTHING, Cause, Change, Computed, Result
from mien.core.definition import Definition
from mien.core.deletion import Deletion
from mien.core.identity import Held, Refusal
from mien.core.lazy import Lazy
from mien.core.message import Discard, Identifier, Kind
from mien.core.profile import Profile, Stamp
from mien.core.spans import NEVER
from mien.core.story import Merge, Note, Unmerge
from mien.store.computed import Evaluation
from mien.store.sql.sheets import KeptShown, KeptTraits, write_traits

_T = TypeVar("_T")

encode = msgpack.Encoder().encode
EMPTY = encode({})


def message_key(space: str, message: str) -> bytes:
    """Return the 16 bytes under which a message is known."""
    return hashlib.blake2b(f"{space}\0{message}".encode(), digest_size=16).digest()


def discard_key(discard: Discard) -> bytes:
    """Return the 16 bytes under which repetitions of a discard are counted together."""
    text = f"{discard.space}\0{discard.reason}\0{discard.source}\0{discard.message}\0{discard.detail}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


class HeadDocument(Struct, array_like=True):
    """What a profile is."""

    first: Stamp
    last: Stamp
    members: tuple[int, ...] = ()
    serial: int = 0
    apart: frozenset[tuple[int, int]] = frozenset()
    notes: tuple[Note, ...] = ()


class ComputedDocument(Struct, array_like=True):
    """What is computed of a profile. `stale` says what `due_at` does not while a profile is put off."""

    upto: int
    epoch: int
    noted_at: int
    states: Raw
    results: Raw
    stale: bool = False


class MessageDocument(Struct, array_like=True):
    """A message as it is kept with a profile."""

    id: str
    kind: Kind
    source: str
    claimed: tuple[Identifier, ...]
    refused: tuple[Refusal, ...]
    properties: bytes
    context: bytes
    subject: str
    traits: dict[str, bytes]
    absorbed: tuple[int, ...] = ()
    serial: int = 0
    twin: tuple[int, int] | None = None


class ProfileDocument(Struct, array_like=True):
    """A profile as it was: its collection, and the documents of its parts."""

    collection: str
    head: bytes
    traits: bytes
    identifiers: bytes
    activity: bytes
    computed: bytes | None = None


read_head = msgpack.Decoder(HeadDocument).decode
read_message = msgpack.Decoder(MessageDocument).decode
read_activity = msgpack.Decoder(dict[str, Activity]).decode
read_discard = msgpack.Decoder(Discard).decode
read_merge = msgpack.Decoder(Merge).decode
read_unmerge = msgpack.Decoder(Unmerge).decode
read_deletion = msgpack.Decoder(Deletion).decode
read_cause = msgpack.Decoder(Cause).decode
read_changes = msgpack.Decoder(list[Change]).decode
read_definition = msgpack.Decoder(Definition).decode
read_evaluation = msgpack.Decoder(Evaluation).decode
_read_states = msgpack.Decoder(dict[int, Raw]).decode
_read_results = msgpack.Decoder(dict[int, Result]).decode
_read_computed = msgpack.Decoder(ComputedDocument).decode
_read_profile = msgpack.Decoder(ProfileDocument).decode
_read_identifiers = msgpack.Decoder(list[tuple[str, str, Held]]).decode


def write_head(profile: Profile) -> bytes:
    """Return the document of what a profile is."""
    return encode(
        HeadDocument(
            profile.first, profile.last, profile.members, profile.serial, profile.apart, tuple(profile.notes)
        )
    )


def write_profile(profile: Profile) -> bytes:
    """Return the document of a profile as it was."""
    return encode(
        ProfileDocument(
            profile.collection,
            write_head(profile),
            write_traits(profile.traits, profile.shown, profile.computed.shown_by),
            write_identifiers(profile.identifiers),
            encode(profile.activity),
            write_computed(profile.computed),
        )
    )


def read_profile(profile: int, version: int, space: str, document: bytes) -> Profile:
    """Return a profile as it was, with its version of today."""
    d = _read_profile(document)
    columns = (d.head, d.traits, d.identifiers, d.activity, d.computed, None)
    return profile_of(profile, version, space, d.collection, None, *columns)


def profile_of(  # noqa: PLR0913, PLR0917 (the columns of its row, in their order)
    profile: int,
    version: int,
    space: str,
    collection: str,
    merged_into: int | None,
    head: bytes,
    traits: bytes,
    identifiers: bytes,
    activity: bytes,
    computed: bytes | None,
    due_at: int | None,
) -> Profile:
    """Return a profile from its columns."""
    is_ = read_head(head)
    return Profile(
        id=profile,
        space=space,
        collection=collection,
        first=is_.first,
        last=is_.last,
        version=version,
        identifiers=read_identifiers(identifiers),
        traits=KeptTraits(traits),
        activity=read_activity(activity),
        members=is_.members,
        merged_into=merged_into,
        serial=is_.serial,
        apart=is_.apart,
        notes=is_.notes,
        computed=read_computed(computed, due_at),
        shown=KeptShown(traits),
    )


def read_computed(document: bytes | None, due_at: int | None) -> Computed:
    """Return what is computed of a profile, which is due at a time."""
    if document is None:
        return NOTHING if due_at is None else replace(NOTHING, stale=True)
    d = _read_computed(document)
    return Computed(
        d.upto,
        d.epoch,
        d.noted_at,
        states=Kept(d.states, _read_states),
        results=Kept(d.results, _read_results),
        until=NEVER if due_at is None else due_at,
        stale=d.stale or due_at == AT_ONCE,
    )


def stale_computed(document: bytes | None) -> bytes | None:
    """Return the document of what is computed of a profile that has to be looked at whole, whenever it is due."""
    if document is None:
        return None
    d = _read_computed(document)
    d.stale = True
    return encode(d)


def write_computed(computed: Computed) -> bytes | None:
    """Return the document of what is computed; None when that is nothing."""
    if computed == NOTHING:
        return None
    return encode(
        ComputedDocument(
            computed.upto,
            computed.epoch,
            computed.noted_at,
            _written(computed.states),
            _written(computed.results),
            computed.stale,
        )
    )


def _written(values: Mapping[int, Any]) -> Raw:
    return values.written if isinstance(values, Kept) else Raw(encode(values))


class Kept(Lazy[int, _T]):
    """Values by a number as they stand in a document, understood only when somebody looks."""

    def __init__(self, written: Raw, read: Callable[[Raw], dict[int, _T]]) -> None:
        self.written = written
        self._read = read

    def _make(self) -> dict[int, _T]:
        return self._read(self.written)

    def __bool__(self) -> bool:
        return bytes(self.written) != EMPTY


def read_identifiers(document: bytes) -> dict[tuple[str, str], Held]:
    """Return the identifiers of a profile."""
    return {(kind, value): held for kind, value, held in _read_identifiers(document)}


def write_identifiers(identifiers: Mapping[tuple[str, str], Held]) -> bytes:
    """Return the document of the identifiers."""
    return encode([(kind, value, held) for (kind, value), held in identifiers.items()])
