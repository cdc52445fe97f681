"""A profile's traits, ready to be answered with."""

import msgspec
from msgspec import Raw, Struct

from mien.core.traits import Write

CUSTOM, COMPUTED, AUDIENCE = range(3)
"""The kinds of trait: what a source set, what was computed of events, whether somebody is in an audience."""


class TraitSheet(Struct, frozen=True, array_like=True):
    """The traits of a profile, without tombstones, in the byte order of their keys, ready to be answered with.

    `text` is the inside of a JSON object, and `ends` are the places in it where each member ends, four bytes each,
    the lowest first: a page of traits is a slice that nobody needs to understand. `places` and `writes`, in
    MessagePack, are understood by `written`. `kinds` has a byte for each member: CUSTOM, COMPUTED or AUDIENCE; it is
    empty when all are custom. `epoch` is that of the plan that what is computed was shown by.
    """

    text: bytes
    ends: bytes
    places: Raw = Raw(b"\x90")
    writes: Raw = Raw(b"\x90")
    removed: Raw = Raw(b"\x80")
    kinds: bytes = b""
    shadowed: Raw = Raw(b"\x80")
    epoch: int = 0

    def __len__(self) -> int:
        return len(self.ends) // 4

    def slice(self, first: int, last: int) -> bytes:
        """Return the members from `first` up to `last`, without it."""
        ends = self.ends
        last = min(last, len(ends) // 4)
        if first >= last:
            return b""
        start = int.from_bytes(ends[4 * first - 4 : 4 * first], "little") + 1 if first else 0
        return self.text[start : int.from_bytes(ends[4 * last - 4 : 4 * last], "little")]

    def members(self) -> dict[str, Raw]:
        """Return keys and the JSON text of their values."""
        return read_members(self.text)

    def members_of(self, kind: int) -> dict[str, Raw]:
        """Return keys and the JSON text of their values, of one kind."""
        if not self.kinds:
            return self.members() if kind == CUSTOM else {}
        return {
            key: value for (key, value), own in zip(self.members().items(), self.kinds, strict=True) if own == kind
        }

    def written(self) -> dict[str, tuple[bytes, Write]]:
        """Return the keys of custom traits, the JSON text of their values, and the write that set each."""
        writes, places = _decode_writes(self.writes), _decode_places(self.places)
        return {
            key: (bytes(value), writes[place])
            for (key, value), place in zip(self.members().items(), places, strict=True)
            if place >= 0
        }


def read_members(text: bytes) -> dict[str, Raw]:
    """Return the keys in the inside of a JSON object, and the JSON text of their values."""
    return _decode_members(b"{%b}" % text)


_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_places = msgspec.msgpack.Decoder(list[int]).decode
_decode_writes = msgspec.msgpack.Decoder(list[Write]).decode
