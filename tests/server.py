"""A real Mien in a process of its own, and a tenant's view of it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import yaml

SPACES = 400
ADMITTED = {"rate_limits": {"segment": "unlimited"}}


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A process that serves, and can be killed and begun again."""

    def __init__(self, folder: Path, spaces: dict[str, Any], store: str | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = store or f"sqlite:///{folder / 'mien.db'}"
        self.file = folder / "spaces.yaml"
        self.file.write_text(yaml.safe_dump({"spaces": spaces}))
        self.log = folder / "log.txt"
        self._numbers = count()

    def start(self, *flags: str, environment: dict[str, str] | None = None) -> None:
        """Begin to serve; return when it is ready."""
        command = [sys.executable, "-m", "mien", "serve", "--port", str(self.port), "--store", self.store]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--apply", str(self.file), *flags],
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def kill(self, *, with_writer: bool = True) -> None:
        """Kill the server as `kill -9` does, and its writer with it or left to find out."""
        if with_writer:
            os.killpg(self.process.pid, signal.SIGKILL)
        else:
            self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as an operator does."""
        self.process.terminate()
        self.process.wait(20)

    def mien(self, *arguments: str) -> str:
        """Run the command line against the same store, and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "mien", *arguments, "--store", self.store],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "COLUMNS": "250"},
        )
        return done.stdout

    def next_tenant(self) -> "Tenant":
        """Return a space that was not handed out before."""
        return Tenant(self, f"space-{next(self._numbers):03}")


@contextmanager
def running(folder: Path, *flags: str, store: str | None = None, **spaces: Any) -> Iterator[Server]:
    """Run a server with many spaces that admit every request, and with those given by name."""
    many = {f"space-{n:03}": space(f"space-{n:03}", ADMITTED) for n in range(SPACES)}
    server = Server(folder, {**many, **spaces}, store)
    server.start(*flags)
    try:
        yield server
    finally:
        server.stop()


def space(slug: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return a space as it stands in a file, with a source and a token."""
    return {
        "sources": {"web": {"kind": "sdk", "write_key": f"wk_{slug}"}},
        "segment": {"tokens": {"test": token(slug)}},
        **settings,
    }


def token(slug: str) -> str:
    """Return the token that reads a space."""
    return f"tok_0123456789_{slug}"


class Tenant:
    """One space of a running server, as its owner uses it."""

    def __init__(self, server: Server, slug: str) -> None:
        self.server = server
        self.slug = slug
        self.write_key = f"wk_{slug}"
        self.token = token(slug)
        self.http = httpx.Client(base_url=server.url, timeout=30)

    def define(self, definitions: dict[str, Any]) -> None:
        """Apply computed traits and audiences to the space, beside a running server."""
        file = self.server.folder / f"{self.slug}.yaml"
        file.write_text(yaml.safe_dump({"spaces": {self.slug: space(self.slug, {**ADMITTED, **definitions})}}))
        self.server.mien("apply", str(file))

    def send(self, *messages: dict[str, Any], **envelope: Any) -> httpx.Response:
        """Send messages as one batch and expect 200."""
        answer = self.post("/v1/batch", {"batch": list(messages), **envelope})
        assert (answer.status_code, answer.json()) == (200, {"success": True}), answer.text
        return answer

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST JSON, or bytes as they are, with the write key as Basic user."""
        given = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.post(path, auth=(self.write_key, ""), headers=headers, **given)  # type: ignore[arg-type]

    def get(self, path: str, collection: str = "users", **query: Any) -> httpx.Response:
        """GET below a collection's profiles, such as `user_id:1/traits`."""
        return self.http.get(self.path(path, collection), params=query or None, auth=(self.token, ""))

    def path(self, path: str, collection: str = "users") -> str:
        """Return the path below a collection's profiles."""
        return f"/v1/spaces/{self.slug}/collections/{collection}/profiles{'/' if path else ''}{path}"

    def traits(self, identifier: str, collection: str = "users", **query: Any) -> dict[str, Any]:
        """Return up to 200 traits of a profile that exists."""
        answer = self.get(f"{identifier}/traits", collection, limit=200, **query)
        assert answer.status_code == 200, answer.text
        traits: dict[str, Any] = answer.json()["traits"]
        return traits

    def events(self, identifier: str, collection: str = "users", **query: Any) -> list[dict[str, Any]]:
        """Return up to 100 events of a profile that exists."""
        return self.pages(f"{identifier}/events", collection, limit=100, **query)

    def pages(self, path: str, collection: str = "users", **query: Any) -> list[dict[str, Any]]:
        """Return the data of all pages of a list, followed by `next`."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = self.get(path, collection, **query, **({"next": cursor} if cursor else {}))
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            cursor = answer.json()["cursor"]["next"]
            assert bool(cursor) == answer.json()["cursor"]["has_more"]
            if not cursor:
                return found

    def identifiers(self, identifier: str, collection: str = "users") -> set[tuple[str, str]]:
        """Return the identifiers of a profile that exists."""
        return {(row["type"], row["id"]) for row in self.pages(f"{identifier}/external_ids", collection, limit=100)}

    def segment_id(self, identifier: str, collection: str = "users") -> str:
        """Return the Segment id of a profile that exists."""
        answer = self.get(f"{identifier}/metadata", collection)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["segment_id"])

    def discards(self) -> Sequence[tuple[str, str]]:
        """Return the reason and the message of every discard of this space."""
        from mien.store.sql import open_store  # noqa: PLC0415

        with open_store(self.server.store) as store:
            rows = store.discards(self.slug, reason=None, limit=10_000)
        return [(row.discard.reason, row.discard.message) for row in rows]


def identify(user: str, traits: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return an identify call."""
    return {"type": "identify", "userId": user, "traits": traits or {}, **fields}


def track(
    user: str, event: str = "Bought", properties: dict[str, Any] | None = None, **fields: Any
) -> dict[str, Any]:
    """Return a track call."""
    return {"type": "track", "userId": user, "event": event, "properties": properties or {}, **fields}
