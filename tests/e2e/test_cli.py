"""The command line beside a running server."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from tests.server import Server, Tenant, identify, track


def _dies(check: Callable[[], bool]) -> None:
    """Check that a secret is refused from one second after its revocation on."""
    time.sleep(1.0)
    assert not any(check() for _ in range(5))


def test_tokens_are_created_listed_and_dead_within_a_second_of_revocation(tenant: Tenant, server: Server) -> None:
    tenant.send(identify("u1"))
    secret = server.mien("token", "create", tenant.slug, "crm/production").strip()

    def opens() -> bool:
        return httpx.get(server.url + tenant.path("user_id:u1/traits"), auth=(secret, "")).status_code == 200

    time.sleep(0.6)
    assert opens()
    listed = server.mien("token", "list", tenant.slug)
    assert "crm/production" in listed
    assert secret not in listed
    server.mien("token", "revoke", tenant.slug, "crm/production")
    _dies(opens)


def test_sources_are_created_listed_and_dead_within_a_second_of_revocation(tenant: Tenant, server: Server) -> None:
    key = server.mien("source", "create", tenant.slug, "app", "--kind", "server").strip()
    serial = iter(range(100))

    def takes() -> bool:
        user = f"u{next(serial)}"
        httpx.post(f"{server.url}/v1/identify", json=identify(user), auth=(key, ""))
        return tenant.get(f"user_id:{user}/traits").status_code == 200

    time.sleep(0.6)
    assert takes()
    assert "server" in server.mien("source", "list", tenant.slug)
    server.mien("source", "revoke", tenant.slug, "app")
    _dies(takes)


def test_a_space_applied_beside_a_running_server_works_at_once(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    file.write_text(
        "spaces: {late: {sources: {web: {write_key: wk_late}}, segment: {tokens: {t: tok_late_0123456789}}}}"
    )
    assert "create space late" in server.mien("apply", str(file))
    assert "nothing to change" in server.mien("apply", str(file))
    time.sleep(0.6)
    httpx.post(f"{server.url}/v1/identify", json=identify("u1", {"a": 1}), auth=("wk_late", ""))
    path = "/v1/spaces/late/collections/users/profiles/user_id:u1/traits"
    assert httpx.get(server.url + path, auth=("tok_late_0123456789", "")).json()["traits"] == {"a": 1}
    exported = yaml.safe_load(server.mien("export"))["spaces"]["late"]
    assert exported["sources"]["web"]["write_key"].startswith("sha256:")


def test_a_profile_is_shown_with_the_reason_of_every_value(tenant: Tenant, server: Server) -> None:
    tenant.send(
        identify("u1", {"plan": "pro", "gone": None}, anonymousId="a1", messageId="m1"), track("u1", "Bought")
    )
    shown = json.loads(server.mien("profile", "show", tenant.slug, "anonymous_id:a1"))
    assert shown["traits"]["plan"]["value"] == "pro"
    assert shown["traits"]["plan"]["message"] == "m1"
    assert shown["traits"]["gone"]["removed"] is True
    assert shown["activity"]["Bought"]["count"] == 1
    assert {row["value"] for row in shown["identifiers"]} == {"u1", "a1"}
    assert shown["segment_id"] == tenant.segment_id("user_id:u1")


def _mien(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-m", "mien", *arguments], capture_output=True, text=True, check=False)


def test_a_merge_is_told_undone_and_read_at_once(tenant: Tenant, server: Server) -> None:
    """Two people shared a browser; the operator finds out why they are one, and undoes it."""
    tenant.send({**identify("", {"plan": "pro"}), "userId": None, "anonymousId": "browser"})
    tenant.send({**identify("ann", {"city": "Ulm"}), "traits": {"email": "ann@x.c", "city": "Ulm"}})
    tenant.send({**identify("ann"), "anonymousId": "browser", "messageId": "the-bridge"})
    told = server.mien("profile", "history", tenant.slug, "user_id:ann")
    assert "message the-bridge of source" in told
    young = next(word for word in told.split() if word.startswith("use_"))
    assert "email:ann@x.c came by message" in server.mien("profile", "why", tenant.slug, "user_id:ann")
    assert "was undone" in server.mien("profile", "unmerge", tenant.slug, young, "--forever")
    assert tenant.traits("user_id:ann") == {"email": "ann@x.c", "city": "Ulm"}
    assert tenant.traits("anonymous_id:browser") == {"plan": "pro"}
    tenant.send({**identify("ann"), "anonymousId": "browser"})
    assert tenant.identifiers("user_id:ann") == {("user_id", "ann"), ("email", "ann@x.c")}


def test_somebody_is_forgotten_and_does_not_come_back_until_told(tenant: Tenant, server: Server) -> None:
    tenant.send(identify("bob", {"email": "Bob@x.c"}), track("bob"))
    assert "Suppressed: 2 identifiers" in server.mien("forget", tenant.slug, "email:BOB@x.c")
    assert tenant.get("user_id:bob/traits").status_code == 404
    tenant.send(identify("bob", {"email": "bob@x.c"}))
    assert tenant.get("user_id:bob/traits").status_code == 404
    assert ("suppressed", "") in tenant.discards()
    assert "1 profiles" in server.mien("deletions", tenant.slug)
    listed = server.mien("suppression", "list", tenant.slug)
    assert "bob" not in listed.lower()
    assert "user_id" in listed
    assert "It may come back." in server.mien("suppression", "end", tenant.slug, "user_id:bob")
    tenant.send(identify("bob", {"plan": "free"}))
    assert tenant.traits("user_id:bob") == {"plan": "free"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("profile", "show", "nowhere", "user_id:1"), "There is no space `nowhere`"),
        (("token", "create", "nowhere", "x"), "There is no space `nowhere`"),
        (("token", "create", "nowhere", "x", "--dialect", "latin"), "There is no dialect `latin`"),
        (("source", "revoke", "nowhere", "x"), "has no source"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_status_1(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    done = _mien(*arguments, "--store", f"sqlite:///{tmp_path / 'mien.db'}")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (b"spaces:\n  caf\xe9: {}", "line 2: not YAML"),
        (b"spaces:\n  a: {retention: {events: '[/x]'}}", "line 2: a.retention.events: `[/x]` is not a duration"),
    ],
)
def test_a_mistake_in_a_file_is_a_sentence_with_its_line(tmp_path: Path, file: bytes, sentence: str) -> None:
    (tmp_path / "spaces.yaml").write_bytes(file)
    store = ("--store", f"sqlite:///{tmp_path / 'mien.db'}")
    for command in (("apply",), ("serve", "--apply")):
        done = _mien(*command, str(tmp_path / "spaces.yaml"), *store)
        assert done.returncode == 1
        assert f"mien: {sentence}" in done.stderr


def test_serve_refuses_settings_that_cannot_be(tmp_path: Path) -> None:
    for arguments, sentence in (
        (("--store", "redis://x"), "sqlite:///FILE"),
        (("--store", f"sqlite:///{tmp_path}/no/folder/x.db"), "cannot be opened"),
        (("--port", "99999", "--store", f"sqlite:///{tmp_path / 'mien.db'}"), "port"),
    ):
        done = _mien("serve", *arguments)
        assert done.returncode == 1
        assert sentence in done.stderr


def test_the_doctor_says_what_is_wrong_and_how_to_mend_it(tmp_path: Path, server: Server) -> None:
    assert "Nothing wrong was found" in server.mien("doctor")
    url = f"sqlite:///{tmp_path / 'mien.db'}"
    empty = _mien("doctor", "--store", url)
    assert empty.returncode == 1
    assert "There is no space yet" in empty.stdout
    assert "mien apply" in empty.stdout
    (tmp_path / "spaces.yaml").write_text("spaces: {acme: {}}")
    _mien("apply", str(tmp_path / "spaces.yaml"), "--store", url)
    bare = _mien("doctor", "--store", url).stdout
    assert "mien source create acme" in bare
    assert "mien token create acme" in bare
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database at all" * 100)
    assert "not a SQLite database" in _mien("doctor", "--store", f"sqlite:///{broken}").stdout


def test_health_and_metrics(tenant: Tenant, server: Server) -> None:
    tenant.send(identify("jane@example.com"))
    tenant.get("user_id:jane@example.com/traits")
    assert httpx.get(f"{server.url}/livez").text == "ok\n"
    assert httpx.get(f"{server.url}/readyz").json() == {"ready": True}
    metrics = httpx.get(f"{server.url}/metrics").text
    assert 'mien_messages_total{outcome="accepted"}' in metrics
    assert 'route="/v1/batch",status="200"' in metrics
    assert "jane" not in metrics


def test_logs_hold_no_personal_data_and_no_secrets(tmp_path: Path) -> None:
    from tests.server import ADMITTED, space  # noqa: PLC0415

    server = Server(tmp_path, {"acme": space("acme", ADMITTED)})
    server.start(environment={"MIEN_ACCESS_LOG": "true", "MIEN_LOG_JSON": "true"})
    try:
        tenant = Tenant(server, "acme")
        tenant.send(identify("jane@example.com", {"email": "jane@example.com"}))
        tenant.get("email:jane@example.com/traits")
        tenant.get("email:jane@example.com/traits", limit="jane")
        tenant.post("/v1/track", b"{jane")
        httpx.get(server.url + tenant.path("user_id:jane/traits"), auth=("tok_jane", ""))
    finally:
        server.stop()
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert len([line for line in lines if line["event"] == "request"]) >= 5
    assert "jane" not in log
    assert tenant.token not in log
    assert tenant.write_key not in log
