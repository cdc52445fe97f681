"""Where GrowthLoop's clients carry their key, and what it lets them do (seed; reference: 1, 7)."""

from collections.abc import Sequence

from msgspec import Struct
from starlette.requests import Request

from mien.core.space import Credential
from mien.dialects.growthloop import cors, tokens
from mien.dialects.growthloop.names import DIALECT
from mien.dialects.growthloop.tokens import ReadToken
from mien.dialects.growthloop.views import Entity, Origins, Rights, View, Views
from mien.errors import CredentialRefused, MienError
from mien.services.spaces import Catalog
from mien.web.routing import header
from mien.web.tenants import Tenants, bearers, credential_of


class ScopeMissing(MienError):
    """The key or token does not allow this."""


class Caller(Struct, frozen=True):
    """Who asks: the space as it is served to them, and what they may do there. A `token` opens one profile only.

    `number` is that of the store.
    """

    view: View
    credential: Credential
    rights: Rights
    number: int
    token: ReadToken | None = None

    def entity(self, name: str) -> Entity:
        """Return an entity the caller may ask for; raise EntityNotFound for any other."""
        return self.view.entity(name, self.rights)

    def check_profile(self, entity: Entity, entity_id: str) -> None:
        """Raise ScopeMissing when the caller holds a token for another profile."""
        if self.token is not None and (self.token.entity, self.token.id) != (entity.name, entity_id):
            raise ScopeMissing("The token opens another profile.")

    def check_key(self) -> None:
        """Raise ScopeMissing when the caller holds a token: this needs the key."""
        if self.token is not None:
            raise ScopeMissing("A read token opens one profile and nothing else.")


class Guard:
    """Knows who may ask."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._views = Views()
        self._origins = Origins(tenants)

    def caller(self, request: Request, *, now: int) -> Caller:
        """Return who asks; raise CredentialRefused for nobody we know, ScopeMissing where the scope is missing."""
        given = header(request, b"authorization")
        if given is not None and given[7:17] == _TOKEN:
            caller = self._by_token(request, given, now)
        else:
            caller = self._tenants.opened(DIALECT, given, self._by_key)
        if not caller.rights.reads:
            raise ScopeMissing("The key lacks the scope `personalization`.")
        return caller

    def _by_key(self, catalog: Catalog, given: bytes | None) -> Caller:
        return self._with(catalog, credential_of(catalog, DIALECT, bearers(given)))

    def _by_token(self, request: Request, given: bytes, now: int) -> Caller:
        catalog = self._tenants.current()
        # Also where it is refused: the page shall see that, and ask for another. Its space is not known then.
        cors.admit(request, self._origins())
        token, credential = tokens.read(_first(bearers(given)), catalog)
        caller = self._with(catalog, credential, token)
        cors.admit(request, caller.view.origins)
        if token.expires_at <= now:
            raise CredentialRefused
        return caller

    def _with(self, catalog: Catalog, credential: Credential, token: ReadToken | None = None) -> Caller:
        view = self._views.of(catalog.spaces[credential.space])
        return Caller(view, credential, view.rights_of(credential.name), catalog.number, token)


_TOKEN = tokens.PREFIX.encode()


def _first(texts: Sequence[str]) -> str:
    return texts[0] if texts else ""
