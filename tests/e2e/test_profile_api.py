"""The Profile API over HTTP (seed; reference: segment 1 and 7)."""

import base64
import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import Server, Tenant, identify, running, space, token, track


def test_traits_default_to_10_and_reach_200(tenant: Tenant) -> None:
    """Trap 1."""
    tenant.send(identify("u1", {f"k{n:03}": n for n in range(250)}))
    for query, count in (({}, 10), ({"limit": 25}, 25), ({"limit": 200}, 200), ({"limit": 500}, 200)):
        answer = tenant.get("user_id:u1/traits", **query).json()
        assert len(answer["traits"]) == count
        assert answer["cursor"]["next"] == f"k{count:03}"
        assert answer["cursor"]["limit"] == count


def test_following_the_url_of_the_cursor_reads_everything_once(tenant: Tenant) -> None:
    """Traps 2 and 4: `next` begins the next page, and the URL is empty at the end."""
    keys = [f"Key {n} é?&=+/%" for n in range(23)]
    tenant.send(identify("a b/c", dict.fromkeys(keys, 1)))
    url = str(tenant.http.base_url.join(tenant.path("user_id:a%20b%2Fc/traits?limit=5&class=&include=")))
    seen: list[str] = []
    while url:
        answer = httpx.get(url, auth=(tenant.token, "")).json()
        assert answer["cursor"]["next"] not in answer["traits"]
        seen += answer["traits"]
        url = answer["cursor"]["url"]
    assert seen == sorted(keys, key=str.encode)
    assert answer["cursor"] == {"url": "", "has_more": False, "next": "", "limit": 5}


def test_keys_are_in_the_order_of_their_bytes(tenant: Tenant) -> None:
    """Trap 3."""
    tenant.send(identify("u1", {"é": 1, "a": 1, "B": 1, "3_a": 1}))
    assert list(tenant.traits("user_id:u1")) == ["3_a", "B", "a", "é"]


def test_include_chooses_keys_and_unknown_ones_are_absent(tenant: Tenant) -> None:
    tenant.send(identify("u1", {"age": 3, "first_name": "Bob", "city": "x"}))
    assert tenant.traits("user_id:u1", include="city,first_name,nothing") == {"city": "x", "first_name": "Bob"}
    assert tenant.traits("user_id:u1", **{"class": "audience"}) == {}
    assert tenant.traits("user_id:u1", **{"class": "computed_trait"}) == {}


def test_verbose_says_source_and_time(tenant: Tenant) -> None:
    tenant.send(identify("u1", {"age": 33}, timestamp="2018-01-05T00:16:35.663Z"))
    verbose = tenant.traits("user_id:u1", verbose="true")
    source = tenant.get("user_id:u1/metadata").json()["metadata"]["first_source_id"]
    assert verbose == {"age": {"value": 33, "source_id": source, "updated_at": "2018-01-05T00:16:35.663Z"}}


@pytest.mark.parametrize(
    ("value", "segments"),
    [
        ("u1234", ["user_id:u1234", "user_id%3Au1234", "%75ser_id:u1234"]),
        ("a+b", ["user_id:a+b", "user_id:a%2Bb"]),
        ("a/b", ["user_id:a%2Fb", "user_id%3Aa%2fb"]),
        ("a b", ["user_id:a%20b", "user_id:a b"]),
        ("100%", ["user_id:100%25", "user_id:100%"]),
        ("Jürgen", ["user_id:J%C3%BCrgen", "user_id:Jürgen"]),
        ("a:b:c", ["user_id:a:b:c", "user_id%3Aa%3Ab%3Ac"]),
        ("?#&=;@!$'()*,[]~", ["user_id:%3F%23%26%3D%3B%40%21%24%27%28%29%2A%2C%5B%5D%7E"]),
        ("😀", ["user_id:%F0%9F%98%80"]),
        ("a%2Fb", ["user_id:a%252Fb"]),
        ("/traits", ["user_id:%2Ftraits"]),
        ("..", ["user_id:%2E%2E", "user_id:.."]),
    ],
)
def test_identifiers_round_trip_however_they_are_encoded(tenant: Tenant, value: str, segments: list[str]) -> None:
    """Trap 5."""
    tenant.send(identify(value, {"it": value}))
    for segment in segments:
        answer = tenant.http.get(tenant.path(f"{segment}/traits"), auth=(tenant.token, ""))
        assert answer.json()["traits"] == {"it": value}, segment


