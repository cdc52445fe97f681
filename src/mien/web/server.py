"""uvicorn's HTTP protocol, with a bound on what it leaves unbounded."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers."""


class BoundedHead(HttpToolsProtocol):
    """Closes the connection when the head of a request does not end within 64 KiB."""

    _head_size = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the head grows too long."""
        super().data_received(data)
        if not self._in_head:
            self._head_size = 0
            return
        self._head_size += len(data)
        if self._head_size > MAX_HEAD:
            self.send_400_response("The head of the request is larger than 64 KiB.")

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Note that a head ended."""
        self._in_head = False
        super().on_headers_complete()
