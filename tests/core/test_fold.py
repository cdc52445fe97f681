"""Everything one batch changes."""

from mien.core.fold import NOBODY, Policy, State, fold
from mien.core.message import Kind
from tests.factories import ids, message, user

U1 = user("user_id", "u1")


def test_more_event_names_than_allowed_are_kept_but_not_counted() -> None:
    policy = Policy(max_event_names=2)
    messages = [message(U1, id=n, event=n) for n in ("a", "b", "c", "a")]
    outcome = fold(State(), messages, policy, ids=ids())
    assert {name: seen.times for name, seen in outcome.profiles[0].activity.items()} == {"a": 2, "b": 1}
    assert [(d.reason, d.message) for d in outcome.discards] == [("event_names_limit_exceeded", "c")]
    assert len(outcome.entries) == 4


def test_a_message_that_names_nobody_is_kept_empty_so_that_it_goes_with_age() -> None:
    outcome = fold(State(), [message(U1, kind=Kind.ALIAS, traits={"a": 1})], Policy(), ids=ids())
    [entry] = outcome.entries
    assert entry.profile == NOBODY
    assert (entry.message.identifiers, entry.message.traits, entry.message.context) == ((), {}, b"{}")


def test_the_message_that_made_two_profiles_one_is_known() -> None:
    one, other, both = message(U1), message(user("email", "e")), message(U1, user("email", "e"))
    outcome = fold(State(), [one, other, both], Policy(), ids=ids())
    [survivor, absorbed] = outcome.profiles
    assert absorbed.merged_into == survivor.id
    assert [entry.absorbed for entry in outcome.entries] == [(), (), (absorbed.id,)]
