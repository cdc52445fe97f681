"""Segment's ids, and what a path segment may mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ksuid import Ksuid

from mien.core.identity import OWN_ID
from mien.core.message import COLLECTION, USERS, Identifier, order_of
from mien.dialects.segment.names import lookups, profile_of, segment_id
from tests.factories import NOW

profiles = st.integers(order_of(NOW), 2**62)


@given(profiles)
def test_a_segment_id_names_its_profile_and_no_other(profile: int) -> None:
    text = segment_id("users", profile)
    assert len(text) == 31
    assert text.startswith("use_")
    assert profile_of("users", text) == profile
    assert profile_of("accounts", segment_id("accounts", profile)) == profile
    assert profile_of("accounts", text) is None


@given(profiles, st.from_regex(COLLECTION, fullmatch=True).filter(lambda name: name not in {"users", "accounts"}))
def test_ids_of_named_collections_begin_alike_and_name_one_profile_each(profile: int, collection: str) -> None:
    text = segment_id(collection, profile)
    assert text.startswith("ent_")
    assert profile_of(collection, text) == profile
    assert profile_of(("x" + collection)[:64], text) is None


def test_the_last_eight_characters_belong_in_front_as_in_the_seed() -> None:
    """Then it is a KSUID whose time is that of the profile (reference: 1.3)."""
    turned = segment_id("users", order_of(NOW)).removeprefix("use_")
    assert int(Ksuid.from_base62(turned[-8:] + turned[:-8]).timestamp) == NOW // 1_000_000


@given(st.text(max_size=40) | st.text("0123456789abcXYZ_", min_size=27, max_size=27).map(lambda t: f"use_{t}"))
def test_any_text_names_a_profile_or_none(text: str) -> None:
    assert profile_of("users", text) is None


def user(kind: str, value: str) -> Identifier:
    return Identifier(USERS, kind, value)


@pytest.mark.parametrize(
    ("segment", "meant"),
    [
        ("user_id:u1", [user("user_id", "u1")]),
        ("user_id:U1", [user("user_id", "U1"), user("user_id", "u1")]),
        ("email:A@b.C", [user("email", "A@b.C"), user("email", "a@b.c")]),
        ("android.id:a:b", [user("android.id", "a:b")]),
        ("phone_number:+5555550123", [user("phone_number", "+5555550123")]),
        (segment_id("users", 77), [user(OWN_ID, "77")]),
        ("segment_id:" + segment_id("users", 77), [user(OWN_ID, "77")]),
        ("use_RkjG0kW53igMijEISMH0vKBF4sL", []),
        ("u1", []),
        ("", []),
        (":", []),
        (":x", []),
        ("user_id:", []),
        ("$id:77", []),
        ("User Id:x", []),
    ],
)
def test_what_a_path_segment_means(segment: str, meant: list[Any]) -> None:
    assert lookups(USERS, segment) == meant
