"""Bodies: read no further than the limit, before and after inflating."""

import zlib

from starlette.requests import Request

from mien.errors import Invalid, TooLarge

_CHUNK = 64 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return the body of a request, inflated.

    Raise TooLarge as soon as it is known to be longer than `limit` bytes, Invalid when it does not inflate.
    """
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    body = b"".join(chunks)
    match request.headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return body
        case "gzip" | "x-gzip" | "deflate":
            return inflate(body, limit=limit)
        case _:
            raise Invalid("The Content-Encoding is not supported: send gzip, or none.")


def inflate(body: bytes, *, limit: int) -> bytes:
    """Return what gzip or zlib data holds; raise TooLarge beyond `limit` bytes, Invalid when it is damaged."""
    parts, size = [], 0
    try:
        while body:
            stream = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
            while body and not stream.eof:
                part = stream.decompress(body, _CHUNK)
                size += len(part)
                if size > limit:
                    raise _too_large(limit)
                parts.append(part)
                body = stream.unconsumed_tail
                if not part and not body:
                    break
            if not stream.eof:
                parts.append(stream.flush())
                raise zlib.error
            body = stream.unused_data
    except zlib.error:
        raise Invalid("The body is not valid gzip data.") from None
    return b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The body is larger than the limit of {limit} bytes.")