@pytest.mark.parametrize(
    "segment",
    [
        "u1",
        "user_id",
        "user_id:",
        ":",
        "%",
        "%ZZ",
        "%FF",
        "user_id:%FF%FE",
        "user_id:%00",
        "%00",
        "a%0Ab:c",
        "use_x",
        "use_" + "A" * 27,
        "segment_id:use_",
        "$id:1",
        "x" * 5000,
        "user_id:" + "%F0%9F" * 50,
    ],
)
def test_no_identifier_is_ever_a_500(tenant: Tenant, segment: str) -> None:
    tenant.send(identify("u1"))
    for part in ("traits", "events", "external_ids", "metadata", "links"):
        answer = tenant.http.get(tenant.path(f"{segment}/{part}"), auth=(tenant.token, ""))
        assert answer.status_code == 404
        assert answer.json() == {"error": {"code": "not_found", "message": "Profile was not found."}}


def test_a_type_with_a_dot_and_a_value_with_a_colon(tenant: Tenant) -> None:
    """Trap 7."""
    tenant.send(identify("u1", {"x": 1}, context={"device": {"type": "android", "id": "a:b"}}))
    assert tenant.traits("android.id:a:b") == {"x": 1}


def test_emails_are_found_in_any_case_and_other_ids_in_lower_case(tenant: Tenant) -> None:
    tenant.send(identify("user-one", {"email": "Jane@Example.COM"}))
    assert tenant.traits("email:jane@example.com") == tenant.traits("email:JANE@example.com")
    assert tenant.traits("user_id:USER-ONE")["email"] == "Jane@Example.COM"


def test_every_id_of_a_merged_profile_finds_the_survivor(tenant: Tenant) -> None:
    """Traps 6 and 19, in both orders of arrival of the traits."""
    tenant.send(identify("u1", {"a": 1, "both": "old"}, timestamp="2026-01-01T00:00:00Z"))
    tenant.send(
        {
            "type": "identify",
            "anonymousId": "a1",
            "traits": {"b": 2, "both": "new"},
            "timestamp": "2026-01-02T00:00:00Z",
        }
    )
    survivor, absorbed = tenant.segment_id("user_id:u1"), tenant.segment_id("anonymous_id:a1")
    tenant.send(track("u1", anonymousId="a1"))
    for name in ("user_id:u1", "anonymous_id:a1", survivor, absorbed, f"segment_id:{absorbed}"):
        assert tenant.traits(name) == {"a": 1, "b": 2, "both": "new"}
        assert tenant.segment_id(name) == survivor


def test_only_events_are_events_and_pages_are_page_viewed(tenant: Tenant) -> None:
    """Trap 8."""
    tenant.send(
        identify("u1", messageId="i"),
        {"type": "page", "userId": "u1", "name": "Docs", "messageId": "p"},
        {"type": "screen", "userId": "u1", "name": "Home", "messageId": "s"},
        {"type": "group", "userId": "u1", "groupId": "g", "messageId": "g"},
        {"type": "alias", "userId": "u1", "previousId": "a", "messageId": "al"},
        track("u1", "Bought", {"price": 1.50, "big": 2**70}, messageId="t"),
    )
    events = {event["message_id"]: event for event in tenant.events("user_id:u1")}
    assert events.keys() == {"p", "s", "t"}
    assert {event["type"] for event in events.values()} == {"track"}
    assert events["p"]["event"] == "Page Viewed"
    assert events["p"]["properties"] == {"name": "Docs", "page_name": "Docs"}
    assert events["t"]["properties"] == {"price": 1.5, "big": 2**70}
    assert events["t"]["related"] == {"users": tenant.segment_id("user_id:u1")}
    assert events["t"]["external_ids"] == [{"collection": "users", "type": "user_id", "id": "u1", "encoding": "none"}]


