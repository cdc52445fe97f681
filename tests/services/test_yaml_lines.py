"""YAML with the lines on which things stand."""

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import SettingsRefused
from mien.services.fault import Fault
from mien.services.yaml_lines import DEEPEST, read_yaml

FILE = """\
# The first line says nothing.
acme:
  name: Acme
  types:
    email: {limit: 5,
      blocked: [a, b,
        c]}
  "a.b":
    - 1
    -
      deep: yes
"""

SHARED = """\
acme: &acme
  types: &types {card: {limit: 1}}
  policy: last
beta:
  types:
    email: {limit: 2}
  policy: first
gamma:
  <<: [*acme, {policy: second, types: {}}]
  policy: mine
"""

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text() | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 2),
        (("acme",), 2),
        (("acme", "name"), 3),
        (("acme", "types", "email", "limit"), 5),
        (("acme", "types", "email", "blocked"), 6),
        (("acme", "types", "email", "blocked", 2), 7),
        (("acme", "a.b"), 8),
        (("acme", "a.b", 1), 11),
        (("acme", "a.b", 1, "deep"), 11),
        (("acme", "types", "phone", "limit"), 4),
        (("other",), 2),
    ],
)
def test_every_path_has_the_line_of_its_name_or_of_what_is_around_it(path: tuple[Any, ...], line: int) -> None:
    assert read_yaml(FILE).line(*path) == line


def test_a_fault_is_given_its_line() -> None:
    with (
        pytest.raises(SettingsRefused, match=r"^line 5: types\.email\.limit: too many$"),
        read_yaml(FILE).naming_lines("acme"),
    ):
        raise Fault("too many", "types", "email", "limit")


@given(PLAIN)
def test_what_yaml_wrote_is_read_as_it_was(value: Any) -> None:
    assert read_yaml(yaml.safe_dump(value)).data == value


def test_names_and_dates_are_text_as_they_are_written() -> None:
    text = "no: 1\n0123: 2\n~: 3\n'<<': {2024-01-01: 2024-01-01}\n=: ="
    assert read_yaml(text).data == {"no": 1, "0123": 2, "~": 3, "<<": {"2024-01-01": "2024-01-01"}, "=": "="}


def test_json_is_read_with_its_escapes() -> None:
    assert read_yaml('{"a": "\\ud83d\\ude00"}').data == {"a": "\U0001f600"}


def test_nothing_is_read_as_nothing() -> None:
    assert read_yaml("").data is None
    assert read_yaml("").line("spaces") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [", "line 2, column 5: not YAML"),
        ("a: 1\n\tb: 1", "line 2, column 1: not YAML"),
        ("a: 1\nb: 'x\n", "line 3, column 1: not YAML: .*that starts on line 2"),
        ("a: 1\n---\nb: 2", "line 2, column 1: not YAML"),
        ("a: 1\nb: \x00", "line 2: not YAML"),
        ("a: 1\nb: \udce9", "line 2: not YAML"),
        ('a: 1\nb: "\\UFFFFFFFF"', "line 2: not YAML"),
        ('a: 1\nb: "\\ud800"', "line 2: half a character"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "line 4: b stands here for the second time; the first is on line 2"),
        ("a: {b: 1, b: 1}", "line 1: b stands here for the second time"),
        ("a: 1\n'a': 1", "line 2: a stands here for the second time"),
        ("a: 1\nb: *a", "line 2, column 4: not YAML: found undefined alias"),
        ("a: 1\nb: &b [*b]", "line 2: too deep"),
        ("a: 1\nb: &b {c: *b}", "line 2: too deep"),
        ("a: 1\nb: &b {<<: *b}", "line 2: too deep"),
        ("a: 1\n<<: 2", "line 2: `<<` takes a section"),
        ("a: 1\n<<: [{b: 1}, [2]]", "line 2: `<<` takes a section"),
        ("<<: {a: 1}\n<<: {b: 1}", "line 2: '<<' stands here for the second time"),
        ("a: 1\nb: !!set {c}", "line 2: .*tag"),
        ("a: 1\nb: !mine c", "line 2: .*tag"),
        ("a: 1\n!mine b: c", "line 2: .*tag"),
        ("a: 1\nb: !!python/object:os.system c", "line 2: .*tag"),
        ("a: 1\nb: !!int c", "line 2: this cannot be read"),
        ("a: 1\nb: !!bool c", "line 2: this cannot be read"),
        ("a: 1\nb: {{ c }}", "line 2: a name must be text"),
        ("a: 1\nb: .inf", "line 2: a number this large"),
        ("a: 1\nb: 9223372036854775808", "line 2: a number this large"),
        ("a: 1\nb: 1" + ":0" * 100_000, "line 2: a number this long"),
    ],
)
def test_what_is_not_taken_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SettingsRefused, match=f"^{message}"):
        read_yaml(text)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_what_is_nested_without_end_is_refused_at_once(opening: str) -> None:
    with pytest.raises(SettingsRefused, match="line 1: too deep"):
        read_yaml(opening * 100_000)


