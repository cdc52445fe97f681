"""Golden conversations: recorded requests and answers, each saying where it was learned.

A conversation is a list of steps in a JSON file. Names such as `@space` stand for those of the test's own space. In
an answer, `"@any"` matches anything, `"@text"` any text, `"@id"` a Segment id and `"@time"` a time. Where a dialect
promises an order of keys, `in_order` says of an object whether its own counts.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

PATTERNS = {
    "@text": re.compile(r".+"),
    "@id": re.compile(r"use_[0-9A-Za-z]{27}"),
    "@time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"),
    "@map": re.compile(r"map_[0-9A-Za-z]{27}"),
}
InOrder = Callable[[str], bool]


def play(file: Path, http: httpx.Client, names: Mapping[str, str], in_order: InOrder) -> None:
    """Send the requests of a conversation, and compare what is answered."""
    text = file.read_text("utf-8")
    for name, value in names.items():
        text = text.replace(name, value)
    conversation = json.loads(text)
    assert conversation["source"]
    for step in conversation["steps"]:
        request, expected = step["request"], step["answer"]
        answer = http.request(
            request["method"],
            request["path"],
            headers=request.get("headers"),
            auth=tuple(request["auth"]) if "auth" in request else httpx.USE_CLIENT_DEFAULT,
            json=request.get("body"),
        )
        assert answer.status_code == expected["status"], answer.text
        for name, value in expected.get("headers", {}).items():
            _match(answer.headers.get(name), value, name, in_order)
        assert not set(expected.get("absent_headers", ())) & set(answer.headers)
        if "body" in expected:
            _match(answer.json(), expected["body"], "body", in_order)


def _match(found: Any, expected: Any, where: str, in_order: InOrder) -> None:
    if expected == "@any":
        return
    if isinstance(expected, str) and expected in PATTERNS:
        assert isinstance(found, str), where
        assert PATTERNS[expected].fullmatch(found), (where, found)
    elif isinstance(expected, dict):
        assert isinstance(found, dict), where
        assert list(found) == list(expected) if in_order(where) else set(found) == set(expected), where
        for key, value in expected.items():
            _match(found[key], value, f"{where}.{key}", in_order)
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            _match(one, other, f"{where}[{place}]", in_order)
    else:
        assert found == expected, where
