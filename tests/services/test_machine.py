"""Long random histories, on every engine, against a model that is small and obviously right."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message, Submission, order_of
from mien.core.rules import Rules, TypeRule
from mien.core.space import Space
from mien.core.story import Merge
from mien.errors import IdentifierNotFound, Unavailable
from mien.services.forget import forget, unsuppress
from mien.services.identifiers import remove
from mien.services.ingest import settle
from mien.services.unmerge import unmerge
from mien.store.base import EventQuery
from mien.store.sql import SqlStore, open_store
from tests.factories import NOW, sheet_of
from tests.model import World

STORES = "stores"
"""A collection that nobody made before it was used."""
POLICIES = {
    "free": Policy(rules=Rules(other=TypeRule(limit=10_000), max_merges=10_000, max_identifiers=10_000)),
    "tight": Policy(
        rules=Rules(
            types={"user_id": TypeRule(limit=1, priority=1), "email": TypeRule(limit=2, priority=2, period=50)},
            other=TypeRule(limit=2),
            max_merges=3,
            max_identifiers=6,
        )
    ),
}


def unlimited(rules: Rules) -> Rules:
    """Return rules that rank as these do, and refuse nothing."""
    types = {name: TypeRule(limit=10_000, priority=one.priority) for name, one in rules.types.items()}
    other = TypeRule(limit=10_000, priority=rules.other.priority)
    return Rules(types=types, other=other, max_merges=10_000, max_identifiers=10_000)


identifiers = st.builds(
    Identifier,
    st.sampled_from([USERS, USERS, USERS, ACCOUNTS, STORES]),
    st.sampled_from(["user_id", "email", "card"]),
    st.sampled_from(["v1", "v2", "v3"]),
)
drafts = st.fixed_dictionaries(
    {
        "kind": st.sampled_from([Kind.IDENTIFY, Kind.TRACK, Kind.GROUP, Kind.ALIAS]),
        "at": st.integers(0, 60),
        "identifiers": st.lists(identifiers, min_size=1, max_size=3, unique=True),
        "traits": st.dictionaries(st.sampled_from("xy"), st.sampled_from([b"1", b"2", b"null"]), max_size=2),
        "event": st.sampled_from(["E", "F"]),
        "subject": st.sampled_from([USERS, USERS, STORES]),
    }
)


class Fragile:
    """A database that fails before one of its statements."""

    def __init__(self, db: Any, statements: int) -> None:
        self._db = db
        self._left = statements

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._db, name)
        if name not in {"value", "rows", "each", "change", "among"}:
            return found

        def counted(*arguments: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise Unavailable
            return found(*arguments)

        return counted


class Machine(RuleBasedStateMachine):
    """What can happen to a store."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.store = open_store(self.url)
        empty(self.store)
        self.world = World()
        self.policy = "free"
        self.sent: list[Message] = []
        self.ids = count(order_of(NOW))
        self.clock = count(NOW)

    def teardown(self) -> None:
        self.store.close()

    @property
    def space(self) -> Space:
        return Space(slug="acme", name="Acme", policy=POLICIES[self.policy])

    def made(self, draft: dict[str, Any]) -> Message:
        at = next(self.clock)
        kind = draft["kind"]
        message = Message(
            space="acme",
            source="web",
            id=f"m{at - NOW}",
            kind=kind,
            timestamp=NOW + draft["at"],
            order=order_of(at),
            identifiers=tuple(draft["identifiers"]),
            subject=ACCOUNTS if kind == Kind.GROUP else draft["subject"],
            traits=draft["traits"] if kind in {Kind.IDENTIFY, Kind.GROUP} else {},
            event=draft["event"] if kind == Kind.TRACK else None,
        )
        self.sent.append(message)
        return message

    def settle(self, batch: list[Message]) -> None:
        settle(self.store, [Submission(tuple(batch))], {"acme": self.space}, now=NOW, ids=self.ids)

    @rule(drafts=st.lists(drafts, min_size=1, max_size=6), cuts=st.sets(st.integers(1, 5)))
    def send(self, drafts: list[dict[str, Any]], cuts: set[int]) -> None:
        """Send messages, cut into batches anyhow."""
        batch = [self.made(draft) for draft in drafts]
        ends = sorted({end for end in cuts if end < len(batch)} | {len(batch)})
        for start, end in zip([0, *ends], ends, strict=False):
            self.settle(batch[start:end])
        for message in batch:
            self.world.take(message, POLICIES[self.policy].rules)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.sent))
        self.settle([message, message])
        self.world.take(message, POLICIES[self.policy].rules)

    @precondition(lambda self: self.world.absorbed())
    @rule(data=st.data(), forever=st.booleans())
    def unmerge(self, data: st.DataObject, forever: bool) -> None:
        born = data.draw(st.sampled_from(sorted(self.world.absorbed())))
        absorbed = self.profile_born_as(born)
        held = sorted(name for profile in self.everybody() for name in profile.names())
        unmerge(self.store, self.space, absorbed, forever=forever, now=next(self.clock), ids=self.ids)
        assert sorted(name for profile in self.everybody() for name in profile.names()) == held
        self.world.unmerge(born, unlimited(POLICIES[self.policy].rules), forever=forever)

    def profile_born_as(self, born: int) -> int:
        """Return the profile of a person of the model: both are numbered in the order in which they came to be."""
        profiles = sorted(i for profile in self.everybody() for i in profile.ids)
        people = sorted(one.born for root in self.world.people for one in root.people())
        assert len(profiles) == len(people)
        return profiles[people.index(born)]

    @rule(identifier=identifiers, suppressed=st.booleans())
    def forget(self, identifier: Identifier, suppressed: bool) -> None:
        serial = next(self.clock)
        forget(self.store, self.space, [identifier], deletion=f"d{serial}", suppress=suppressed, now=serial)
        self.world.forget(identifier, suppress=suppressed)

    @rule(identifier=identifiers)
    def unsuppress(self, identifier: Identifier) -> None:
        ended = unsuppress(self.store, self.space, [identifier])
        assert bool(ended) == (identifier in self.world.suppressed)
        self.world.suppressed -= {identifier}

    @rule(identifier=identifiers)
    def remove(self, identifier: Identifier) -> None:
        owner = self.store.owner("acme", identifier) or 0
        with suppress(IdentifierNotFound):
            remove(self.store, self.space, owner, identifier, now=next(self.clock))
        self.world.remove(identifier)

    @rule(policy=st.sampled_from(sorted(POLICIES)))
    def change_the_rules(self, policy: str) -> None:
        self.policy = policy

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = open_store(self.url)

    @rule(drafts=st.lists(drafts, min_size=1, max_size=4), statements=st.integers(0, 12))
    def crash(self, drafts: list[dict[str, Any]], statements: int) -> None:
        """Fail before some statement of a batch; the batch is in whole, or not at all."""
        batch = [self.made(draft) for draft in drafts]
        whole = self.store.db
        self.store.db = Fragile(whole, statements)  # type: ignore[assignment]
        try:
            self.settle(batch)
        except Unavailable:
            return
        finally:
            self.store.db = whole
        for message in batch:
            self.world.take(message, POLICIES[self.policy].rules)

    def everybody(self) -> Iterator[Any]:
        for collection in (USERS, ACCOUNTS, STORES):
            for row in self.store.recent("acme", collection, beyond=None, offset=0, limit=10_000):
                yield self.store.profile(row.id)

    @invariant()
    def what_is_read_is_what_happened(self) -> None:
        assert self.read() == self.world.seen_by_reading()

    def read(self) -> Any:
        found = []
        for profile in self.everybody():
            head = self.store.head(profile.id)
            sheet = sheet_of(self.store, profile.id)
            assert head is not None
            assert sheet is not None
            merges = [account for account in self.store.history(head) if isinstance(account, Merge)]
            assert {merge.absorbed for merge in merges} == set(profile.members)
            for name in profile.names():
                assert self.store.owner("acme", name) == profile.id
            links = self.store.links("acme", head, beyond=None, limit=1000)
            found.append(
                (
                    sorted(Identifier(profile.collection, *pair) for pair in profile.identifiers),
                    sorted((key, bytes(value)) for key, value in sheet.members().items()),
                    sorted((name, tuple(seen)) for name, seen in profile.activity.items()),
                    sorted(event.message for event in self.store.events(head, EventQuery(limit=1000))),
                    sorted((row.since, self.names_of(row.today)) for row in links),
                    len(profile.members),
                )
            )
        return sorted(found)

    def names_of(self, profile: int) -> list[Identifier]:
        found = self.store.profile(profile)
        assert found is not None
        return sorted(Identifier(found.collection, *pair) for pair in found.identifiers)

    @invariant()
    def every_row_belongs_to_somebody(self) -> None:
        db = self.store.db
        known = {row[0] for row in db.rows("SELECT profile_id FROM profiles")}
        for table in ("messages", "links", "history", "identifiers"):
            owners = {row[0] for row in db.rows(f"SELECT profile_id FROM {table}")}
            assert owners - {0, -1} <= known, table
        held = db.value("SELECT count(*) FROM identifiers WHERE profile_id > 0")
        assert held == sum(len(profile.names()) for profile in self.everybody())


def empty(store: SqlStore) -> None:
    """Delete everything."""
    for table in store.db.tables() - {"meta"}:
        store.db.change(f"DELETE FROM {table}", [()])


def test_whatever_happens_the_store_holds_what_the_model_says(url: str) -> None:
    class Here(Machine):
        pass

    Here.url = url
    run_state_machine_as_test(Here, settings=settings(max_examples=settings.default.max_examples // 2))
