"""A browser reads one profile, and never holds the key: read tokens, and CORS (reference: 7, rule 6)."""

import base64
import time

import pytest

from mien.core.space import Credential
from mien.dialects.growthloop.tokens import PREFIX, ReadToken, write
from mien.services.secrets import digest
from mien.store.sql import open_store
from tests.dialects.growthloop.conftest import Shop, until
from tests.server import identify


def test_a_token_opens_one_profile_and_nothing_else(shop: Shop) -> None:
    shop.send(identify("u1", {"a": 1, "email": "a@b.co"}), identify("u2", {"a": 2}))
    token = shop.read_token("users", "u1")
    assert shop.entity("customers/u1", key=token)["a"] == 1
    assert shop.entity("users/%75%31", key=token)["a"] == 1
    for path, method in (
        ("entities/customers/u2", "GET"),
        ("entities/customers/no", "GET"),
        ("entities/by_email/u1", "GET"),
        ("entities/by_email/a@b.co", "GET"),
        ("entities/customers/u1?explain=true", "GET"),
        ("audiences", "GET"),
        ("audiences?identifier=u1", "GET"),
        ("tokens", "POST"),
        ("entities/customers:batchGet", "POST"),
    ):
        answer = shop.ask(path, token, method, **({"json": {"ids": ["u1"]}} if method == "POST" else {}))
        assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope"), path


def test_a_token_may_be_made_before_its_profile(shop: Shop) -> None:
    token = shop.read_token("customers", "new")
    assert shop.ask("entities/customers/new", token).json()["error"] == "profile_not_found"
    shop.send(identify("new", {"a": 1}))
    assert shop.entity("customers/new", key=token)["a"] == 1


def test_a_token_says_when_it_ends_and_ends_then(shop: Shop) -> None:
    shop.send(identify("u1"))
    answer = shop.ask("tokens", method="POST", json={"entity": "customers", "id": "u1", "ttl": 1})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json().keys() == {"token", "expires_at"}
    token = answer.json()["token"]
    assert shop.ask("entities/customers/u1", token).status_code == 200
    time.sleep(1.1)
    late = shop.ask("entities/customers/u1", token, headers={"origin": shop.origin})
    assert (late.status_code, late.json()["error"]) == (401, "unauthorized")
    assert late.headers["access-control-allow-origin"] == shop.origin, "the page may see that it needs another"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"entity": "customers"},
        {"entity": "customers", "id": 5},
        {"entity": "customers", "id": "u1", "ttl": 0},
        {"entity": "customers", "id": "u1", "ttl": 3601},
        {"entity": "customers", "id": "u1", "ttl": "60"},
    ],
)
def test_what_no_token_is_made_of(shop: Shop, body: dict[str, object]) -> None:
    answer = shop.ask("tokens", method="POST", json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_who_may_make_tokens(shop: Shop) -> None:
    body = {"entity": "customers", "id": "u1"}
    assert shop.http.post("/v1/tokens", json=body).status_code == 401
    assert shop.ask("tokens", shop.unscoped, "POST", json=body).status_code == 403
    assert shop.ask("tokens", method="POST", json={**body, "entity": "no"}).json()["error"] == "entity_not_found"
    assert shop.ask("tokens", method="POST", json={**body, "id": ""}).json()["error"] == "invalid_id"
    assert shop.ask("tokens").headers["allow"] == "OPTIONS, POST"


def test_a_token_that_somebody_changed_opens_nothing(shop: Shop) -> None:
    shop.send(identify("u1"), identify("u2"))
    token = shop.read_token("customers", "u1")
    said, signature = token.removeprefix(PREFIX).split(".")
    other = base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).replace(b"u1", b"u2")
    forged = base64.urlsafe_b64encode(other).rstrip(b"=").decode()
    for bad in (
        f"{PREFIX}{forged}.{signature}",
        f"{PREFIX}{said}.{signature[:-1]}",
        f"{PREFIX}{said}.",
        f"{PREFIX}{said}",
        f"{PREFIX}{said}.{signature}x",
        f"{PREFIX}.",
        PREFIX,
        f"{PREFIX}{base64.urlsafe_b64encode(b'[]').decode()}.x",
        f"{PREFIX}é.é",
        f"{PREFIX}{'A' * 8000}.x",
    ):
        for path in ("entities/customers/u1", "entities/customers/u2"):
            answer = shop.ask(path, headers={"authorization": f"Bearer {bad}".encode(), "origin": shop.origin})
            assert answer.status_code == 401
            assert answer.headers["access-control-allow-origin"] == shop.origin


