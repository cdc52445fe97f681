"""Secrets: made here, shown once, kept as their hash."""

import hashlib
import secrets

PREFIX = "sha256:"
"""A secret written as `sha256:` and 64 hexadecimal digits is given by its hash, as `mien export` does."""


def new_secret(prefix: str) -> str:
    """Return a new secret of 190 bits."""
    return prefix + "_" + secrets.token_urlsafe(24)


def new_id(prefix: str) -> str:
    """Return a new id that nobody else makes."""
    return f"{prefix}_{secrets.token_hex(12)}"


def digest(secret: str) -> bytes:
    """Return the hash under which a secret is kept.

    Plain SHA-256: it is looked up on every request, and secrets made here cannot be guessed. Write keys are public
    by nature (browsers hold them).
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def digest_given(secret: str) -> bytes:
    """Return the hash of a secret that stands in a file: itself, or its hash. Raise ValueError for a broken one."""
    if not secret.startswith(PREFIX):
        return digest(secret)
    given = bytes.fromhex(secret.removeprefix(PREFIX))
    if len(given) != hashlib.sha256().digest_size:
        raise ValueError("a hash has 64 hexadecimal digits")
    return given


def shown(given: bytes) -> str:
    """Return the form in which a hash is written into a file."""
    return PREFIX + given.hex()
