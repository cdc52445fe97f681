"""Handlers of the Profile API: ask, look up, render (seed; reference: 1)."""

from collections.abc import Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from mien import clock
from mien.core.message import ACCOUNTS, USERS
from mien.core.space import Space
from mien.core.traits import CONSENT
from mien.dialects.segment import ask, render
from mien.dialects.segment.auth import space_of
from mien.dialects.segment.names import lookups, segment_id
from mien.dialects.segment.settings import DIALECT, RATE, space_id
from mien.services import lookup
from mien.services.lookup import Results
from mien.store.base import EventQuery, HeldIdentifier, Store
from mien.store.sheet import read_members
from mien.web.limits import RateLimits
from mien.web.proxies import Proxies
from mien.web.routing import header, parameter
from mien.web.tenants import Tenants


class Asked(NamedTuple):
    """Whom a request asks about."""

    space: Space
    collection: str
    identifier: str
    query: dict[str, str]
    now: int


class Profiles:
    """The Profile API."""

    def __init__(self, tenants: Tenants, limits: RateLimits, proxies: Proxies) -> None:
        self._proxies = proxies
        self._tenants = tenants
        self._limits = limits

    def traits(self, store: Store, request: Request) -> Response:
        """Answer with a page of traits."""
        asked = self._asked(request)
        question = ask.traits(asked.query)
        found = lookup.one(store, asked.space, lookups(asked.collection, asked.identifier), now=asked.now)
        computed: Results = {}
        if question.verbose:
            found, computed = lookup.explained(store, asked.space, found, now=asked.now)
        page = lookup.page_of_traits(
            found.sheet,
            hidden=CONSENT,  # the Profile API never returns it (seed; reference: 5.2)
            kind=question.kind,
            include=question.include,
            start=question.start,
            limit=question.limit,
        )
        cursor = self._cursor(request, asked, page.next, question.limit)
        if not question.verbose:
            return render.traits(page.text, cursor)
        return render.verbose_traits(read_members(page.text), found.sheet.written(), computed, cursor)

    def external_ids(self, store: Store, request: Request) -> Response:
        """Answer with a page of identifiers, the newest first."""
        asked = self._asked(request)
        limit = ask.limit(asked.query, *ask.PAGES)
        kinds = [kind for kind in asked.query.get("include", "").split(",") if kind]
        rows = store.identifiers(_find(store, asked))
        rows = [row for row in rows if not kinds or row.type in kinds]
        start = self._start_of(asked, rows, asked.query.get("next", ""))
        following = rows[start + limit :][:1]
        cursor = self._cursor(request, asked, self._mapping_id(asked, following[0]) if following else "", limit)
        return render.external_ids(rows[start : start + limit], asked.collection, cursor)

    def _start_of(self, asked: Asked, rows: Sequence[HeldIdentifier], cursor: str) -> int:
        """Return where the page of a cursor begins: at its row, or where that row would be if it is gone."""
        if not cursor:
            return 0
        gone_at = ask.read_mapping_id(cursor)
        ids = [self._mapping_id(asked, row) for row in rows]
        if cursor in ids:
            return ids.index(cursor)
        return next((n for n, row in enumerate(ids) if ask.read_mapping_id(row) < gone_at), len(rows))

    def _mapping_id(self, asked: Asked, row: HeldIdentifier) -> str:
        return ask.mapping_id(asked.space.slug, asked.collection, row)

    def events(self, store: Store, request: Request) -> Response:
        """Answer with a page of events from the window the space serves."""
        asked = self._asked(request)
        question = ask.events(asked.query)
        whole = lookup.head(store, asked.space, _find(store, asked), now=asked.now)
        query = EventQuery(
            after=question.after,
            before=question.before,
            include=question.include,
            exclude=question.exclude,
            ascending=question.ascending,
            limit=question.limit + 1,
        )
        rows = lookup.events(store, asked.space, whole, query, past=question.beyond, now=asked.now)
        shown = rows[: question.limit]
        following = ""
        if len(rows) > len(shown):
            following = ask.event_cursor(shown[-1].place.timestamp, shown[-1].message)
        return render.events(shown, whole, self._cursor(request, asked, following, question.limit))

    def metadata(self, store: Store, request: Request) -> Response:
        """Answer with when a profile began, was last touched, and expires."""
        asked = self._asked(request)
        whole = lookup.head(store, asked.space, _find(store, asked), now=asked.now)
        return render.metadata(whole, asked.space.expires_at(whole.last.at))

    def links(self, store: Store, request: Request) -> Response:
        """Answer with a page of the accounts of a user, or of the users of an account, oldest link first."""
        asked = self._asked(request)
        limit = ask.limit(asked.query, *ask.LINKS)
        beyond = ask.read_pair(asked.query.get("next", ""))
        whole = lookup.head(store, asked.space, _find(store, asked), now=asked.now)
        rows = lookup.links(store, asked.space, whole, beyond=beyond, limit=limit + 1, now=asked.now)
        other = USERS if asked.collection == ACCOUNTS else ACCOUNTS
        shown = [(other, held) for _, held in rows[:limit] if held]
        following = ask.pair_cursor(*rows[limit - 1][0][:2]) if len(rows) > limit else ""
        return render.links(shown, self._cursor(request, asked, following, limit))

    def recent(self, store: Store, request: Request) -> Response:
        """Answer with a page of profiles, those touched last first."""
        asked = self._asked(request)
        limit = ask.limit(asked.query, *ask.PAGES)
        beyond, offset = ask.recent(asked.query)
        rows = lookup.recent(
            store,
            asked.space,
            asked.collection,
            beyond=beyond,
            offset=offset,
            limit=limit + 1,
            now=asked.now,
        )
        following = ask.pair_cursor(*rows[limit - 1]) if len(rows) > limit else ""
        shown = [segment_id(asked.collection, row.id) for row in rows[:limit]]
        return render.profiles(shown, self._cursor(request, asked, following, limit))

    def _asked(self, request: Request) -> Asked:
        """Return whom a request asks about, once it may."""
        space = space_of(request, self._tenants)
        collection = ask.check_collection(parameter(request, "collection"))
        self._limits.spend(space.rate_limits.get(DIALECT, RATE), DIALECT, space.slug)
        identifier = parameter(request, "identifier")
        return Asked(space, collection, identifier, ask.read_query(request.scope["query_string"]), clock.now())

    def _cursor(self, request: Request, asked: Asked, following: str, limit: int) -> dict[str, object]:
        """Return the cursor of a page, with the address of the next one as the seed shows it."""
        if not following:
            return render.last_page(limit)
        host = (header(request, b"host") or b"").decode("latin-1")
        identifier = f"%3Aid={render.quoted(asked.identifier)}&" if asked.identifier else ""
        url = (
            f"{self._proxies.scheme(request)}://{host}{request.scope['path']}"
            f"?%3Acollection={asked.collection}&{identifier}%3Anamespace={render.quoted(space_id(asked.space))}"
        )
        return render.next_page(following, limit, url, asked.query)


def _find(store: Store, asked: Asked) -> int:
    """Return the profile that the identifier in the path names."""
    return lookup.find(store, asked.space, lookups(asked.collection, asked.identifier), now=asked.now)
