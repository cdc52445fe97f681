"""`python -m benchmarks.race`: race against Mien through several nodes at once, and check what came of it."""

import argparse
import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.markup import escape
from tests.postgres import Cluster
from tests.server import Server

from benchmarks.invariants import findings
from benchmarks.racers import CALM, RULES, SPACES, Diary, Operator, Sender, key_of, token_of
from mien.store.sql import Limits, SqlStore, open_store

OPERATORS = 3
PAUSE = 0.15
"""Seconds that an operator waits on average before doing something again."""
SHOWN = 50
"""How many findings are printed in full."""
TROUBLE = ("batch failed", "Traceback", "internal error", "unhandled", "upkeep failed", "writer ended")
"""What no log of a node may hold."""

console = Console(soft_wrap=True, highlight=False)


class Race(NamedTuple):
    """How to race."""

    store: str
    folder: Path
    nodes: int = 3
    connections: int = 4
    seconds: float = 60.0
    check_every: float = 20.0
    seed: int = 1


class Report(NamedTuple):
    """What came of it: what was counted, in how many seconds, and everything that was wrong."""

    seconds: float
    counts: Counter[str]
    longest: dict[str, float]
    found: list[str]


def run(race: Race) -> Report:
    """Race, and check the store during it and afterwards; Ctrl-C ends it early."""
    diary = Diary(race.nodes * race.connections)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(race.store, Limits(connections=1, statement=0)))
        servers = [stack.enter_context(_node(race, number)) for number in range(race.nodes)]
        before, began = _statistics(store), time.monotonic()
        threads = [threading.Thread(target=_watched, args=(diary, one)) for one in _racers(race, diary, servers)]
        for thread in threads:
            thread.start()
        try:
            found = _watch(race, diary, store, servers)
        except KeyboardInterrupt:
            console.print("Enough; looking at what there is.")
            found = []
        diary.stop.set()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        found += findings(store, diary.sent, calm={CALM})
        found += [line for number, server in enumerate(servers) for line in _trouble(number, server)]
        counts = diary.counts() + (_statistics(store) - before) + _totals(store)
        if counts["deadlocks"]:
            found.append(f"PostgreSQL met {counts['deadlocks']} deadlocks; its log tells who waited for whom.")
    return Report(seconds, counts, diary.longest, list(dict.fromkeys([*diary.wrong, *found])))


def _racers(race: Race, diary: Diary, servers: list[Server]) -> list[Callable[[], None]]:
    name, ports = secrets.token_hex(3), [server.port for server in servers]
    senders = [Sender(n, race.seed, name, ports, diary) for n in range(race.nodes * race.connections)]
    operators = [Operator(n, race.seed, race.store, diary, PAUSE) for n in range(OPERATORS)]
    return [one.race for one in (*senders, *operators)]


def _watched(diary: Diary, work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException as error:
        diary.wrong.append(f"A racer fell: {error!r}.")
        diary.stop.set()
        raise


@contextmanager
def _node(race: Race, number: int) -> Iterator[Server]:
    folder = race.folder / f"node-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    spaces = {
        slug: {
            "sources": {"web": {"kind": "sdk", "write_key": key_of(slug)}},
            "segment": {"tokens": {"race": token_of(slug)}},
            "identity": RULES[slug],
            "rate_limits": {"segment": "unlimited"},
        }
        for slug in SPACES
    }
    server = Server(folder, spaces, race.store)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _watch(race: Race, diary: Diary, store: SqlStore, servers: list[Server]) -> list[str]:
    """Look at who is who now and then, until the time is over or something is wrong."""
    ends, due = time.monotonic() + race.seconds, time.monotonic() + race.check_every
    while time.monotonic() < ends and not diary.stop.wait(0.2):
        for number, server in enumerate(servers):
            if server.process.poll() is not None:
                return [f"Node {number} ended: {server.log.read_text()[-2000:]}"]
        if time.monotonic() > due:
            found = findings(store, {}, whole=False)
            if found or diary.wrong:
                return found
            console.print(f"  so far {_figures(diary.counts())}")
            due = time.monotonic() + race.check_every
    return []


def _figures(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _statistics(store: SqlStore) -> Counter[str]:
    """Return what PostgreSQL counts of writers that met each other."""
    if store.instant:
        return Counter()
    store.db.rows("SELECT pg_stat_clear_snapshot()")
    deadlocks, rolled_back = store.db.value(
        "SELECT deadlocks, xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    )
    return Counter({"deadlocks": deadlocks, "transactions rolled back": rolled_back})


def _totals(store: SqlStore) -> Counter[str]:
    """Return how much there is in the store."""
    places = ",".join("?" * len(SPACES))
    ask = f"SELECT count(*) FROM profiles WHERE space IN ({places}) AND merged_into"
    return Counter(
        {
            "profiles": store.db.value(f"{ask} IS NULL", *SPACES),
            "profiles absorbed": store.db.value(f"{ask} IS NOT NULL", *SPACES),
        }
    )


def _trouble(number: int, server: Server) -> Iterator[str]:
    for line in server.log.read_text().splitlines():
        if any(trouble in line for trouble in TROUBLE):
            yield f"Node {number} logged: {line}"


def show(report: Report) -> None:
    """Print what came of it."""
    counts = report.counts
    per_second = {name: counts[name] / report.seconds for name in ("operations", "messages acknowledged", "reads")}
    longest = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in sorted(report.longest.items()))
    console.print(f"In {report.seconds:.0f} s; what took longest: {longest}.")
    for name, count in sorted(counts.items()):
        console.print(f"  {name}: {count:,}" + (f" ({per_second[name]:,.0f}/s)" if name in per_second else ""))
    for line in report.found[:SHOWN]:
        console.print(f"[red]✗[/red] {escape(line)}")
    console.print(f"{len(report.found)} findings." if report.found else "Nothing is wrong.")


def main() -> None:
    """Race as asked; end with 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.race", description=__doc__)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--store", help="sqlite:///FILE or postgresql://…; a new SQLite file by default")
    where.add_argument("--postgresql", action="store_true", help="begin a PostgreSQL of its own")
    parser.add_argument("--nodes", type=int, default=3, help="how many Mien there are; one over SQLite")
    parser.add_argument("--connections", type=int, default=4, help="how many senders for each node")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--check-every", type=float, default=20, help="seconds between two looks at who is who")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives each sender the same to do")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = given.store or f"sqlite:///{folder / 'mien.db'}"
        if given.postgresql:
            cluster = Cluster()
            stack.callback(cluster.remove)
            url = cluster.url()
        nodes = 1 if url.startswith("sqlite:") else given.nodes
        race = Race(url, folder, nodes, given.connections, given.seconds, given.check_every, given.seed)
        report = run(race)
    show(report)
    raise SystemExit(bool(report.found))


if __name__ == "__main__":
    main()