def test_a_token_dies_with_its_key(shop: Shop) -> None:
    shop.send(identify("u1"))
    token = shop.read_token("customers", "u1")
    assert shop.ask("entities/customers/u1", token).status_code == 200
    new = shop.server.mien("token", "create", shop.slug, "site", "--dialect", "growthloop").strip()
    until(lambda: shop.ask("entities/customers/u1", token).status_code == 401)
    refused = shop.ask("entities/customers/u1", token, headers={"origin": shop.origin})
    assert refused.headers["access-control-allow-origin"] == shop.origin, "the page may see that it needs another"
    elsewhere = shop.ask("entities/customers/u1", token, headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in elsewhere.headers
    assert shop.ask("entities/customers/u1").status_code == 401
    shop.key = new
    assert shop.entity("customers/u1", key=shop.read_token("customers", "u1"))
    shop.server.mien("token", "revoke", shop.slug, "site", "--dialect", "growthloop")
    until(lambda: shop.ask("entities/customers/u1", new).status_code == 401)


PREFLIGHT = {"access-control-request-method": "GET", "access-control-request-headers": "authorization"}


def test_a_preflight_is_answered_for_every_origin_some_space_lists(shop: Shop) -> None:
    path = "/v1/entities/customers/u1"
    for origin in (shop.origin, "http://localhost:3000"):
        answer = shop.http.options(path, headers={"origin": origin, **PREFLIGHT})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, origin)
        assert "authorization" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD"
        assert "origin" in answer.headers["vary"]
    for origin in ("https://evil.example", "null", f"{shop.origin}.evil.example"):
        answer = shop.http.options(path, headers={"origin": origin, **PREFLIGHT})
        assert "access-control-allow-origin" not in answer.headers
    for other in ("/v1/tokens", "/v1/audiences", "/v1/entities/customers:batchGet"):
        answer = shop.http.options(other, headers={"origin": shop.origin, **PREFLIGHT})
        assert "access-control-allow-origin" not in answer.headers


def test_pages_read_what_a_token_opened_and_only_from_the_origins_of_its_space(shop: Shop, limited: Shop) -> None:
    shop.send(identify("u1"))
    token = shop.read_token("customers", "u1")
    answer = shop.ask("entities/customers/u1", token, headers={"origin": shop.origin})
    assert answer.headers["access-control-allow-origin"] == shop.origin
    assert "etag" in answer.headers["access-control-expose-headers"]
    assert "origin" in answer.headers["vary"]
    assert "access-control-allow-credentials" not in answer.headers
    for path in ("entities/customers/u1", "entities/customers/u2"):
        same = shop.ask(path, token, headers={"origin": shop.origin, "if-none-match": answer.headers["etag"]})
        assert same.status_code == (304 if path.endswith("u1") else 403)
        assert same.headers["access-control-allow-origin"] == shop.origin
    for origin in (limited.origin, "https://evil.example"):
        elsewhere = shop.ask("entities/customers/u1", token, headers={"origin": origin})
        assert "access-control-allow-origin" not in elsewhere.headers


def test_tokens_spend_a_rate_of_their_own(limited: Shop) -> None:
    """The token is made here: asking for it would spend the key's rate, which another test counts."""
    credential = Credential(
        space=limited.slug, dialect="growthloop", name="site", digest=digest(limited.key), created_at=1
    )
    ends = (int(time.time()) + 900) * 1_000_000
    with open_store(limited.server.store) as store:
        number = store.tenancy().number
    busy, other = (
        write(ReadToken(limited.slug, "site", "customers", name, ends), credential, number=number)
        for name in ("busy", "other")
    )
    statuses = [limited.ask("entities/customers/busy", busy).status_code for _ in range(4)]
    assert statuses == [404, 404, 404, 429]
    assert limited.ask("entities/customers/other", other).status_code == 404


def test_a_page_that_holds_the_key_reads_nothing(shop: Shop) -> None:
    shop.send(identify("u1"))
    for path in ("entities/customers/u1", "audiences"):
        answer = shop.ask(path, headers={"origin": shop.origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
