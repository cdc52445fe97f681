"""Histories for the laws of what is computed: few names and small times, so that events meet windows."""

from collections.abc import Sequence

import msgspec
from hypothesis import strategies as st

from mien.core.grammar import UNITS
from mien.core.message import Identifier, Kind, Message, order_of
from tests.factories import NOW, user
from tests.queries import CONTEXTS, EVENTS, SOURCES, TRAITS, WORDS

HOUR, DAY = UNITS["hour"], UNITS["day"]

plain_values = st.one_of(
    st.integers(-2, 12),
    st.sampled_from([2.5, -0.1, 0.1, 3.0, "10", "2.5", " 7 ", True, False, None]),
    st.sampled_from(WORDS),
    st.integers(-8, 8).map(lambda n: f"2026-11-{18 + n:02}"),
)
values = st.one_of(
    plain_values,
    plain_values,
    st.lists(plain_values, max_size=3),
    st.sampled_from([{"b": 1, "a": 2.5}, {"a": 2.5, "b": 1.0}, [[1], ["a"]], [{"sku": "a"}], {"sku": ["a", "10"]}]),
)
items = st.lists(st.one_of(st.fixed_dictionaries({"sku": plain_values}), plain_values), max_size=3)
properties = st.fixed_dictionaries({}, optional={"price": values, "brand": values, "items": items, "when": values})
contexts = st.builds(lambda url, locale: {"page": {"url": url}, "locale": locale}, plain_values, plain_values)

lateness = st.one_of(
    st.just(0),
    st.builds(lambda hours, off: hours * HOUR + off, st.integers(-5, 30), st.sampled_from([0, 0, 0, -1, 1])),
    st.builds(lambda days, off: days * DAY + off, st.integers(-2, 12), st.sampled_from([0, 0, 0, -1, 1])),
)
"""How long before it was received something happened; a clock that runs ahead makes it less than 0."""
pauses = st.one_of(
    st.sampled_from([0, 0, 1]),
    st.builds(lambda hours: hours * HOUR, st.integers(0, 30)),
    st.builds(lambda days: days * DAY, st.integers(0, 9)),
)


@st.composite
def messages(draw: st.DrawFn, at: int, serial: int, names: Sequence[str], *who: Identifier) -> Message:
    """Return an event, or now and then a change of traits, that is received at an instant."""
    happened = at - draw(lateness)
    event = draw(st.sampled_from([*names, *names, *EVENTS[:1], None]))
    traits = st.dictionaries(st.sampled_from([path[0] for path in TRAITS]), values, min_size=1, max_size=2)
    return Message(
        space="acme",
        source=draw(st.sampled_from(SOURCES)),
        id=f"m{serial}",
        kind=Kind.IDENTIFY if event is None else Kind.TRACK,
        timestamp=happened,
        order=order_of(at, serial),
        identifiers=who or (user("user_id", "u1"),),
        traits={} if event else {key: msgspec.json.encode(value) for key, value in draw(traits).items()},
        event=event,
        properties=msgspec.json.encode(draw(properties)) if event else b"{}",
        context=msgspec.json.encode(draw(contexts)) if event and CONTEXTS else b"{}",
    )


@st.composite
def histories(draw: st.DrawFn, names: Sequence[str] = EVENTS, most: int = 14) -> list[Message]:
    """Return messages in the order of receipt, mostly events of these names."""
    at, found = NOW, []
    for serial in range(draw(st.sampled_from([1, 2, 3, 5, 8, most]))):
        at += draw(pauses)
        found.append(draw(messages(at, serial, names)))
    return found
