"""Segment's Tracking HTTP API: a body → messages, and what had to be discarded (reference: 2)."""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from msgspec import Raw, Struct

from mien.core.message import ACCOUNTS, Discard, Kind, Message, Submission, order_of
from mien.core.space import Source, Space
from mien.dialects.segment.identifiers import MAX_ID_LENGTH, MAX_IDS, identifiers_of, subject_of, text_of
from mien.dialects.segment.names import BUILT_IN_TYPES, CALLS, call_of
from mien.dialects.segment.reasons import REFUSED, Dropped, Note
from mien.errors import Invalid
from mien.web.json import TooDeep, read_json
from mien.web.times import clamp, read_time, write_time

KIB = 1024
MAX_BATCH_BYTES = 500 * KIB
MAX_ITEM_BYTES = 32 * KIB
MAX_ITEMS = 2500
MAX_SHARED_BYTES = 4 * 1024 * KIB
"""What the `context` of a batch may grow to when each of its messages has it."""
MAX_FIELDS = 300
"""Traits or properties of one message (reference: 2.9)."""
MAX_MESSAGE_ID = 100
MAX_GROUP_ID = 500
CLOCK_TOLERANCE = 10_000_000
"""Microseconds by which a client's clock may seem off before its times are corrected: less is the network."""

_encode = msgspec.json.Encoder().encode
_EVENT_NAMES = {Kind.PAGE: "Page Viewed", Kind.SCREEN: "Screen Viewed"}


class Arrival(Struct, frozen=True):
    """Where a request came from and when. `from_device`: the client is the customer's own device, not a server."""

    space: Space
    source: Source
    received_at: int
    ip: str | None
    from_device: bool
    new_id: Callable[[], str]


class Envelope(Struct):
    """A request before its messages are looked at.

    `items` are JSON texts; `kind` is set when the URL names it. `cuts` says how many values of the whole body could
    not be kept.
    """

    kind: Kind | None
    items: list[Raw]
    write_key: str | None
    sent_at: int | None = None
    context: Mapping[str, Any] = {}
    cuts: int = 0


class Taken(Struct):
    """What a request brings, and how many of its messages were too large or nested too deep."""

    submission: Submission
    refused: int = 0


class _Batch(Struct):
    batch: list[Raw]
    writeKey: Any = None  # noqa: N815 (the wire's name)
    sentAt: Any = None  # noqa: N815
    context: Any = None


