"""Handler of the removal of an identifier, in Segment's private beta (reference: 1.13)."""

from starlette.requests import Request
from starlette.responses import Response

from mien import clock
from mien.dialects.segment import ask, render
from mien.dialects.segment.auth import space_of
from mien.dialects.segment.settings import DIALECT, RATE
from mien.services.identifiers import remove
from mien.services.lookup import find
from mien.store.base import Store
from mien.web.body import read_body
from mien.web.changes import Changes
from mien.web.limits import RateLimits
from mien.web.routing import parameter
from mien.web.tenants import Tenants

MAX_BYTES = 8 * 1024
"""The longest body: one identifier."""


class Removal:
    """Removes identifiers; everything else of a profile stays."""

    def __init__(self, changes: Changes, tenants: Tenants, limits: RateLimits) -> None:
        self._changes = changes
        self._tenants = tenants
        self._limits = limits

    async def external_id(self, request: Request) -> Response:
        """Remove one identifier of a user; a message that holds it later brings it back."""
        space = space_of(request, self._tenants)
        self._limits.spend(space.rate_limits.get(DIALECT, RATE), DIALECT, space.slug)
        body = await read_body(request, limit=MAX_BYTES)
        whom, what = ask.removal(parameter(request, "collection"), parameter(request, "identifier"), body)

        def change(store: Store) -> None:
            now = clock.now()
            remove(store, space, find(store, space, [whom], now=now), what, now=now)

        await self._changes.make(change)
        return render.removed()
