"""The documented algorithm, by its documented examples (reference: segment 3.3, 3.4)."""

from collections.abc import Mapping

import pytest
from msgspec import Struct

from mien.core.identity import Held, Reason, Resolution, most_within, resolve
from mien.core.message import Identifier
from mien.core.presets import preset
from mien.core.rules import Rules, TypeRule, compiled
from tests.factories import user

DAY = 86_400_000_000


class Known(Struct, frozen=True):
    """A profile as the resolver sees it."""

    id: int
    identifiers: Mapping[tuple[str, str], Held]
    members: tuple[int, ...] = ()
    apart: frozenset[int] = frozenset()


def known(number: int, *held: tuple[str, str], at: int = 0, merges: int = 0) -> Known:
    return Known(number, {pair: Held(at, "web", "m") for pair in held}, tuple(range(-merges, 0)))


def decide(claims: list[Identifier], *profiles: Known, rules: Rules | None = None, at: int = 0) -> Resolution:
    owners = {user(*pair): profile for profile in profiles for pair in profile.identifiers}
    return resolve(claims, owners, rules or preset("segment"), at=at, new_id=99)


def reasons(outcome: Resolution) -> list[tuple[Identifier, Reason]]:
    return [(refusal.identifier, refusal.reason) for refusal in outcome.refused]


def test_nobody_known_makes_a_new_profile() -> None:
    outcome = decide([user("user_id", "u1"), user("email", "e")])
    assert (outcome.survivor, outcome.absorbed, outcome.refused) == (99, (), ())


def test_the_oldest_profile_survives_whatever_the_order_of_the_identifiers() -> None:
    old, young = known(1, ("anonymous_id", "a")), known(2, ("user_id", "u"))
    for claims in (
        [user("user_id", "u"), user("anonymous_id", "a")],
        [user("anonymous_id", "a"), user("user_id", "u")],
    ):
        outcome = decide(claims, young, old)
        assert (outcome.survivor, outcome.absorbed) == (1, (2,))


def test_the_documented_example_of_demotion() -> None:
    """Profile abc123 has the e-mail; abc456 arrives with the same e-mail and becomes a profile of its own."""
    profile = known(1, ("user_id", "abc123"), ("email", "jane@example1.com"))
    outcome = decide([user("user_id", "abc456"), user("email", "jane@example1.com")], profile)
    assert outcome.survivor == 99
    assert outcome.claimed == (user("user_id", "abc456"),)
    assert reasons(outcome) == [(user("email", "jane@example1.com"), Reason.LIMIT)]


def test_demotion_drops_the_lowest_ranking_of_the_message_first() -> None:
    """With a sixth e-mail, the innocent anonymous id goes before the e-mail does (reference: 3.4 step 6)."""
    profile = known(1, ("user_id", "u"), ("anonymous_id", "a"), *[("email", f"{n}") for n in range(5)])
    outcome = decide([user("user_id", "u"), user("email", "sixth"), user("anonymous_id", "a")], profile)
    assert outcome.survivor == 1
    assert [refusal.identifier.type for refusal in outcome.refused] == ["anonymous_id", "email"]


def test_a_shared_device_does_not_glue_two_users() -> None:
    one, other = known(1, ("user_id", "u1"), ("anonymous_id", "a")), known(2, ("user_id", "u2"))
    outcome = decide([user("user_id", "u2"), user("anonymous_id", "a")], one, other)
    assert (outcome.survivor, outcome.absorbed) == (2, ())


def test_several_values_of_one_type_are_dropped_last_come_first() -> None:
    outcome = decide([user("email", f"e{n}") for n in range(7)])
    assert [i.value for i in outcome.claimed] == ["e0", "e1", "e2", "e3", "e4"]
    assert [refusal.identifier.value for refusal in outcome.refused] == ["e6", "e5"]


@pytest.mark.parametrize("value", ["", "-1", "null", "anonymous", "0", "000-000", "a\ufffdb"])
def test_a_blocked_value_names_nobody(value: str) -> None:
    outcome = decide([user("user_id", value)])
    assert outcome.survivor is None
    assert reasons(outcome) == [(user("user_id", value), Reason.BLOCKED)]


