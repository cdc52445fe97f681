"""Credentials and rates."""

import base64

import pytest

from mien.errors import RateLimited
from mien.web.limits import RateLimits
from mien.web.tenants import basic_user, bearers


def header(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("given", "user"),
    [
        (header("key:"), "key"),
        (header("key"), "key"),
        (header("key:password:more"), "key"),
        (header("k:").replace("Basic", "basic"), "k"),
        (header(":"), None),
        (header(""), None),
        ("Basic", None),
        ("Basic !!!", None),
        ("Basic /w==", None),
        ("Bearer abc", None),
        ("", None),
        (None, None),
    ],
)
def test_the_user_of_a_basic_header(given: str | None, user: str | None) -> None:
    assert basic_user(None if given is None else given.encode()) == user


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("Bearer key_1-2", ["key_1-2"]),
        ("bearer  key_1-2 ", ["key_1-2"]),
        ("Bearer a2V5", ["a2V5", "key"]),
        ("Bearer a2V5Cg==", ["a2V5Cg==", "key"]),
        ("Bearer a2V5Cg", ["a2V5Cg", "key"]),
        ("Bearer w7_DvyM_", ["w7_DvyM_", "ÿÿ#?"]),
        ("Bearer /w==", ["/w=="]),
        ("Bearer", []),
        ("Bearer ", []),
        ("Basic a2V5", []),
        (None, []),
    ],
)
def test_what_a_bearer_header_may_mean(given: str | None, texts: list[str]) -> None:
    assert list(bearers(None if given is None else given.encode())) == texts


def test_a_rate_counts_each_key_by_itself() -> None:
    limits = RateLimits()
    for _ in range(3):
        limits.spend("3/minute", "segment", "one")
    with pytest.raises(RateLimited) as refused:
        limits.spend("3/minute", "segment", "one")
    assert refused.value.retry_after >= 1
    limits.spend("3/minute", "segment", "two")
    for _ in range(1000):
        limits.spend(None, "segment", "one")
