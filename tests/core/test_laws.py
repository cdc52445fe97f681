"""The laws of identity and merges, against a model that is small and obviously right.

Random messages are taken into a real store; what it then holds is compared with the model, with the same messages in
another order, cut into other batches, and repeated.
"""

from collections.abc import Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from mien.core.fold import Policy
from mien.core.message import ACCOUNTS, USERS, Identifier, Kind, Message, Submission, order_of
from mien.core.presets import preset
from mien.core.rules import Rules, TypeRule
from mien.core.space import Space
from mien.services.ingest import settle
from mien.store.base import EventQuery
from mien.store.sql import SqlStore, open_store
from tests.factories import NOW, sheet_of

FREE = Policy(rules=Rules(other=TypeRule(limit=10_000), max_merges=10_000, max_identifiers=10_000))
"""Nothing is ever refused."""
TIGHT = Policy(
    rules=Rules(
        types={"user_id": TypeRule(limit=1, priority=1), "email": TypeRule(limit=2, priority=2, period=50)},
        other=TypeRule(limit=2),
        max_merges=3,
        max_identifiers=6,
    )
)

identifiers = st.builds(
    Identifier,
    st.sampled_from([USERS, USERS, USERS, ACCOUNTS]),
    st.sampled_from(["user_id", "email", "anonymous_id", "card"]),
    st.sampled_from("abcdef"),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Message]:
    """Return messages with distinct ids, in the order of receipt, with few distinct timestamps."""
    size = draw(st.integers(1, 14))
    return [draw(_messages(serial)) for serial in range(size)]


@st.composite
def _messages(draw: st.DrawFn, serial: int) -> Message:
    kind = draw(st.sampled_from([Kind.IDENTIFY, Kind.TRACK, Kind.GROUP, Kind.ALIAS]))
    traits = draw(st.dictionaries(st.sampled_from("xyz"), st.sampled_from([b"1", b"2", b"null"]), max_size=3))
    return Message(
        space="acme",
        source="web",
        id=f"m{serial}",
        kind=kind,
        timestamp=NOW + draw(st.integers(0, 60)),
        order=order_of(NOW + serial),
        identifiers=tuple(draw(st.lists(identifiers, min_size=1, max_size=4, unique=True))),
        subject=ACCOUNTS if kind == Kind.GROUP else USERS,
        traits=traits if kind in {Kind.IDENTIFY, Kind.GROUP} else {},
        event=draw(st.sampled_from(["E", "F"])) if kind == Kind.TRACK else None,
    )


def world(batches: Sequence[Sequence[Message]], policy: Policy, *, names: bool = False) -> object:
    """Take batches into a new store and return everything one can read of it, profile ids aside."""
    space = Space(slug="acme", name="Acme", policy=policy)
    ids = count(order_of(NOW))
    with open_store("sqlite:///:memory:") as store:
        for batch in batches:
            settle(store, [Submission(tuple(batch))], {"acme": space}, now=NOW, ids=ids)
        return _people(store, names=names)


def _people(store: SqlStore, *, names: bool) -> object:
    """Return per person: identifiers, traits, activity, events and links; with `names` also who came first."""
    found = {}
    for collection in (USERS, ACCOUNTS):
        for row in store.recent("acme", collection, beyond=None, offset=0, limit=1000):
            profile = store.profile(row.id)
            head = store.head(row.id)
            assert profile is not None
            sheet = sheet_of(store, row.id)
            assert head is not None
            assert sheet is not None
            held = frozenset(Identifier(collection, kind, value) for kind, value in profile.identifiers)
            links = store.links("acme", head, beyond=None, limit=1000)
            found[held] = (
                {key: bytes(value) for key, value in sheet.members().items()},
                dict(profile.activity),
                sorted(event.message for event in store.events(head, EventQuery(limit=1000))),
                frozenset(_held(store, linked) for _, _, linked in links),
                (profile.first, profile.last, len(profile.members)) if names else None,
            )
            for name in profile.names():
                assert store.owner("acme", name) == row.id
    return found


def _held(store: SqlStore, profile: int) -> frozenset[tuple[str, str]]:
    found = store.profile(profile)
    assert found is not None
    return frozenset(found.identifiers)


def model(messages: Sequence[Message]) -> object:
    """Return what must come out when nothing is ever refused: connected components, and the winner of each trait.

    An alias names nobody. A group call links whoever it names in both collections.
    """
    telling = [m for m in messages if m.kind != Kind.ALIAS]
    people: list[set[Identifier]] = []
    for m in telling:
        for collection in (USERS, ACCOUNTS):
            claim = {i for i in m.identifiers if i.collection == collection}
            if claim:
                touching = [person for person in people if person & claim]
                people = [person for person in people if not person & claim] + [claim.union(*touching)]
    found = {}
    for person in people:
        collection = next(iter(person)).collection
        theirs = [m for m in telling if person & set(m.identifiers)]
        traits: dict[str, bytes] = {}
        for m in sorted(theirs, key=lambda m: (m.timestamp, m.order)):
            if m.subject == collection:
                traits.update(m.traits)
        events = [m for m in theirs if m.event]
        activity = {
            name: (len(times), min(times), max(times))
            for name in {m.event for m in events}
            if (times := [m.timestamp for m in events if m.event == name])
        }
        links = {
            frozenset((i.type, i.value) for i in other)
            for m in theirs
            if m.kind == Kind.GROUP
            for other in people
            if other & set(m.identifiers) and next(iter(other)).collection != collection
        }
        found[frozenset(person)] = (
            {key: value for key, value in traits.items() if value != b"null"},
            activity,
            sorted(m.id for m in events),
            frozenset(links),
            None,
        )
    return found


@given(histories())
def test_nobody_refused_the_store_holds_what_the_model_says(history: list[Message]) -> None:
    assert world([history], FREE) == model(history)


@given(histories(), st.randoms(use_true_random=False))
def test_nobody_refused_the_order_of_arrival_changes_nothing(history: list[Message], chance: object) -> None:
    """Times and places in the order of receipt stay with their messages; only the moment of writing differs."""
    shuffled = [m for m in history if m.kind != Kind.ALIAS]
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert world([[m] for m in shuffled], FREE) == model(history)


@st.composite
def cuts(draw: st.DrawFn, history: list[Message]) -> list[list[Message]]:
    """Cut a history into batches, with messages repeated at once and later."""
    batches: list[list[Message]] = [[]]
    for place, m in enumerate(history):
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(m)
        if draw(st.booleans()):
            batches[-1].append(history[draw(st.integers(0, place))])
    return batches


@given(st.data(), histories(), st.sampled_from([FREE, TIGHT, Policy(rules=preset("segment"))]))
def test_repeating_and_cutting_change_nothing_even_where_identifiers_are_refused(
    data: st.DataObject, history: list[Message], policy: Policy
) -> None:
    assert world(data.draw(cuts(history)), policy, names=True) == world([history], policy, names=True)


@given(histories())
def test_limits_hold_whatever_arrives(history: list[Message]) -> None:
    people = world([history], TIGHT)
    assert isinstance(people, dict)
    for held in people:
        assert len(held) <= 6
        assert sum(i.type == "user_id" for i in held) <= 1
        assert sum(i.type == "anonymous_id" for i in held) <= 2
