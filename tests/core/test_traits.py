"""Which write wins."""

from mien.core.traits import REMOVED, Trait, Write, combine, settle


def write(timestamp: int, order: int = 0) -> Write:
    return Write(timestamp, order, "web", "m")


def test_the_latest_timestamp_wins_whatever_arrives_last() -> None:
    traits, _ = settle({}, {"plan": b'"pro"'}, write(20), limit=10)
    traits, _ = settle(traits, {"plan": b'"free"'}, write(10), limit=10)
    assert traits["plan"].value == b'"pro"'


def test_between_equal_timestamps_the_one_received_later_wins() -> None:
    traits, _ = settle({}, {"plan": b"1"}, write(10, 2), limit=10)
    traits, _ = settle(traits, {"plan": b"2"}, write(10, 1), limit=10)
    assert traits["plan"].value == b"1"


def test_null_removes_and_an_older_value_does_not_come_back() -> None:
    traits, _ = settle({}, {"plan": b"null"}, write(20), limit=10)
    traits, _ = settle(traits, {"plan": b"1"}, write(10), limit=10)
    assert traits["plan"].value == REMOVED
    traits, _ = settle(traits, {"plan": b'""'}, write(30), limit=10)
    assert traits["plan"].value == b'""'


def test_beyond_the_limit_only_new_keys_are_refused() -> None:
    traits, refused = settle({"a": Trait(b"1", write(1))}, {"a": b"2", "b": b"3"}, write(2), limit=1)
    assert {key: trait.value for key, trait in traits.items()} == {"a": b"2"}
    assert refused == ["b"]


def test_removed_traits_leave_room_for_others() -> None:
    traits, _ = settle({}, {"a": b"1", "b": b"2"}, write(1), limit=2)
    traits, _ = settle(traits, {"a": b"null", "b": b"null"}, write(2), limit=2)
    traits, refused = settle(traits, {"c": b"3", "gone": b"null"}, write(3), limit=2)
    assert traits["c"].value == b"3"
    assert refused == ["gone"]


def test_traits_have_a_length_all_together() -> None:
    traits, refused = settle({}, {"a": b"12345", "b": b"12345", "c": b"1"}, write(1), limit=9, limit_bytes=10)
    assert (list(traits), refused) == (["a", "c"], ["b"])
    traits, refused = settle(traits, {"a": b"1234567", "c": b"2"}, write(2), limit=9, limit_bytes=10)
    assert (traits["c"].value, refused) == (b"2", [])
    _, refused = settle(traits, {"a": b"12345678"}, write(3), limit=9, limit_bytes=10)
    assert refused == ["a"]


def test_two_profiles_keep_for_each_key_the_write_that_wins() -> None:
    one = {"a": Trait(b"1", write(1)), "b": Trait(b"1", write(5))}
    other = {"a": Trait(b"2", write(2)), "b": Trait(b"2", write(4)), "c": Trait(b"2", write(1))}
    assert combine(one, other) == combine(other, one)
    assert {key: trait.value for key, trait in combine(one, other).items()} == {"a": b"2", "b": b"1", "c": b"2"}
