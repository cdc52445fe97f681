"""The Personalization API over HTTP (seed; reference: growthloop 1, 7 and 8)."""

import base64
import http.client
import time
from urllib.parse import urlsplit

import pytest

from tests.dialects.growthloop.conftest import Shop, until
from tests.server import identify


def test_the_next_read_sees_what_was_written_and_nobody_else_does(shop: Shop) -> None:
    """Golden case 9, for traits."""
    shop.send(identify("u1", {"offer": "5%"}), identify("u2", {"offer": "50%"}))
    assert (shop.entity("customers/u1")["offer"], shop.entity("customers/u2")["offer"]) == ("5%", "50%")
    shop.send(identify("u1", {"offer": "10%"}))
    assert (shop.entity("customers/u1")["offer"], shop.entity("customers/u2")["offer"]) == ("10%", "50%")


def test_the_answer_names_the_entity_and_the_id_as_they_are_kept(shop: Shop) -> None:
    shop.send(identify("u1", {"email": "Jane@Example.com", "first_name": "Jane", "audiences": "x"}))
    assert shop.entity("users/u1")["entity_name"] == "customers"
    assert shop.entity("by_email/JANE@example.com") == {
        "attr_audiences": "x",
        "audience_count": 0,
        "audiences": {},
        "entity_id": "jane@example.com",
        "entity_name": "by_email",
        "first_name": "Jane",
    }


def test_accounts_are_an_entity_like_any_other(shop: Shop) -> None:
    shop.send({"type": "group", "userId": "u1", "groupId": "g1", "traits": {"plan": "team"}})
    assert shop.entity("companies/g1")["plan"] == "team"
    assert shop.ask("entities/customers/g1").json()["error"] == "profile_not_found"


def test_a_known_id_with_nothing_known_is_200_with_the_four_reserved_keys(shop: Shop) -> None:
    shop.send(identify("u1"))
    assert shop.entity("customers/u1") == {
        "audience_count": 0,
        "audiences": {},
        "entity_id": "u1",
        "entity_name": "customers",
    }


@pytest.mark.parametrize(
    ("value", "segments"),
    [
        ("a@b.com", ["a@b.com", "a%40b.com", "%61@b.com"]),
        ("a/b", ["a%2Fb", "a%2fb"]),
        ("a%2Fb", ["a%252Fb"]),
        ("+15550100", ["+15550100", "%2B15550100"]),
        ("😀", ["%F0%9F%98%80"]),
        ("..", ["%2E%2E", ".."]),
        ("007", ["007"]),
        ("a:=,b", ["a:=,b", "a%3A%3D%2Cb"]),
        ("Jürgen ", ["J%C3%BCrgen%20"]),
        ("x" * 1024, ["x" * 1024]),
        ("é" * 512, ["%C3%A9" * 512]),
        ("u1:batchGet", ["u1:batchGet"]),
        ("{}\"'<>|\\^`", ["%7B%7D%22'%3C%3E%7C%5C%5E%60"]),
    ],
)
def test_ids_are_found_however_they_are_encoded(shop: Shop, value: str, segments: list[str]) -> None:
    """Golden case 7; rules 1 to 3 and 5."""
    shop.send(identify(value, {"it": value}))
    for segment in segments:
        status, body = raw(shop, f"/v1/entities/customers/{segment}")
        assert (status, f'"it":{base_json(value)}' in body) == (200, True), (segment, body)
        assert raw(shop, f"/growthloop/v1/entities/customers/{segment}/") == (status, body)


