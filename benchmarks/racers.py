"""Those who race: senders over HTTP, and operators who un-merge, remove and forget over stores of their own."""

import base64
import json
import random
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple

from mien import clock
from mien.core.message import ACCOUNTS, USERS, Identifier
from mien.core.space import Space
from mien.errors import Busy, NotMerged, Unavailable
from mien.services.forget import forget, unsuppress
from mien.services.identifiers import IdentifierNotFound, remove
from mien.services.spaces import read_catalog
from mien.services.unmerge import unmerge
from mien.store.sql import Limits, SqlStore, open_store

CALM = "race-calm"
"""The space of which nothing is un-merged, removed or forgotten."""
TAMPERED = ("race-rough", "race-tight")
SPACES = (CALM, *TAMPERED)
FREE = {"limit": 100_000, "priority": 3}
RULES: dict[str, Any] = {
    CALM: {
        "types": {"user_id": FREE, "email": FREE},
        "other": FREE,
        "max_merges": 100_000,
        "max_identifiers": 100_000,
    },
    "race-tight": {"preset": "segment"},
}
RULES["race-rough"] = RULES[CALM]

OPERATIONS = 25
"""So many operations of a sender are about the same people; then come others."""
PATIENCE = 60.0
"""A sender that is put off for so many seconds has been starved."""


def key_of(space: str) -> str:
    """Return the write key of a space."""
    return f"wk_{space}"


def token_of(space: str) -> str:
    """Return the token that reads a space."""
    return f"tok_0123456789_{space}"


class Diary:
    """What the racers did and what was answered; shared by them all."""

    def __init__(self, senders: int) -> None:
        self.stop = threading.Event()
        self.sent: dict[tuple[str, str], frozenset[Identifier]] = {}
        self.wrong: list[str] = []
        self.longest: dict[str, float] = {}
        self._counts: Counter[str] = Counter()
        self._places = dict.fromkeys(range(senders), 0)
        self._changed = threading.Condition()

    def count(self, what: str, times: int = 1) -> None:
        """Count that something was done."""
        with self._changed:
            self._counts[what] += times

    def counts(self) -> Counter[str]:
        """Return how often what was done."""
        with self._changed:
            return self._counts.copy()

    def took(self, what: str, seconds: float) -> None:
        """Remember the longest that something took."""
        with self._changed:
            self.longest[what] = max(self.longest.get(what, 0.0), seconds)

    def reach(self, sender: int, generation: int) -> None:
        """Wait until no other sender is more than one generation behind, so that they meet the same people."""
        with self._changed:
            self._places[sender] = generation
            self._changed.notify_all()
            while not self.stop.is_set() and min(self._places.values()) < generation - 1:
                self._changed.wait(0.2)


class Draft(NamedTuple):
    """A message as it is sent, and the identifiers in it."""

    body: dict[str, Any]
    identifiers: frozenset[Identifier]


class Pool:
    """The people that everybody talks about at a time: few names, and each in many messages."""

    def __init__(self, run: str, generation: int) -> None:
        self._prefix = f"{run}-{generation}"

    def one(self, chance: random.Random, kind: str, many: int) -> str:
        """Return a name of some kind."""
        return f"{kind}{self._prefix}-{chance.randrange(many)}"

    def draft(self, chance: random.Random, message: str) -> Draft:
        """Return some message about some of them."""
        kind = chance.choice(("identify", "identify", "track", "track", "page", "group", "alias"))
        body: dict[str, Any] = {"type": kind, "messageId": message, "timestamp": _moment(chance)}
        named: dict[str, Identifier] = {}
        if kind == "alias" or chance.random() < 0.7:
            body["userId"] = self.one(chance, "u", 5)
            named["user"] = Identifier(USERS, "user_id", body["userId"])
        if kind == "alias":
            return Draft({**body, "previousId": self.one(chance, "u", 5)}, frozenset(named.values()))
        if not named or chance.random() < 0.6:
            body["anonymousId"] = self.one(chance, "a", 8)
            named["anonymous"] = Identifier(USERS, "anonymous_id", body["anonymousId"])
        if kind != "group" and chance.random() < 0.3:
            email = f"{self.one(chance, 'e', 4)}@example.com"
            body["context"] = {"traits": {"email": email}}
            named["email"] = Identifier(USERS, "email", email)
        if kind == "group":
            body["groupId"] = self.one(chance, "g", 3)
            named["group"] = Identifier(ACCOUNTS, "group_id", body["groupId"])
        self._fill(chance, body)
        return Draft(body, frozenset(named.values()))

    def _fill(self, chance: random.Random, body: dict[str, Any]) -> None:
        if body["type"] in {"identify", "group"}:
            body["traits"] = {
                chance.choice("abc"): chance.choice((1, 2, 3, None)) for _ in range(chance.randrange(3))
            }
        if body["type"] == "track":
            body |= {"event": chance.choice(("Bought", "Looked")), "properties": {"n": chance.randrange(9)}}


