"""What is left of somebody who was forgotten: a proof without personal data."""

from typing import NamedTuple


class Erased(NamedTuple):
    """How much was deleted of what."""

    profiles: int = 0
    identifiers: int = 0
    messages: int = 0
    links: int = 0
    history: int = 0
    discards: int = 0
    memberships: int = 0
    changes: int = 0

    def plus(self, more: "Erased") -> "Erased":
        """Return both together."""
        return Erased(*(one + other for one, other in zip(self, more, strict=True)))


class Deletion(NamedTuple):
    """The proof that somebody was forgotten: when (microseconds since 1970), and how much was deleted.

    `subject` is the hash of the identifier that was given, by which whoever knows it can find the proof again.
    `suppressed` is how many identifiers may not come back.
    """

    id: str
    at: int
    collection: str
    subject: bytes
    erased: Erased
    suppressed: int


class Suppression(NamedTuple):
    """An identifier that may not come back: since when, its hash, its type, and the deletion it comes from."""

    since: int
    key: bytes
    collection: str
    type: str
    deletion: str
