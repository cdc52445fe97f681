"""Segment's bodies → messages (reference: segment 2 and 3.1)."""

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message
from mien.core.rules import Rules, TypeRule
from mien.core.space import Source, SourceKind
from mien.dialects.segment.parse import MAX_ITEM_BYTES, Arrival, Taken, read_batch, read_pixel, read_single, take
from mien.errors import Invalid
from mien.web.times import read_time, write_time
from tests.factories import space

RECEIVED = read_time("2026-11-22T12:00:02Z") or 0
WEB = Source(space="acme", name="web", id="source-1", kind=SourceKind.SDK, digest=b"", created_at=0)


def arrival(**fields: Any) -> Arrival:
    given = {"space": space(), "source": WEB, "received_at": RECEIVED, "ip": "203.0.113.7", "from_device": False}
    return Arrival(**{**given, "new_id": lambda: "made-here", **fields})


def batch(*items: Any, **envelope: Any) -> Taken:
    return take(read_batch(json.dumps({"batch": items, **envelope}).encode()), arrival())


def one(**item: Any) -> Message:
    """Parse one message that is valid by default."""
    taken = batch({"type": "identify", "userId": "u1", "messageId": "m1", **item})
    assert taken.submission.discards == ()
    return taken.submission.messages[0]


def names(**item: Any) -> set[tuple[str, str]]:
    return {(i.type, i.value) for i in one(**item).identifiers}


def reasons(*items: Any) -> list[str]:
    taken = batch(*items)
    return [discard.reason for discard in taken.submission.discards]


# -- identifiers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "found"),
    [
        ({}, set()),
        ({"anonymousId": "a1"}, {("anonymous_id", "a1")}),
        ({"anonymousId": None}, set()),
        ({"traits": {"email": "A@B.c"}}, {("email", "A@B.c")}),
        (
            {"context": {"traits": {"email": "a@b.c", "crossDomainId": "x1"}}},
            {("email", "a@b.c"), ("cross_domain_id", "x1")},
        ),
        ({"type": "track", "event": "E", "properties": {"email": "a@b.c"}}, {("email", "a@b.c")}),
        ({"type": "page", "properties": {"email": "a@b.c"}}, {("email", "a@b.c")}),
        ({"type": "track", "event": "E", "traits": {"email": "a@b.c"}}, set()),
        ({"properties": {"email": "a@b.c"}}, set()),
        (
            {
                "context": {
                    "device": {
                        "type": "android",
                        "id": "d",
                        "token": "t",
                        "advertisingId": "ad",
                        "adTrackingEnabled": True,
                    }
                }
            },
            {("android.id", "d"), ("android.push_token", "t"), ("android.idfa", "ad")},
        ),
        ({"context": {"device": {"type": "Android", "id": "d", "advertisingId": "ad"}}}, {("android.id", "d")}),
        (
            {"context": {"device": {"type": "ios", "id": "d", "advertisingId": "ad"}}},
            {("ios.id", "d"), ("ios.idfa", "ad")},
        ),
        ({"context": {"device": {"type": "ios", "advertisingId": "ad", "adTrackingEnabled": False}}}, set()),
        ({"context": {"device": {"type": "tv", "id": "d"}}}, set()),
        ({"context": {"integrations": {"Google Analytics": {"clientId": "ga"}}}}, {("ga_client_id", "ga")}),
        ({"context": {"Braze": {"braze_id": "b"}}}, {("braze_id", "b")}),
        (
            {"context": {"externalIds": [{"id": 5, "type": "phone", "collection": "users", "encoding": "none"}]}},
            {("phone", "5")},
        ),
        ({"traits": {"email": {"not": "text"}}}, set()),
        ({"context": {"device": "broken", "integrations": 5, "traits": []}}, set()),
    ],
)
def test_identifiers_are_taken_from_every_documented_place(item: dict[str, Any], found: set[tuple[str, str]]) -> None:
    assert names(**item) == found | {("user_id", "u1")}


def test_an_identifier_that_is_too_long_is_reported_and_the_rest_kept() -> None:
    taken = batch({"type": "identify", "userId": "x" * 1025, "anonymousId": "a1", "messageId": "m1"})
    assert [i.type for i in taken.submission.messages[0].identifiers] == ["anonymous_id"]
    assert [(d.reason, d.message) for d in taken.submission.discards] == [("id_too_long", "m1")]


