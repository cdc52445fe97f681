"""How the parts of a profile and the messages are written into columns: MessagePack, kept small.

The layouts are described in docs/reference/storage.md; a change to one is a migration. Trait values are kept as
their JSON text, so that an answer is put together without understanding them. The write of a trait (message,
source, time) is kept once, however many traits it set.
"""

import hashlib
from collections.abc import Mapping

from msgspec import Raw, Struct, msgpack

from mien.core.activity import Activity
from mien.core.identity import Held, Refusal
from mien.core.message import Discard, Identifier, Kind
from mien.core.profile import Stamp
from mien.core.traits import REMOVED, Trait, Traits, Write
from mien.store.base import TraitSheet

encode = msgpack.Encoder().encode


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


class _TraitsDocument(Struct, array_like=True):
    """Keys in byte order, their values, the place of each value's write in `writes`; and the tombstones."""

    keys: list[str]
    values: list[bytes]
    places: list[int]
    writes: list[Write]
    removed: dict[str, int] = {}


class _SheetDocument(Struct, array_like=True):
    """The same, for those who only want keys and values."""

    keys: list[str]
    values: list[bytes]
    places: Raw
    writes: Raw


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


read_head = msgpack.Decoder(HeadDocument).decode
read_message = msgpack.Decoder(MessageDocument).decode
read_activity = msgpack.Decoder(dict[str, Activity]).decode
read_discard = msgpack.Decoder(Discard).decode
_read_traits = msgpack.Decoder(_TraitsDocument).decode
_read_sheet = msgpack.Decoder(_SheetDocument).decode
_read_identifiers = msgpack.Decoder(list[tuple[str, str, Held]]).decode


def read_sheet(document: bytes) -> TraitSheet:
    """Return keys and values of the traits."""
    sheet = _read_sheet(document)
    return TraitSheet(sheet.keys, sheet.values)


def read_traits(document: bytes) -> dict[str, Trait]:
    """Return the traits whole, tombstones included."""
    d = _read_traits(document)
    traits = {key: Trait(value, d.writes[i]) for key, value, i in zip(d.keys, d.values, d.places, strict=True)}
    traits.update((key, Trait(REMOVED, d.writes[i])) for key, i in d.removed.items())
    return traits


def write_traits(traits: Traits) -> bytes:
    """Return the document of the traits."""
    places: dict[Write, int] = {}
    document = _TraitsDocument([], [], [], [], {})
    for key in sorted(traits):
        value, write = traits[key]
        place = places.setdefault(write, len(places))
        if value == REMOVED:
            document.removed[key] = place
        else:
            document.keys.append(key)
            document.values.append(value)
            document.places.append(place)
    document.writes.extend(places)
    return encode(document)


def read_identifiers(document: bytes) -> dict[tuple[str, str], Held]:
    """Return the identifiers of a profile."""
    return {(kind, value): held for kind, value, held in _read_identifiers(document)}


def write_identifiers(identifiers: Mapping[tuple[str, str], Held]) -> bytes:
    """Return the document of the identifiers."""
    return encode([(kind, value, held) for (kind, value), held in identifiers.items()])
