"""Our values → GrowthLoop's answers (seed; reference: 1.1, 1.2, 2).

An answer is one flat object with sorted keys at every depth. Traits are kept as JSON text in the order of their keys,
so it is put together of slices: understood is only what has objects inside, and what collides with a reserved key.
"""

import sys
from array import array
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from mien.core.audience import group_of, is_told
from mien.core.definition import Control, Definition
from mien.core.traits import CONSENT
from mien.dialects.growthloop.names import (
    AUDIENCE_ID,
    AUDIENCE_NAME,
    AUDIENCES,
    COUNT,
    EXPLANATIONS,
    ID,
    NAME,
    RESERVED,
)
from mien.dialects.growthloop.parse import EVERYTHING, Selection
from mien.dialects.growthloop.views import Entity, Told, audience, trait_in
from mien.store.base import Look
from mien.store.sheet import AUDIENCE, TraitSheet
from mien.web.answers import JsonAnswer
from mien.web.times import write_time

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode

_CONSENT = CONSENT.encode()
_IS_AUDIENCE = bytes([AUDIENCE])
Cut = tuple[int, int, bytes]
"""Where in a text of members one begins, where the next one to be kept does, and what stands in their place."""


def answer(value: Any, status: int = 200) -> JsonAnswer:
    """Return a JSON answer with sorted keys."""
    return JsonAnswer(_encode_sorted(value), status)


def profile(
    entity: Entity, entity_id: str, found: Look, *, space: str, now: int, selection: Selection = EVERYTHING
) -> bytes:
    """Return the JSON text of a profile: traits, audiences and what names it, flat (seed)."""
    sheet = found.sheet
    ends = _ends(sheet)
    told = dict(_memberships(entity, found, ends, space, now, selection.audiences)) if sheet.kinds else {}
    spliced = None
    if entity.attributes is None and selection is EVERYTHING and _CONSENT not in sheet.text:
        spliced = _spliced(entity, entity_id, sheet, ends, told)
    return spliced or _assembled(entity, entity_id, sheet, told, selection)


def _memberships(
    entity: Entity, found: Look, ends: Sequence[int], space: str, now: int, chosen: frozenset[str] | None
) -> Iterator[tuple[str, bytes]]:
    """Yield the audiences a profile is in, as they are told of: each by its id."""
    text = found.sheet.text
    for place in _audience_places(found.sheet.kinds):
        told = entity.told.get(text[ends[place - 1] + 1 if place else 0 : ends[place]])
        if told is None or (chosen is not None and told.key not in chosen):
            continue
        if told.plain is not None:
            yield told.key, told.plain
            continue
        if _is_over(told.definition, now):
            continue
        group = group_of(told.definition, space=space, profile=found.id)
        if is_told(told.definition, group):
            shown = group if told.definition.control_shows is Control.SHOW_WITH_GROUP else None
            yield told.key, told.texts[shown] if told.texts else _with_traits(told, found.sheet, shown)


def _audience_places(kinds: bytes) -> Iterator[int]:
    place = kinds.find(_IS_AUDIENCE)
    while place >= 0:
        yield place
        place = kinds.find(_IS_AUDIENCE, place + 1)


def _is_over(definition: Definition, now: int) -> bool:
    return definition.expires_at is not None and definition.expires_at <= now


def _with_traits(told: Told, sheet: TraitSheet, group: Any) -> bytes:
    """Return an audience with the profile's own values where attributes name traits; unknown ones are left out."""
    members, attributes = sheet.members(), {}
    for name, value in told.definition.attributes.items():
        trait = trait_in(value)
        if trait is None:
            attributes[name] = value
        elif trait in members:
            attributes[name] = _decode(members[trait])
    return audience(told.definition, attributes, group, strict=told.strict)


_TAKEN = tuple(b'"%b":' % key.encode() for key in sorted(RESERVED))
"""How members of the reserved keys begin, in their order."""