def test_number_ids_are_text() -> None:
    assert names(userId=42, anonymousId=7) == {("user_id", "42"), ("anonymous_id", "7")}


def test_a_group_call_names_the_account_and_takes_no_email_of_it() -> None:
    message = one(type="group", groupId="g1", traits={"email": "office@acme.test", "name": "Acme"})
    assert set(message.identifiers) == {Identifier(USERS, "user_id", "u1"), Identifier(ACCOUNTS, "group_id", "g1")}
    assert message.subject == ACCOUNTS
    assert message.traits["name"] == b'"Acme"'


def test_an_event_may_name_an_account() -> None:
    message = one(type="track", event="E", context={"groupId": "g1"})
    assert Identifier(ACCOUNTS, "group_id", "g1") in message.identifiers


def test_configured_types_are_found_in_both_spellings() -> None:
    policy = Policy(rules=Rules(types={"loyalty_card": TypeRule()}))
    body = json.dumps(
        {"userId": "u1", "traits": {"loyaltyCard": "c1"}, "context": {"traits": {"loyalty_card": "c2"}}}
    )
    taken = take(read_single(Kind.IDENTIFY, body.encode()), arrival(space=space(policy=policy)))
    found = {(i.type, i.value) for i in taken.submission.messages[0].identifiers}
    assert found == {("user_id", "u1"), ("loyalty_card", "c1"), ("loyalty_card", "c2")}


@pytest.mark.parametrize(
    "external",
    [
        {"id": "1", "type": "phone", "collection": "users"},
        {"id": "1", "type": "phone", "collection": "users", "encoding": "md5"},
        {"id": "1", "type": "Phone", "collection": "users", "encoding": "none"},
        {"id": "1", "type": "$id", "collection": "users", "encoding": "none"},
        {"id": "1", "type": "phone", "collection": "Planets", "encoding": "none"},
        {"id": "1", "type": "phone", "collection": "", "encoding": "none"},
        {"id": "1", "type": "phone", "collection": "p" * 65, "encoding": "none"},
        {"id": "1", "type": "phone", "collection": None, "encoding": "none"},
        {"id": "1", "type": "phone", "collection": ["users"], "encoding": "none"},
        {"id": None, "type": "phone", "collection": "users", "encoding": "none"},
        {"id": "1", "type": 5, "collection": "users", "encoding": "none"},
        "phone:1",
    ],
)
def test_a_malformed_external_id_is_reported_and_the_rest_kept(external: Any) -> None:
    taken = batch({"type": "identify", "userId": "u1", "context": {"externalIds": [external]}})
    assert [i.type for i in taken.submission.messages[0].identifiers] == ["user_id"]
    assert [discard.reason for discard in taken.submission.discards] == ["external_id_invalid"]


def external(collection: str, value: str = "1", kind: str = "id") -> dict[str, str]:
    return {"id": value, "type": kind, "collection": collection, "encoding": "none"}


def found_in(**item: Any) -> tuple[str, list[tuple[str, str]]]:
    taken = batch({"type": "identify", **item})
    assert taken.submission.discards == ()
    [message] = taken.submission.messages
    return message.subject, [(i.collection, i.type) for i in message.identifiers]


def test_an_identify_that_names_only_a_profile_of_a_named_collection_describes_it() -> None:
    """Nobody's e-mail address, then, is taken for a user's."""
    context = {
        "externalIds": [external("stores")],
        "traits": {"email": "a@x.c"},
        "device": {"type": "ios", "id": "i"},
    }
    assert found_in(context=context, traits={"email": "ulm@shop.c"}) == ("stores", [("stores", "id")])
    assert found_in(context={**context, "groupId": "g"})[1] == [("accounts", "group_id"), ("stores", "id")]


def test_beside_a_user_it_describes_the_user() -> None:
    context = {"externalIds": [external("stores"), external("users", "5", "phone")]}
    both = [("stores", "id"), ("users", "phone")]
    assert found_in(userId="u1", context=context) == ("users", [("users", "user_id"), *both])
    assert found_in(context=context, traits={"email": "e"}) == ("users", [("users", "email"), *both])


