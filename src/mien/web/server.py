"""uvicorn's HTTP protocol, with bounds on what it leaves unbounded, and patience for paths that are not encoded."""

import re

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes that may come before the head of a request is complete."""
MAX_HEADERS = 500
"""Headers of a request, trailers included."""

_LINE = re.compile(rb"[A-Z]{3,7} [^\r\n]* HTTP/1\.[01]\r\n")


class BoundedProtocol(HttpToolsProtocol):
    """Closes the connection when the head of a request does not end, or its trailers do not.

    Characters beyond ASCII in the line of a request, which some clients send as they are, are percent-encoded.
    """

    headers: list[tuple[bytes, bytes]] = []  # noqa: RUF012 (uvicorn gives each request its own)
    _head_size = 0

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless there is too much of it."""
        if not data.isascii():
            data = _with_encoded_line(data)
        of_body = self._in_body()
        super().data_received(data)
        if of_body or b"\r\n\r\n" in data or self._in_body():
            self._head_size = 0
        else:
            self._head_size += len(data)
        if self._head_size > MAX_HEAD or len(self.headers) > MAX_HEADERS:
            self.send_400_response("The head of the request is too large.")

    def _in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body


def _with_encoded_line(data: bytes) -> bytes:
    line = _LINE.match(data)
    if line is None or line[0].isascii():
        return data
    encoded = b"".join(b"%%%02X" % byte if byte > 127 else bytes([byte]) for byte in line[0])
    return encoded + data[line.end() :]
