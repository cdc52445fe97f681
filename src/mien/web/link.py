"""The frames in which the serving process and the writer talk: a length, then MessagePack."""

from typing import Literal

from msgspec import Struct, msgpack

from mien.core.message import Submission
from mien.services.ingest import Receipt

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
