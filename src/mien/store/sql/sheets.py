"""The traits of a profile as they stand in their column: custom ones, and what readers see of what is computed.

Values are kept as their JSON text, so that an answer is put together without understanding them; the layout is
described in docs/reference/storage.md. Most events change few of many traits, or none: what did not change is not
understood.
"""

import sys
from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, compress, repeat

from msgspec import Struct, json, msgpack

from mien.core.computed import Patched, Shown
from mien.core.definition import Kind
from mien.core.lazy import Lazy
from mien.core.traits import REMOVED, Trait, Traits, Write
from mien.store.sheet import AUDIENCE, COMPUTED, CUSTOM, TraitSheet, read_members

_encode = msgpack.Encoder().encode
_encode_json = json.Encoder().encode
_KINDS = {COMPUTED: Kind.COMPUTED_TRAIT, AUDIENCE: Kind.AUDIENCE}
_BYTES = {kind: byte for byte, kind in _KINDS.items()}


class _Document(Struct, array_like=True):
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

    def written(self) -> bytes:
        """Return the document; where nothing is computed it ends before what tells of that."""
        if self.epoch or self.kinds:
            return _encode(self)
        return _encode((self.text, self.ends, self.places, self.writes, self.removed))


read_sheet = msgpack.Decoder(TraitSheet).decode
_read = msgpack.Decoder(_Document).decode


class KeptShown(Lazy[str, Shown]):
    """What readers see of what is computed, understood only when somebody looks."""

    def __init__(self, document: bytes) -> None:
        self.document = document

    def _make(self) -> dict[str, Shown]:
        d = _read(self.document)
        members = read_members(d.text) if d.kinds else {}
        return {
            key: Shown(bytes(text), _KINDS[kind])
            for (key, text), kind in zip(members.items(), d.kinds, strict=True)
            if kind != CUSTOM
        }


class KeptTraits(Lazy[str, Trait]):
    """Custom traits as they stand in a document, understood only when somebody looks: most events never do."""

    def __init__(self, document: bytes) -> None:
        self.document = document

    def _make(self) -> dict[str, Trait]:
        return read_traits(self.document)


def read_traits(document: bytes) -> dict[str, Trait]:
    """Return the custom traits whole, tombstones included."""
    d = _read(document)
    members = read_members(d.text)
    if d.kinds:
        custom = [kind == CUSTOM for kind in d.kinds]
        members = dict(compress(members.items(), custom))
        d.places = list(compress(d.places, custom))
    # Half of the time of taking a message in went into making these one by one.
    pairs = zip(map(bytes, members.values()), map(d.writes.__getitem__, d.places), strict=True)
    traits = dict(zip(members, map(tuple.__new__, repeat(Trait), pairs), strict=True))
    traits.update((key, Trait(text, d.writes[i])) for key, (text, i) in d.shadowed.items())
    traits.update((key, Trait(REMOVED, d.writes[i])) for key, i in d.removed.items())
    return traits


def write_traits(traits: Traits, shown: Mapping[str, Shown], epoch: int) -> bytes:
    """Return the document of the traits, with what readers see of what is computed."""
    if isinstance(traits, KeptTraits):
        if _stands_in(shown, traits.document):
            return traits.document
        d = _read(traits.document)
        if isinstance(shown, Patched) and _stands_in(shown.before, traits.document):
            return _patched(d, shown.patches, epoch).written()
        return _document(_custom(d), d.writes, d.removed, dict(shown.items()), epoch).written()
    places: dict[Write, int] = {}
    removed: dict[str, int] = {}
    custom: dict[str, tuple[bytes, int]] = {}
    for key, (value, write) in traits.items():
        place = places.setdefault(write, len(places))
        if value == REMOVED:
            removed[key] = place
        else:
            custom[key] = (value, place)
    return _document(custom, list(places), removed, dict(shown.items()), epoch).written()


def _stands_in(shown: Mapping[str, Shown], document: bytes) -> bool:
    """Say whether this is what readers see by a document: after a merge is undone, it is what they saw by another."""
    return isinstance(shown, KeptShown) and shown.document is document


def _custom(d: _Document) -> dict[str, tuple[bytes, int]]:
    """Return the custom traits: the text of each, and the place of its write."""
    kinds = d.kinds or bytes(len(d.places))
    members = zip(read_members(d.text).items(), d.places, kinds, strict=True)
    return {key: (text, place) for (key, text), place, kind in members if kind == CUSTOM} | d.shadowed


def _patched(d: _Document, patches: Mapping[str, Shown | None], epoch: int) -> _Document:
    """Return the document with a few computed values put in, replaced, or taken out; all else is only copied."""
    keys, kinds, places = list(read_members(d.text)), bytearray(d.kinds or bytes(len(d.places))), d.places
    text, ends, start = d.text, _numbers(d.ends), 0
    members = []
    for end in ends:
        members.append(text[start:end])
        start = end + 1
    for key, shown in patches.items():
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            keys.insert(at, key)
            members.insert(at, b"")
            places.insert(at, -1)
            kinds.insert(at, COMPUTED)
        elif kinds[at] == CUSTOM:
            d.shadowed[key] = (members[at][len(_prefix(key)) :], places[at])
        if shown is not None:
            members[at], places[at], kinds[at] = _prefix(key) + shown.text, -1, _BYTES[shown.kind]
        elif key in d.shadowed:
            value, place = d.shadowed.pop(key)
            members[at], places[at], kinds[at] = _prefix(key) + value, place, CUSTOM
        else:
            del keys[at], members[at], places[at], kinds[at]
    return _Document(
        text=b",".join(members),
        ends=_ends(members),
        places=places,
        writes=d.writes,
        removed=d.removed,
        kinds=bytes(kinds) if any(kinds) else b"",
        shadowed=d.shadowed,
        epoch=epoch,
    )


def _document(
    custom: Mapping[str, tuple[bytes, int]],
    writes: list[Write],
    removed: dict[str, int],
    shown: Mapping[str, Shown],
    epoch: int,
) -> _Document:
    """Return the document of traits: what is computed stands before a custom trait of the same key."""
    rows = {key: (text, place, CUSTOM) for key, (text, place) in custom.items()}
    rows |= {key: (text, -1, _BYTES[kind]) for key, (text, kind) in shown.items()}
    keys = sorted(rows)
    members = [b"%b%b" % (_prefix(key), rows[key][0]) for key in keys]
    shadowed = {key: (bytes(custom[key][0]), custom[key][1]) for key in custom.keys() & shown.keys()}
    return _Document(
        text=b",".join(members),
        ends=_ends(members),
        places=[rows[key][1] for key in keys],
        writes=writes,
        removed=removed,
        kinds=bytes([rows[key][2] for key in keys]) if shown else b"",
        shadowed=shadowed,
        epoch=epoch,
    )


@lru_cache(20_000)
def _prefix(key: str) -> bytes:
    """Return a key as it stands before its value."""
    return _encode_json(key) + b":"


def _ends(members: Sequence[bytes]) -> bytes:
    """Return where each member ends in the text of all, four bytes each, the lowest first."""
    ends = array("I", [end - 1 for end in accumulate([len(member) + 1 for member in members])])
    if sys.byteorder == "big":
        ends.byteswap()
    return ends.tobytes()


def _numbers(written: bytes) -> Sequence[int]:
    """Return the numbers that `_ends` wrote."""
    numbers = array("I", written)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
