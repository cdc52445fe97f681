"""The Tracking HTTP API over HTTP (reference: segment 2, 7; clients)."""

import base64
import gzip
import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.server import Server, Tenant, identify, track


def test_an_acknowledged_message_is_in_the_very_next_read(tenant: Tenant) -> None:
    for n in range(20):
        tenant.send(identify("u1", {"n": n}))
        assert tenant.traits("user_id:u1") == {"n": n}


@pytest.mark.parametrize("route", ["batch", "import", "b"])
def test_batches_are_taken_on_every_route(tenant: Tenant, route: str) -> None:
    assert tenant.post(f"/v1/{route}", {"batch": [identify("u1", {"a": 1})]}).json() == {"success": True}
    assert tenant.traits("user_id:u1") == {"a": 1}


@pytest.mark.parametrize("prefix", ["", "/segment"])
@pytest.mark.parametrize("word", ["identify", "track", "page", "screen", "group", "alias"])
def test_single_messages_are_taken_by_word_and_by_letter(tenant: Tenant, prefix: str, word: str) -> None:
    body = {
        "anonymousId": "a1",
        "event": "Bought",
        "groupId": "g1",
        "userId": "u1",
        "traits": {"a": 1},
        "name": "Home",
    }
    for route in (word, word[0]):
        answer = tenant.post(f"{prefix}/v1/{route}", {**body, "messageId": f"m-{route}", "type": "wrong"})
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    if word == "alias":
        assert tenant.get("user_id:u1/metadata").status_code == 404
        return
    assert tenant.get("user_id:u1/metadata").json()["metadata"]["last_message_id"] == f"m-{word[0]}"
    events = {"track": ["Bought"], "page": ["Page Viewed"], "screen": ["Screen Viewed"]}.get(word, [])
    assert [event["event"] for event in tenant.events("user_id:u1")] == events * 2
    assert tenant.traits("user_id:u1") == ({"a": 1} if word == "identify" else {})
    if word == "group":
        assert tenant.traits("group_id:g1", "accounts") == {"a": 1}


def test_a_write_key_is_found_wherever_it_stands(tenant: Tenant, server: Server) -> None:
    url = f"{server.url}/v1/batch"
    basic = base64.b64encode(tenant.write_key.encode()).decode()
    for n, given in enumerate(
        [
            {"json": {"batch": [identify("u0")]}, "auth": (tenant.write_key, "")},
            {"json": {"batch": [identify("u1")]}, "headers": {"Authorization": f"Basic {basic}"}},
            {"json": {"batch": [identify("u2")], "writeKey": tenant.write_key}},
            {
                "json": {"batch": [identify("u3")], "writeKey": tenant.write_key},
                "headers": {"Authorization": "Bearer t"},
            },
            {
                "json": {"batch": [{**identify("u4"), "writeKey": "x"}], "writeKey": "wrong"},
                "auth": (tenant.write_key, ""),
            },
        ]
    ):
        assert httpx.post(url, **given).status_code == 200  # type: ignore[arg-type]
        assert tenant.get(f"user_id:u{n}/traits").status_code == 200


def test_an_unknown_write_key_is_200_and_recorded(tenant: Tenant, server: Server) -> None:
    for auth in (("wk_unknown", ""), None):
        answer = httpx.post(f"{server.url}/v1/identify", json=identify("jane@example.com"), auth=auth)
        assert (answer.status_code, answer.json()) == (200, {"success": True})
    listed = server.mien("discards", "--reason", "unknown_source")
    assert "no source has this write key" in listed
    assert "jane" not in listed


