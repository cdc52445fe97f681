"""Answers that are put together often."""

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_TYPE = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """JSON text as an answer: Starlette's response, begun without its general way of making headers."""

    def __init__(self, text: bytes, status: int = 200) -> None:
        self.status_code = status
        self.body = text
        self.background = None
        self.raw_headers = [_TYPE, (b"content-length", b"%d" % len(text))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