def test_what_is_nested_as_deep_as_allowed_is_read() -> None:
    assert read_yaml("[" * DEEPEST + "x" + "]" * DEEPEST).data


def test_settings_may_be_shared_and_have_the_lines_on_which_they_are_written() -> None:
    document = read_yaml(SHARED)
    assert document.data["acme"] == {"types": {"card": {"limit": 1}}, "policy": "last"}
    assert document.data["beta"] == {"types": {"email": {"limit": 2}}, "policy": "first"}
    assert document.data["gamma"] == {"policy": "mine", "types": {"card": {"limit": 1}}}
    assert document.line("acme", "types", "card", "limit") == 2
    assert document.line("acme", "policy") == 3
    assert document.line("beta", "types", "email", "limit") == 6
    assert document.line("beta", "policy") == 7
    assert document.line("gamma", "policy") == 10


def test_what_is_merged_is_what_yaml_merges() -> None:
    for text in (SHARED, "a: &a {x: 1, y: 1}\nb: &b {<<: *a, x: 2, z: 2}\nc: {<<: [*b, *a], z: 3}"):
        assert read_yaml(text).data == yaml.safe_load(text)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{x: ", "}")])
def test_a_file_that_grows_without_measure_by_its_aliases_is_refused_soon(opening: str, closing: str) -> None:
    """Twenty-five times eight as many: more values than there is memory, were all followed."""
    inner = ", ".join([f"{'' if opening == '[' else f'k{n}: '}*LAST" for n in range(8)])
    lines = [f"a0: &a0 {opening}x{closing}"]
    lines += [f"a{n}: &a{n} {opening[0]}{inner.replace('LAST', f'a{n - 1}')}{closing}" for n in range(1, 26)]
    with pytest.raises(SettingsRefused, match=r"too much by aliases"):
        read_yaml("\n".join(lines))


def test_merging_does_not_grow_without_measure_either() -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}" for n in range(1, 26)]
    with pytest.raises(SettingsRefused, match=r"too much by aliases"):
        read_yaml("\n".join(lines))


@pytest.mark.parametrize(
    "value", ["!hunter!2", "&hunter2 &hunter2", "*hunter2", "!hunter2", '"hunter2', "{hunter2: ]"]
)
def test_a_secret_that_is_not_yaml_is_not_told(value: str) -> None:
    with pytest.raises(SettingsRefused, match="line 1") as caught:
        read_yaml(f"write_key: {value}")
    assert "hunter" not in str(caught.value)


@given(st.text(alphabet="ab01:,-?&*!|>'\"%@`#\n\t \\~=<.[]{}_eu\ud800\U0001f600", max_size=60))
def test_whatever_is_in_a_file_it_is_read_or_refused(text: str) -> None:
    try:
        read_yaml(text)
    except SettingsRefused as refused:
        said = str(refused)
        assert re.fullmatch(r"line \d+(, column \d+)?: .+", said)
