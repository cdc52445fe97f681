"""How the parts of a profile and the messages are written into columns: MessagePack, kept small.

The layouts are described in docs/reference/storage.md; a change to one is a migration. Trait values are kept as
their JSON text, so that an answer is put together without understanding them. The write of a trait (message,
source, time) is kept once, however many traits it set.
"""

import hashlib
from collections.abc import ItemsView, Iterator, Mapping
from itertools import accumulate, repeat

from msgspec import Struct, json, msgpack

from mien.core.activity import Activity
from mien.core.deletion import Deletion
from mien.core.identity import Held, Refusal
from mien.core.message import Discard, Identifier, Kind
from mien.core.profile import Profile, Stamp
from mien.core.story import Merge, Note, Unmerge
from mien.core.traits import REMOVED, Trait, Traits, Write
from mien.store.base import TraitSheet, read_members

encode = msgpack.Encoder().encode
_encode_json = json.Encoder().encode


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


class _TraitsDocument(Struct, array_like=True):
    """A TraitSheet, with the place of each value's write in `writes`; and the tombstones."""

    text: bytes
    ends: bytes
    places: list[int]
    writes: list[Write]
    removed: dict[str, int] = {}


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


read_head = msgpack.Decoder(HeadDocument).decode
read_message = msgpack.Decoder(MessageDocument).decode
read_activity = msgpack.Decoder(dict[str, Activity]).decode
read_discard = msgpack.Decoder(Discard).decode
read_merge = msgpack.Decoder(Merge).decode
read_unmerge = msgpack.Decoder(Unmerge).decode
read_deletion = msgpack.Decoder(Deletion).decode
_read_profile = msgpack.Decoder(ProfileDocument).decode
_read_traits = msgpack.Decoder(_TraitsDocument).decode
read_sheet = msgpack.Decoder(TraitSheet).decode
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
            write_traits(profile.traits),
            write_identifiers(profile.identifiers),
            encode(profile.activity),
        )
    )


def read_profile(profile: int, version: int, space: str, document: bytes) -> Profile:
    """Return a profile as it was, with its version of today."""
    d = _read_profile(document)
    return profile_of(profile, version, space, d.collection, None, d.head, d.traits, d.identifiers, d.activity)


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
    )


class KeptTraits(Mapping[str, Trait]):
    """Traits as they stand in a document, understood only when somebody looks: most events never do."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self._traits: dict[str, Trait] | None = None

    def _whole(self) -> dict[str, Trait]:
        if self._traits is None:
            self._traits = read_traits(self.document)
        return self._traits

    def __getitem__(self, key: str) -> Trait:
        return self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())

    def items(self) -> ItemsView[str, Trait]:
        """Return keys and traits, faster than one by one."""
        return self._whole().items()


def read_traits(document: bytes) -> dict[str, Trait]:
    """Return the traits whole, tombstones included."""
    d = _read_traits(document)
    members = read_members(d.text)
    # Half of the time of taking a message in went into making these one by one.
    pairs = zip(map(bytes, members.values()), map(d.writes.__getitem__, d.places), strict=True)
    traits = dict(zip(members, map(tuple.__new__, repeat(Trait), pairs), strict=True))
    traits.update((key, Trait(REMOVED, d.writes[i])) for key, i in d.removed.items())
    return traits


def write_traits(traits: Traits) -> bytes:
    """Return the document of the traits."""
    if isinstance(traits, KeptTraits):
        return traits.document
    places: dict[Write, int] = {}
    removed: dict[str, int] = {}
    members, lengths, kept = [], [], []
    for key in sorted(traits):
        value, write = traits[key]
        place = places.setdefault(write, len(places))
        if value == REMOVED:
            removed[key] = place
            continue
        member = b"%b:%b" % (_encode_json(key), value)
        members.append(member)
        lengths.append(len(member) + 1)
        kept.append(place)
    ends = b"".join([(end - 1).to_bytes(4, "little") for end in accumulate(lengths)])
    return encode(_TraitsDocument(b",".join(members), ends, kept, list(places), removed))


def read_identifiers(document: bytes) -> dict[tuple[str, str], Held]:
    """Return the identifiers of a profile."""
    return {(kind, value): held for kind, value, held in _read_identifiers(document)}


def write_identifiers(identifiers: Mapping[tuple[str, str], Held]) -> bytes:
    """Return the document of the identifiers."""
    return encode([(kind, value, held) for (kind, value), held in identifiers.items()])
