"""Handlers of the Personalization API: who asks, look up, render (seed; reference: 1, 2, 7)."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from mien import clock
from mien.core.message import Identifier
from mien.dialects.growthloop import parse, render, tokens
from mien.dialects.growthloop.auth import Caller, Guard
from mien.dialects.growthloop.freshness import fresh
from mien.dialects.growthloop.names import DIALECT
from mien.dialects.growthloop.tokens import ReadToken
from mien.dialects.growthloop.views import Entity
from mien.errors import NotFound
from mien.services import lookup
from mien.services.lookup import Results
from mien.store.base import Look, Store
from mien.web.body import read_body
from mien.web.limits import RateLimits
from mien.web.reader import Reader
from mien.web.routing import header, parameter
from mien.web.tenants import Tenants

BATCH = ":batchGet"


class Profiles:
    """The Personalization API."""

    def __init__(self, reader: Reader, tenants: Tenants, limits: RateLimits) -> None:
        self._reader = reader
        self._guard = Guard(tenants)
        self._limits = limits

    def _caller(self, request: Request, now: int) -> Caller:
        """Return who asks, once they may."""
        caller = self._guard.caller(request, now=now)
        space = caller.view.space
        token = caller.token
        # Whoever holds a token could use up what the application has: each profile's tokens have a rate of their own.
        spender = () if token is None else (token.entity, token.id)
        self._limits.spend(space.rate_limits.get(DIALECT), DIALECT, space.slug, *spender)
        return caller

    def one(self, store: Store, request: Request) -> Response:
        """Answer with a profile."""
        if request.scope["path"].endswith("//"):
            raise NotFound
        now = clock.now()
        caller = self._caller(request, now)
        entity = caller.entity(parameter(request, "entity"))
        entity_id = parse.identifier(request.scope["path_params"]["id"])
        caller.check_profile(entity, entity_id)
        selection = parse.selection(request.scope["query_string"])
        if selection.explain:
            caller.check_key()
        name, space = _name(caller, entity, entity_id), caller.view.space
        found = lookup.one(store, space, [name], now=now)
        computed: Results = {}
        if selection.explain:
            found, computed = lookup.explained(store, space, found, now=now)
        text = render.profile(
            entity, name.value, found, space=space.slug, now=now, selection=selection, computed=computed
        )
        return fresh(text, header(request, b"if-none-match"), now=now)

    def audiences(self, store: Store, request: Request) -> Response:
        """Answer as the older generation does: with all audiences, or with those of one `identifier`."""
        now = clock.now()
        caller = self._caller(request, now)
        caller.check_key()
        query = parse.read_query(request.scope["query_string"])
        if "identifier" not in query:
            return render.answer(render.audience_list(caller.view.audiences(caller.rights), now))
        entity, space = caller.view.legacy(caller.rights), caller.view.space
        name = _name(caller, entity, parse.sound(query["identifier"]))
        found = lookup.one(store, space, [name], now=now)
        return render.legacy_profile(render.profile(entity, name.value, found, space=space.slug, now=now))

    async def batch(self, request: Request) -> Response:
        """Answer with several profiles of an entity."""
        now = clock.now()
        caller = self._caller(request, now)
        caller.check_key()
        entity = caller.entity(parameter(request, "entity").removesuffix(BATCH))
        ids = parse.batch(await read_body(request, limit=parse.MAX_BATCH))
        names = {asked: _name(caller, entity, asked) for asked in ids}

        wanted = list(dict.fromkeys(names.values()))  # the rules may have made one of several

        def look(store: Store) -> Sequence[Look | None]:
            return lookup.many(store, caller.view.space, wanted, now=now)

        found = dict(zip(wanted, await self._reader.ask(look, one_look=False), strict=True))
        texts = [
            render.profile(entity, name.value, one, space=caller.view.space.slug, now=now)
            for name, one in found.items()
            if one is not None
        ]
        return render.batch(texts, [asked for asked, name in names.items() if found[name] is None])

    async def token(self, request: Request) -> Response:
        """Make a token that opens one profile, whether there is one yet or not."""
        now = clock.now()
        caller = self._caller(request, now)
        caller.check_key()
        asked = parse.token_request(await read_body(request, limit=parse.MAX_TOKEN))
        entity = caller.entity(asked.entity)
        expires_at = now + asked.ttl * 1_000_000
        said = ReadToken(caller.view.space.slug, caller.credential.name, entity.name, asked.id, expires_at)
        return render.token(tokens.write(said, caller.credential, number=caller.number), expires_at)


def _name(caller: Caller, entity: Entity, entity_id: str) -> Identifier:
    """Return an id as it is kept: the space's rules say which spellings of it are one."""
    return caller.view.space.policy.rules.canonical(Identifier(entity.collection, entity.id, entity_id))
