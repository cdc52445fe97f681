"""What a row says."""

from typing import Any

import msgspec
import pytest

from mien.core.message import Identifier, Kind
from mien.core.presets import preset
from mien.errors import Invalid
from mien.tables.columns import MAX_BYTES, MAX_VALUES, Columns, RowRefused, Said, inferred, read_row
from tests.factories import NOW


def columns(**fields: Any) -> Columns:
    """Return columns of stores, identified by `store_id`."""
    return Columns(**{"collection": "stores", "identifiers": [("store_id", "id")], **fields})


def said(row: dict[str, Any], **fields: Any) -> Said:
    return read_row({"store_id": "s1", **row}, columns(**fields), preset("segment"))


def values(row: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {key: msgspec.json.decode(value) for key, value in said(row, **fields).values.items()}


def test_every_column_that_is_not_special_is_a_value_under_its_own_name() -> None:
    row = {"city": "Ulm", "at": "2026-01-01", "what": "Opened"}
    assert values(row) == row
    assert values(row, timestamp="at", event_column="what") == {"city": "Ulm"}
    assert values(row, names={"city": "town"}, timestamp="at") == {"town": "Ulm", "what": "Opened"}
    assert values(row, names={"city": "town"}, only=frozenset({"at"})) == {"town": "Ulm", "at": "2026-01-01"}
    assert values(row, only=frozenset({"at"}), timestamp="at") == {"at": "2026-01-01"}
    assert values({}, names={"store_id": "number"}) == {"number": "s1"}


def test_a_row_is_a_message_that_describes_a_profile_or_an_event_of_it() -> None:
    described = said({"city": "Ulm", "gone": None}).message("acme", "src", "m", now=NOW, order=5)
    assert (described.kind, described.subject, described.timestamp) == (Kind.IDENTIFY, "stores", NOW)
    assert described.identifiers == (Identifier("stores", "id", "s1"),)
    assert described.traits == {"city": b'"Ulm"', "gone": b"null"}
    happened = said({"price": 5, "at": 1_700_000_000}, event="Sold", timestamp="at")
    event = happened.message("acme", "src", "m", now=NOW, order=5)
    assert (event.kind, event.event, event.timestamp) == (Kind.TRACK, "Sold", 1_700_000_000_000_000)
    assert (event.traits, event.properties) == ({}, b'{"price":5}')


def test_identifiers_are_text_as_they_stand_there() -> None:
    pairs = [("store_id", "id"), ("mail", "email"), ("other", "email")]
    found = said({"store_id": " 007 ", "mail": "A@x.c", "other": ""}, identifiers=pairs, infer=True).identifiers
    assert [(i.type, i.value) for i in found] == [("id", "007"), ("email", "a@x.c")]
    assert said({"store_id": 7}).identifiers[0].value == "7"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"store_id": ""}, "it has no identifier"),
        ({"store_id": None}, "it has no identifier"),
        ({"store_id": " "}, "it has no identifier"),
        ({"store_id": "NULL"}, "its identifier has a value that identifies nobody"),
        ({"store_id": 1.5}, "`store_id` is an identifier, but neither text nor a whole number"),
        ({"store_id": True}, "`store_id` is an identifier, but neither text nor a whole number"),
        ({"store_id": "s" * 1025}, "`store_id` is longer than 1,024 characters"),
        ({"at": "soon"}, "`at` is not a time"),
        ({"at": None}, "`at` is not a time"),
        ({"what": ""}, "`what` does not name an event"),
        ({"what": 5}, "`what` does not name an event"),
        ({"x": "x" * MAX_BYTES}, "it is larger than 262,144 bytes"),
        ({f"x{n}": "" for n in range(MAX_VALUES + 1)}, "it has more than 1,000 values"),
        ({"x": 1, "y": 2}, "two of its columns would be kept as `y`"),
        ({"x": "\ud800"}, "it holds a character that cannot be kept"),
        ({"store_id": "\ud800"}, "it holds a character that cannot be kept"),
    ],
)
def test_a_row_that_cannot_be_taken_in_says_why(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowRefused) as refused:
        said({"at": "2026-01-01", "what": "E", **row}, timestamp="at", event_column="what", names={"x": "y"})
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("given", "micros"),
    [
        ("2026-11-22T12:00:00+01:00", 1_795_345_200_000_000),
        ("2026-11-22 11:00", 1_795_345_200_000_000),
        ("20231114", 1_699_920_000_000_000),
        ("1700000000", 1_700_000_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000),
        ("1700000000123", 1_700_000_000_123_000),
        (1_700_000_000_123, 1_700_000_000_123_000),
    ],
)
def test_times(given: Any, micros: int) -> None:
    assert said({"at": given}, timestamp="at").timestamp == micros


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("5", 5), ("-5", -5), ("0", 0), ("12.50", 12.5), ("999999999999999", 999999999999999)),
        *(("true", True), ("FALSE", False), ("True", True)),
        *(
            (t, t)
            for t in ("007", "1e5", "+5", "1,5", ".5", "5.", " 5", "1234567890123456", "yes", "NaN", "٥", "5\n")
        ),
    ],
)
def test_only_what_looks_like_nothing_else_is_inferred(text: str, value: object) -> None:
    assert inferred(text) == value
    assert type(inferred(text)) is type(value)


def test_the_id_follows_from_the_content_alone() -> None:
    one = said({"a": {"x": 1, "y": 2}, "b": 1})
    assert one.digest("src") == said({"b": 1, "a": {"y": 2, "x": 1}}).digest("src")
    others = [
        one.digest("other"),
        one.digest("src", 1),
        said({"a": {"x": 1, "y": 2}, "b": "1"}).digest("src"),
        said({"a": {"x": 1, "y": 2}, "b": 1, "store_id": "s2"}).digest("src"),
        said({"a": {"x": 1, "y": 2}, "b": 1}, collection="shops").digest("src"),
        said({"a": {"x": 1, "y": 2}, "b": 1}, event="E").digest("src"),
    ]
    assert len({one.digest("src"), *others}) == 7


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"identifiers": []}, "which column identifies a row"),
        ({"identifiers": [("store_id", "Id")]}, "cannot be a type of identifier"),
        ({"identifiers": [("shop", "id")]}, "There is no column `shop`: the header names store_id, city, at"),
        ({"timestamp": "when"}, "There is no column `when`"),
        ({"only": frozenset({"x"})}, "There is no column `x`"),
        ({"names": {"x": "y"}}, "There is no column `x`"),
        ({"names": {"at": "city"}}, "The columns `city` and `at` would both be kept as `city`"),
        ({"event": "E", "event_column": "city"}, "give one of the two"),
        ({"event": ""}, "give one of the two"),
    ],
)
def test_columns_that_cannot_be_are_a_sentence(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        columns(**fields).check(["store_id", "city", "at"])