@pytest.mark.parametrize(
    ("item", "context"),
    [
        ({"type": "identify"}, {"externalIds": [external("users")]}),
        ({"type": "identify"}, {"externalIds": [external("accounts")], "groupId": "g"}),
        ({"type": "identify"}, {"externalIds": [external("Stores")]}),
        ({"type": "group", "groupId": "g"}, {"externalIds": [external("stores")]}),
        ({"type": "alias", "previousId": "p"}, {"externalIds": [external("stores")]}),
    ],
)
def test_nothing_else_stands_in_for_a_user(item: dict[str, Any], context: dict[str, Any]) -> None:
    assert reasons({**item, "context": context}) == ["no_user_anon_id"]


# -- what is discarded ------------------------------------------------------------------------------------------

TRACK = {"type": "track", "userId": "u1", "event": "E"}
IDENTIFY = {"type": "identify", "userId": "u1"}
GROUP = {"type": "group", "userId": "u1", "groupId": "g1"}
PAGE = {"type": "page", "userId": "u1"}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (5, "bad_request"),
        ([], "bad_request"),
        ({}, "bad_request"),
        ({"type": "wish", "userId": "u1"}, "bad_request"),
        ({"type": {"a": 1}, "userId": "u1"}, "bad_request"),
        ({"type": "identify"}, "no_user_anon_id"),
        ({"type": "identify", "userId": "", "anonymousId": None}, "no_user_anon_id"),
        ({"type": "identify", "userId": {"a": 1}}, "id_not_string"),
        ({"type": "identify", "userId": "u1", "anonymousId": True}, "id_not_string"),
        ({**TRACK, "event": None}, "event_not_defined"),
        ({"type": "track", "userId": "u1"}, "event_not_defined"),
        ({**TRACK, "event": 5}, "event_not_string"),
        ({**TRACK, "event": ""}, "event_not_string"),
        ({**TRACK, "properties": [1]}, "properties_not_object"),
        ({**TRACK, "context": {"groupId": ""}}, "empty_context_group_id"),
        ({**TRACK, "properties": {str(n): n for n in range(301)}}, "too_many_properties"),
        ({**IDENTIFY, "traits": "x"}, "traits_not_object"),
        ({**IDENTIFY, "traits": {str(n): n for n in range(301)}}, "too_many_traits"),
        ({**IDENTIFY, "messageId": "m" * 101}, "message_id_too_long"),
        ({**GROUP, "groupId": None}, "id_required"),
        ({**GROUP, "groupId": ""}, "id_not_string"),
        ({**GROUP, "groupId": {}}, "id_not_string"),
        ({**GROUP, "groupId": "g" * 501}, "group_id_too_long"),
        ({**PAGE, "name": 5}, "name_not_string"),
        ({**PAGE, "name": ""}, "name_not_string"),
        ({**PAGE, "category": []}, "category_not_string"),
        ({**PAGE, "context": {"consent": {}}}, "consent_categorypreferences_should_exist"),
        ({**PAGE, "context": {"consent": 5}}, "consent_categorypreferences_should_exist"),
        (
            {**PAGE, "context": {"consent": {"categoryPreferences": 1}}},
            "consent_categorypreferences_fields_should_be_object",
        ),
        (
            {**PAGE, "context": {"consent": {"categoryPreferences": {"a": 1}}}},
            "consent_categorypreferences_fields_should_be_bool",
        ),
        (
            {**PAGE, "context": {"consent": {"categoryPreferences": {}, "version": "1"}}},
            "consent_version_should_be_number",
        ),
        ({**PAGE, "context": {"device": {"advertisingId": 5}}}, "device_advertisingid_should_be_string"),
        ({**TRACK, "properties": {"a": "x" * MAX_ITEM_BYTES}}, "message_too_large"),
    ],
)
def test_a_bad_message_is_discarded_with_its_reason_and_costs_no_good_one(item: Any, reason: str) -> None:
    taken = batch({**IDENTIFY, "messageId": "good-1"}, item, {**IDENTIFY, "messageId": "good-2"})
    assert [message.id for message in taken.submission.messages] == ["good-1", "good-2"]
    assert [discard.reason for discard in taken.submission.discards] == [reason]
    assert taken.refused == (reason == "message_too_large")