def _days_ago(days: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - days * 86400))


def test_events_are_shown_for_14_days(tenant: Tenant) -> None:
    """Trap 9."""
    margin = 5 / 86400
    tenant.send(
        track("u1", "inside", timestamp=_days_ago(14 - margin)),
        track("u1", "outside", timestamp=_days_ago(14 + margin)),
        track("u1", "now"),
    )
    assert [event["event"] for event in tenant.events("user_id:u1")] == ["now", "inside"]
    assert [event["event"] for event in tenant.events("user_id:u1", start="2006-01-02")] == ["now", "inside"]
    assert [event["event"] for event in tenant.events("user_id:u1", start=_days_ago(1))] == ["now"]
    assert [event["event"] for event in tenant.events("user_id:u1", end=_days_ago(1))] == ["inside"]


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_of_events_at_one_instant_neither_repeat_nor_skip(tenant: Tenant, sort: str) -> None:
    """Trap 10, and the order within a batch is that of the array."""
    now = _days_ago(0)
    tenant.send(*[track("u1", f"E{n}", timestamp=now, messageId=f"m{n}") for n in range(25)])
    names = [event["event"] for event in tenant.pages("user_id:u1/events", limit=4, sort=sort)]
    expected = [f"E{n}" for n in range(25)]
    assert names == (expected if sort == "asc" else expected[::-1])


def test_events_are_chosen_by_name(tenant: Tenant) -> None:
    tenant.send(*[track("u1", name) for name in ("A", "B b", "C")])
    assert {e["event"] for e in tenant.events("user_id:u1", include="A,B b")} == {"A", "B b"}
    assert {e["event"] for e in tenant.events("user_id:u1", exclude="A,C")} == {"B b"}
    assert tenant.events("user_id:u1", include="nothing") == []


def test_external_ids_come_newest_first_in_pages(tenant: Tenant) -> None:
    for n in range(5):
        tenant.send(track("u1", anonymousId=f"a{n}", timestamp=_days_ago(5 - n), messageId=f"m{n}"))
    rows = tenant.pages("user_id:u1/external_ids", limit=2)
    assert [row["id"] for row in rows if row["type"] == "anonymous_id"] == ["a4", "a3", "a2", "a1", "a0"]
    assert rows[0] == {
        "source_id": tenant.get("user_id:u1/metadata").json()["metadata"]["first_source_id"],
        "collection": "users",
        "id": "a4",
        "type": "anonymous_id",
        "created_at": rows[0]["created_at"],
        "encoding": "none",
        "first_message_id": "m4",
    }
    assert tenant.get("user_id:u1/external_ids", limit=2).json()["cursor"]["next"].startswith("map_")
    assert [row["type"] for row in tenant.pages("user_id:u1/external_ids", include="user_id")] == ["user_id"]
    assert tenant.pages("user_id:u1/external_ids", include="phone") == []


@pytest.mark.parametrize("year", ["0001", "1997", "2013", "9999"])
def test_pages_of_far_away_times_end(tenant: Tenant, year: str) -> None:
    """Before KSUIDs begin to count, and beyond what nanoseconds fit into 64 bits."""
    at = f"{year}-01-02T00:00:00Z"
    tenant.send(
        identify("u1", {"email": "a@b.c"}, anonymousId="a1", timestamp=at),
        *[track("u1", f"E{n}", timestamp=_days_ago(1), messageId=f"m{n}") for n in range(3)],
    )
    assert len(tenant.pages("user_id:u1/external_ids", limit=1)) == 3
    assert len(tenant.pages("user_id:u1/events", limit=1)) == 3


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_events_far_in_the_future_are_paged_past(tenant: Tenant, sort: str) -> None:
    tenant.send(*[track("u1", f"E{y}", timestamp=f"{y}-01-02T00:00:00Z") for y in (2300, 2301, 9999)])
    assert len(tenant.pages("user_id:u1/events", limit=1, sort=sort)) == 3


