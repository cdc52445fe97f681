"""Golden conversations: recorded requests and answers, each saying where it was learned.

A conversation is a list of steps in a JSON file. `@space`, `@token` and `@write_key` stand for those of the test's
own space. In an answer, `"@any"` matches anything, `"@text"` any text, `"@id"` a Segment id and `"@time"` a time.
"""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server import Tenant

FOLDER = Path(__file__).parent / "conversations"
PATTERNS = {
    "@text": re.compile(r".+"),
    "@id": re.compile(r"use_[0-9A-Za-z]{27}"),
    "@time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"),
    "@map": re.compile(r"map_[0-9A-Za-z]{27}"),
}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.json")), ids=lambda file: file.stem)
def test_conversation(file: Path, tenant: Tenant) -> None:
    text = file.read_text("utf-8")
    for name, value in {"@space": tenant.slug, "@token": tenant.token, "@write_key": tenant.write_key}.items():
        text = text.replace(name, value)
    conversation = json.loads(text)
    assert conversation["source"]
    for step in conversation["steps"]:
        request, expected = step["request"], step["answer"]
        answer = tenant.http.request(
            request["method"],
            request["path"],
            headers=request.get("headers"),
            auth=tuple(request["auth"]) if "auth" in request else httpx.USE_CLIENT_DEFAULT,
            json=request.get("body"),
        )
        assert answer.status_code == expected["status"], answer.text
        for name, value in expected.get("headers", {}).items():
            _match(answer.headers.get(name), value, name)
        assert not set(expected.get("absent_headers", ())) & set(answer.headers)
        if "body" in expected:
            _match(answer.json(), expected["body"], "body")


def _match(found: Any, expected: Any, where: str) -> None:
    if expected == "@any":
        return
    if isinstance(expected, str) and expected in PATTERNS:
        assert isinstance(found, str), where
        assert PATTERNS[expected].fullmatch(found), (where, found)
    elif isinstance(expected, dict):
        assert isinstance(found, dict), where
        assert list(found) == list(expected) if where.endswith(".traits") else set(found) == set(expected), where
        for key, value in expected.items():
            _match(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for place, (one, other) in enumerate(zip(found, expected, strict=True)):
            _match(one, other, f"{where}[{place}]")
    else:
        assert found == expected, where