def test_a_discard_holds_no_personal_data() -> None:
    taken = batch(
        {**TRACK, "event": 5, "userId": "jane@example.com", "messageId": "m1", "properties": {"a": "secret"}}
    )
    assert b"jane" not in msgspec.json.encode(taken.submission.discards)
    assert b"secret" not in msgspec.json.encode(taken.submission.discards)
    assert taken.submission.discards[0].message == "m1"


@pytest.mark.parametrize(("count", "reason"), [(0, "empty_batch"), (2501, "batch_too_long")])
def test_a_batch_has_one_to_2500_messages(count: int, reason: str) -> None:
    assert reasons(*[IDENTIFY] * count) == [reason]
    assert len(batch(*[IDENTIFY] * 2500).submission.messages) == 2500


@pytest.mark.parametrize(
    "item",
    [
        {"type": "screen", "name": "Home", "category": ""},
        {"type": "track", "event": "E", "context": {"groupId": None, "consent": None}},
        {"traits": []},
        {"traits": None, "properties": None, "context": None, "timestamp": None, "integrations": None},
        {"type": "page", "context": {"consent": {"categoryPreferences": {}, "version": None}}},
    ],
)
def test_what_means_nothing_costs_nothing(item: dict[str, Any]) -> None:
    """Null is an absent value; Kotlin's client sends empty categories, and PHP writes empty maps as lists."""
    assert one(**item)


def test_a_context_is_not_multiplied_without_bound() -> None:
    """A small request must not become a large one by giving a fat context to each of many messages."""
    fat = {"a": "x" * 20_000}
    many = batch(*[IDENTIFY] * 1000, context=fat)
    assert (many.submission.messages, many.refused) == ((), 1000)
    few = batch({**IDENTIFY, "traits": {"a": "x" * 15_000}}, IDENTIFY, context=fat)
    assert (len(few.submission.messages), few.refused) == (1, 1)


def test_300_traits_are_kept() -> None:
    assert len(one(traits={str(n): n for n in range(300)}).traits) == 300


@pytest.mark.parametrize("body", [b"[]", b"5", b"null", b'"x"', b"{}", b'{"batch":{}}', b'{"batch":null}', b"{", b""])
def test_a_body_that_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_batch(body)


def test_a_context_that_is_no_object_is_reported_and_the_rest_kept() -> None:
    assert reasons({**IDENTIFY, "context": "x"}) == ["context_not_object"]


def test_values_that_cannot_be_kept_cost_only_themselves() -> None:
    body = b"""{"batch": [
        {"type":"identify","userId":"u1","messageId":"a","traits":{"a":NaN,"b":1,"c":1e400,"d":"\\ud83d"}},
        {"type":"identify","userId":"u2","messageId":"b","traits":{"x":2}}]}"""
    taken = take(read_batch(body), arrival())
    first, second = taken.submission.messages
    assert first.traits == {"b": b"1", "d": '"\ufffd"'.encode()}
    assert second.traits == {"x": b"2"}
    assert [discard.reason for discard in taken.submission.discards] == ["value_cut"]


def test_a_batch_that_is_read_leniently_is_measured_all_the_same() -> None:
    """A NaN in one message does not lift the limit for another, nor is another blamed for it."""
    big = json.dumps(
        {"type": "track", "userId": "u1", "event": "E", "messageId": "big", "properties": {"a": "x" * 40_000}}
    )
    body = '{"batch":[{"type":"identify","userId":"u1","messageId":"a","traits":{"a":NaN}},' + big + "]}"
    taken = take(read_batch(body.encode()), arrival())
    assert [message.id for message in taken.submission.messages] == ["a"]
    assert {(d.reason, d.message) for d in taken.submission.discards} == {
        ("message_too_large", ""),
        ("value_cut", ""),
    }


def test_a_value_that_only_its_message_cannot_hold_is_reported_with_it() -> None:
    body = b'{"batch":[{"type":"identify","userId":"u1","messageId":"a","traits":{"a":1e400,"b":1}}]}'
    taken = take(read_batch(body), arrival())
    assert taken.submission.messages[0].traits == {"b": b"1"}
    assert [discard.reason for discard in taken.submission.discards] == ["value_cut"]