def test_a_link_that_both_had_at_the_same_moment_is_one(tenant: Tenant) -> None:
    at = _days_ago(1)
    tenant.send(
        {"type": "group", "userId": "u1", "groupId": "g1", "timestamp": at},
        {"type": "group", "anonymousId": "a1", "groupId": "g1", "timestamp": at},
        identify("u1", anonymousId="a1"),
    )
    assert len(tenant.pages("user_id:u1/links")) == 1
    assert len(tenant.pages("group_id:g1/links", "accounts")) == 1


def test_paths_that_are_not_encoded_at_all_are_understood(tenant: Tenant, server: Server) -> None:
    tenant.send(identify("Zoë", {"schlüssel": 1}))
    auth = base64.b64encode(f"{tenant.token}:".encode()).decode()
    path = tenant.path("user_id:Zoë/traits?include=schlüssel")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {auth}\r\n\r\n".encode())
        assert '{"traits":{"schlüssel":1}' in connection.recv(10_000).decode()


def test_metadata_tells_first_and_last(tenant: Tenant) -> None:
    tenant.send(identify("u1", messageId="first"))
    tenant.send(identify("u1", messageId="last"))
    answer = tenant.get("user_id:u1/metadata").json()
    about = answer["metadata"]
    assert (about["first_message_id"], about["last_message_id"], about["expires_at"]) == ("first", "last", None)
    assert about["created_at"] < about["updated_at"]
    assert re.fullmatch(r"use_[0-9A-Za-z]{27}", answer["segment_id"])


def test_links_join_users_and_accounts(tenant: Tenant) -> None:
    for n in range(23):
        tenant.send(
            {
                "type": "group",
                "userId": f"u{n % 2}",
                "groupId": f"g{n:02}",
                "traits": {"n": n},
                "timestamp": _days_ago(50 - n),
            }
        )
    answer = tenant.get("user_id:u0/links").json()
    assert [row["external_ids"][0]["id"] for row in answer["data"]] == [f"g{n:02}" for n in range(0, 23, 2)]
    assert {row["to_collection"] for row in answer["data"]} == {"accounts"}
    assert answer["cursor"] == {"url": "", "has_more": False, "next": "", "limit": 20}
    users = tenant.pages("group_id:g04/links", "accounts")
    assert [(row["to_collection"], row["external_ids"][0]["id"]) for row in users] == [("users", "u0")]
    assert tenant.traits("group_id:g04", "accounts") == {"n": 4}
    assert tenant.events("group_id:g04", "accounts") == []


def test_links_stop_at_20_a_page(tenant: Tenant) -> None:
    tenant.send(*[{"type": "group", "userId": f"u{n:02}", "groupId": "g"} for n in range(45)])
    assert len(tenant.get("group_id:g/links", "accounts", limit=200).json()["data"]) == 20
    ids = [row["external_ids"][0]["id"] for row in tenant.pages("group_id:g/links", "accounts", limit=20)]
    assert sorted(ids) == [f"u{n:02}" for n in range(45)]


def test_an_empty_part_is_200_and_empty(tenant: Tenant) -> None:
    tenant.send(identify("u1"))
    assert tenant.get("user_id:u1/events").json()["data"] == []
    assert tenant.get("user_id:u1/links").json()["data"] == []
    assert tenant.get("user_id:u1/traits").json()["traits"] == {}