def test_browsers_may_send_plain_text_from_anywhere(tenant: Tenant) -> None:
    """Trap 12."""
    asking = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-retry-count",
    }
    for route in ("t", "b", "batch", "identify", "m"):
        preflight = tenant.http.options(f"/v1/{route}", headers=asking)
        assert preflight.status_code in {200, 204}
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert all(name in allowed for name in ("authorization", "content-type", "x-retry-count"))
        assert "POST" in preflight.headers["access-control-allow-methods"]
    body = json.dumps({**track("u1"), "writeKey": tenant.write_key}).encode()
    answer = tenant.http.post(
        "/v1/t", content=body, headers={"Content-Type": "text/plain", "Origin": "https://shop.example"}
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
    context = tenant.events("user_id:u1")[0]["context"]
    assert context["ip"] == "127.0.0.1"
    refused = tenant.http.post("/v1/t", content=b"{", headers={"Origin": "https://shop.example"})
    assert refused.headers["access-control-allow-origin"] == "*"


def test_client_metrics_are_dropped(tenant: Tenant) -> None:
    answer = tenant.http.post("/v1/m", content=b'{"series":[]}', headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def test_gzip_and_chunks(tenant: Tenant) -> None:
    body = json.dumps({"batch": [identify("u1", {"a": 1})]}).encode()
    packed = gzip.compress(body)

    def chunks() -> Iterator[bytes]:
        yield packed[:20]
        yield packed[20:]

    for content in (packed, chunks()):
        answer = tenant.http.post(
            "/v1/batch", content=content, headers={"Content-Encoding": "gzip"}, auth=(tenant.write_key, "")
        )
        assert answer.status_code == 200
    assert tenant.traits("user_id:u1") == {"a": 1}


def test_a_pixel_is_always_answered_with_the_image(tenant: Tenant) -> None:
    body = {**track("u1", "Email Opened"), "writeKey": tenant.write_key}
    data = base64.b64encode(json.dumps(body).encode()).decode()
    for path, query in (
        ("track", {"data": data}),
        ("track", {"data": "%%%"}),
        ("nonsense", {"data": data}),
        ("track", {}),
        ("page", {"writeKey": tenant.write_key, "userId": "u1", "name": "Mail", "properties.subject": "Hello"}),
    ):
        answer = tenant.http.get(f"/v1/pixel/{path}", params=query)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.content.startswith(b"GIF89a")
    assert {event["event"] for event in tenant.events("user_id:u1")} == {"Email Opened", "Page Viewed"}


def test_the_settings_that_analytics_js_fetches(tenant: Tenant) -> None:
    answer = tenant.http.get(f"/v1/projects/{tenant.write_key}/settings", headers={"Origin": "https://shop.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    integration = answer.json()["integrations"]["Segment.io"]
    assert integration["apiKey"] == tenant.write_key
    assert integration["apiHost"] == tenant.http.base_url.netloc.decode() + "/v1"
    assert integration["protocol"] == "http"
    unknown = tenant.http.get("/v1/projects/nothing/settings")
    assert (unknown.status_code, unknown.text) == (404, "Cannot GET - Invalid path or write key provided.")


# -- what is refused, and what is dropped -----------------------------------------------------------------------


def _refused(answer: httpx.Response) -> dict[str, Any]:
    """Check that every client library can read a refusal."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 400
    assert body["success"] is False
    assert isinstance(body["code"], str)
    assert isinstance(body["message"], str)
    assert answer.headers["request-id"]
    return body


@pytest.mark.parametrize("route", ["batch", "track", "t", "b", "import"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"{'a':1}",
        b'{"batch":[' + b"[" * 1000 + b"]" * 1000 + b"]}",
        b'{"a":' * 1000 + b"1" + b"}" * 1000,
    ],
)
def test_what_is_not_json_is_a_400(tenant: Tenant, route: str, body: bytes) -> None:
    _refused(tenant.post(f"/v1/{route}", body))


def test_sizes(tenant: Tenant) -> None:
    """Trap 13: 32 KB a message, 500 KB a batch."""
    big = track("u1", properties={"a": "x" * 33_000})
    _refused(tenant.post("/v1/track", big))
    assert tenant.get("user_id:u1/events").status_code == 404
    message = _refused(tenant.post("/v1/batch", {"batch": [identify("u1"), big, identify("u2")]}))["message"]
    assert "1 of 3" in message
    assert tenant.get("user_id:u1/traits").status_code == tenant.get("user_id:u2/traits").status_code == 200
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    _refused(tenant.post("/v1/batch", {"batch": [identify("u4"), track("u4", properties={"a": deep})]}))
    assert tenant.get("user_id:u4/traits").status_code == 200
    filler = [track("u3", properties={"a": "x" * 25_000}) for _ in range(21)]
    _refused(tenant.post("/v1/batch", {"batch": filler}))
    assert tenant.get("user_id:u3/traits").status_code == 404
    tenant.send(*filler[:18])
    assert len(tenant.events("user_id:u3")) == 18


def test_a_gzip_bomb_is_refused(tenant: Tenant) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    _refused(tenant.post("/v1/batch", bomb, **{"Content-Encoding": "gzip"}))
    _refused(tenant.post("/v1/batch", b"not gzip", **{"Content-Encoding": "gzip"}))
    _refused(tenant.post("/v1/batch", b"{}", **{"Content-Encoding": "br"}))


def test_a_declared_giant_is_refused_before_it_is_sent(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_more_than_2500_messages_are_200_and_dropped(tenant: Tenant) -> None:
    small = [{"type": "track", "userId": "u1", "event": "E"} for _ in range(2501)]
    tenant.send(*small)
    assert tenant.get("user_id:u1/events").status_code == 404
    assert [reason for reason, _ in tenant.discards()] == ["batch_too_long"]


def test_a_bad_message_is_200_recorded_and_costs_no_good_one(tenant: Tenant) -> None:
    tenant.send(
        identify("u1", {"a": 1}),
        {"type": "track", "userId": "u1", "messageId": "bad-1"},
        {"type": "identify", "messageId": "bad-2"},
        5,  # type: ignore[arg-type]
        identify("u1", {"b": 1}),
    )
    assert tenant.traits("user_id:u1") == {"a": 1, "b": 1}
    assert set(tenant.discards()) == {
        ("event_not_defined", "bad-1"),
        ("no_user_anon_id", "bad-2"),
        ("bad_request", ""),
    }
    listed = tenant.server.mien("discards", tenant.slug)
    assert "event_not_defined" in listed
    assert "bad-1" in listed


def test_an_identifier_that_is_refused_is_recorded(tenant: Tenant) -> None:
    tenant.send(identify("null", {"a": 1}, anonymousId="a1", messageId="m"))
    assert tenant.traits("anonymous_id:a1") == {"a": 1}
    assert tenant.discards() == [("id_value_blocked", "m")]


def test_the_same_message_counts_once(tenant: Tenant) -> None:
    """Trap 15."""
    message = track("u1", messageId="once")
    tenant.send(message, message)
    tenant.send(message)
    tenant.send({**message, "event": "Other"})
    assert [event["event"] for event in tenant.events("user_id:u1")] == ["Bought"]


def test_300_traits_are_kept_and_301_dropped(tenant: Tenant) -> None:
    """Trap 16."""
    tenant.send(identify("u1", {f"{n}": n for n in range(300)}), identify("u2", {f"{n}": n for n in range(301)}))
    assert len(tenant.traits("user_id:u1")) == 200
    assert tenant.get("user_id:u2/traits").status_code == 404
    assert tenant.discards() == [("too_many_traits", "")]


def test_null_removes_and_empty_stays(tenant: Tenant) -> None:
    """Trap 21."""
    tenant.send(identify("u1", {"a": 1, "b": 2, "c": {"d": [1]}}))
    tenant.send(identify("u1", {"a": None, "b": ""}, integrations={"All": False}))
    assert tenant.traits("user_id:u1") == {"b": "", "c": {"d": [1]}}


def test_an_older_value_that_arrives_late_does_not_win(tenant: Tenant) -> None:
    """Trap 23."""
    tenant.send(identify("u1", {"a": "new", "gone": None}, timestamp="2026-02-01T00:00:00Z"))
    tenant.send(identify("u1", {"a": "old", "gone": 1, "b": 1}, timestamp="2026-01-01T00:00:00Z"))
    assert tenant.traits("user_id:u1") == {"a": "new", "b": 1}


def test_within_a_millisecond_the_order_of_the_array_decides(tenant: Tenant) -> None:
    at = "2026-11-22T00:53:25.369+00:00"
    tenant.send(*[identify("u1", {"n": n}, timestamp=at) for n in range(50)])
    assert tenant.traits("user_id:u1") == {"n": 49}


def test_a_clock_that_is_off_by_a_day_is_corrected(tenant: Tenant) -> None:
    """Trap 14."""
    tenant.send(track("u1", timestamp="2001-01-01T00:00:00.000Z"), sentAt="2001-01-01T00:00:30.000Z")
    about = tenant.get("user_id:u1/metadata").json()["metadata"]
    event = tenant.events("user_id:u1")[0]["timestamp"]
    assert event[:10] <= about["created_at"][:10]
    assert event > "2026"


def test_an_alias_leaves_two_profiles_two(tenant: Tenant) -> None:
    """Trap 20."""
    tenant.send(identify("u1"), {"type": "identify", "anonymousId": "a1"})
    tenant.send({"type": "alias", "userId": "u1", "previousId": "a1", "anonymousId": "a1"})
    assert tenant.segment_id("user_id:u1") != tenant.segment_id("anonymous_id:a1")


def test_odd_values_read_back(tenant: Tenant) -> None:
    odd = {
        "nul": "a\0b",
        "big": 2**64,
        "huge": 10**400,
        "neg": -(2**63) - 1,
        "float": 1e308,
        "tiny": 5e-324,
        "emoji": "😀",
    }
    body = json.dumps({"batch": [identify("u\0", odd)]}).encode()
    assert tenant.post("/v1/batch", body).status_code == 200
    assert tenant.traits("user_id:u%00") == odd
    half = b'{"batch":[{"type":"identify","userId":"u2","traits":{"a":"\\ud800","b":NaN,"c":1e999,"d":1}}]}'
    assert tenant.post("/v1/batch", half).status_code == 200
    assert tenant.traits("user_id:u2") == {"a": "\ufffd", "d": 1}
    assert [reason for reason, _ in tenant.discards()] == ["value_cut"]


def test_an_id_that_cannot_be_read_joins_nobody(tenant: Tenant) -> None:
    for n in range(2):
        body = b'{"batch":[{"type":"identify","userId":"\\ud83%d","anonymousId":"a%d"}]}' % (n + 4, n)
        assert tenant.post("/v1/batch", body).status_code == 200
    assert tenant.segment_id("anonymous_id:a0") != tenant.segment_id("anonymous_id:a1")


def test_methods_that_are_not_allowed(tenant: Tenant) -> None:
    for path in ("/v1/batch", "/v1/track", "/v1/t"):
        answer = tenant.http.get(path)
        assert (answer.status_code, answer.json()["success"]) == (405, False)
        assert "POST" in answer.headers["allow"]


@pytest.mark.parametrize("head", [b"GET /" + b"x" * 200_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000])
def test_a_head_without_end_is_cut_off(server: Server, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        try:
            for start in range(0, len(head), 10_000):
                connection.sendall(head[start : start + 10_000])
            answer = connection.recv(1000)
        except ConnectionError:
            return
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400")


def test_trailers_without_end_are_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        for _ in range(1000):
            try:
                connection.sendall(b"a: b\r\n" * 1000)
            except ConnectionError:
                return
    pytest.fail("six megabytes of trailers were read")


def test_a_long_path_that_ends_in_time_is_answered(tenant: Tenant) -> None:
    assert tenant.get(f"user_id:{'x' * 60_000}/traits").status_code == 404
