"""What was acknowledged survives `kill -9`, and a writer that dies is begun anew."""

import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import httpx
import pytest
from segment.analytics.request import post

from mien.store.base import EventQuery
from mien.store.sql import open_store
from tests.factories import user
from tests.server import Server, Tenant, space

ROUNDS = int(os.environ.get("MIEN_KILL_ROUNDS", "8"))
SETTINGS = {"rate_limits": {"segment": "unlimited"}}


@pytest.fixture
def killable(tmp_path: Path) -> Server:
    return Server(tmp_path, {"acme": space("acme", SETTINGS)})


def test_acknowledged_data_survives_kill_9_under_load(killable: Server) -> None:
    """Three threads send without a pause, with the transport of a real client; the server is killed again and again.

    Everything the client was told is there afterwards, and nothing is there twice.
    """
    killable.start()
    acknowledged: list[str] = []
    done = threading.Event()

    def send(worker: int) -> None:
        serial = 0
        while not done.is_set():
            ids = [f"{worker}-{serial + n}" for n in range(20)]
            serial += 20
            batch = [
                {"type": "track", "userId": f"u{worker}", "event": "E", "properties": {"id": i}, "messageId": i}
                for i in ids
            ]
            while not done.is_set():
                try:
                    post("wk_acme", host=killable.url, batch=batch, timeout=10)
                    acknowledged.extend(ids)
                    break
                except Exception:  # noqa: BLE001 (any failure of the client is a reason to send again)
                    time.sleep(0.02)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    chance = random.Random(5)
    for _ in range(ROUNDS):
        time.sleep(0.2 + chance.random() * 0.5)
        killable.kill(with_writer=chance.random() < 0.5)
        killable.start()
    time.sleep(0.5)
    done.set()
    for thread in threads:
        thread.join()
    killable.stop()
    assert len(acknowledged) > 20 * ROUNDS
    with open_store(killable.store) as store:
        assert store.check() == []
        kept: list[str] = []
        for worker in range(3):
            profile = store.owner("acme", user("user_id", f"u{worker}"))
            assert profile is not None
            head = store.head(profile)
            assert head is not None
            events = [event.message for event in store.events(head, EventQuery(limit=10**6))]
            assert len(events) == len(set(events))
            assert store.activity(profile)["E"].times == len(events)
            kept += events
    assert set(acknowledged) <= set(kept)


def test_a_writer_that_dies_is_begun_anew(killable: Server) -> None:
    killable.start()
    try:
        tenant = Tenant(killable, "acme")
        tenant.send({"type": "identify", "userId": "u1", "traits": {"a": 1}})
        os.kill(_writer_of(killable.process.pid), signal.SIGKILL)
        statuses = set()
        for _ in range(200):
            answer = tenant.post("/v1/identify", {"userId": "u1", "traits": {"b": 1}})
            statuses.add(answer.status_code)
            if answer.status_code == 200:
                break
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert tenant.traits("user_id:u1") == {"a": 1}
            time.sleep(0.05)
        assert tenant.traits("user_id:u1") == {"a": 1, "b": 1}
        assert "mien_writer_restarts_total 1.0" in httpx.get(f"{killable.url}/metrics").text
    finally:
        killable.stop()


def _writer_of(server: int) -> int:
    """Return the process that holds the database open for writing beside the server."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                command = (folder / "cmdline").read_text()
            except OSError:
                continue
            if int(fields[1]) == server and "spawn_main" in command:
                return int(folder.name)
    raise AssertionError("the writer was not found")


def test_stopping_answers_what_was_begun(killable: Server) -> None:
    """A request whose body is still on its way when the server is told to stop is taken in and answered."""
    killable.start()
    with socket.create_connection(("127.0.0.1", killable.port), timeout=20) as connection:
        body = b'{"writeKey":"wk_acme","userId":"u1","traits":{"a":1}}'
        head = b"POST /v1/identify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        connection.sendall(head + body[:10])
        time.sleep(0.3)
        killable.process.terminate()
        time.sleep(0.3)
        connection.sendall(body[10:])
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    killable.process.wait(20)
    killable.start()
    assert Tenant(killable, "acme").traits("user_id:u1") == {"a": 1}
    killable.stop()


def test_a_full_queue_tells_clients_to_wait(killable: Server) -> None:
    """With a queue of one megabyte, some of many large requests at once are put off, and none is lost."""
    killable.start(environment={"MIEN_QUEUE_BYTES": str(1 << 20)})
    try:
        tenant = Tenant(killable, "acme")
        body = {
            "batch": [
                {"type": "track", "userId": "u", "event": "E", "properties": {"a": "x" * 20_000}} for _ in range(20)
            ]
        }
        statuses: list[int] = []

        def send() -> None:
            with httpx.Client(base_url=killable.url, auth=("wk_acme", ""), timeout=30) as client:
                for _ in range(10):
                    answer = client.post("/v1/batch", json=body)
                    statuses.append(answer.status_code)
                    assert answer.status_code == 200 or answer.headers["retry-after"]

        threads = [threading.Thread(target=send) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 429}
        with open_store(killable.store) as store:
            profile = store.owner("acme", user("user_id", "u"))
            assert profile is not None
            assert store.activity(profile)["E"].times == 20 * statuses.count(200)
        assert tenant.get("user_id:u/traits").status_code == 200
    finally:
        killable.stop()
