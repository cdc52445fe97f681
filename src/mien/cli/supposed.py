"""What is supposed to have happened: messages in a file, one JSON object a line, for `--what-if`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from mien.core.message import Kind, Message, order_of
from mien.errors import Invalid
from mien.web.times import read_time

STANDARD_INPUT = Path("-")


class _Line(Struct):
    """What of a message counts; all else in it is passed over, whom it names included."""

    event: str | None = None
    traits: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    context: dict[str, Any] = {}
    timestamp: str | int | float | None = None


def read_supposed(file: Path, space: str, collection: str, *, now: int) -> list[Message]:
    """Return the messages in a file; `-` is standard input. Raise Invalid with the line of what is none."""
    return list(_messages(_text(file), space, collection, now))


def _text(file: Path) -> str:
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else file.read_text("utf-8")
    except OSError as error:
        raise Invalid(f"The file `{file}` cannot be opened: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"The file `{file}` is not UTF-8.") from None


def _messages(text: str, space: str, collection: str, now: int) -> Iterator[Message]:
    # A text in JSON may hold what else ends a line, such as U+2028.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _message(line, number, space, collection, now)


def _message(line: str, number: int, space: str, collection: str, now: int) -> Message:
    try:
        body = msgspec.json.decode(line, type=_Line)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"line {number}: {error}") from None
    if not body.event and not body.traits:
        raise Invalid(f"line {number}: expected an `event` or `traits`")
    at = now if body.timestamp is None else read_time(body.timestamp)
    if at is None:
        raise Invalid(f"line {number}: `timestamp` is no time")
    return Message(
        space=space,
        source="",
        id=f"in line {number}",
        kind=Kind.TRACK if body.event else Kind.IDENTIFY,
        timestamp=at,
        order=order_of(now + number),
        identifiers=(),
        subject=collection,
        traits={key: msgspec.json.encode(value) for key, value in body.traits.items()},
        event=body.event or None,
        properties=msgspec.json.encode(body.properties),
        context=msgspec.json.encode(body.context),
    )