def _moment(chance: random.Random) -> str:
    """Return one of few times, so that many are equal."""
    moment = datetime.fromtimestamp(time.time() // 10 * 10 - chance.randrange(20), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Sender:
    """Somebody who sends messages to all nodes, some of them to several at once or again, and reads now and then."""

    def __init__(self, number: int, seed: int, run: str, ports: list[int], diary: Diary) -> None:
        self._number = number
        self._chance = random.Random(f"{seed}-sender-{number}")
        self._run = run
        self._diary = diary
        self._nodes = [HTTPConnection("127.0.0.1", port, timeout=30) for port in ports]
        self._recent: deque[tuple[str, list[Draft]]] = deque(maxlen=20)

    def race(self) -> None:
        """Send until it is enough."""
        operation = 0
        while not self._diary.stop.is_set():
            self._diary.reach(self._number, operation // OPERATIONS)
            space, drafts = self._next(operation)
            self._deliver(space, drafts)
            self._recent.append((space, drafts))
            if self._chance.random() < 0.1:
                self._look(space, drafts[0])
            operation += 1
            self._diary.count("operations")

    def _next(self, operation: int) -> tuple[str, list[Draft]]:
        """Return what is sent next: something new, or in one operation of eight what was sent before."""
        chance = self._chance
        if self._recent and chance.random() < 0.12:
            space, drafts = chance.choice(self._recent)
            return space, chance.sample(drafts, len(drafts))
        pool = Pool(self._run, max(0, operation // OPERATIONS - (chance.random() < 0.2)))
        many = chance.choice((1, 1, 1, 2, 5))
        names = [f"{self._run}-{self._number}-{operation}-{n}" for n in range(many)]
        return chance.choice(SPACES), [pool.draft(chance, name) for name in names]

    def _deliver(self, space: str, drafts: list[Draft]) -> None:
        """Send messages to a node, or to several at once, until each of these has acknowledged them."""
        bodies = [draft.body for draft in drafts]
        bodies += bodies[:1] if self._chance.random() < 0.1 else []
        chosen = self._chance.sample(self._nodes, 1 if self._chance.random() < 0.7 else min(2, len(self._nodes)))
        began = time.monotonic()
        while chosen:
            chosen = self._ask(chosen, "POST", "/v1/batch", key_of(space), json.dumps({"batch": bodies}))
            if time.monotonic() - began > PATIENCE:
                self._diary.wrong.append(f"Messages {[b['messageId'] for b in bodies]} were put off for a minute.")
                return
            if chosen:
                time.sleep(self._chance.uniform(0.02, 0.2))
        self._diary.took("send", time.monotonic() - began)
        self._diary.count("messages acknowledged", len(bodies))
        for draft in drafts:
            self._diary.sent[space, draft.body["messageId"]] = draft.identifiers

    def _look(self, space: str, draft: Draft) -> None:
        """Read somebody; whatever happens to them meanwhile, there is an answer."""
        one = self._chance.choice(sorted(draft.identifiers))
        part = self._chance.choice(("traits", "external_ids", "events", "metadata", "links"))
        path = f"/v1/spaces/{space}/collections/{one.collection}/profiles/{one.type}:{one.value}/{part}"
        self._ask([self._chance.choice(self._nodes)], "GET", path, token_of(space), None)
        self._diary.count("reads")

    def _ask(
        self, nodes: list[HTTPConnection], method: str, path: str, secret: str, body: str | None
    ) -> list[HTTPConnection]:
        """Ask several nodes the same before any of them has answered; return those who put it off."""
        auth = base64.b64encode(f"{secret}:".encode()).decode()
        headers = {"Authorization": f"Basic {auth}", "Content-Type": "application/json"}
        answers = []
        for node in nodes:
            answers.append((node, _quietly(lambda node=node: node.request(method, path, body, headers))))  # type: ignore[misc]
        return [node for node, error in answers if self._is_put_off(node, error, f"{method} {path}")]

    def _is_put_off(self, node: HTTPConnection, error: Exception | None, what: str) -> bool:
        status, text = 0, b""
        try:
            if error is None:
                answer = node.getresponse()
                status, text = answer.status, answer.read()
        except (HTTPException, OSError) as late:
            error = late
        if error is not None:
            node.close()
            self._diary.count(f"connections lost ({type(error).__name__})")
            return True
        if status in {429, 503}:
            self._diary.count(f"{status} answered")
            return what.startswith("POST")
        if status != 200 and not (status == 404 and what.startswith("GET")):
            self._diary.wrong.append(f"{what} was answered {status}: {text[:300].decode(errors='replace')}")
        return False


def _quietly(ask: Callable[[], None]) -> Exception | None:
    try:
        ask()
    except (HTTPException, OSError) as error:
        return error
    return None


class Operator:
    """Somebody who does to people, over a store of their own, what no message can."""

    def __init__(self, number: int, seed: int, url: str, diary: Diary, pause: float) -> None:
        self._chance = random.Random(f"{seed}-operator-{number}")
        self._url = url
        self._diary = diary
        self._pause = pause
        self._ids = clock.profile_ids()
        self._silenced: deque[tuple[Space, Identifier]] = deque(maxlen=30)
        self._name = f"{clock.now():x}-{number}"
        self._deletions = 0

    def race(self) -> None:
        """Go on until it is enough."""
        with open_store(self._url, Limits(connections=1)) as store:
            spaces = read_catalog(store).spaces
            while not self._diary.stop.wait(self._chance.expovariate(1 / self._pause)):
                space = spaces[self._chance.choice(TAMPERED)]
                deed = self._chance.choices(
                    (self._unmerge, self._remove, self._forget, self._unsuppress), (5, 2, 1, 1)
                )[0]
                self._do(deed, store, space)

    def _do(self, deed: Callable[[SqlStore, Space], None], store: SqlStore, space: Space) -> None:
        name = deed.__name__.strip("_")
        began = time.monotonic()
        try:
            deed(store, space)
        except (NotMerged, IdentifierNotFound):
            self._diary.count(f"{name}: too late")
        except (Busy, Unavailable) as error:
            self._diary.count(f"{name}: {type(error).__name__}")
        except Exception:  # noqa: BLE001 (whatever it is, it is a finding)
            self._diary.wrong.append(f"{name} failed: {traceback.format_exc(limit=-4)}")
        else:
            self._diary.count(f"{name}: done")
        self._diary.took(name, time.monotonic() - began)

    def _some(self, store: SqlStore, space: Space, where: str) -> Iterator[int]:
        """Yield some of the profiles that were made last, in any order."""
        rows = store.db.rows(
            f"SELECT profile_id FROM profiles WHERE space = ? AND merged_into {where}"
            " ORDER BY profile_id DESC LIMIT 40",
            (space.slug,),
        )
        yield from (profile for (profile,) in self._chance.sample(rows, len(rows)))

    def _name_of_somebody(self, store: SqlStore, space: Space) -> tuple[int, Identifier] | None:
        for profile in self._some(store, space, "IS NULL"):
            head, held = store.head(profile), store.identifiers(profile)
            if head is not None and held:
                one = self._chance.choice(held)
                return profile, Identifier(head.collection, one.type, one.value)
        return None

    def _unmerge(self, store: SqlStore, space: Space) -> None:
        absorbed = next(self._some(store, space, "IS NOT NULL"), None)
        if absorbed is None:
            raise NotMerged
        forever = self._chance.random() < 0.1
        unmerge(store, space, absorbed, forever=forever, now=clock.now(), ids=self._ids)

    def _remove(self, store: SqlStore, space: Space) -> None:
        found = self._name_of_somebody(store, space)
        if found is None:
            raise IdentifierNotFound
        remove(store, space, *found, now=clock.now())

    def _forget(self, store: SqlStore, space: Space) -> None:
        found = self._name_of_somebody(store, space)
        if found is None:
            raise IdentifierNotFound
        suppress = self._chance.random() < 0.4
        self._deletions += 1
        deletion = f"del-{self._name}-{self._deletions}"
        forget(store, space, [found[1]], deletion=deletion, suppress=suppress, now=clock.now())
        if suppress:
            self._silenced.append((space, found[1]))

    def _unsuppress(self, store: SqlStore, space: Space) -> None:
        del space
        if not self._silenced:
            raise IdentifierNotFound
        whose, name = self._silenced.popleft()
        unsuppress(store, whose, [name])