def test_the_list_of_profiles_by_recent_activity(tenant: Tenant) -> None:
    for n in range(7):
        tenant.send(identify(f"u{n}"))
    tenant.send(track("u2"))
    ids = [tenant.segment_id(f"user_id:u{n}") for n in (2, 6, 5, 4, 3, 1, 0)]
    assert [row["segment_id"] for row in tenant.pages("", limit=3)] == ids
    offset = tenant.get("", limit=2, next="4").json()
    assert [row["segment_id"] for row in offset["data"]] == ids[4:6]
    assert tenant.get("", limit=100, next="0").json()["cursor"]["has_more"] is False
    assert tenant.get("", "accounts").json()["data"] == []
    too_large = base64.urlsafe_b64encode(b"9999999999999999999::5").decode()
    assert tenant.get("", next=too_large).status_code == 400


def test_both_base_paths_and_the_prefix_lead_to_the_same(tenant: Tenant) -> None:
    tenant.send(identify("u1", {"a": 1}))
    path = tenant.path("user_id:u1/traits")
    for spelling in (path, path.replace("spaces", "namespaces"), f"/segment{path}", f"{path}/"):
        assert tenant.http.get(spelling, auth=(tenant.token, "")).json()["traits"] == {"a": 1}


def test_consent_is_never_shown(tenant: Tenant) -> None:
    """Trap 24."""
    consent = {"categoryPreferences": {"Advertising": True}}
    tenant.send(
        identify("u1", {"segment_consent_preference.categories.Advertising": True, "a": 1}),
        track("u1", context={"consent": consent, "locale": "de"}),
    )
    for query in ({}, {"verbose": "true"}, {"include": "segment_consent_preference.categories.Advertising,a"}):
        assert tenant.traits("user_id:u1", **query).keys() == {"a"}
    assert tenant.events("user_id:u1")[0]["context"] == {"locale": "de"}


# -- errors -----------------------------------------------------------------------------------------------------


