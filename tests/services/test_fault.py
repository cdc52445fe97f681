"""A refused setting says where it stands."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from mien.errors import SettingsRefused
from mien.services.fault import Fault, at, convert, dotted


class Card(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=0)] | None = None
    blocked: list[str] | None = None

    def __post_init__(self) -> None:
        if self.limit == 13:
            raise ValueError("13 is unlucky")


class Wallet(Struct):
    owner: str
    cards: dict[str, Card] = {}
    other: Card | None = None
    kinds: dict[Literal["gold", "silver"], int] = {}
    either: int | str = 0


def test_a_path_is_put_together_from_the_inside_out() -> None:
    with pytest.raises(Fault) as caught, at("acme"), at("retention", "events"):
        raise Fault("must be shorter", "first", 0)
    assert caught.value.path == ("acme", "retention", "events", "first", 0)
    assert caught.value.reason == "must be shorter"
    assert str(caught.value) == "acme.retention.events.first[0]: must be shorter"


def test_a_value_error_becomes_a_fault_where_it_happened() -> None:
    with pytest.raises(SettingsRefused, match=r"^acme\.events: not a duration$"), at("acme", "events"):
        raise ValueError("not a duration")


def test_without_a_path_only_the_reason_is_said() -> None:
    assert str(Fault("cannot be a name")) == "cannot be a name"


def test_a_reason_is_one_line_and_no_page_whatever_it_quotes() -> None:
    assert Fault("`so\non\x1b[2J` is not a café").reason == r"`so\non\x1b[2J` is not a café"
    assert len(Fault("x" * 5000).reason) < 500


def test_a_path_is_one_line_and_no_page_whatever_stands_in_it() -> None:
    assert dotted(("acme", "a.b", 2, "no\nway\x1b[2J")) == r"acme.'a.b'[2].'no\nway\x1b[2J'"
    assert len(dotted(("x" * 5000,))) < 200


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        ([], (), "Expected `object`"),
        ({}, (), "missing required field `owner`"),
        ({"owner": 1}, ("owner",), "Expected `str`, got `int`"),
        ({"owner": "x", "cards": []}, ("cards",), "Expected `object`"),
        ({"owner": "x", "cards": {"a": {}, "b.c": {"limit": "many"}}}, ("cards", "b.c", "limit"), "Expected `int`"),
        ({"owner": "x", "cards": {"a": {"limit": -1}}}, ("cards", "a", "limit"), ">= 0"),
        ({"owner": "x", "cards": {"a": {"limit": 13}}}, ("cards", "a"), "unlucky"),
        ({"owner": "x", "cards": {"a": {"colour": 1}}}, ("cards", "a", "colour"), "no such setting"),
        ({"owner": "x", "other": {"blocked": ["y", 1]}}, ("other", "blocked", 1), "Expected `str`, got `int`"),
        ({"owner": "x", "kinds": {"iron": 1}}, ("kinds", "iron"), "Invalid enum value"),
        ({"owner": "x", "either": []}, ("either",), "Expected `int | str`, got `array`"),
    ],
)
def test_what_cannot_be_converted_is_named_by_its_innermost_part(
    value: Any, path: tuple[Any, ...], reason: str
) -> None:
    with pytest.raises(Fault, match=reason.replace("|", r"\|")) as caught:
        convert(value, Wallet, "file")
    assert caught.value.path == ("file", *path)
    assert "$" not in caught.value.reason


def test_what_is_right_is_converted_as_msgspec_does() -> None:
    value = {"owner": "x", "cards": {"a": {"limit": None, "blocked": ["y"]}}, "unknown": 1}
    assert convert(value, Wallet) == msgspec.convert(value, Wallet)
