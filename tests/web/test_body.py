"""Bodies are read no further than their limit."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest
from starlette.requests import Request

from mien.errors import Invalid, TooLarge
from mien.web.body import inflate, read_body


def read(chunks: Iterable[bytes], limit: int = 1000, **headers: str) -> tuple[bytes, int]:
    """Read a body given in chunks; return it and how many chunks were asked for."""
    source: Iterator[bytes] = iter(chunks)
    asked = 0

    async def receive() -> dict[str, object]:
        nonlocal asked
        asked += 1
        chunk = next(source, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": raw}, receive)
    try:
        return asyncio.run(read_body(request, limit=limit)), asked
    except TooLarge as error:
        raise TooLarge(f"{asked}") from error


def test_chunks_are_put_together() -> None:
    assert read([b"ab", b"", b"c"])[0] == b"abc"
    assert read([])[0] == b""


def test_a_body_declared_too_large_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match=r"^0$"):
        read([b"x"], content_length="1001")


def test_a_body_without_a_length_is_refused_at_its_first_byte_too_many() -> None:
    with pytest.raises(TooLarge, match=r"^3$"):
        read([b"x" * 400] * 1000)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_gzip_is_inflated(encoding: str) -> None:
    assert read([gzip.compress(b"hello")], content_encoding=encoding)[0] == b"hello"


def test_deflate_and_several_members_are_inflated() -> None:
    assert read([zlib.compress(b"hello")], content_encoding="deflate")[0] == b"hello"
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), limit=10) == b"ab"


def test_a_gzip_bomb_is_refused_while_inflating() -> None:
    bomb = gzip.compress(b"\0" * 200_000_000)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflate(bomb, limit=500_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("damaged", [b"not gzip", gzip.compress(b"hello" * 100)[:-9], gzip.compress(b"a") + b"x"])
def test_damaged_gzip_is_refused(damaged: bytes) -> None:
    with pytest.raises(Invalid, match="gzip"):
        read([damaged], content_encoding="gzip")


def test_an_unknown_encoding_is_refused() -> None:
    with pytest.raises(Invalid, match="Content-Encoding"):
        read([b"x"], content_encoding="br")