class _Discarded(Exception):
    def __init__(self, reason: Dropped, detail: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def read_batch(body: bytes) -> Envelope:
    """Return the envelope of a batch; raise Invalid when the body is no JSON object with a list `batch`."""
    try:
        batch = msgspec.json.decode(body, type=_Batch)
    except (ValueError, RecursionError):
        return _read_leniently(body)
    outer = {"writeKey": batch.writeKey, "sentAt": batch.sentAt, "context": batch.context}
    return _envelope(None, batch.batch, outer)


def _read_leniently(body: bytes) -> Envelope:
    value, cuts = read_json(body)
    outer = _object(value)
    items = outer.get("batch")
    if not isinstance(items, list):
        raise Invalid("The body must be a JSON object with a list `batch`.")
    # Written again, so that each message is measured as any other is.
    return _envelope(None, [Raw(_encode(item)) for item in items], outer, cuts)


def read_single(kind: Kind, body: bytes) -> Envelope:
    """Return the envelope of one message, whose kind the URL says; raise Invalid when it is no JSON object."""
    value, cuts = read_json(body)
    item = _object(value)
    return _envelope(kind, [Raw(_encode(item))], {**item, "context": None}, cuts)


def read_pixel(kind: Kind, query: str) -> Envelope:
    """Return the envelope of a pixel request: base64 JSON in `data`, or dotted parameters; raise Invalid."""
    parameters = dict(parse_qsl(query, keep_blank_values=True, errors="replace"))
    data = parameters.pop("data", None)
    if data is None:
        return read_single(kind, _encode(_nested(parameters)))
    # Browsers turn the `+` of base64 into a space, and leave the padding away.
    plain = data.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return read_single(kind, base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except binascii.Error:
        raise Invalid("`data` is not valid base64.") from None


def _nested(parameters: Mapping[str, str]) -> dict[str, Any]:
    outer: dict[str, Any] = {}
    for path, value in parameters.items():
        *parents, last = path.split(".")
        inner = outer
        for parent in parents[:10]:
            below = inner.setdefault(parent, {})
            inner = below if isinstance(below, dict) else {}
        inner[last] = value
    return outer


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Invalid("The body must be a JSON object.")
    return value


def _envelope(kind: Kind | None, items: list[Raw], outer: Mapping[str, Any], cuts: int = 0) -> Envelope:
    key, context = outer.get("writeKey"), outer.get("context")
    return Envelope(
        kind=kind,
        items=items,
        write_key=key if isinstance(key, str) and key else None,
        sent_at=read_time(outer.get("sentAt")),
        context=context if isinstance(context, dict) else {},
        cuts=cuts,
    )


def take(envelope: Envelope, arrival: Arrival) -> Taken:
    """Return the messages of an envelope, and a discard for whatever cannot be taken in.

    Each message is judged alone: a bad one never costs a good one.
    """
    if not envelope.items:
        return Taken(Submission(discards=(_discard(arrival, Dropped.EMPTY_BATCH, "the batch has no messages"),)))
    shared = len(_encode(envelope.context)) if envelope.context else 0
    if shared * len(envelope.items) > MAX_SHARED_BYTES:
        detail = "the `context` of the batch is too large to be given to each of its messages"
        dropped = _discard(arrival, Dropped.TOO_LARGE, detail)
        return Taken(Submission(discards=(dropped,)), refused=len(envelope.items))
    if len(envelope.items) > MAX_ITEMS:
        detail = f"the batch has more than {MAX_ITEMS} messages"
        return Taken(Submission(discards=(_discard(arrival, Dropped.BATCH_TOO_LONG, detail),)))
    messages, discards, refused = [], [], 0
    for position, raw in enumerate(envelope.items):
        item: dict[str, Any] = {}
        try:
            item, cuts = _read_item(raw, room=MAX_ITEM_BYTES - shared)
            message, notes = _message(item, envelope, arrival, position)
            if cuts:
                notes.append((Dropped.VALUE_CUT, "it held numbers or characters that cannot be kept"))
            messages.append(message)
            discards += [_discard(arrival, *note, kind=message.kind, message=message.id) for note in notes]
        except _Discarded as why:
            refused += why.reason in REFUSED
            discards.append(_discard_item(arrival, why, item, envelope.kind))
    if envelope.cuts:
        detail = "the request held numbers or characters that cannot be kept"
        discards.append(_discard(arrival, Dropped.VALUE_CUT, detail))
    return Taken(Submission(tuple(messages), tuple(discards)), refused)


def _read_item(raw: Raw, *, room: int) -> tuple[dict[str, Any], int]:
    text = bytes(raw)
    if len(text) > room:
        raise _Discarded(Dropped.TOO_LARGE, f"larger than {MAX_ITEM_BYTES} bytes")
    try:
        value, cuts = read_json(text)
    except TooDeep as error:
        raise _Discarded(Dropped.TOO_DEEP, str(error)) from None
    if not isinstance(value, dict):
        raise _Discarded(Dropped.BAD_REQUEST, "a message must be a JSON object")
    return value, cuts


def _message(item: dict[str, Any], envelope: Envelope, arrival: Arrival, position: int) -> tuple[Message, list[Note]]:
    """Return a message, and notes on what of it was not kept; raise _Discarded when it cannot be one."""
    kind = envelope.kind or _kind(item)
    notes: list[Note] = []
    context = _context(item, envelope, arrival, notes)
    traits, properties = _fields(item, "traits"), _fields(item, "properties")
    _check(kind, item, context)
    found = identifiers_of(kind, item, context, arrival.space.policy.rules.custom_types(BUILT_IN_TYPES))
    if found.too_long:
        detail = f"{found.too_long} identifiers are longer than {MAX_ID_LENGTH} characters"
        notes.append((Dropped.ID_TOO_LONG, detail))
    if found.too_many:
        notes.append((Dropped.TOO_MANY_IDS, f"{found.too_many} identifiers beyond the first {MAX_IDS}"))
    if found.malformed:
        detail = f"{found.malformed} of `context.externalIds` lack a field or have a wrong one"
        notes.append((Dropped.EXTERNAL_ID_INVALID, detail))
    event = _EVENT_NAMES.get(kind) or (_clean(item["event"]) if kind == Kind.TRACK else None)
    if kind in _EVENT_NAMES:
        properties = _viewed(kind, item, properties)
    message = Message(
        space=arrival.space.slug,
        source=arrival.source.id,
        id=_message_id(item, arrival),
        kind=kind,
        timestamp=_timestamp(item, envelope, arrival),
        order=order_of(arrival.received_at, position),
        identifiers=found.identifiers,
        subject=ACCOUNTS if kind == Kind.GROUP else found.subject,
        traits={k: _encode(v) for k, v in traits.items()} if kind in {Kind.IDENTIFY, Kind.GROUP} else {},
        event=event,
        properties=_encode(properties),
        context=_encode(context),
    )
    return message, notes


def _kind(item: Mapping[str, Any]) -> Kind:
    try:
        return call_of(item.get("type"))
    except ValueError:
        raise _Discarded(
            Dropped.BAD_REQUEST, "`type` must be identify, track, page, screen, group or alias"
        ) from None


def _context(item: Mapping[str, Any], envelope: Envelope, arrival: Arrival, notes: list[Note]) -> dict[str, Any]:
    """Return the message's context over that of its batch, with the address of a customer's own device."""
    own = item.get("context")
    if own is not None and not isinstance(own, dict):
        notes.append((Dropped.CONTEXT_NOT_OBJECT, "`context` is not an object; the rest of the message was kept"))
        own = None
    context = {**envelope.context, **(own or {})}
    if arrival.ip and "ip" not in context and (arrival.from_device or context.get("direct") is True):
        context["ip"] = arrival.ip
    return context


def _fields(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    fields = item.get(name)
    if fields is None or fields == []:  # an empty map, as PHP writes it
        return {}
    if not isinstance(fields, dict):
        raise _Discarded(Dropped(f"{name}_not_object"), f"`{name}` must be an object")
    if len(fields) > MAX_FIELDS:
        raise _Discarded(Dropped(f"too_many_{name}"), f"more than {MAX_FIELDS} {name}")
    return fields


def _check(kind: Kind, item: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    """Raise _Discarded for the reasons Segment documents (reference: 2.4, 2.9)."""
    for name in ("userId", "anonymousId"):
        given = item.get(name)
        if given is not None and given != "" and text_of(given) is None:
            raise _Discarded(Dropped.ID_NOT_STRING, f"`{name}` must be a string")
    if text_of(item.get("userId")) is None and text_of(item.get("anonymousId")) is None:
        _check_named(kind, item, context)
    if kind == Kind.TRACK:
        _check_track(item, context)
    elif kind == Kind.GROUP:
        _check_group(item)
    elif kind in _EVENT_NAMES:
        # An empty category is what Segment's client for Kotlin sends when there is none.
        for name in ("name", "category"):
            given = item.get(name)
            if given is None or (name == "category" and given == ""):
                continue
            if not isinstance(given, str) or not given:
                raise _Discarded(Dropped(f"{name}_not_string"), f"`{name}` must be a string that is not empty")
    if context.get("consent") is not None:
        _check_consent(context["consent"])
    device = context.get("device")
    if isinstance(device, dict) and not isinstance(device.get("advertisingId"), str | None):
        raise _Discarded(Dropped.ADVERTISING_ID_NOT_STRING, "`context.device.advertisingId` must be a string")


def _check_named(kind: Kind, item: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    """Check that a message without a user names a profile of another collection; a group or alias call cannot."""
    if kind in {Kind.GROUP, Kind.ALIAS} or subject_of(item, context) is None:
        raise _Discarded(Dropped.NOBODY, "a message needs a `userId` or an `anonymousId`")


def _check_track(item: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    if item.get("event") is None:
        raise _Discarded(Dropped.EVENT_NOT_DEFINED, "a track call needs an `event`")
    if not isinstance(item["event"], str) or not item["event"]:
        raise _Discarded(Dropped.EVENT_NOT_STRING, "`event` must be a string that is not empty")
    if context.get("groupId") == "":
        raise _Discarded(Dropped.EMPTY_CONTEXT_GROUP_ID, "`context.groupId` is there, but empty")


def _check_group(item: Mapping[str, Any]) -> None:
    if item.get("groupId") is None:
        raise _Discarded(Dropped.ID_REQUIRED, "a group call needs a `groupId`")
    group = text_of(item["groupId"])
    if group is None:
        raise _Discarded(Dropped.ID_NOT_STRING, "`groupId` must be a string that is not empty")
    if len(group) > MAX_GROUP_ID:
        raise _Discarded(Dropped.GROUP_ID_TOO_LONG, f"`groupId` is longer than {MAX_GROUP_ID} characters")


def _check_consent(consent: Any) -> None:
    if not isinstance(consent, dict) or "categoryPreferences" not in consent:
        raise _Discarded(Dropped.CONSENT_MISSING, "`context.consent` needs `categoryPreferences`")
    preferences = consent["categoryPreferences"]
    if not isinstance(preferences, dict):
        raise _Discarded(Dropped.CONSENT_NOT_OBJECT, "`categoryPreferences` must be an object")
    if not all(isinstance(choice, bool) for choice in preferences.values()):
        raise _Discarded(Dropped.CONSENT_NOT_BOOL, "consent choices must be true or false")
    if not isinstance(consent.get("version"), int | float | None):
        raise _Discarded(Dropped.CONSENT_VERSION, "`context.consent.version` must be a number")


def _viewed(kind: Kind, item: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties of a page or screen call as Segment shows them (seed: events; reference: 1.10)."""
    viewed = dict(properties)
    for name in ("name", "category"):
        if item.get(name):
            viewed.setdefault(name, item[name])
    if item.get("name") is not None:
        viewed[f"{kind}_name"] = item["name"]
    return viewed


def _message_id(item: Mapping[str, Any], arrival: Arrival) -> str:
    given = text_of(item.get("messageId"))
    if given is None:
        return arrival.new_id()
    if len(given) > MAX_MESSAGE_ID:
        raise _Discarded(Dropped.MESSAGE_ID_TOO_LONG, f"`messageId` is longer than {MAX_MESSAGE_ID} characters")
    return _clean(given)


def _timestamp(item: Mapping[str, Any], envelope: Envelope, arrival: Arrival) -> int:
    """Return when it happened: the client's time, corrected when the client's clock is off (reference: 2.5)."""
    original = read_time(item.get("timestamp"))
    if original is None:
        return arrival.received_at
    sent_at = envelope.sent_at if envelope.sent_at is not None else read_time(item.get("sentAt"))
    if sent_at is None or abs(arrival.received_at - sent_at) <= CLOCK_TOLERANCE:
        return original
    return clamp(arrival.received_at - (sent_at - original))


def _clean(text: str) -> str:
    """Return text without NUL, which not every database can hold."""
    return text.replace("\0", "\ufffd")


def _discard_item(arrival: Arrival, why: _Discarded, item: Mapping[str, Any], kind: Kind | None) -> Discard:
    given = item.get("type")
    if kind is None and isinstance(given, str) and given in CALLS:
        kind = Kind(given)
    message = _clean((text_of(item.get("messageId")) or "")[:MAX_MESSAGE_ID])
    return _discard(arrival, why.reason, why.detail, kind=kind or "", message=message)


def _discard(arrival: Arrival, reason: Dropped, detail: str, *, kind: str = "", message: str = "") -> Discard:
    return Discard(
        space=arrival.space.slug,
        source=arrival.source.id,
        message=message,
        kind=kind,
        reason=reason,
        detail=detail,
        received_at=arrival.received_at,
    )


def unowned(reason: Dropped, detail: str, received_at: int) -> Discard:
    """Return the discard for a request that belongs to no source; those of a day and a reason count together."""
    day = write_time(received_at)[:10]
    return Discard(
        space="",
        source="",
        message="",
        kind="",
        reason=reason,
        detail=f"{detail} ({day})",
        received_at=received_at,
    )
