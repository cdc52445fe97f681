"""Rules that contradict themselves, and values that never identify anybody."""

import pytest
from msgspec.structs import replace

from mien.core.message import Identifier
from mien.core.rules import Contradiction, Login, Rules, TypeRule
from tests.factories import user

KEY = TypeRule(limit=1, priority=1, unique=True, login=True, immutable=True)


def paths(rules: Rules) -> list[str]:
    return [".".join(path) for path, _ in rules.contradictions()]


def test_an_immutable_type_must_be_unique_and_log_in_and_be_set_once() -> None:
    assert paths(Rules(types={"k": KEY})) == []
    assert paths(Rules(types={"k": replace(KEY, unique=False)})) == ["types.k.immutable"]
    assert paths(Rules(types={"k": replace(KEY, login=False)})) == ["types.k.immutable"]
    assert paths(Rules(types={"k": replace(KEY, limit=2)})) == ["types.k.immutable"]
    assert paths(Rules(types={"k": replace(KEY, period=5)})) == ["types.k.immutable"]
    assert "other.immutable" in paths(Rules(types={}, other=replace(KEY, priority=9), auto_add=False))


def test_what_finds_known_profiles_ranks_before_what_does_not() -> None:
    assert set(paths(Rules(types={"k": KEY, "card": TypeRule(priority=1)}))) == {"types.card.priority"}
    assert paths(Rules(types={"k": replace(KEY, priority=4)})) == ["other.priority", "other.priority"]
    assert paths(Rules(types={"k": replace(KEY, priority=4)}, auto_add=False)) == []


def test_profiles_cannot_be_kept_apart_and_merged() -> None:
    login = TypeRule(limit=1, priority=1, login=True)
    assert paths(Rules(types={"u": login}, on_login=Login.ISOLATE)) == ["on_login"]
    assert paths(Rules(types={"u": login}, on_login=Login.ISOLATE, merge=False)) == []
    assert paths(Rules(on_login=Login.LINK, merge=False)) == ["on_login"]


def test_a_pattern_must_compile_in_linear_time() -> None:
    for pattern in ("(", "(?=x)y", r"(a)\1"):
        [found] = Rules(other=TypeRule(patterns=(pattern,))).contradictions()
        assert found.path == ("other", "blocked_patterns")
        assert pattern in found.reason
    assert isinstance(found, Contradiction)


@pytest.mark.parametrize(
    "value",
    ["", "  ", "null", "NULL", "undefined", " undefined ", "[object Object]", "NaN", "anonymous", "None", "a\ufffdb"],
)
def test_some_values_never_identify_anybody(value: str) -> None:
    assert Rules().is_nobody(user("user_id", value))


@pytest.mark.parametrize("value", ["nullable", "0123", "anon", "Nan Goldin", "u1", "x" * 1000])
def test_others_do(value: str) -> None:
    assert not Rules().is_nobody(user("user_id", value))


def test_a_space_can_change_the_list() -> None:
    rules = Rules(nobody=frozenset({"guest_user"}))
    assert rules.is_nobody(user("user_id", "Guest User"))
    assert not rules.is_nobody(user("user_id", "null"))


def test_case_is_folded_for_the_types_that_say_so() -> None:
    rules = Rules(types={"email": TypeRule(fold_case=True)})
    assert rules.canonical(Identifier("users", "email", "A@B.c")) == user("email", "a@b.c")
    assert rules.canonical(user("user_id", "ABC")) == user("user_id", "ABC")
