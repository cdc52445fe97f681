"""Our values → GrowthLoop's answers (seed; reference: 1.1, 1.2, 2).

An answer is one flat object with sorted keys at every depth. Traits are kept as JSON text in the order of their keys,
so it is put together of slices: understood is only what has objects inside, and what collides with a reserved key.
"""

import sys
from array import array
from bisect import bisect, bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from mien.core.audience import group_of, is_told
from mien.core.computed import Result
from mien.core.definition import Control, Definition, Kind
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
from mien.services.lookup import Results
from mien.store.base import Look
from mien.store.sheet import AUDIENCE, TraitSheet
from mien.web.answers import JsonAnswer
from mien.web.times import write_time

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder().decode

_CONSENT = CONSENT.encode()
_IS_AUDIENCE = bytes([AUDIENCE])
_NOTHING: Results = {}
Cut = tuple[int, int, bytes]
"""Where in a text of members one begins, where the next one to be kept does, and what stands in their place."""


def answer(value: Any, status: int = 200) -> JsonAnswer:
    """Return a JSON answer with sorted keys."""
    return JsonAnswer(_encode_sorted(value), status)


def profile(
    entity: Entity,
    entity_id: str,
    found: Look,
    *,
    space: str,
    now: int,
    selection: Selection = EVERYTHING,
    computed: Results = _NOTHING,
) -> bytes:
    """Return the JSON text of a profile: traits, audiences and what names it, flat (seed).

    `computed` says of what is computed of it what an explanation tells.
    """
    sheet = found.sheet
    edges = _edges(sheet)
    cuts, told = _audiences(entity, found, edges, space, now, selection.audiences) if sheet.kinds else ([], [])
    spliced = None
    if entity.attributes is None and selection is EVERYTHING and _CONSENT not in sheet.text:
        spliced = _spliced(entity, entity_id, sheet.text, edges, cuts, told)
    return spliced or _assembled(entity, entity_id, sheet, told, selection, computed)


def _edges(sheet: TraitSheet) -> Sequence[int]:
    """Return what is around the members: one begins behind an edge and ends before the next."""
    edges = array("i", sheet.ends)
    if sys.byteorder == "big":
        edges.byteswap()
    edges.insert(0, -1)
    return edges


def _audiences(
    entity: Entity, found: Look, edges: Sequence[int], space: str, now: int, chosen: frozenset[str] | None
) -> tuple[list[Cut], list[bytes]]:
    """Return where the members stand that say who is in an audience, and the audiences that are told of instead."""
    text, kinds = found.sheet.text, found.sheet.kinds
    cuts: list[Cut] = []
    shown: list[bytes] = []
    place = kinds.find(_IS_AUDIENCE)
    while place >= 0:
        start, end = edges[place] + 1, edges[place + 1]
        cuts.append((start, end + 1, b""))
        told = entity.told.get(text[start:end])
        if told is not None and (chosen is None or told.key in chosen):
            member = told.plain or _member(told, found, space, now)
            if member is not None:
                shown.append(member)
        place = kinds.find(_IS_AUDIENCE, place + 1)
    shown.sort()  # by their ids as text: the quote after an id sorts before any digit
    return cuts, shown


def _member(told: Told, found: Look, space: str, now: int) -> bytes | None:
    """Return how an audience is told of to somebody who is in it, at an instant; None when it is not."""
    if _is_over(told.definition, now):
        return None
    group = group_of(told.definition, space=space, profile=found.id)
    if not is_told(told.definition, group):
        return None
    shown = group if told.definition.control_shows is Control.SHOW_WITH_GROUP else None
    return told.texts[shown] if told.texts else _with_traits(told, found.sheet, shown)


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


def _spliced(
    entity: Entity, entity_id: str, text: bytes, edges: Sequence[int], cuts: list[Cut], told: Sequence[bytes]
) -> bytes | None:
    """Return a profile of whose traits every one is served; None when the key of one is near a reserved one."""
    audiences = _place(text, edges, b'"audience_count')
    names = _place(text, edges, b'"entity_id')
    # What would stand between two of them, or is one of them, is rare.
    if text.startswith(b'"audience', audiences) or text.startswith(b'"entity_', names):
        return None
    cuts += (
        (audiences, audiences, b'"audience_count":%d,"audiences":{%b}' % (len(told), b",".join(told))),
        (names, names, b'"entity_id":%b,%b' % (_encode(entity_id), entity.text)),
    )
    if b"{" in text:
        cuts += _nested(text, edges)
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


def _place(text: bytes, edges: Sequence[int], begins: bytes) -> int:
    """Return where in a text of members one would stand that begins so, which is without the last quote of its key.

    The texts of keys sort as the keys do: whatever JSON escapes, and the backslash of an escape, sort before letters,
    and the end of a key before all that may follow it.
    """
    size = len(begins) + 1
    return edges[bisect_left(edges, begins, 0, len(edges) - 1, key=lambda edge: text[edge + 1 : edge + size])] + 1


def _nested(text: bytes, edges: Sequence[int]) -> Iterator[Cut]:
    """Yield the members with a brace in them, with the keys inside sorted."""
    brace = text.find(b"{")
    while brace >= 0:
        place = bisect(edges, brace)
        start, end = edges[place - 1] + 1, edges[place]
        yield start, end + 1, _encode_sorted(_decode(b"{%b}" % text[start:end]))[1:-1]
        brace = text.find(b"{", end)


def _assembled(
    entity: Entity, entity_id: str, sheet: TraitSheet, told: Sequence[bytes], selection: Selection, computed: Results
) -> bytes:
    """Return a profile of whose traits some are served, or some under another name."""
    served = _attributes(entity, sheet, selection.fields)
    fields: dict[str, Any] = (
        {key: _in_order(value) for key, value in served.items()} if b"{" in sheet.text else {**served}
    )
    audiences = Raw(b"{%b}" % b",".join(told))
    fields |= {
        COUNT: len(told),
        AUDIENCES: audiences,
        ID: entity_id,
        NAME: entity.name,
    }
    if selection.explain:
        fields[EXPLANATIONS] = _explanations(entity, sheet, served, _decode(audiences), computed)
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
    entity: Entity, sheet: TraitSheet, served: Iterable[str], told: Mapping[str, Any], computed: Results
) -> dict[str, Any]:
    """Return why each attribute that was sent has its value, and why the profile is in each audience."""
    written = sheet.written()
    known = written.keys() | computed.keys() if entity.attributes is None else entity.attributes
    why: dict[str, Any] = {}
    for name in served:
        key = name if name in known else name.removeprefix(entity.prefix)
        if key in computed:
            definition, result = computed[key]
            why[name] = {**_cause(definition, result), "updated_at": write_time(result.at)}
        elif key in written:
            _, write = written[key]
            why[name] = {
                "message_id": write.message,
                "source_id": write.source,
                "updated_at": write_time(write.timestamp),
            }
    audiences = {
        str(definition.id): {**_cause(definition, result), "since": write_time(result.at)}
        for definition, result in computed.values()
        if definition.kind is Kind.AUDIENCE and str(definition.id) in told
    }
    return {**why, AUDIENCES: audiences}


def _cause(definition: Definition, result: Result) -> dict[str, str]:
    """Return the query of a computed value, what made it what it is, and the message if it was one."""
    cause = {"query": definition.query, "changed_by": str(result.cause.how)}
    return {**cause, "message_id": result.cause.message} if result.cause.message else cause


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
