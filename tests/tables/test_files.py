"""CSV and JSON Lines, as they should be and as they are."""

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import Invalid
from mien.tables.files import MAX_RECORD, CsvFile, JsonLinesFile, Row, open_text


def rows(text: str | bytes, *, delimiter: str = ",", encoding: str = "utf-8") -> list[Row]:
    """Read a CSV file."""
    given = text if isinstance(text, bytes) else text.encode(encoding)
    return list(CsvFile(open_text(io.BytesIO(given), encoding), delimiter=delimiter))


def lines(text: str | bytes) -> list[Row]:
    """Read a JSON Lines file."""
    return list(JsonLinesFile(open_text(io.BytesIO(text if isinstance(text, bytes) else text.encode()), "utf-8")))


def test_a_row_has_the_values_under_the_names_of_the_header() -> None:
    assert rows(' id ,"na,me"\r\n1,"a ""b"""\n\n2,\n') == [Row(2, {"id": "1", "na,me": 'a "b"'}), Row(4, {"id": "2"})]


@pytest.mark.parametrize(
    ("text", "encoding", "delimiter"),
    [
        ("id;name\n1;é\n", "utf-8", ";"),
        ("\ufeffid;name\n1;é\n", "utf-8", ";"),
        ("id\tname\r1\té\r", "windows-1252", "\t"),
        ("id;name\n1;é\n", "utf-16", ";"),
    ],
)
def test_delimiters_and_encodings(text: str, encoding: str, delimiter: str) -> None:
    assert rows(text, encoding=encoding, delimiter=delimiter) == [Row(2, {"id": "1", "name": "é"})]


@pytest.mark.parametrize(
    ("file", "refused"),
    [
        (b"a,b\n1\n2,2\n1,2,3\n", {2: "it has 1 values", 4: "it has 3 values"}),
        (b"a,b\n1,\xff\n2,2\n", {2: "it is not text"}),
        (b'a,b\n"1\n\xff",1\n2,2\n', {2: "it is not text"}),
        (b'a,b\n1,"x"y\n2,2\n', {2: "a quote ends before its value does, in line 2"}),
        (b'a,b\n1,"x\n1,"y",\n2,2\n', {2: "a quote ends before its value does, in line 3"}),
        (b'a,b\n2,2\n1,"x\n3,3\n', {3: "a quote in it is never closed, so nothing"}),
        (b"a,b\n1," + b"x" * MAX_RECORD + b"\n2,2\n", {2: "it is longer than 1,048,576"}),
        (b'a,b\n1,"' + b"x\n" * MAX_RECORD + b'"\n2,2\n', {2: "it is longer than 1,048,576"}),
        (b'a,b\n2,2\n1,"' + b"x\n" * MAX_RECORD, {3: "a quote in it is never closed"}),
    ],
)
def test_a_row_that_cannot_be_read_does_not_stop_the_rest(file: bytes, refused: dict[int, str]) -> None:
    found = rows(file)
    assert [row.values for row in found if row.values is not None] == [{"a": "2", "b": "2"}]
    reasons = {row.line: row.reason for row in found if row.values is None}
    assert reasons.keys() == refused.keys()
    assert all(reasons[line].startswith(refused[line]) for line in refused)


def test_the_lines_after_a_long_row_keep_their_numbers() -> None:
    found = rows(b'a,b\n1,"' + b"x\n" * MAX_RECORD + b'"\n2\n')
    assert [row.line for row in found] == [2, MAX_RECORD + 3]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("", "The file is empty"),
        ("\n\n", "The file is empty"),
        ("a,,b\n", "Column 2 has no name"),
        ("a,b, a\n", "Two columns are named `a`"),
        ('a,"b\n', "a quote in it is never closed"),
        ("a" * (MAX_RECORD + 1), "it is longer"),
    ],
)
def test_a_header_that_cannot_be_is_a_sentence(header: str, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        rows(header)


@pytest.mark.parametrize("encoding", ["undefined", "idna", "punycode", "utf-16", "utf-32"])
def test_what_an_encoding_cannot_pass_over_is_a_sentence(encoding: str) -> None:
    with pytest.raises(Invalid, match=f"cannot be read as `{encoding}`"):
        rows(b"id,name\n1,\xff\xfe\n", encoding=encoding)


def test_delimiters_and_encodings_that_cannot_be() -> None:
    for delimiter in ("", "ab", "\n", '"'):
        with pytest.raises(Invalid, match="A delimiter is one character"):
            rows("a\n", delimiter=delimiter)
    for encoding in ("latin-99", "hex", ""):
        with pytest.raises(Invalid, match="There is no encoding"):
            open_text(io.BytesIO(b""), encoding)


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=3, max_size=3)))
def test_what_a_program_writes_is_read(table: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["a", "b", "c"])
    writer.writerows(table)
    assert [row.values for row in rows(text.getvalue())] == [dict(zip("abc", row, strict=True)) for row in table]


@given(st.binary() | st.text('a,"\r\n').map(str.encode))
def test_whatever_a_file_holds_each_row_is_read_or_refused(file: bytes) -> None:
    for row in rows(b"a,b\n" + file) + lines(file):
        assert (row.values is None) == bool(row.reason)


class Endless(io.RawIOBase):
    """A file of a hundred MB that is nowhere whole."""

    def __init__(self, head: bytes, middle: bytes, tail: bytes) -> None:
        self._parts = iter([head, *[middle * (8192 // len(middle))] * 12_800, tail])

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = next(self._parts, b"")
        buffer[: len(part)] = part
        return len(part)


@pytest.mark.parametrize("middle", [b"x", b"x" * 500 + b"\n", b"x" * 500 + b"\r", b'""'])
def test_a_value_of_a_hundred_megabytes_costs_little_memory(middle: bytes) -> None:
    tracemalloc.start()
    file = Endless(b'a,b\n1,"', middle, b'"\n2,2\n')
    found = list(CsvFile(open_text(io.BufferedReader(file), "utf-8"), delimiter=","))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row.values for row in found] == [None, {"a": "2", "b": "2"}]
    assert most < 20 << 20


def test_a_line_holds_an_object_with_values_of_their_own() -> None:
    value = {"id": 1, "open": True, "at": {"lat": 1.5}, "gone": None, "": ""}
    assert lines(f"{json.dumps(value)}\n\n \n") == [Row(1, value)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "it is not JSON"),
        (b"[1]", "it is not a JSON object"),
        (b'{"a": NaN}', "it holds a number or a character that cannot be kept"),
        (b'{"a": "\\ud800"}', "it holds a number or a character that cannot be kept"),
        (b'{"a": "\xff"}', "it is not text in the encoding of the file"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "The JSON is nested deeper than 100 levels"),
        (b'{"a": "' + b"x" * MAX_RECORD + b'"}', "it is longer than 1,048,576 characters"),
        (b"[" * 100_000, "The JSON is nested deeper than 100 levels"),
    ],
)
def test_a_line_that_cannot_be_read_does_not_stop_the_rest(line: bytes, reason: str) -> None:
    assert lines(line + b'\n{"a": 1}\n' + line) == [Row(1, None, reason), Row(2, {"a": 1}), Row(3, None, reason)]
