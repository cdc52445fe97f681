"""Our values → GrowthLoop's answers (seed; reference: 1.1, 1.2, 2, 8)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.audience import Group, group_of
from mien.core.computed import Cause, How, Result
from mien.core.definition import Control, Kind
from mien.core.spans import NEVER
from mien.dialects.growthloop import render
from mien.dialects.growthloop.parse import Selection
from mien.dialects.growthloop.views import Entity
from mien.store.base import Look
from tests.dialects.growthloop.sheets import defined, entity, found
from tests.factories import NOW

SEED = """{
    "age": 30,
    "audience_count": 2,
    "audiences": {
        "1": {
            "audience_name": "chruned users",
            "offer": "20%"
        },
        "2": {
            "audience_name": "Onboarding",
            "bruh": "10%"
        }
    },
    "entity_id": "user_12345",
    "entity_name": "customers",
    "first_name": "John",
    "is_premium": true,
    "last_login": "2024-01-15T10:30:00Z",
    "last_name": "Doe",
    "metadata": {
        "campaign": "spring_2024",
        "source": "signup_form",
        "utm_source": "google"
    },
    "subscription_tier": "gold",
    "tags": [
        "vip",
        "early_adopter"
    ]
}"""
CHURNED = defined(1, "churned_users", "chruned users", attributes={"offer": "20%"})
ONBOARDING = defined(2, "onboarding", "Onboarding", attributes={"bruh": "10%"})


def text(entity: Entity, one: Look, **selection: Any) -> str:
    chosen = {key: None if value is None else value for key, value in selection.items()}
    return render.profile(entity, "u1", one, space="acme", now=NOW, selection=Selection(**chosen)).decode()


def plain(entity: Entity, one: Look, entity_id: str = "u1") -> str:
    return render.profile(entity, entity_id, one, space="acme", now=NOW).decode()


def test_the_seed_is_answered_to_the_byte() -> None:
    """Golden case 1."""
    traits = {key: value for key, value in json.loads(SEED).items() if not key.startswith(("audience", "entity_"))}
    traits["metadata"] = dict(reversed(traits["metadata"].items()))
    one = found(traits, {"churned_users": True, "onboarding": True, "left_long_ago": False})
    answer = plain(entity(CHURNED, ONBOARDING), one, "user_12345")
    assert json.dumps(json.loads(answer), indent=4) == SEED
    assert answer == json.dumps(json.loads(SEED), separators=(",", ":"))


def test_a_profile_without_traits_and_audiences_has_only_the_reserved_keys() -> None:
    assert plain(entity(), found({})) == (
        '{"audience_count":0,"audiences":{},"entity_id":"u1","entity_name":"customers"}'
    )


KEYS = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.sampled_from(["audience", "audiences", "audience_count", "audience_size", "audiences!", "audit", "entity"]),
    st.sampled_from(["entity_id", "entity_kind", "entity_name", "entity_", 'e"', "a\\", "attr_audiences", "é", "zz"]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)


def sorted_at_every_depth(value: Any) -> Any:
    if isinstance(value, dict):
        assert list(value) == sorted(value)
        return {key: sorted_at_every_depth(item) for key, item in value.items()}
    return [sorted_at_every_depth(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(KEYS, VALUES, max_size=12), st.dictionaries(st.sampled_from("abcdez"), st.booleans()))
def test_whatever_the_traits_keys_are_sorted_and_the_reserved_ones_are_ours(
    traits: dict[str, Any], audiences: dict[str, bool]
) -> None:
    traits = {key: value for key, value in traits.items() if key not in audiences}
    definitions = [defined(n, key, key.upper()) for n, key in enumerate("abcdez", 1)]
    answer = json.loads(plain(entity(*definitions), found(traits, audiences)))
    sorted_at_every_depth(answer)
    expected = {key: value for key, value in traits.items() if key not in render.RESERVED}
    expected = {**{f"attr_{key}": traits[key] for key in render.RESERVED & traits.keys()}, **expected}
    inside = {str(n): {"audience_name": key.upper()} for n, key in enumerate("abcdez", 1) if audiences.get(key)}
    assert answer == {
        **expected,
        "audience_count": len(inside),
        "audiences": inside,
        "entity_id": "u1",
        "entity_name": "customers",
    }


def test_the_two_ways_to_an_answer_end_in_the_same() -> None:
    traits = {"b": {"z": 1, "a": [{"d": 1, "c": None}]}, "a": "{", "audit": 1.5, "zebra": "}"}
    one = found(traits, {"churned_users": True})
    assert plain(entity(CHURNED), one) == text(entity(CHURNED), one, fields=frozenset(traits))
    assert plain(entity(CHURNED), one) == plain(entity(CHURNED, attributes=list(traits)), one)


def test_types_round_trip() -> None:
    """Golden case 4."""
    traits = {"i": 1, "f": 1.5, "b": False, "n": None, "o": {"x": {"y": []}}, "l": [1, "a", None], "t": "2024-01-15Z"}
    answer = json.loads(plain(entity(), found(traits)))
    assert {key: answer[key] for key in traits} == traits


def test_a_trait_with_a_reserved_key_is_served_under_a_prefix() -> None:
    """Golden case 5."""
    one = found({"audiences": "mine", "entity_id": 7, "attr_entity_id": 8})
    answer = json.loads(plain(entity(), one))
    assert (answer["audiences"], answer["attr_audiences"], answer["entity_id"]) == ({}, "mine", "u1")
    assert answer["attr_entity_id"] == 8
    assert json.loads(plain(entity(prefix="my_"), one))["my_entity_id"] == 7


def test_only_listed_attributes_are_served() -> None:
    one = found({"email": "a@b.c", "plan": "pro", "audiences": 1}, {"plan_b": True})
    listed = entity(attributes=["plan", "audiences", "nothing", "plan_b"])
    assert json.loads(plain(listed, one)).keys() - render.RESERVED == {"plan", "attr_audiences"}


def test_consent_is_served_only_where_it_is_listed() -> None:
    consent = {"segment_consent_preference": {"b": True, "a": False}, "segment_consent_preference_updated": True}
    one = found({"plan": "segment_consent_preference", "segment": 1, **consent})
    assert json.loads(plain(entity(), one)).keys() - render.RESERVED == {"plan", "segment"}
    assert json.loads(text(entity(), one, fields=frozenset(consent))).keys() == render.RESERVED
    listed = json.loads(plain(entity(attributes=["plan", "segment_consent_preference"]), one))
    assert listed.keys() - render.RESERVED == {"plan", "segment_consent_preference"}


def test_an_audience_says_its_name_and_what_is_its_own() -> None:
    """Golden case 3."""
    rest = defined(10, "rest", "Rest", attributes={"n": 5, "flag": True, "deep": {"b": 1, "a": 2}})
    named = defined(3, "named", "Named", attributes={"audience_name": "other", "z": "z"})
    one = found({}, {"rest": True, "named": True, "onboarding": True, "unknown": True})
    answer = plain(entity(rest, named, ONBOARDING), one)
    assert answer.startswith(
        '{"audience_count":3,"audiences":{"10":{"audience_name":"Rest","deep":{"a":2,"b":1},"flag":true,"n":5},'
        '"2":{"audience_name":"Onboarding","bruh":"10%"},"3":{"audience_name":"Named","z":"z"}}'
    )


def test_strict_answers_make_text_of_everything_an_audience_says() -> None:
    rest = defined(
        1, "rest", "Rest", attributes={"n": 5, "b": True, "s": "20%", "none": None, "l": [1], "t": {"trait": "x"}}
    )
    answer = json.loads(plain(entity(rest, strict=True), found({"x": 1.5}, {"rest": True})))
    about = {"n": "5", "b": "true", "s": "20%", "none": "null", "l": "[1]", "t": "1.5", "audience_name": "Rest"}
    assert answer["audiences"] == {"1": about}
    assert answer["x"] == 1.5


def test_an_attribute_may_be_a_trait_of_whoever_is_asked_about() -> None:
    """Golden case 9: what a journey writes to one profile shows there, and nowhere else."""
    journey = defined(7, "journey", "Journey", attributes={"offer": {"trait": "journey_offer"}, "fixed": {"x": 1}})
    shown = entity(journey, attributes=["plan"])
    for offer in ("5%", "50%", {"b": 1, "a": 2}):
        answer = json.loads(plain(shown, found({"journey_offer": offer}, {"journey": True})))
        assert answer["audiences"]["7"] == {"audience_name": "Journey", "offer": offer, "fixed": {"x": 1}}
        assert "journey_offer" not in answer
    answer = json.loads(plain(shown, found({}, {"journey": True})))
    assert answer["audiences"]["7"] == {"audience_name": "Journey", "fixed": {"x": 1}}


def test_an_audience_that_ended_is_not_told_of() -> None:
    over, lasts = defined(1, "over", "Over", expires_at=NOW), defined(2, "lasts", "Lasts", expires_at=NOW + 1)
    answer = json.loads(plain(entity(over, lasts), found({}, {"over": True, "lasts": True})))
    assert (answer["audience_count"], list(answer["audiences"])) == (1, ["2"])
    assert [row["audience_id"] for row in render.audience_list([over, lasts], NOW)] == [2]


def somebody_in(group: Group, audience: Any) -> int:
    return next(n for n in range(1000) if group_of(audience, space="acme", profile=n) is group)


@pytest.mark.parametrize(
    ("shows", "of_control", "of_treatment"),
    [
        (Control.HIDE, None, {"audience_name": "Half"}),
        (Control.SHOW, {"audience_name": "Half"}, {"audience_name": "Half"}),
        (
            Control.SHOW_WITH_GROUP,
            {"audience_name": "Half", "group": "control"},
            {"audience_name": "Half", "group": "treatment"},
        ),
    ],
)
def test_what_the_control_group_shows(shows: Control, of_control: Any, of_treatment: Any) -> None:
    """Golden case 10."""
    half = defined(1, "half", "Half", control=50, control_shows=shows)
    for group, expected in ((Group.CONTROL, of_control), (Group.TREATMENT, of_treatment)):
        one = found({}, {"half": True}, profile=somebody_in(group, half))
        answer = json.loads(plain(entity(half), one))
        assert answer["audiences"].get("1") == expected
        assert answer["audience_count"] == len(answer["audiences"])


def test_a_selection_leaves_the_reserved_keys() -> None:
    one = found({"a": 1, "b": 2, "c": {"y": 1, "x": 2}}, {"churned_users": True, "onboarding": True})
    shown = entity(CHURNED, ONBOARDING)
    answer = json.loads(text(shown, one, fields=frozenset({"b", "c", "nothing", "entity_id"})))
    assert answer.keys() - render.RESERVED == {"b", "c"}
    answer = json.loads(text(shown, one, audiences=frozenset({"2", "99"})))
    assert (answer["audience_count"], list(answer["audiences"]), answer["a"]) == (1, ["2"], 1)


def test_an_answer_can_say_why() -> None:
    one = found({"a": 1, "audiences": 2, "attr_b": 3}, {"churned_users": True, "onboarding": False})
    ordered = defined(9, "attr_b", "Ordered", kind=Kind.COMPUTED_TRAIT, query="event('Order').count()")
    computed = {
        "attr_b": (ordered, Result(b"3", NOW, NEVER, Cause(How.TIME))),
        "churned_users": (CHURNED, Result(b"true", NOW, NEVER, Cause(How.MESSAGE, "m7"))),
        "onboarding": (ONBOARDING, Result(b"false", NOW, NEVER, Cause(How.TIME))),
    }
    asked = Selection(explain=True)
    answer = json.loads(
        render.profile(
            entity(CHURNED, ONBOARDING), "u1", one, space="acme", now=NOW, selection=asked, computed=computed
        )
    )
    at = "2026-11-18T11:06:40Z"
    why = {"message_id": "m1", "source_id": "0123456789", "updated_at": at}
    assert answer["explanations"] == {
        "a": why,
        "attr_b": {"query": "event('Order').count()", "changed_by": "time", "updated_at": at},
        "attr_audiences": why,
        "audiences": {"1": {"query": "true", "changed_by": "message", "message_id": "m7", "since": at}},
    }


def test_the_older_generation_lists_audiences_by_number() -> None:
    one = found({"a": 1}, {"churned_users": True, "onboarding": True})
    answer = render.legacy_profile(plain(entity(CHURNED, ONBOARDING), one).encode())
    assert json.loads(answer.body) == {
        "audiences": [
            {"audience_id": 1, "audience_name": "chruned users", "offer": "20%"},
            {"audience_id": 2, "audience_name": "Onboarding", "bruh": "10%"},
        ],
        "profile": {"a": 1, "entity_id": "u1", "entity_name": "customers"},
    }


@pytest.mark.parametrize("value", ["seven", 7, None, {"x": 1}])
def test_no_attribute_hides_the_number_of_an_audience_from_the_older_generation(value: Any) -> None:
    odd = defined(10, "odd", "Odd", attributes={"audience_id": value})
    one = found({}, {"odd": True, "onboarding": True})
    answer = json.loads(render.legacy_profile(plain(entity(odd, ONBOARDING), one).encode()).body)
    assert [about["audience_id"] for about in answer["audiences"]] == [2, 10]
