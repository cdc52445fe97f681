"""Long random histories of what is computed, on every engine: at any instant it is what the whole history says."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, ClassVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mien.core.computed import ABSENT, TRUE
from mien.core.definition import Definition, Kind, State
from mien.core.message import ACCOUNTS, USERS, Identifier, Message, Submission, order_of
from mien.core.message import Kind as MessageKind
from mien.core.parser import show
from mien.core.plan import all_references, parse
from mien.core.profile import Profile, own_identifier
from mien.core.space import Space
from mien.errors import IdentifierNotFound, SettingsRefused
from mien.services import lookup
from mien.services.forget import forget
from mien.services.identifiers import remove
from mien.services.ingest import settle
from mien.services.pace import Pace
from mien.services.preparation import advance
from mien.services.spaces import apply, read_catalog
from mien.services.sweep import sweep
from mien.services.unmerge import unmerge
from mien.store.base import Head
from mien.store.sheet import CUSTOM
from mien.store.sql import open_store
from tests import oracle
from tests.factories import NOW
from tests.histories import DAY, HOUR, messages, pauses
from tests.queries import EVENTS, conditions, scalars
from tests.services.test_machine import empty

KEYS = {"score": USERS, "plan": USERS, "other": USERS, "fit": ACCOUNTS, "age": ACCOUNTS}
identifiers = st.builds(
    Identifier,
    st.just(USERS),
    st.sampled_from(["email", "email", "anonymous_id"]),
    st.sampled_from(["v1", "v2", "v3"]),
)
accounts = st.builds(Identifier, st.just(ACCOUNTS), st.just("domain"), st.sampled_from(["g1", "g2", "g3"]))
spans = st.one_of(st.just(0), pauses, st.integers(0, 12 * 24).map(lambda hours: hours * HOUR))


TRAITS = (
    "event('Login').count()",
    "event('Login').within(2 days).count()",
    "event('Login').between(1 day, 3 days).sum(property('price'))",
    "event('Login').expires_after(1 day).last(property('brand'))",
    "event('Login').where(property('price') > trait('age')).count()",
    "trait('plan')",
)
OF_USERS = (
    "event('Login').count() > 1",
    "event('Login').within(2 days).count() > 1",
    "NOT event('Login').within(3 days).count() > 0",
    "event('Login').where(event('Login').within(parent: 1 day).count() > 0).count() > 0",
    "trait('score') > 1",
    "trait('plan') = true",
    "NOT trait('plan') = true",
    "trait('age').exists()",
)
OF_ACCOUNTS = (
    "ANY event('Login').within(2 days).count() > 0",
    "ALL event('Login').count() > 0",
    "NOT ANY trait('plan') = true",
    "event('Login').count() > 0 OR trait('age') > 2",
    "trait('fit') = true AND ANY trait('score').exists()",
)
QUERIES = {USERS: OF_USERS, ACCOUNTS: OF_ACCOUNTS}
"""Queries that meet in few events, and each other."""


@st.composite
def bodies(draw: st.DrawFn, key: str) -> tuple[str, dict[str, Any]]:
    """Return a definition as a file has it, and the section it stands in."""
    if draw(st.booleans()):
        scalar = st.one_of(st.sampled_from(TRAITS), st.sampled_from(TRAITS), scalars().map(show))
        return "computed_traits", {"query": draw(scalar)}
    simple = st.sampled_from(QUERIES[KEYS[key]])
    condition = st.one_of(simple, simple, conditions(KEYS[key]).map(show))
    body = {"query": draw(condition), "anonymous": draw(st.booleans())}
    ends = draw(st.sampled_from([None, None, None, 3, 9]))
    if ends is not None:
        body["expires"] = oracle._time_text(NOW + ends * DAY)
    return "audiences", body


class Machine(RuleBasedStateMachine):
    """What can happen to somebody of whom something is computed."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.store = open_store(self.url)
        empty(self.store)
        self.file: dict[str, tuple[str, dict[str, Any]]] = {}
        self.sent: list[Message] = []
        self.ids = count(order_of(NOW))
        self.now = NOW
        self.serial = count()
        self.replayed: dict[int, dict[str, bytes]] = {}
        self.followed: set[tuple[int, int]] = set()
        self.apply()

    def teardown(self) -> None:
        try:
            self.prepare_all()
            self.sweep()
        finally:
            self.store.close()

    # What happens

    def apply(self) -> None:
        self.now += 1
        sections: dict[str, Any] = {"computed_traits": {}, "audiences": {}}
        for key, (section, body) in self.file.items():
            sections[section][key] = {"collection": KEYS[key], **body}
        apply(self.store, json.dumps({"spaces": {"acme": sections}}), (), {}, now=self.now)

    @property
    def space(self) -> Space:
        return read_catalog(self.store).spaces["acme"]

    @rule(data=st.data(), keys=st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True))
    def define(self, data: st.DataObject, keys: list[str]) -> None:
        """Define something, or else; what refers to itself is refused, and changes nothing."""
        before = dict(self.file)
        for key in keys:
            self.file[key] = data.draw(bodies(key))
        try:
            self.apply()
        except SettingsRefused:
            self.file = before

    @precondition(lambda self: self.file)
    @rule(data=st.data(), enabled=st.sampled_from([True, False, None]))
    def remove_or_disable(self, data: st.DataObject, enabled: bool | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.file)))
        section, body = self.file.pop(key)
        if enabled is not None:
            self.file[key] = (section, {**body, "enabled": enabled})
        self.apply()

    @rule(limit=st.integers(1, 3))
    def prepare(self, limit: int) -> None:
        advance(self.store, read_catalog(self.store).spaces, now=self.now, pace=Pace(limit))

    @rule()
    def prepare_all(self) -> None:
        for _ in range(1000):
            spaces = read_catalog(self.store).spaces
            swept = sweep(self.store, spaces, now=self.now).profiles
            if not advance(self.store, spaces, now=self.now) and not swept:
                return
        raise AssertionError("it never ends")

    @rule(data=st.data(), size=st.integers(1, 5), cuts=st.sets(st.integers(1, 4)))
    def send(self, data: st.DataObject, size: int, cuts: set[int]) -> None:
        """Send messages, cut into batches anyhow."""
        batch = [self.told(data) for _ in range(size)]
        self.sent += batch
        ends = sorted({end for end in cuts if end < len(batch)} | {len(batch)})
        for start, end in zip([0, *ends], ends, strict=False):
            self.settle(batch[start:end])

    def told(self, data: st.DataObject) -> Message:
        """Return an event or traits of a user, or a group call."""
        who = data.draw(st.lists(identifiers, min_size=1, max_size=2, unique=True))
        made = data.draw(messages(self.now, next(self.serial), ("Login", "Login", *EVENTS), *who))
        if data.draw(st.integers(0, 3)):
            return made
        named = data.draw(st.lists(accounts, min_size=1, max_size=2, unique=True))
        if made.event is not None:
            return msgspec.structs.replace(made, identifiers=tuple(named))
        both = (*who, *named)
        return msgspec.structs.replace(made, kind=MessageKind.GROUP, subject=ACCOUNTS, identifiers=both)

    def settle(self, batch: list[Message]) -> None:
        settle(self.store, [Submission(tuple(batch))], {"acme": self.space}, now=self.now, ids=self.ids)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        message = data.draw(st.sampled_from(self.sent))
        self.settle([message, message])

    @precondition(lambda self: any(profile.members for profile in self.everybody()))
    @rule(data=st.data(), forever=st.booleans())
    def unmerge(self, data: st.DataObject, forever: bool) -> None:
        absorbed = sorted(one for profile in self.everybody() for one in profile.members)
        one = data.draw(st.sampled_from(absorbed))
        unmerge(self.store, self.space, one, forever=forever, now=self.now, ids=self.ids)

    @rule(identifier=identifiers)
    def forget(self, identifier: Identifier) -> None:
        forget(self.store, self.space, [identifier], deletion=f"d{next(self.serial)}", suppress=False, now=self.now)

    @rule(identifier=identifiers)
    def remove(self, identifier: Identifier) -> None:
        owner = self.store.owner("acme", identifier) or 0
        with suppress(IdentifierNotFound):
            remove(self.store, self.space, owner, identifier, now=self.now)

    @rule(span=spans)
    def wait(self, span: int) -> None:
        self.now += span

    @rule()
    def sweep(self) -> None:
        """After a sweep lists of members are right, and whoever followed the changes knows what readers see."""
        for _ in range(1000):
            if not sweep(self.store, read_catalog(self.store).spaces, now=self.now, pace=Pace(2)).profiles:
                break
        assert self.store.due(now=self.now, limit=10) == []
        self.lists_are_right()
        if self.store.evaluations().get("acme") is None or self.store.evaluations()["acme"].cursor is None:
            self.changes_are_what_readers_see()

    # What holds

    def everybody(self) -> Iterator[Profile]:
        for collection in (USERS, ACCOUNTS):
            for row in self.store.recent("acme", collection, beyond=None, offset=0, limit=10_000):
                profile = self.store.profile(row.id)
                assert profile is not None
                yield profile

    def visible(self, collection: str) -> list[Definition]:
        plan = self.space.policy.plans.get(collection)
        return [] if plan is None else sorted(plan.visible.values(), key=lambda d: d.number)

    def exact(self, collection: str) -> list[Definition]:
        """Return the definitions that readers see, but those that are about to be replaced for want of another.

        What was removed is gone at once; what referred to it answers as before, until it has been prepared anew.
        """
        there = {d.key for of in (USERS, ACCOUNTS) for d in self.visible(of)}
        defined = [record.definition for record in self.store.definitions()]
        replaced = {d.key for d in defined if d.state is State.PREPARING}
        return [
            one
            for one in self.visible(collection)
            if one.key not in replaced or all_references(one) & KEYS.keys() <= there
        ]

    def seen(self, profile: Profile, now: int) -> Mapping[str, bytes]:
        """Return the traits that readers see of somebody at an instant."""
        own = own_identifier(profile.collection, profile.id)
        found = lookup.one(self.store, self.space, [own], now=now)
        assert found.id == profile.id
        custom = {key for key, trait in profile.traits.items() if trait.value}
        computed = found.sheet.members().keys() - found.sheet.members_of(CUSTOM).keys()
        assert computed <= {d.key for d in self.visible(profile.collection)}
        assert found.sheet.members_of(CUSTOM).keys() == custom - computed
        return {key: bytes(text) for key, text in found.sheet.members().items()}

    def past(self, profile: Profile, now: int) -> oracle.Past:
        kept = self.store.happened("acme", profile.ids, EVENTS)
        users: list[oracle.Past] = []
        if profile.collection == ACCOUNTS:
            head = Head(profile.id, ACCOUNTS, profile.first, profile.last, profile.members)
            linked = {row.today for row in self.store.links("acme", head, beyond=None, limit=1000)}
            users = [self.past(user, now) for user in self.store.profiles(sorted(linked)).values()]
        return oracle.Past(kept, self.seen(profile, now), users)

    def belongs(self, one: Definition, profile: Profile, past: oracle.Past, now: int) -> bool:
        return oracle.belongs(one, parse(one), past, known=profile.known, now=now)

    def check(self, now: int) -> None:
        for profile in self.everybody():
            past = self.past(profile, now)
            custom = {key: trait.value for key, trait in profile.traits.items() if trait.value}
            for one in self.exact(profile.collection):
                have = past.traits.get(one.key)
                if one.kind is Kind.AUDIENCE:
                    holds = self.belongs(one, profile, past, now)
                    assert have == TRUE if holds else have in {b"false", custom.get(one.key)}, (one, now)
                else:
                    expected = oracle.value(parse(one), past, now=now)
                    assert have == (custom.get(one.key) if expected is None else expected), (one, now)

    @invariant()
    def what_is_read_is_what_the_whole_history_says(self) -> None:
        self.check(self.now)

    @rule(spans=st.lists(spans, min_size=1, max_size=3))
    def look_ahead(self, spans: list[int]) -> None:
        """Whatever instant somebody reads at: nothing is written by that."""
        for span in spans:
            self.check(self.now + span)

    def lists_are_right(self) -> None:
        everybody = list(self.everybody())
        for collection in (USERS, ACCOUNTS):
            for one in [d for d in self.exact(collection) if d.kind is Kind.AUDIENCE]:
                members = {m.profile for m in self.store.members("acme", one.number, beyond=0, limit=10_000)}
                assert members == {
                    p.id
                    for p in everybody
                    if p.collection == collection and self.belongs(one, p, self.past(p, self.now), self.now)
                }, one
                assert self.store.count_members("acme", one.number) == len(members)
                assert members == {p.id for p in everybody if one.number in self.open_stays(p)}

    def open_stays(self, profile: Profile) -> set[int]:
        head = Head(profile.id, profile.collection, profile.first, profile.last, profile.members)
        stays = self.store.memberships(head, limit=10_000)
        assert all(stay.until is None or stay.since <= stay.until for stay in stays)
        return {stay.number for stay in stays if stay.until is None}

    @invariant()
    def changes_follow_each_other(self) -> None:
        """Whoever follows the changes knows what each was before; of who was absorbed nothing is left."""
        for row in self.store.changes("acme", beyond=None, limit=100_000):
            if (row.at, row.profile) in self.followed:
                continue
            self.followed.add((row.at, row.profile))
            known = self.replayed.setdefault(row.profile, {})
            for change in row.changes:
                assert known.get(change.key, ABSENT) == change.was, (row.profile, change)
                known[change.key] = change.now
        there = {profile.id for profile in self.everybody()}
        self.replayed = {profile: known for profile, known in self.replayed.items() if profile in there}

    def changes_are_what_readers_see(self) -> None:
        self.changes_follow_each_other()
        for profile in self.everybody():
            replayed = self.replayed.get(profile.id, {})
            known = {key: text for key, text in replayed.items() if text != ABSENT}
            seen = self.seen(profile, self.now)
            keys = {d.key for d in self.visible(profile.collection)}
            custom = {key: trait.value for key, trait in profile.traits.items() if trait.value}
            assert {key: known.get(key, custom.get(key)) for key in keys} == {key: seen.get(key) for key in keys}
            assert known.keys() <= keys


def test_at_any_instant_what_is_read_is_what_the_whole_history_says(url: str) -> None:
    class Here(Machine):
        pass

    Here.url = url
    examples = settings.default.max_examples // 5
    run_state_machine_as_test(Here, settings=settings(max_examples=examples, stateful_step_count=30))
