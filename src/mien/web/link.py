"""The frames in which the serving process and the writer talk: a length, then MessagePack."""

import select
import socket
from typing import Literal

from msgspec import Struct, msgpack

from mien.core.message import Submission
from mien.services.ingest import Receipt

RECEIVE_BYTES = 1024 * 1024
LENGTH = 4
"""Bytes in which the length of a frame is written, big-endian."""


GREETING = 0
"""The number of the answer with which a writer says that it is ready."""


class Request(Struct, array_like=True):
    """A submission, and the number under which it is answered."""

    number: int
    submission: Submission


class Answer(Struct, array_like=True):
    """What became of a submission; only `taken` is durable.

    Submissions that are committed together have one receipt between them, which the first of their answers carries.
    """

    number: int
    outcome: Literal["taken", "busy", "unavailable", "failed"]
    receipt: Receipt = Receipt()


read_request = msgpack.Decoder(Request).decode
read_answer = msgpack.Decoder(Answer).decode
_encode = msgpack.Encoder().encode


def frame(value: Request | Answer) -> bytes:
    """Return a value as a frame."""
    body = _encode(value)
    return len(body).to_bytes(LENGTH, "big") + body


def take_frames(buffer: bytearray) -> list[bytes]:
    """Return the whole frames at the start of the buffer, and remove them from it."""
    bodies, at = [], 0
    while len(buffer) - at >= LENGTH:
        end = at + LENGTH + int.from_bytes(buffer[at : at + LENGTH], "big")
        if end > len(buffer):
            break
        bodies.append(bytes(buffer[at + LENGTH : end]))
        at = end
    del buffer[:at]
    return bodies


class Inbox:
    """The requests that come over a link."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._buffer = bytearray()

    def ready(self, seconds: float = 0.0) -> bool:
        """Wait so long; say whether something came, be it the end of the link."""
        return bool(select.select([self._link], [], [], seconds)[0])

    def take(self) -> list[Request] | None:
        """Wait for something to come, and return the requests that are whole by then; None when the link ended."""
        data = self._link.recv(RECEIVE_BYTES)
        if not data:
            return None
        self._buffer += data
        return [read_request(body) for body in take_frames(self._buffer)]
