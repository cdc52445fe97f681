"""JSON as clients really send it."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import Invalid
from mien.web.json import read_json


@pytest.mark.parametrize(
    ("text", "value", "cuts"),
    [
        (b'{"a":NaN,"b":1}', {"b": 1}, 1),
        (b'{"a":[1,Infinity,-Infinity]}', {"a": [1, None, None]}, 2),
        (b'{"a":1e400,"b":-1e400,"c":1e-400}', {"c": 0.0}, 2),
        (b'{"a":' + b"9" * 4301 + b"}", {}, 1),
        (b'{"a":' + b"9" * 5000 + b',"b":1}', {"b": 1}, 1),
        (b'{"a":"\\ud83d"}', {"a": "\ufffd"}, 1),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}, 0),
        (b'{"\\udfff":1}', {"\ufffd": 1}, 1),
        (b'{"a":"\xff"}', {"a": "\ufffd"}, 1),
        (b'{"a":"\\u0000"}', {"a": "\0"}, 0),
        (b'{"a":123456789012345678901234567890}', {"a": 123456789012345678901234567890}, 0),
        (b'{"a":18446744073709551616,"b":-9223372036854775809}', {"a": 2**64, "b": -(2**63) - 1}, 0),
        (b'{"a":1,"a":2}', {"a": 2}, 0),
        (b" null ", None, 0),
    ],
)
def test_what_can_be_kept_is_kept(text: bytes, value: Any, cuts: int) -> None:
    assert read_json(text) == (value, cuts)
    msgspec.json.encode(read_json(text)[0])


@pytest.mark.parametrize("text", [b"", b"{", b"{'a':1}", b"\xff\xfe", b"[1,]", b'{"a" 1}', b"nul", b"{}{}", b"\x00"])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(Invalid, match="not valid JSON"):
        read_json(text)


@pytest.mark.parametrize("depth", [101, 1000, 100_000])
@pytest.mark.parametrize("shape", ["[]", '{"a":}'])
def test_nesting_is_bounded(depth: int, shape: str) -> None:
    left, right = shape[:-1], shape[-1]
    with pytest.raises(Invalid, match="nested"):
        read_json((left * depth + "1" + right * depth).encode())
    assert read_json((left * 100 + "1" + right * 100).encode())[1] == 0


def test_many_shallow_objects_are_no_depth() -> None:
    value = [{"a": [n]} for n in range(500)]
    assert read_json(json.dumps(value).encode()) == (value, 0)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(values)
def test_sound_json_passes_unchanged(value: Any) -> None:
    assert read_json(json.dumps(value).encode()) == (value, 0)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    try:
        value, _ = read_json(text)
    except Invalid:
        return
    msgspec.json.encode(value)
