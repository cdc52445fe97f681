"""How the parts of a profile and the messages are written into columns: MessagePack, kept small.

The layouts are described in docs/reference/storage.md; a change to one is a migration. Trait values are kept as
their JSON text, so that an answer is put together without understanding them. The write of a trait (message,
source, time) is kept once, however many traits it set.
"""

import hashlib
import sys
from array import array
from collections.abc import ItemsView, Iterator, Mapping, Sequence
from itertools import accumulate, compress, repeat

from msgspec import Raw, Struct, json, msgpack

from mien.core.activity import Activity
from mien.core.computed import AT_ONCE, NOTHING, Cause, Change, Computed, Result, Shown
from mien.core.definition import Definition
from mien.core.definition import Kind as DefinitionKind
from mien.core.deletion import Deletion
from mien.core.identity import Held, Refusal
from mien.core.message import Discard, Identifier, Kind
from mien.core.profile import Profile, Stamp
from mien.core.story import Merge, Note, Unmerge
from mien.core.traits import REMOVED, Trait, Traits, Write
from mien.store.base import AUDIENCE, COMPUTED, CUSTOM, Evaluation, TraitSheet, read_members

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
    """A TraitSheet, with the place of each value's write in `writes`; and the tombstones.

    What is computed has no write, and the place -1. `shadowed` are the custom traits that a computed one of the same
    key hides.
    """

    text: bytes
    ends: bytes
    places: list[int]
    writes: list[Write]
    removed: dict[str, int] = {}
    kinds: bytes = b""
    shadowed: dict[str, tuple[bytes, int]] = {}
    epoch: int = 0


class ComputedDocument(Struct, array_like=True):
    """What is computed of a profile."""

    upto: int
    epoch: int
    noted_at: int
    states: dict[int, Raw]
    results: dict[int, Result]


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
_read_computed = msgpack.Decoder(ComputedDocument).decode
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
        computed=NOTHING if computed is None else read_computed(computed, due_at),
        shown=KeptShown(traits),
    )


def read_computed(document: bytes, due_at: int | None) -> Computed:
    """Return what is computed of a profile, which is due at a time."""
    d = _read_computed(document)
    return Computed(d.upto, d.epoch, d.noted_at, d.states, d.results, stale=due_at == AT_ONCE)


def write_computed(computed: Computed) -> bytes | None:
    """Return the document of what is computed; None when that is nothing."""
    if computed == NOTHING:
        return None
    return encode(
        ComputedDocument(
            computed.upto, computed.epoch, computed.noted_at, dict(computed.states), dict(computed.results)
        )
    )


class KeptShown(Mapping[str, Shown]):
    """What readers see of what is computed, as it stands in the document of the traits."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self._shown: dict[str, Shown] | None = None

    def _whole(self) -> dict[str, Shown]:
        if self._shown is None:
            d = _read_traits(self.document)
            members = read_members(d.text) if d.kinds else {}
            self._shown = {
                key: Shown(bytes(text), _KINDS[kind])
                for (key, text), kind in zip(members.items(), d.kinds, strict=True)
                if kind != CUSTOM
            }
        return self._shown

    def __getitem__(self, key: str) -> Shown:
        return self._whole()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole())

    def __len__(self) -> int:
        return len(self._whole())


_KINDS = {COMPUTED: DefinitionKind.COMPUTED_TRAIT, AUDIENCE: DefinitionKind.AUDIENCE}
_BYTES = {kind: byte for byte, kind in _KINDS.items()}


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
    if d.kinds:
        members = dict(compress(members.items(), map(CUSTOM.__eq__, d.kinds)))
        d.places = list(compress(d.places, map(CUSTOM.__eq__, d.kinds)))
    # Half of the time of taking a message in went into making these one by one.
    pairs = zip(map(bytes, members.values()), map(d.writes.__getitem__, d.places), strict=True)
    traits = dict(zip(members, map(tuple.__new__, repeat(Trait), pairs), strict=True))
    traits.update((key, Trait(text, d.writes[i])) for key, (text, i) in d.shadowed.items())
    traits.update((key, Trait(REMOVED, d.writes[i])) for key, i in d.removed.items())
    return traits


def write_traits(traits: Traits, shown: Mapping[str, Shown], epoch: int) -> bytes:
    """Return the document of the traits, with what readers see of what is computed."""
    if isinstance(traits, KeptTraits):
        if isinstance(shown, KeptShown):
            return traits.document
        return _with_shown(traits.document, shown, epoch)
    places: dict[Write, int] = {}
    removed: dict[str, int] = {}
    custom: dict[str, tuple[bytes, int]] = {}
    for key, (value, write) in traits.items():
        place = places.setdefault(write, len(places))
        if value == REMOVED:
            removed[key] = place
        else:
            custom[key] = (value, place)
    return _write_members(custom, list(places), removed, shown, epoch)


def _with_shown(document: bytes, shown: Mapping[str, Shown], epoch: int) -> bytes:
    """Return the document of the same traits, with other computed ones."""
    d = _read_traits(document)
    kinds = d.kinds or bytes(len(d.places))
    custom: dict[str, tuple[bytes, int]] = {
        key: (text, place)
        for (key, text), place, kind in zip(read_members(d.text).items(), d.places, kinds, strict=True)
        if kind == CUSTOM
    }
    custom.update(d.shadowed)
    return _write_members(custom, d.writes, d.removed, shown, epoch)


def _write_members(
    custom: Mapping[str, tuple[bytes, int]],
    writes: list[Write],
    removed: dict[str, int],
    shown: Mapping[str, Shown],
    epoch: int,
) -> bytes:
    """Return the document of members: what is computed stands before a custom trait of the same key."""
    members, places = [], []
    if not shown:
        for key in sorted(custom):
            text, place = custom[key]
            members.append(b"%b:%b" % (_encode_json(key), text))
            places.append(place)
        return encode(_TraitsDocument(b",".join(members), _ends(members), places, writes, removed, epoch=epoch))
    kinds = bytearray()
    for key in sorted(custom.keys() | shown.keys()):
        if key in shown:
            text, kind = shown[key]
            place, byte = -1, _BYTES[kind]
        else:
            (text, place), byte = custom[key], CUSTOM
        members.append(b"%b:%b" % (_encode_json(key), text))
        places.append(place)
        kinds.append(byte)
    shadowed = {key: (bytes(custom[key][0]), custom[key][1]) for key in custom.keys() & shown.keys()}
    text = b",".join(members)
    return encode(_TraitsDocument(text, _ends(members), places, writes, removed, bytes(kinds), shadowed, epoch))


def _ends(members: Sequence[bytes]) -> bytes:
    """Return where each member ends in the text of all, four bytes each, the lowest first."""
    ends = array("I", [end - 1 for end in accumulate([len(member) + 1 for member in members])])
    if sys.byteorder == "big":
        ends.byteswap()
    return ends.tobytes()


def read_identifiers(document: bytes) -> dict[tuple[str, str], Held]:
    """Return the identifiers of a profile."""
    return {(kind, value): held for kind, value, held in _read_identifiers(document)}


def write_identifiers(identifiers: Mapping[tuple[str, str], Held]) -> bytes:
    """Return the document of the identifiers."""
    return encode([(kind, value, held) for (kind, value), held in identifiers.items()])
