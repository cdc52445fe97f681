"""Nodes over PostgreSQL: a database that stops, crashes, hangs or is cut off, and nodes that die."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
import pytest

from mien.store.base import EventQuery
from mien.store.sql import open_store
from tests.factories import user
from tests.postgres import Cluster, new_schema
from tests.proxy import Proxy
from tests.server import Server, Tenant, space, track

SPACES = {"acme": space("acme", {"rate_limits": {"segment": "unlimited"}})}
READS = 8
"""Connections that reads share, unless told otherwise."""
PROMPT = 2.0
"""Seconds in which every request is answered while the database is away: less than any time-out of the node."""
RECOVERED = 2.0
"""Seconds after which everything works again."""

TRAITS, EVENTS = "user_id:known/traits", "user_id:known/events"


class Answer(NamedTuple):
    what: str
    status: int
    at: float
    seconds: float
    retry_after: str | None


class Load:
    """Clients that write and read without a pause, until they are told to stop."""

    def __init__(self, server: Server, name: str) -> None:
        self.answers: list[Answer] = []
        self.acknowledged: Counter[str] = Counter()
        self.unseen: list[str] = []
        self._server = server
        self._done = threading.Event()
        asks = [self._asking(path) for path in (TRAITS, EVENTS)]
        self._threads = [
            *(threading.Thread(target=self._write, args=(f"{name}-{n}",)) for n in range(3)),
            *(threading.Thread(target=ask) for ask in [*asks, *asks]),
            *(threading.Thread(target=self._repeat, args=(path,)) for path in ("/livez", "/readyz")),
        ]

    @contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()

    def of(self, *what: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.what in what]

    def _write(self, name: str) -> None:
        """Send events one by one, each until it is acknowledged; then it must be in what is read."""
        tenant = Tenant(self._server, "acme")
        for serial in count():
            event = track(name, messageId=f"{name}-{serial}")
            while not self._done.is_set():
                if self._timed("write", lambda event=event: tenant.post("/v1/track", event)).status == 200:
                    self.acknowledged[name] += 1
                    break
            if self._done.is_set():
                return
            found = tenant.get(f"user_id:{name}/events", limit=1)
            if found.status_code == 200 and found.json()["data"][0]["message_id"] != f"{name}-{serial}":
                self.unseen.append(f"{name}-{serial}")

    def _asking(self, path: str) -> Callable[[], None]:
        tenant = Tenant(self._server, "acme")

        def ask() -> None:
            while not self._done.wait(0.01):
                self._timed(path, lambda: tenant.get(path))

        return ask

    def _repeat(self, path: str) -> None:
        with httpx.Client(base_url=self._server.url, timeout=30) as client:
            while not self._done.wait(0.02):
                self._timed(path, lambda: client.get(path))

    def _timed(self, what: str, ask: Callable[[], httpx.Response]) -> Answer:
        begun = time.monotonic()
        response = ask()
        now = time.monotonic()
        answer = Answer(what, response.status_code, now, now - begun, response.headers.get("retry-after"))
        self.answers.append(answer)
        return answer


def kept(url: str, name: str) -> list[str]:
    """Return the ids of all events of a user; none is there twice."""
    with open_store(url) as store:
        profile = store.owner("acme", user("user_id", name))
        assert profile is not None
        head = store.head(profile)
        assert head is not None
        events = [event.message for event in store.events(head, EventQuery(limit=10**6))]
        assert len(events) == len(set(events)) == sum(a.times for a in store.activity(profile).values())
        return events


def writer_of(server: Server) -> int:
    """Return the process that writes."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    for child in children:
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
            return int(child)
    raise AssertionError("the writer was not found")


