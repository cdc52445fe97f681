"""Recorded cases: small histories, and what a query comes to."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from mien.core.computed import shown
from mien.core.definition import Kind
from mien.core.message import ACCOUNTS, USERS, Message, order_of
from mien.core.message import Kind as MessageKind
from mien.core.parser import computed_trait
from mien.core.plan import parse
from mien.errors import QueryRefused
from tests import oracle
from tests.factories import NOW, user
from tests.somebody import Somebody, definition, plans_of

MINUTE = 60_000_000
DAY = 1440 * MINUTE
AGES = {"us": 1, "m": MINUTE, "h": 60 * MINUTE, "d": DAY}


class Ev(NamedTuple):
    """An event: its name, how old it is, as `7d` or `7d-1us`, its properties and its context."""

    name: str
    age: str = "1d"
    properties: Mapping[str, Any] = {}
    context: Mapping[str, Any] = {}
    source: str = "web"

    def told(self, place: int) -> Message:
        return Message(
            space="acme",
            source=self.source,
            id=f"m{place}",
            kind=MessageKind.TRACK,
            timestamp=NOW - age(self.age),
            order=order_of(NOW, place),
            identifiers=(user("user_id", "u1"),),
            event=self.name,
            properties=msgspec.json.encode(self.properties),
            context=msgspec.json.encode(self.context),
        )


class Has(NamedTuple):
    """Traits."""

    traits: Mapping[str, Any]

    def told(self, place: int) -> Message:
        return Message(
            space="acme",
            source="web",
            id=f"m{place}",
            kind=MessageKind.IDENTIFY,
            timestamp=NOW,
            order=order_of(NOW, place),
            identifiers=(user("user_id", "u1"),),
            traits={key: msgspec.json.encode(value) for key, value in self.traits.items()},
        )


class Case(NamedTuple):
    """A query, a history, and what the query comes to: for an audience whether it holds, else a value or None."""

    query: str
    history: Sequence[Ev | Has]
    is_: Any
    users: Sequence[Sequence[Ev | Has]] | None = None


def age(written: str) -> int:
    found = re.findall(r"([+-]?\d+)(us|m|h|d)", written)
    return sum(int(number) * AGES[unit] for number, unit in found)


def check(case: Case) -> None:
    """Compare with what is recorded: what was kept up to date, and what the whole history says."""
    collection = USERS if case.users is None else ACCOUNTS
    kind = Kind.COMPUTED_TRAIT if _is_scalar(case.query) else Kind.AUDIENCE
    one = definition(case.query, kind=kind, collection=collection, key="it", anonymous=True)
    plans = plans_of([one, definition("event('None').count()", kind=Kind.COMPUTED_TRAIT, number=2)])
    users = [_told(Somebody(plans[USERS]), history) for history in case.users or ()]
    somebody = _told(Somebody(plans[collection], collection=collection, users=users), case.history)
    somebody.look_again(NOW)
    computed = somebody.at(NOW)
    seen = shown(computed, plans[collection]).get("it")
    past = somebody.past(computed, NOW)
    if kind is Kind.AUDIENCE:
        assert (seen is not None and seen.text == b"true") == case.is_
        assert oracle.belongs(one, parse(one), past, known=True, now=NOW) == case.is_
    else:
        assert (None if seen is None else msgspec.json.decode(seen.text)) == case.is_
        value = oracle.value(parse(one), past, now=NOW)
        assert (None if value is None else msgspec.json.decode(value)) == case.is_


def _is_scalar(query: str) -> bool:
    try:
        computed_trait(query, collection=USERS)
    except QueryRefused:
        return False
    return True


def _told(somebody: Somebody, history: Sequence[Ev | Has]) -> Somebody:
    for place, one in enumerate(history):
        somebody.take(one.told(place))
    return somebody