def _error(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["request-id"]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"code", "message"}
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("part", "query", "code"),
    [
        ("traits", {"limit": "0"}, "invalid_request_error"),
        ("traits", {"limit": "x"}, "invalid_request_error"),
        ("traits", {"class": "x"}, "invalid_request_error"),
        ("events", {"sort": "x"}, "invalid_request_error"),
        ("events", {"start": "x"}, "invalid_request_error"),
        ("events", {"end": "x"}, "invalid_request_error"),
        ("events", {"next": "x"}, "invalid_request_error"),
        ("external_ids", {"limit": "-1"}, "invalid_request_error"),
        ("external_ids", {"next": "x!"}, "invalid_request_error"),
        ("links", {"limit": "1.5"}, "invalid_request_error"),
        ("links", {"next": "x"}, "invalid_request_error"),
        ("links", {"next": "OTk5OTk5OTk5OTk5OTk5OTk5OTo6NQ"}, "invalid_request_error"),
        ("events", {"next": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTo6bQ"}, "invalid_request_error"),
    ],
)
def test_a_bad_parameter_is_a_400(tenant: Tenant, part: str, query: dict[str, str], code: str) -> None:
    tenant.send(identify("u1"))
    assert _error(tenant.get(f"user_id:u1/{part}", **query)) == (400, code)


def test_unknown_parameters_are_ignored(tenant: Tenant) -> None:
    tenant.send(identify("u1", {"a": 1}))
    assert tenant.traits("user_id:u1", **{":collection": "x", ":id": "y", "colour": "red"}) == {"a": 1}


def test_collections_that_cannot_be(tenant: Tenant) -> None:
    answer = tenant.get("user_id:u1/traits", "user!s")
    assert _error(answer) == (400, "validation_error")
    assert answer.json()["error"]["message"] == "The parameter `collection` has invalid character(s) `!`"
    assert _error(tenant.get("user_id:u1/traits", "p" * 65)) == (400, "validation_error")
    assert _error(tenant.get("user_id:u1/traits", "planets")) == (404, "not_found")
    assert tenant.get("", "planets").json()["data"] == []


def test_who_may_ask(tenant: Tenant, server: Server) -> None:
    tenant.send(identify("u1"))
    path = tenant.path("user_id:u1/traits")
    other = server.next_tenant()
    for auth in (None, ("wrong", ""), ("", tenant.token), (tenant.write_key, ""), (other.token, "")):
        assert _error(httpx.get(server.url + path, auth=auth)) == (401, "authentication_error")
    for header in (
        "",
        "Basic",
        "Basic !",
        f"Bearer {tenant.token}",
        base64.b64encode(tenant.token.encode()).decode(),
    ):
        assert _error(httpx.get(server.url + path, headers={"Authorization": header})) == (
            401,
            "authentication_error",
        )
    missing = path.replace(tenant.slug, "no-such-space")
    assert _error(httpx.get(server.url + missing, auth=("wrong", ""))) == (401, "authentication_error")
    assert _error(httpx.get(server.url + missing, auth=(tenant.token, ""))) == (404, "not_found")
    ignored = {"Content-Type": "application/json"}
    assert httpx.get(server.url + path, auth=(tenant.token, "any password"), headers=ignored).status_code == 200


def test_what_is_not_there(tenant: Tenant) -> None:
    tenant.send(identify("u1"))
    assert _error(tenant.get("user_id:u1")) == (404, "not_found")
    assert _error(tenant.get("user_id:u1/wishes")) == (404, "not_found")
    assert _error(tenant.get("user_id:u2/traits")) == (404, "not_found")
    assert _error(tenant.http.get("/v1")) == (404, "not_found")
    assert _error(tenant.http.get(tenant.path("user_id:u1/traits").replace("spaces", "planets"))) == (
        404,
        "not_found",
    )
    elsewhere = tenant.http.get("/elsewhere")
    assert elsewhere.status_code == 404
    assert elsewhere.headers["request-id"]
    assert _error(tenant.http.post(tenant.path("user_id:u1/traits"))) == (405, "invalid_request_error")


def test_no_cors_on_profiles(tenant: Tenant) -> None:
    tenant.send(identify("u1"))
    asking = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET"}
    path = tenant.path("user_id:u1/traits")
    for answer in (
        tenant.http.options(path, headers=asking),
        tenant.http.get(path, headers=asking, auth=(tenant.token, "")),
    ):
        assert answer.is_success
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_has_a_request_id_of_its_own(tenant: Tenant) -> None:
    ids = {tenant.get("user_id:nobody/traits").headers["request-id"] for _ in range(5)}
    assert len(ids) == 5


def test_100_requests_a_second_then_429_with_retry_after(tmp_path: Path) -> None:
    limited: dict[str, Any] = {"limited": space("limited", {}), "other": space("other", {})}
    with running(tmp_path, **limited) as server:
        client = httpx.Client(base_url=server.url, auth=(token("limited"), ""))
        path = "/v1/spaces/limited/collections/users/profiles/user_id:u/traits"
        answers = [client.get(path) for _ in range(150)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:100] == [404] * 100
        assert 429 in statuses
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert _error(refused) == (429, "rate_limit_error")
        assert refused.headers["retry-after"] == "1"
        other = "/v1/spaces/other/collections/users/profiles/user_id:u/traits"
        assert httpx.get(server.url + other, auth=(token("other"), "")).status_code == 404
        time.sleep(1.1)
        assert client.get(path).status_code == 404


def test_profiles_expire_as_the_space_says(tmp_path: Path) -> None:
    brief = {"retention": {"profiles": "2s"}, "rate_limits": {"segment": "unlimited"}}
    with running(tmp_path, brief=space("brief", brief)) as server:
        tenant = Tenant(server, "brief")
        tenant.send(identify("u1", {"a": 1}))
        about = tenant.get("user_id:u1/metadata").json()["metadata"]
        assert about["expires_at"] > about["updated_at"]
        time.sleep(2.1)
        assert _error(tenant.get("user_id:u1/traits")) == (404, "not_found")
        assert tenant.get("").json()["data"] == []
        tenant.send(identify("u1", {"b": 1}))
        assert tenant.traits("user_id:u1") == {"b": 1}