def threads_of(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def connections(cluster: Cluster) -> int:
    """Return how many connections there are besides ours."""
    with psycopg.connect(cluster.url()) as db:
        query = "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'"
        return db.execute(query).fetchone()[0]  # type: ignore[index,no-any-return]


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ready(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/readyz").json()
    return found


@pytest.fixture(scope="module")
def node(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("node"), SPACES, new_schema(cluster.url()))
    server.start()
    Tenant(server, "acme").send(track("known"))
    yield server
    server.stop()


def test_a_node_waits_out_that_its_database_is_away(node: Server, cluster: Cluster) -> None:
    """Everybody is told at once to come again; the node recovers by itself, and its log holds a few lines."""
    writer, threads, logged = writer_of(node), threads_of(node), len(node.log.read_text())
    with Load(node, "away").running() as load:
        time.sleep(0.5)
        cluster.stop()
        gone = time.monotonic()
        time.sleep(0.5)
        assert ready(node) == {"ready": False, "store": "The database cannot be reached."}
        time.sleep(1)
        assert threads_of(node) <= threads + 12  # the threads of reads, begun as they are needed
        cluster.start()
        back = time.monotonic()
        time.sleep(RECOVERED)
    _check_answers(load, gone=gone, back=back)
    _check_kept(load, node)
    assert writer_of(node) == writer
    _check_log(node, logged)


def _check_answers(load: Load, *, gone: float, back: float) -> None:
    """While the database was away everybody was refused, at once; afterwards nobody was."""
    refused = [answer for answer in load.answers if answer.status != 200]
    assert {answer.what for answer in refused} == {"write", "/readyz", TRAITS, EVENTS}
    assert {answer.status for answer in refused} == {503}
    assert all(answer.retry_after for answer in refused if answer.what != "/readyz")
    assert max(answer.at for answer in refused) < back + RECOVERED / 2
    taken = [answer for answer in load.answers if answer.status == 200 and answer.what != "/livez"]
    assert not [answer for answer in taken if gone + 0.2 < answer.at < back - 0.1]
    assert max(answer.seconds for answer in load.answers) < PROMPT
    assert max(answer.seconds for answer in load.of("/livez")) < PROMPT / 4


def _check_kept(load: Load, server: Server) -> None:
    """What was acknowledged is there, and was at once for whoever read then."""
    assert load.unseen == []
    for name, times in load.acknowledged.items():
        assert times > 10
        assert {f"{name}-{n}" for n in range(times)} <= set(kept(server.store, name))


def _check_log(server: Server, logged: int) -> None:
    log = server.log.read_text()[logged:]
    assert "Traceback" not in log
    assert len(log.splitlines()) <= 8, log


@pytest.mark.parametrize("way", [Cluster.stop, Cluster.crash])
def test_a_database_begun_again_under_load_keeps_what_was_acknowledged(
    node: Server, cluster: Cluster, way: Callable[[Cluster], None]
) -> None:
    with Load(node, way.__name__).running() as load:
        for _ in range(2):
            time.sleep(0.4)
            way(cluster)
            cluster.start()
        time.sleep(1)
        assert connections(cluster) <= READS + 3
    assert {answer.status for answer in load.answers} <= {200, 503}
    _check_kept(load, node)


def test_a_writer_begun_while_the_database_is_away_waits_for_it(node: Server, cluster: Cluster) -> None:
    tenant = Tenant(node, "acme")
    logged = len(node.log.read_text())
    cluster.stop()
    os.kill(writer_of(node), signal.SIGKILL)
    until(lambda: "writer" in ready(node), 5)
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        begun = time.monotonic()
        answer = tenant.post("/v1/track", track("w", messageId="m"))
        assert (answer.status_code, bool(answer.headers["retry-after"])) == (503, True)
        assert time.monotonic() - begun < PROMPT
        time.sleep(0.05)
    writer = writer_of(node)
    cluster.start()
    until(lambda: ready(node) == {"ready": True}, RECOVERED)
    tenant.send(track("w", messageId="m"))
    assert kept(node.store, "w") == ["m"]
    assert writer_of(node) == writer
    _check_log(node, logged)


def test_a_message_counts_once_though_the_answer_to_its_commit_was_lost(cluster: Cluster, tmp_path: Path) -> None:
    """The writer takes it in once more and finds it there; when that is lost too, the client sends it again."""
    proxy = Proxy(cluster, new_schema(cluster.url()))
    server = Server(tmp_path, SPACES, proxy.url)
    server.start(environment={"MIEN_STORE_STATEMENT": "0.3", "MIEN_STORE_WAIT": "2", "MIEN_PATIENCE": "0.7"})
    try:
        tenant = Tenant(server, "acme")
        tenant.send(track("u", messageId="m0"))
        proxy.cut_answers_to_commit(1)
        tenant.send(track("u", messageId="m1"))
        assert proxy.cuts_left == 0
        proxy.cut_answers_to_commit(2)
        lost = tenant.post("/v1/track", track("u", messageId="m2"))
        assert (lost.status_code, bool(lost.headers["retry-after"])) == (503, True)
        assert proxy.cuts_left == 0
        tenant.send(track("u", messageId="m2"))
        assert sorted(kept(server.store, "u")) == ["m0", "m1", "m2"]
        _hang(proxy, tenant)
    finally:
        server.stop()
        proxy.close()


def _hang(proxy: Proxy, tenant: Tenant) -> None:
    """A database that says nothing holds nobody up for longer than the time-outs say."""
    url = tenant.server.url
    proxy.freeze()
    begun = time.monotonic()
    for n in range(20):
        asked = time.monotonic()
        assert tenant.post("/v1/track", track("u", messageId=f"h{n}")).status_code == 503
        assert time.monotonic() - asked < 1.5
        asked = time.monotonic()
        assert tenant.get("user_id:u/traits").status_code == 503
        assert time.monotonic() - asked < 2.5
        asked = time.monotonic()
        assert httpx.get(f"{url}/livez").status_code == 200
        assert time.monotonic() - asked < 0.5
        if time.monotonic() - begun > 2:
            break
    proxy.thaw()
    until(lambda: ready(tenant.server) == {"ready": True}, 5)
    tenant.send(*(track("u", messageId=f"h{n}") for n in range(20)))
    assert sorted(kept(tenant.server.store, "u")) == sorted(["m0", "m1", "m2", *(f"h{n}" for n in range(20))])


def test_a_node_that_is_killed_takes_nothing_and_nobody_with_it(cluster: Cluster, tmp_path: Path) -> None:
    """Two nodes on one database; one is killed with -9 again and again, its writer with it or a little later."""
    url = new_schema(cluster.url())
    servers = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        servers.append(Server(tmp_path / name, SPACES, url))
        servers[-1].start()
    one, other = servers
    told: list[Told] = []
    try:
        with _sending(told, one=one, other=other):
            for with_writer in (True, False):
                time.sleep(0.5)
                one.kill(with_writer=with_writer)
                one.start()
            time.sleep(0.5)
    finally:
        one.stop()
        other.stop()
    by_other = [answer for answer in told if answer.name.startswith("other")]
    assert {answer.status for answer in by_other} == {200}
    assert max(answer.seconds for answer in by_other) < PROMPT
    acknowledged = {answer.name for answer in told if answer.status == 200}
    assert len(acknowledged) - len(by_other) > 10
    for n in range(3):
        assert {f"{name}-{n}" for name in acknowledged} <= set(kept(url, f"shared{n}"))
    assert "Traceback" not in other.log.read_text()
    assert "batch failed" not in other.log.read_text()


class Told(NamedTuple):
    """What was answered to a batch; 0 when nothing was."""

    name: str
    status: int
    seconds: float


@contextmanager
def _sending(told: list[Told], **servers: Server) -> Iterator[None]:
    """Let two clients of each server write to the same few people, each batch until it is acknowledged."""
    done = threading.Event()

    def send(server: Server, client: str) -> None:
        with httpx.Client(base_url=server.url, auth=("wk_acme", ""), timeout=30) as http:
            serial = 0
            while not done.is_set():
                name = f"{client}-{serial}"
                begun = time.monotonic()
                status = _post(http, [track(f"shared{n}", messageId=f"{name}-{n}") for n in range(3)])
                told.append(Told(name, status, time.monotonic() - begun))
                serial += status == 200

    threads = [threading.Thread(target=send, args=(servers[s], f"{s}-{n}")) for s in servers for n in range(2)]
    for thread in threads:
        thread.start()
    yield
    done.set()
    for thread in threads:
        thread.join()


def _post(client: httpx.Client, batch: list[dict[str, Any]]) -> int:
    try:
        return client.post("/v1/batch", json={"batch": batch}).status_code
    except httpx.TransportError:
        time.sleep(0.02)
        return 0