def base_json(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def raw(shop: Shop, path: str, method: str = "GET") -> tuple[int, str]:
    """Send a path exactly as it is: other clients tidy it up."""
    host = urlsplit(shop.server.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=30)
    try:
        connection.request(method, path, headers={"Authorization": f"Bearer {shop.key}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("other", ["U1", "u1%20", "%20u1", "%75%31x", "01", "1", "u%C3%BC", "u1%2F"])
def test_ids_that_only_look_alike_are_others(shop: Shop, other: str) -> None:
    shop.send(identify("u1"), identify("001"), identify("ü"))
    answer = shop.ask(f"entities/customers/{other}")
    assert (answer.status_code, answer.json()["error"]) == (404, "profile_not_found")


@pytest.mark.parametrize(
    "segment",
    [
        "x" * 1025,
        "%C3%A9" * 513,
        "%",
        "a%",
        "a%2",
        "a%ZZb",
        "%FF",
        "%C3",
        "%ED%A0%80",
        "a%00",
        "%0A",
        "%7F",
        "%C2%85",
    ],
)
def test_an_id_that_cannot_be_is_400(shop: Shop, segment: str) -> None:
    status, body = raw(shop, f"/v1/entities/customers/{segment}")
    assert (status, '"error":"invalid_id"' in body) == (400, True), body
    anonymous = shop.http.get("/v1/entities/customers/%00")
    assert anonymous.status_code == 401, "whoever has no key learns nothing"


@pytest.mark.parametrize(
    "path",
    [
        "entities",
        "entities/",
        "entities/customers",
        "entities/customers/",
        "entities/customers/a/b",
        "entities/customers/a/b/c",
        "entities/customers/a//",
        "entities//a",
        "entities/:batch",
    ],
)
def test_other_paths_are_not_found(shop: Shop, path: str) -> None:
    shop.send(identify("a"))
    for root in ("", "/growthloop"):
        status, body = raw(shop, f"{root}/v1/{path}")
        assert (status, '"error":"not_found"' in body) == (404, True), (path, body)


def test_under_its_own_prefix_everything_else_is_answered_in_its_words_too(shop: Shop) -> None:
    for path in ("", "/", "/v1", "/v1/identify", "/x"):
        status, body = raw(shop, f"/growthloop{path}")
        assert (status, '"error":"not_found"' in body) == (404, True), (path, body)
    assert shop.http.get("/v1/nothing").json()["error"]["code"] == "not_found"


def test_who_may_ask(shop: Shop) -> None:
    """Golden case 6, and the first lines of the table."""
    shop.send(identify("u1", {"email": "a@b.co"}))
    answers = [
        shop.http.get("/v1/entities/customers/u1", headers={"authorization": given} if given else {})
        for given in ("", "Bearer", "Bearer no", f"Basic {shop.key}", shop.key, f"Bearer {shop.token}")
    ]
    answers.append(shop.http.get("/v1/entities/customers/u1", auth=(shop.key, "")))
    for answer in answers:
        assert answer.status_code == 401
        assert answer.json() == answers[0].json()
        assert answer.json()["error"] == "unauthorized"
        assert answer.headers["www-authenticate"] == 'Bearer realm="personalization"'
        assert answer.headers["x-request-id"] == answer.headers["request-id"]
    answer = shop.ask("entities/customers/u1", shop.unscoped)
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert shop.get("user_id:u1/traits").status_code == 200
    refused = shop.http.get(shop.path("user_id:u1/traits"), auth=(shop.key, ""))
    assert refused.status_code == 401, "a key of one dialect opens no other"


def test_a_key_opens_no_other_space(shop: Shop, shops: object) -> None:
    other = next(shops)  # type: ignore[call-overload]
    shop.send(identify("u1", {"mine": 1}))
    assert shop.ask("entities/customers/u1", other.key).status_code == 404


@pytest.mark.parametrize("path", ["nothing/u1", "Customers/u1", "cust%20omers/u1", "x" * 129 + "/u1", "%FF/u1"])
def test_an_unknown_entity(shop: Shop, path: str) -> None:
    shop.send(identify("u1"))
    answer = shop.ask(f"entities/{path}")
    assert (answer.status_code, answer.json()["error"]) == (404, "entity_not_found")


def test_a_key_may_be_limited_to_entities(shop: Shop) -> None:
    """Not 403: names cannot be probed."""
    shop.send(identify("u1", {"email": "a@b.co", "first_name": "A"}))
    assert shop.entity("by_email/a@b.co", key=shop.narrow)["first_name"] == "A"
    for name in ("customers", "users", "nothing"):
        answer = shop.ask(f"entities/{name}/u1", shop.narrow)
        assert (answer.status_code, answer.json()["error"]) == (404, "entity_not_found")
    answer = shop.ask("tokens", shop.narrow, "POST", json={"entity": "customers", "id": "u1"})
    assert answer.json()["error"] == "entity_not_found"


def test_a_key_may_be_made_on_the_command_line(shop: Shop) -> None:
    shop.send(identify("u1", {"email": "a@b.co"}))
    made = shop.server.mien(
        "token",
        "create",
        shop.slug,
        "crm",
        "--dialect",
        "growthloop",
        "--entity",
        "by_email",
        "--scope",
        "personalization",
    ).strip()
    until(lambda: shop.ask("entities/by_email/a@b.co", made).status_code == 200)
    assert shop.ask("entities/customers/u1", made).json()["error"] == "entity_not_found"
    [line] = [row for row in shop.server.mien("token", "list", shop.slug).splitlines() if "growthloop  crm" in row]
    assert "entities: by_email" in line
    assert "scopes: personalization" in line


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_may_be_base64(shop: Shop, encode: object) -> None:
    """Golden case 11."""
    shop.send(identify("u1"))
    for text in (shop.key, f"{shop.key}\n"):
        encoded = encode(text.encode()).decode()  # type: ignore[operator]
        for form in (encoded, encoded.rstrip("=")):
            assert shop.ask("entities/customers/u1", form).status_code == 200
    assert shop.ask("entities/customers/u1", base64.b64encode(b"no").decode()).status_code == 401
    headers = {"authorization": f"bearer  {shop.key}"}
    assert shop.http.get("/v1/entities/customers/u1", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_other_methods(shop: Shop, method: str) -> None:
    answer = shop.ask("entities/customers/u1", method=method)
    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


def test_head_and_options(shop: Shop) -> None:
    shop.send(identify("u1", {"a": 1}))
    whole, head = shop.ask("entities/customers/u1"), shop.ask("entities/customers/u1", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    same = ("content-length", "content-type", "etag", "cache-control")
    assert [head.headers[name] for name in same] == [whole.headers[name] for name in same]
    assert shop.ask("entities/customers/no", method="HEAD").status_code == 404
    options = shop.http.options("/v1/entities/customers/u1")
    assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


def test_a_content_type_a_body_and_unknown_parameters_are_passed_over(shop: Shop) -> None:
    """Golden case 8."""
    shop.send(identify("u1", {"a": 1}))
    plain = shop.entity("customers/u1")
    for given in (
        {"headers": {"content-type": "application/json"}},
        {"content": b"{not json"},
        {"json": {"a": 1}},
        {"params": {"expand": "everything", "page": "x", "": ""}},
    ):
        assert shop.entity("customers/u1", **given) == plain


def test_a_selection(shop: Shop) -> None:
    shop.send(identify("u1", {"a": 1, "b": {"z": 1, "y": 2}, "c,d": 3}))
    answer = shop.entity("customers/u1", params={"fields": "", "audiences": ""})
    assert answer.keys() == {"audience_count", "audiences", "entity_id", "entity_name"}, "none, and not everything"
    answer = shop.entity("customers/u1", params={"fields": "b,nothing", "audiences": "1"})
    assert answer.keys() == {"audience_count", "audiences", "b", "entity_id", "entity_name"}
    explained = shop.entity("customers/u1", params={"explain": "true"})["explanations"]
    assert explained.keys() == {"a", "b", "c,d", "audiences"}
    assert explained["a"].keys() == {"message_id", "source_id", "updated_at"}


def test_an_answer_states_its_age_and_is_not_sent_twice(shop: Shop) -> None:
    shop.send(identify("u1", {"a": 1}))
    before = int(time.time())
    first = shop.ask("entities/customers/u1")
    assert first.headers["cache-control"] == "private, no-cache"
    assert "last-modified" not in first.headers, "what time alone changes has no such moment"
    assert first.headers["x-profile-as-of"][:4] == time.strftime("%Y", time.gmtime(before))
    etag = first.headers["etag"]
    for given in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = shop.ask("entities/customers/u1", headers={"if-none-match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert "content-type" not in again.headers
    assert shop.ask("entities/customers/u1", headers={"if-none-match": '"other"'}).status_code == 200
    assert shop.ask("entities/customers/no", headers={"if-none-match": "*"}).status_code == 404
    shop.send(identify("u1", {"a": 2}))
    changed = shop.ask("entities/customers/u1", headers={"if-none-match": etag})
    assert (changed.status_code, changed.json()["a"]) == (200, 2)


def test_every_error_has_its_id_under_both_names(shop: Shop) -> None:
    for path in ("entities/customers/no", "entities/x", "tokens"):
        answer = shop.ask(path)
        assert answer.headers["x-request-id"] == answer.headers["request-id"]
        assert answer.status_code >= 400
    for answer in (shop.ask("audiences"), shop.get("user_id:u1/traits")):
        assert "request-id" in answer.headers
        assert "x-request-id" not in answer.headers


def test_several_profiles_at_once(shop: Shop) -> None:
    shop.send(identify("u1", {"a": 1}), identify("u2", {"a": 2}), identify("a/b", {"a": 3}))
    answer = shop.ask("entities/users:batchGet", method="POST", json={"ids": ["u2", "no", "a/b", "u2", "u1"]})
    assert answer.json()["not_found"] == ["no"]
    assert [(one["entity_id"], one["a"]) for one in answer.json()["entities"]] == [("u2", 2), ("a/b", 3), ("u1", 1)]
    assert answer.json()["entities"][2] == shop.entity("customers/u1")


def test_a_batch_has_whom_several_spellings_name_once(shop: Shop) -> None:
    shop.send(identify("u1", {"email": "jane@example.com"}))
    ids = ["Jane@example.com", "no@x.co", "jane@example.com", "NO@x.co"]
    answer = shop.ask("entities/by_email:batchGet", method="POST", json={"ids": ids}).json()
    assert [one["entity_id"] for one in answer["entities"]] == ["jane@example.com"]
    assert answer["not_found"] == ["no@x.co", "NO@x.co"], "each as it was asked for"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_request"),
        (b"[]", "invalid_request"),
        (b'{"ids": []}', "invalid_request"),
        (b'{"ids": [1]}', "invalid_request"),
        (b'{"ids": ["' + b'x","' * 100 + b'y"]}', "invalid_request"),
        (b'{"ids": ["\\ud800"]}', "invalid_request"),
        (b'{"ids": ["u1", ""]}', "invalid_id"),
        (b'{"ids": ["a\\u0000"]}', "invalid_id"),
    ],
)
def test_a_batch_that_cannot_be(shop: Shop, body: bytes, code: str) -> None:
    answer = shop.ask("entities/customers:batchGet", method="POST", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, code)


def test_the_bounds_of_a_batch(shop: Shop) -> None:
    large = {"ids": ["x" * 3000] * 100}
    answer = shop.ask("entities/customers:batchGet", method="POST", json=large)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    for method in ("GET", "PUT"):
        answer = shop.ask("entities/customers:batchGet", method=method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "OPTIONS, POST")
    assert shop.http.post("/v1/entities/customers:batchGet", json={"ids": ["u1"]}).status_code == 401
    answer = shop.ask("entities/nothing:batchGet", method="POST", json={"ids": ["u1"]})
    assert answer.json()["error"] == "entity_not_found"


def test_the_older_generation(shop: Shop) -> None:
    shop.send(identify("u+1@b.co", {"a": 1}))
    assert shop.ask("audiences").json() == []
    answer = shop.ask("audiences", params={"identifier": "u+1@b.co"})
    assert answer.json() == {
        "audiences": [],
        "profile": {"a": 1, "entity_id": "u+1@b.co", "entity_name": "customers"},
    }
    assert shop.ask("audiences", params={"identifier": "no"}).json()["error"] == "profile_not_found"
    assert shop.ask("audiences", params={"identifier": ""}).json()["error"] == "invalid_id"
    for unsound in ("%ff", "a%C3", "%ED%A0%80"):
        answer = shop.ask(f"audiences?identifier={unsound}")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_id")
    assert shop.ask("audiences?identifier=%EF%BF%BD").json()["error"] == "profile_not_found"
    assert shop.http.get("/v1/audiences").status_code == 401
    assert shop.ask("audiences", shop.unscoped).status_code == 403
    assert shop.ask("audiences", method="DELETE").headers["allow"] == "GET, HEAD, OPTIONS"


def test_there_is_no_rate_limit_unless_one_is_set(shop: Shop, limited: Shop) -> None:
    for _ in range(200):
        assert shop.ask("entities/customers/no").status_code == 404
    statuses = [limited.ask("entities/customers/no").status_code for _ in range(4)]
    assert statuses == [404, 404, 404, 429]
    answer = limited.ask("entities/customers/no")
    assert answer.json()["error"] == "rate_limited"
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit-policy"] == '"space";q=3;w=60'
    assert answer.headers["ratelimit"].startswith('"space";r=0;t=')


def test_the_other_dialect_is_where_it_was(shop: Shop) -> None:
    """The root is shared; only `entities`, `audiences` and `tokens` are this dialect's."""
    assert shop.post("/v1/identify", {"userId": "u1"}).status_code == 200
    assert shop.get("user_id:u1/traits").status_code == 200
    assert shop.http.post("/v1/nothing").json()["error"]["code"] == "not_found"