def test_a_discard_of_a_single_route_knows_its_type() -> None:
    taken = take(read_single(Kind.TRACK, b'{"userId":"u1","messageId":"m1"}'), arrival())
    assert [(d.kind, d.message) for d in taken.submission.discards] == [("track", "m1")]


def test_a_message_nested_too_deep_is_discarded_alone() -> None:
    deep = b"[" * 300 + b"]" * 300
    body = b'{"batch":[{"type":"identify","userId":"u1","traits":{"a":%s}},{"type":"identify","userId":"u2"}]}' % deep
    taken = take(read_batch(body), arrival())
    assert len(taken.submission.messages) == taken.refused == 1
    assert [discard.reason for discard in taken.submission.discards] == ["message_too_deep"]


# -- what a message says ----------------------------------------------------------------------------------------


def test_page_and_screen_become_events_as_in_the_seed() -> None:
    page = one(type="page", name="Docs", category="Spec", properties={"path": "/"})
    assert (page.kind, page.event) == (Kind.PAGE, "Page Viewed")
    assert json.loads(page.properties) == {"path": "/", "name": "Docs", "page_name": "Docs", "category": "Spec"}
    screen = one(type="screen", name="Home", properties={"name": "kept"})
    assert screen.event == "Screen Viewed"
    assert json.loads(screen.properties) == {"name": "kept", "screen_name": "Home"}
    assert json.loads(one(type="page", name=None).properties) == {}


def test_the_url_says_the_kind_whatever_the_type_is() -> None:
    body = b'{"type":"track","userId":"u1","email":"stray","event":"E"}'
    assert take(read_single(Kind.IDENTIFY, body), arrival()).submission.messages[0].kind == Kind.IDENTIFY


def test_only_identify_and_group_set_traits() -> None:
    assert one(type="track", event="E", traits={"a": 1}, context={"traits": {"b": 1}}).traits == {}


def test_null_and_empty_traits_arrive_as_such() -> None:
    assert one(traits={"a": None, "b": "", "c": [1, {"d": 2.50}]}).traits == {
        "a": b"null",
        "b": b'""',
        "c": b'[1,{"d":2.5}]',
    }


def test_a_missing_message_id_is_made() -> None:
    assert one(messageId=None).id == "made-here"
    assert one(messageId=5).id == "5"


def test_top_level_context_lies_below_that_of_each_message() -> None:
    taken = batch({**IDENTIFY, "context": {"a": 1}}, IDENTIFY, context={"a": 0, "b": 2})
    assert [json.loads(m.context) for m in taken.submission.messages] == [{"a": 1, "b": 2}, {"a": 0, "b": 2}]


def test_the_address_is_kept_only_from_devices() -> None:
    envelope = read_single(Kind.IDENTIFY, json.dumps(IDENTIFY).encode())

    def ip_of(body: dict[str, Any], **fields: Any) -> object:
        taken = take(read_single(Kind.IDENTIFY, json.dumps(body).encode()), arrival(**fields))
        return json.loads(taken.submission.messages[0].context).get("ip")

    assert take(envelope, arrival()).submission.messages[0].context == b"{}"
    assert ip_of(IDENTIFY, from_device=True) == "203.0.113.7"
    assert ip_of({**IDENTIFY, "context": {"direct": True}}) == "203.0.113.7"
    assert ip_of({**IDENTIFY, "context": {"ip": "192.0.2.1"}}, from_device=True) == "192.0.2.1"
    assert ip_of(IDENTIFY, from_device=True, ip=None) is None


