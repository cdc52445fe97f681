"""Read tokens: one profile, for minutes, in a browser that never holds the key. They are ours, not GrowthLoop's.

A token says which key made it, which profile it opens and until when, signed with what is kept of that key: its hash.
Nothing is stored, every node understands it, and it dies with its key.
"""

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from msgspec import Struct

from mien.core.space import Credential
from mien.dialects.growthloop.names import DIALECT
from mien.errors import CredentialRefused
from mien.services.spaces import Catalog

PREFIX = "mien_read_"
LONGEST = 4096
"""Characters of a token: an id has at most 1,024 bytes, each of which may become two in JSON."""

_PURPOSE = b"mien growthloop read token 1"


class ReadToken(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a token says. `expires_at` is in microseconds since 1970."""

    space: str
    key: str
    entity: str
    id: str
    expires_at: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ReadToken).decode


def write(token: ReadToken, credential: Credential, *, number: int) -> str:
    """Return the text of a token, signed by the key that makes it in the store of this number."""
    said = urlsafe_b64encode(_encode(token)).rstrip(b"=")
    return f"{PREFIX}{said.decode()}.{_signature(said, credential, number)}"


def read(text: str, catalog: Catalog) -> tuple[ReadToken, Credential]:
    """Return what a token says and the key that signed it; raise CredentialRefused for one that nobody valid signed.

    Whether its time is over is for the caller to see.
    """
    said, dot, signature = text.removeprefix(PREFIX).partition(".")
    if not dot or len(text) > LONGEST or not text.isascii():
        raise CredentialRefused
    try:
        token = _decode(urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    except (binascii.Error, msgspec.MsgspecError):
        raise CredentialRefused from None
    credential = catalog.named.get((token.space, DIALECT, token.key))
    if credential is None:
        raise CredentialRefused
    if not hmac.compare_digest(signature, _signature(said.encode(), credential, catalog.number)):
        raise CredentialRefused
    return token, credential


def _signature(said: bytes, credential: Credential, number: int) -> str:
    # The hash of the key signs nothing itself: what is signed for one purpose means nothing for another. And it does
    # not sign alone: whoever holds a token could try out which weak key has a hash that makes the signature.
    key = hmac.digest(credential.digest, _PURPOSE + number.to_bytes(8, "big"), "sha256")
    return urlsafe_b64encode(hmac.digest(key, said, "sha256")).rstrip(b"=").decode()
