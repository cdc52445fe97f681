"""Files as tables: CSV and JSON Lines, a row at a time, in bounded memory whatever they hold."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple, TextIO

from mien.errors import Invalid
from mien.web.json import TooDeep, read_json

MAX_RECORD = 1 << 20
"""Characters in one row of a file; of a longer one no more is held in memory."""

_UNREADABLE = "\udcff"
"""Stands for bytes that are no text in the file's encoding; no text holds it."""


class Row(NamedTuple):
    """A row and the line on which it begins. One without values cannot be read, and `reason` says why."""

    line: int
    values: Mapping[str, Any] | None
    reason: str = ""


class _TooLong(Exception):
    pass


def open_text(stream: BinaryIO, encoding: str) -> TextIO:
    """Return the text of a file, in which unreadable bytes are marked; raise Invalid for an unknown encoding."""
    codecs.register_error("mien.unreadable", _mark)
    # Spreadsheets put a mark in front of UTF-8 that is no part of the text.
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else encoding
    try:
        return io.TextIOWrapper(stream, name, "mien.unreadable", newline="")
    except LookupError:
        raise Invalid(f"There is no encoding `{encoding[:100]}`: give one such as utf-8 or windows-1252.") from None


def _mark(error: UnicodeError) -> tuple[str, int]:
    return _UNREADABLE, error.end if isinstance(error, UnicodeDecodeError) else 0


class _Lines:
    """The lines of a text, none longer than MAX_RECORD, nor all that are read between two calls of `begin`."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._last = ""
        self.number = 0
        self.over = False

    def begin(self) -> None:
        """Begin with a new record."""
        self.first = self.number + 1
        self.unreadable = False
        self._length = self._quotes = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        """Return the next line; raise _TooLong when the record gets too long with it."""
        line = self._read()
        self.number += 1
        self._length += len(line)
        if self._length > MAX_RECORD or (len(line) == MAX_RECORD and not _is_whole(line)):
            raise _TooLong
        return line

    def _read(self) -> str:
        line = _line(self._text)
        if not line:
            self.over = True
            raise StopIteration
        self._last = line
        self._quotes += line.count('"')
        self.unreadable |= _UNREADABLE in line
        return line

    def skip_line(self) -> None:
        """Read to the end of a line."""
        while not _is_whole(self._last):
            try:
                self._read()
            except StopIteration:
                return

    def skip_record(self) -> bool:
        """Read to the end of a line where no quote is open; say whether there was one."""
        self.skip_line()
        while self._quotes % 2:
            try:
                self._read()
            except StopIteration:
                return False
            self.number += 1
            self.skip_line()
        return True


def _line(text: TextIO) -> str:
    """Return the next line; raise Invalid where the encoding has no way to pass over what it cannot read."""
    try:
        return text.readline(MAX_RECORD)
    except UnicodeError as error:
        reason = str(error).rstrip(".")
        raise Invalid(
            f"The file cannot be read as `{text.encoding}` ({reason}): give another encoding, such as utf-8."
        ) from None


def _is_whole(line: str) -> bool:
    return line.endswith(("\n", "\r"))


class CsvFile:
    """The rows of a CSV file: values are text, those that are empty are not there."""

    def __init__(self, text: TextIO, *, delimiter: str) -> None:
        """Read the header; raise Invalid when there is none or it names a column twice or not at all."""
        self._lines = _Lines(text)
        csv.field_size_limit(MAX_RECORD)
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise Invalid("A delimiter is one character, such as `;`, or `tab`.")
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)
        self.header = self._read_header()

    def _read_header(self) -> list[str]:
        for line, fields, reason in self._records():
            if reason:
                raise Invalid(f"Line {line}, the header: {reason}.")
            header = [name.strip() for name in fields]
            for place, name in enumerate(header):
                if not name:
                    raise Invalid(f"Column {place + 1} has no name: line {line} must name every column.")
                if name in header[:place]:
                    raise Invalid(f"Two columns are named `{name[:100]}`.")
            return header
        raise Invalid("The file is empty: the first line of a CSV file names its columns.")

    def __iter__(self) -> Iterator[Row]:
        for line, fields, reason in self._records():
            if reason:
                yield Row(line, None, reason)
            elif len(fields) != len(self.header):
                yield Row(line, None, f"it has {len(fields)} values, and the header names {len(self.header)} columns")
            else:
                yield Row(line, {name: field for name, field in zip(self.header, fields, strict=True) if field})

    def _records(self) -> Iterator[tuple[int, list[str], str]]:
        """Yield the records that are not empty: the line on which each begins, its fields, and what is wrong."""
        while not self._lines.over:
            self._lines.begin()
            fields, reason = self._record()
            if self._lines.unreadable:
                reason = reason or "it is not text in the encoding of the file"
            if fields or reason:
                yield self._lines.first, fields, reason

    def _record(self) -> tuple[list[str], str]:
        try:
            return next(self._reader, []), ""
        except _TooLong:
            if self._lines.skip_record():
                return [], f"it is longer than {MAX_RECORD:,} characters"
            return [], "a quote in it is never closed, so nothing after it was read"
        except csv.Error:
            if self._lines.over:
                return [], "a quote in it is never closed, so nothing after it was read"
            return [], f"a quote ends before its value does, in line {self._lines.number}"


class JsonLinesFile:
    """The rows of a file with a JSON object on each line; empty lines are none."""

    header = None
    """Each row names its own columns."""

    def __init__(self, text: TextIO) -> None:
        self._lines = _Lines(text)

    def __iter__(self) -> Iterator[Row]:
        while not self._lines.over:
            self._lines.begin()
            try:
                line = next(self._lines, "")
            except _TooLong:
                self._lines.skip_line()
                yield Row(self._lines.first, None, f"it is longer than {MAX_RECORD:,} characters")
            else:
                if self._lines.unreadable:
                    yield Row(self._lines.first, None, "it is not text in the encoding of the file")
                elif line.strip():
                    yield _read_object(self._lines.first, line)


def _read_object(number: int, line: str) -> Row:
    try:
        value, cuts = read_json(line.encode())
    except TooDeep as error:
        return Row(number, None, str(error).rstrip("."))
    except (Invalid, UnicodeEncodeError):
        return Row(number, None, "it is not JSON")
    if not isinstance(value, dict):
        return Row(number, None, "it is not a JSON object")
    if cuts:
        return Row(number, None, "it holds a number or a character that cannot be kept")
    return Row(number, value)