def test_a_type_is_added_by_itself_unless_the_space_says_no() -> None:
    claim = user("loyalty_card", "7")
    assert decide([claim]).survivor == 99
    assert reasons(decide([claim], rules=Rules(auto_add=False))) == [(claim, Reason.UNKNOWN_TYPE)]


WEEKLY = Rules(types={"anonymous_id": TypeRule(limit=5, period=7 * DAY)})


def test_a_sixth_value_is_refused_within_the_week_and_admitted_after_eight_days() -> None:
    """Trap 18 of the reference."""
    five = known(1, ("user_id", "u"), *[("anonymous_id", str(n)) for n in range(5)])
    claims = [user("user_id", "u"), user("anonymous_id", "sixth")]
    within = decide(claims, five, rules=WEEKLY, at=6 * DAY)
    assert within.refused[0].reason == Reason.PERIOD_LIMIT
    assert decide(claims, five, rules=WEEKLY, at=8 * DAY).refused == ()


def test_a_late_message_counts_in_the_week_in_which_it_happened() -> None:
    five = known(1, ("user_id", "u"), *[("anonymous_id", str(n)) for n in range(5)], at=30 * DAY)
    claims = [user("user_id", "u"), user("anonymous_id", "old")]
    assert decide(claims, five, rules=WEEKLY, at=DAY).refused == ()
    assert decide(claims, five, rules=WEEKLY, at=29 * DAY).refused[0].reason == Reason.PERIOD_LIMIT


def test_identifiers_that_are_known_together_always_fit() -> None:
    """Rules that were tightened leave existing profiles as they are."""
    profile = known(1, ("user_id", "u1"), ("user_id", "u2"))
    assert decide([user("user_id", "u1"), user("user_id", "u2")], profile).refused == ()


def test_a_profile_beyond_a_limit_that_was_tightened_still_merges_with_one_that_holds_none_of_that_type() -> None:
    crowded, other = known(1, *[("email", f"e{n}") for n in range(9)]), known(2, ("user_id", "u"))
    outcome = decide([user("user_id", "u"), user("email", "e1")], crowded, other)
    assert (outcome.survivor, outcome.absorbed, outcome.refused) == (1, (2,), ())


def test_a_week_that_was_too_full_long_ago_does_not_bar_new_identifiers() -> None:
    crowded = known(1, ("user_id", "u"), *[("anonymous_id", str(n)) for n in range(9)])
    claims = [user("user_id", "u"), user("anonymous_id", "new")]
    assert decide(claims, crowded, rules=WEEKLY, at=100 * DAY).refused == ()
    assert decide(claims, crowded, rules=WEEKLY, at=DAY).refused[0].reason == Reason.PERIOD_LIMIT


def test_beyond_the_cap_of_merges_the_message_lands_on_its_best_identifier() -> None:
    full, other = known(1, ("user_id", "u"), merges=100), known(2, ("email", "e"))
    outcome = decide([user("email", "e"), user("user_id", "u")], full, other)
    assert (outcome.survivor, outcome.absorbed) == (1, ())
    assert reasons(outcome) == [(user("email", "e"), Reason.MERGE_LIMIT)]


def test_beyond_the_cap_of_identifiers_the_known_ones_still_resolve() -> None:
    full = known(1, ("user_id", "u"), *[("card", str(n)) for n in range(999)])
    rules = Rules(other=TypeRule(limit=5000))
    outcome = decide([user("user_id", "u"), user("card", "new")], full, rules=rules)
    assert outcome.survivor == 1
    assert reasons(outcome) == [(user("card", "new"), Reason.MAPPING_LIMIT)]


def test_a_pattern_takes_linear_time_or_is_refused() -> None:
    assert not compiled("(a+)+$").search("a" * 50_000 + "b")
    with pytest.raises(ValueError, match="perl operator"):
        compiled("(?=a)")


def test_the_fullest_window() -> None:
    assert most_within([0, 5, 9, 10, 20], 10) == 3
    assert most_within([], 10) == 0
    assert most_within([0, 100, 1000], None) == 3