@pytest.mark.parametrize(
    ("timestamp", "sent_at", "kept"),
    [
        # The documented example: the client's clock is almost two hours behind (reference: 2.5).
        ("2026-11-22T10:00:00Z", "2026-11-22T10:05:00Z", "2026-11-22T11:55:02Z"),
        ("2026-11-21T12:00:00Z", "2026-11-21T12:00:01Z", "2026-11-22T12:00:01Z"),
        ("2026-11-23T12:00:00Z", "2026-11-23T12:00:02Z", "2026-11-22T12:00:00Z"),
        # A clock that is right within the time a request takes is believed: nothing shifts by the network's delay.
        ("1997-01-01T00:00:00Z", "2026-11-22T12:00:01Z", "1997-01-01T00:00:00Z"),
        ("2026-11-22T11:59:59.123456Z", "2026-11-22T12:00:01.5Z", "2026-11-22T11:59:59.123456Z"),
        ("2026-11-22T10:00:00Z", None, "2026-11-22T10:00:00Z"),
        ("2026-11-22T10:00:00Z", "rubbish", "2026-11-22T10:00:00Z"),
        (None, "2026-11-22T10:00:00Z", "2026-11-22T12:00:02Z"),
        ("rubbish", None, "2026-11-22T12:00:02Z"),
        ("9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_corrected_when_the_client_clock_is_off(timestamp: str, sent_at: str, kept: str) -> None:
    taken = batch({**IDENTIFY, "timestamp": timestamp}, sentAt=sent_at)
    assert write_time(taken.submission.messages[0].timestamp) == kept
    alone = take(
        read_single(Kind.TRACK, json.dumps({**TRACK, "timestamp": timestamp, "sentAt": sent_at}).encode()), arrival()
    )
    assert write_time(alone.submission.messages[0].timestamp) == kept


def test_messages_keep_their_order_within_a_batch() -> None:
    orders = [m.order for m in batch(*[IDENTIFY] * 100).submission.messages]
    assert orders == sorted(set(orders))


# -- pixels -----------------------------------------------------------------------------------------------------


def pixel(query: str) -> Message:
    return take(read_pixel(Kind.TRACK, query), arrival()).submission.messages[0]


def test_a_pixel_carries_base64_json_or_dotted_parameters() -> None:
    data = base64.b64encode(
        json.dumps({"userId": "ü>?", "event": "Opened", "properties": {"a": "+/"}}).encode()
    ).decode()
    for spelling in (data, data.rstrip("="), data.replace("+", "-").replace("/", "_"), data.replace("+", " ")):
        message = pixel(f"data={spelling}")
        assert (message.event, message.identifiers[0].value) == ("Opened", "ü>?")
    message = pixel("userId=u1&event=Opened&properties.subject=Hello+you&properties.deep.er=1&event.x=1&writeKey=k")
    assert json.loads(message.properties) == {"subject": "Hello you", "deep": {"er": "1"}}
    assert read_pixel(Kind.TRACK, "userId=u1&writeKey=k").write_key == "k"


@pytest.mark.parametrize("query", ["data=%%%", "data=!", "data=AAAA", "data=" + base64.b64encode(b"[]").decode()])
def test_a_broken_pixel_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        read_pixel(Kind.TRACK, query)


# -- anything ---------------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = st.sampled_from(
    [
        "type",
        "userId",
        "anonymousId",
        "messageId",
        "timestamp",
        "sentAt",
        "traits",
        "properties",
        "context",
        "event",
        "groupId",
        "name",
    ]
)
contexts = st.dictionaries(
    st.sampled_from(["traits", "device", "externalIds", "consent", "groupId", "ip", "integrations", "Braze"]),
    anything,
)
items = st.dictionaries(fields, anything | contexts) | anything


@given(st.lists(items, max_size=4), anything, anything)
def test_whatever_is_sent_each_message_is_taken_or_discarded(
    batch_items: list[Any], context: Any, sent_at: Any
) -> None:
    body = json.dumps({"batch": batch_items, "context": context, "sentAt": sent_at}).encode()
    taken = take(read_batch(body), arrival())
    noted = {"external_id_invalid", "context_not_object", "value_cut"}
    lost = [d for d in taken.submission.discards if d.reason not in noted and d.reason != "empty_batch"]
    assert len(taken.submission.messages) + len(lost) == len(batch_items)
    msgspec.msgpack.encode(taken.submission)


def test_a_message_names_with_fifty_identifiers_at_most() -> None:
    many = [{"id": f"{n}", "type": f"t{n}", "collection": "users", "encoding": "none"} for n in range(60)]
    body = {"userId": "u1", "messageId": "m1", "context": {"groupId": "g1", "externalIds": many}}
    taken = take(read_single(Kind.IDENTIFY, json.dumps(body).encode()), arrival())
    [message] = taken.submission.messages
    assert len(message.identifiers) == 50
    assert {"user_id", "group_id"} <= {identifier.type for identifier in message.identifiers}
    assert [discard.detail for discard in taken.submission.discards] == ["12 identifiers beyond the first 50"]
