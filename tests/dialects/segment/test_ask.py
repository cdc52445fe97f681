"""Segment's queries → questions."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.dialects.segment import ask
from mien.errors import Invalid, MienError
from mien.store import sheet


@pytest.mark.parametrize(
    ("text", "limit"), [(None, 10), ("", 10), ("1", 1), ("200", 200), ("201", 200), ("9" * 5000, 200), ("007", 7)]
)
def test_limits_are_clamped(text: str | None, limit: int) -> None:
    query = {} if text is None else {"limit": text}
    assert ask.traits(query).limit == limit


@pytest.mark.parametrize("text", ["0", "00", "-1", "1.5", "ten", "1e3", "٣", " 1"])
def test_a_limit_that_is_no_whole_number_above_0_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="limit"):
        ask.traits({"limit": text})


def test_lists_add_up_and_commas_divide() -> None:
    query = ask.read_query(b"include=a,b&include=c%2Cd+e&exclude=&class=audience&class=computed_trait")
    question = ask.traits(query)
    assert question.include == ["a", "b", "c", "d e"]
    assert question.kind == sheet.COMPUTED
    assert ask.events({"exclude": ""}).exclude == frozenset()


@pytest.mark.parametrize(("name", "value"), [("class", "everything"), ("include", ",".join(map(str, range(1001))))])
def test_a_bad_traits_query_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=name):
        ask.traits({name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("sort", "up"), ("start", "soon"), ("end", "2018-02-30"), ("limit", "x")]
)
def test_a_bad_events_query_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=name):
        ask.events({name: value})


def test_a_zone_whose_plus_became_a_space_is_understood() -> None:
    assert (
        ask.events(ask.read_query(b"start=2018-01-02T02:00:00+02:00")).after
        == ask.events({"start": "2018-01-02"}).after
    )


def test_the_cursor_of_the_seed_decodes() -> None:
    """The seed's cursor is base64 of nanoseconds, two colons and a message id."""
    cursor = "MTUxMzc1NTQzNjg2NzAwMDAwMDo6YWpzLTcyMWFhNzFjNDM2ZWJhOTUyYmI1ZmNiMzJlZWI3MWMzLWNsZWFu"
    assert ask.events({"next": cursor}).beyond == (
        1_513_755_436_867_000,
        "ajs-721aa71c436eba952bb5fcb32eeb71c3-clean",
    )
    assert ask.event_cursor(*ask.events({"next": cursor}).beyond or (0, "")) == cursor


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999), st.text())
def test_event_cursors_read_back(timestamp: int, message: str) -> None:
    try:
        cursor = ask.event_cursor(timestamp, message)
    except UnicodeEncodeError:
        return
    assert ask.events({"next": cursor}).beyond == (timestamp, message)


@pytest.mark.parametrize(
    "text", ["!", "AAAA", "::", "x", base64.b64encode(b"1:2").decode(), base64.b64encode(b"x::y").decode()]
)
def test_a_cursor_that_was_not_made_here_is_refused(text: str) -> None:
    for read in (lambda: ask.events({"next": text}), lambda: ask.read_pair(text), lambda: ask.recent({"next": text})):
        with pytest.raises(Invalid, match="next"):
            read()
    with pytest.raises(Invalid, match="next"):
        ask.read_mapping_id("map_!")


@given(st.text())
def test_any_cursor_is_read_or_refused(text: str) -> None:
    for read in (
        lambda: ask.events({"next": text}),
        lambda: ask.recent({"next": text}),
        lambda: ask.read_mapping_id(text),
    ):
        with suppress(Invalid):
            read()


def test_a_profiles_list_begins_at_an_offset_or_after_a_row() -> None:
    assert ask.recent({}) == (None, 0)
    assert ask.recent({"next": "0"}) == (None, 0)
    assert ask.recent({"next": "400"}) == (None, 400)
    assert ask.recent({"next": ask.pair_cursor(5, 7)}) == ((5, 7), 0)
    with pytest.raises(Invalid):
        ask.recent({"next": "9" * 30})


def test_collections_are_checked_in_the_words_of_the_seed() -> None:
    assert ask.check_collection("users") == "users"
    with pytest.raises(MienError, match=r"The parameter `collection` has invalid character\(s\) `!`"):
        ask.check_collection("users!!")
    with pytest.raises(MienError, match="must have 1 to 64 characters"):
        ask.check_collection("p" * 65)
    with pytest.raises(MienError, match=r"invalid character\(s\) `Pé`"):
        ask.check_collection("Planété")
    assert ask.check_collection("planets_2-b") == "planets_2-b"