def _values(entity: Entity, entity_id: str, told: Mapping[str, bytes]) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what stands under the reserved keys, in their order."""
    members = b",".join([told[key] for key in sorted(told)])
    return b"%d" % len(told), b"{%b}" % members, _encode(entity_id), entity.text


def _spliced(
    entity: Entity, entity_id: str, sheet: TraitSheet, ends: Sequence[int], told: Mapping[str, bytes]
) -> bytes | None:
    """Return a profile of whose traits every one is served; None when one of them has a reserved key."""
    text = sheet.text
    cuts = _pairs(entity, entity_id, text, ends, told)
    if cuts is None:
        return None
    if sheet.kinds:
        cuts += [(ends[at - 1] + 1 if at else 0, ends[at] + 1, b"") for at in _audience_places(sheet.kinds)]
    if b"{" in text:
        cuts += _nested(text, ends)
    cuts.sort()
    pieces: list[bytes] = []
    start = 0
    for at, after, piece in cuts:
        if start < at:
            pieces.append(text[start : at - 1])
        if piece:
            pieces.append(piece)
        start = after
    if start < len(text):
        pieces.append(text[start:])
    return b"{%b}" % b",".join(pieces)


def _pairs(
    entity: Entity, entity_id: str, text: bytes, ends: Sequence[int], told: Mapping[str, bytes]
) -> list[Cut] | None:
    """Return where the reserved keys go, and what stands there; None when a trait has one of them."""
    count, members, own_id, name = _values(entity, entity_id, told)
    cuts: list[Cut] = []
    place = 0
    for begins, first, first_value, second, second_value in (
        (b'"audience', _TAKEN[0], count, _TAKEN[1], members),
        (b'"entity_', _TAKEN[2], own_id, _TAKEN[3], name),
    ):
        place = _place(text, ends, first[:-2], place)  # the end of a key sorts before all that may follow it
        start = ends[place - 1] + 1 if place else 0
        if not text.startswith(begins, start):  # nothing lies between the two
            cuts.append((start, start, b"%b%b,%b%b" % (first, first_value, second, second_value)))
            continue
        after = _place(text, ends, second[:-2], place)
        behind = ends[after - 1] + 1 if after else 0
        if text.startswith(first, start) or text.startswith(second, behind):
            return None
        cuts += ((start, start, first + first_value), (behind, behind, second + second_value))
    return cuts


def _ends(sheet: TraitSheet) -> Sequence[int]:
    ends = array("I", sheet.ends)
    if sys.byteorder == "big":
        ends.byteswap()
    return ends


def _place(text: bytes, ends: Sequence[int], key: bytes, low: int) -> int:
    """Return where among the members, from `low` on, one would stand that begins so.

    The texts of keys sort as the keys do: whatever JSON escapes, and the backslash of an escape, sort before letters.
    """
    high, middle, length = len(ends), low, len(key)  # often it is there already, or all members are before it
    while low < high:
        start = ends[middle - 1] + 1 if middle else 0
        if text[start : start + length] < key:
            low = middle + 1
        else:
            high = middle
        middle = (low + high) // 2
    return low


def _nested(text: bytes, ends: Sequence[int]) -> Iterator[Cut]:
    """Yield the members with a brace in them, with the keys inside sorted."""
    brace = text.find(b"{")
    while brace >= 0:
        place = bisect(ends, brace)
        start, end = ends[place - 1] + 1 if place else 0, ends[place]
        yield start, end + 1, _encode_sorted(_decode(b"{%b}" % text[start:end]))[1:-1]
        brace = text.find(b"{", end)


def _assembled(
    entity: Entity, entity_id: str, sheet: TraitSheet, told: Mapping[str, bytes], selection: Selection
) -> bytes:
    """Return a profile of whose traits some are served, or some under another name."""
    served = _attributes(entity, sheet, selection.fields)
    fields: dict[str, Any] = (
        {key: _in_order(value) for key, value in served.items()} if b"{" in sheet.text else {**served}
    )
    fields |= {
        COUNT: len(told),
        AUDIENCES: Raw(b"{%b}" % b",".join([told[key] for key in sorted(told)])),
        ID: entity_id,
        NAME: entity.name,
    }
    if selection.explain:
        fields[EXPLANATIONS] = _explanations(entity, sheet, served, told)
    return _encode_sorted(fields)


def _attributes(entity: Entity, sheet: TraitSheet, chosen: frozenset[str] | None) -> dict[str, Raw]:
    """Return the traits that are served, by the name each is served under; consent only where it is listed.

    A trait that has a name already keeps it before one that would be given it.
    """
    members = sheet.members()
    if sheet.kinds:
        kinds = zip(members.items(), sheet.kinds, strict=True)
        members = {key: value for (key, value), kind in kinds if kind != AUDIENCE}
    if entity.attributes is None:
        members = {key: value for key, value in members.items() if not key.startswith(CONSENT)}
    else:
        members = {key: members[key] for key in entity.attributes if key in members}
    for key in RESERVED & members.keys():
        members.setdefault(f"{entity.prefix}{key}", members[key])
        del members[key]
    return members if chosen is None else {key: members[key] for key in members.keys() & chosen}


def _in_order(value: Raw) -> Raw:
    return Raw(_encode_sorted(_decode(value))) if b"{" in bytes(value) else value


def _explanations(
    entity: Entity, sheet: TraitSheet, served: Iterable[str], told: Mapping[str, bytes]
) -> dict[str, Any]:
    """Return why each attribute that was sent has its value, and which rule puts the profile into each audience."""
    written = sheet.written()
    known = written if entity.attributes is None else entity.attributes
    keys = {name: name if name in known else name.removeprefix(entity.prefix) for name in served}
    why: dict[str, Any] = {
        name: {
            "message_id": write.message,
            "source_id": write.source,
            "updated_at": write_time(write.timestamp),
        }
        for name, key in keys.items()
        if key in written
        for _, write in [written[key]]
    }
    rules = {one.key: {"query": one.definition.query} for one in entity.told.values() if one.key in told}
    return {**why, AUDIENCES: rules}


def audience_list(definitions: Iterable[Definition], now: int) -> list[dict[str, Any]]:
    """Return audiences as the older generation lists them (reference: 2)."""
    return [{AUDIENCE_ID: one.id, AUDIENCE_NAME: one.name} for one in definitions if not _is_over(one, now)]


def legacy_profile(text: bytes) -> JsonAnswer:
    """Return a profile as the older generation may have answered: its body was never seen (reference: 2)."""
    fields = _decode(text)
    about = {int(key): about for key, about in fields.pop(AUDIENCES).items()}
    fields.pop(COUNT)
    # Our id comes last: an attribute may have its name.
    audiences = [{**about[number], AUDIENCE_ID: number} for number in sorted(about)]
    return answer({AUDIENCES: audiences, "profile": fields})


def batch(found: Iterable[bytes], missing: Sequence[str]) -> JsonAnswer:
    """Return several profiles, and the ids that name nobody."""
    return JsonAnswer(b'{"entities":[%b],"not_found":%b}' % (b",".join(found), _encode(missing)))


def token(text: str, expires_at: int) -> JsonAnswer:
    """Return a read token, which nothing may keep on its way."""
    made = answer({"expires_at": write_time(expires_at), "token": text})
    made.raw_headers.append((b"cache-control", b"no-store"))
    return made
