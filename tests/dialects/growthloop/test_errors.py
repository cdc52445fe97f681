"""Our errors → GrowthLoop's answers (reference: 7)."""

import json

import pytest

from mien.dialects.growthloop.errors import error_answer
from mien.errors import Busy, MienError, ProfileNotFound, RateLimited, TooLarge, Unavailable


@pytest.mark.parametrize(
    ("error", "status", "code", "headers"),
    [
        (ProfileNotFound(), 404, "profile_not_found", {}),
        (TooLarge("x"), 413, "too_large", {}),
        (
            RateLimited(retry_after=7, amount=100, window=60),
            429,
            "rate_limited",
            {"retry-after": "7", "ratelimit": '"space";r=0;t=7', "ratelimit-policy": '"space";q=100;w=60'},
        ),
        (Unavailable(), 503, "unavailable", {"retry-after": "1"}),
        (Busy(), 503, "unavailable", {"retry-after": "1"}),
        (MienError("It was logged."), 500, "internal", {}),
    ],
)
def test_an_error(error: MienError, status: int, code: str, headers: dict[str, str]) -> None:
    answer = error_answer(error)
    assert answer.status_code == status
    body = json.loads(answer.body)
    assert body.keys() == {"error", "message"}
    assert body["error"] == code
    given = dict(answer.headers)
    assert given.pop("content-type") == "application/json"
    assert given.pop("content-length")
    assert given == headers
