"""Where Segment's clients carry their credentials (seed; reference: 1.4, 2.2)."""

from starlette.requests import Request

from mien.core.space import Source, Space
from mien.dialects.segment.settings import DIALECT, space_id
from mien.errors import CredentialRefused, SpaceNotFound
from mien.services.spaces import Catalog
from mien.web.routing import header, parameter
from mien.web.tenants import Tenants, basic_user, credential_of


def space_of(request: Request, tenants: Tenants) -> Space:
    """Return the space in the path, opened by the token that is the Basic user name.

    Raise CredentialRefused without a valid token or with one of another space, SpaceNotFound when there is no such
    space.
    """
    space = tenants.opened(DIALECT, header(request, b"authorization"), _open)
    asked = parameter(request, "space")
    if asked == space_id(space):
        return space
    if any(asked == space_id(other) for other in tenants.current().spaces.values()):
        raise CredentialRefused
    raise SpaceNotFound


def _open(catalog: Catalog, given: bytes | None) -> Space:
    user = basic_user(given)
    return catalog.spaces[credential_of(catalog, DIALECT, [user] if user else []).space]


def source_of(request: Request, in_body: str | None, tenants: Tenants) -> Source | None:
    """Return the source of a request: the Basic user name is its write key, or else the body holds it."""
    key = basic_user(header(request, b"authorization")) or in_body
    return tenants.source(key) if key else None
