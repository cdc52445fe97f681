"""GrowthLoop's requests → questions (reference: 7)."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.dialects.growthloop import parse
from mien.dialects.growthloop.parse import EVERYTHING, InvalidId, Selection


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=200), st.booleans())
def test_every_sound_id_survives_its_encoding(text: str, plain: bool) -> None:
    assert parse.identifier(quote(text, safe="@:=,+" if plain else "")) == text


@given(st.text(st.characters(codec="ascii", exclude_characters="/?# "), max_size=40))
def test_whatever_is_sent_is_an_id_or_is_refused(text: str) -> None:
    with suppress(InvalidId):
        assert parse.identifier(text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", EVERYTHING),
        (b"explain=no", EVERYTHING),
        (b"fields=&audiences=,", Selection(fields=frozenset(), audiences=frozenset())),
        (b"fields=a,b,,a", Selection(fields=frozenset({"a", "b"}))),
        (b"fields=a%2Cb&audiences=1", Selection(fields=frozenset({"a", "b"}), audiences=frozenset({"1"}))),
        (b"explain=TRUE", Selection(explain=True)),
        (b"fields=%FF", Selection(fields=frozenset({"\udcff"}))),
    ],
)
def test_a_selection(query: bytes, expected: Selection) -> None:
    assert parse.selection(query) == expected
