"""Our errors → GrowthLoop's statuses, codes and bodies, all of which are ours: it documents none (reference: 7)."""

from starlette.responses import Response

from mien.dialects.growthloop.auth import ScopeMissing
from mien.dialects.growthloop.parse import InvalidId
from mien.dialects.growthloop.render import answer
from mien.dialects.growthloop.views import EntityNotFound
from mien.errors import (
    CredentialRefused,
    Invalid,
    MienError,
    NotFound,
    ProfileNotFound,
    RateLimited,
    RetryLater,
    TooLarge,
)
from mien.web.errors import Table, meaning, with_wait
from mien.web.routing import MethodNotAllowed

_TABLE: Table = (
    (InvalidId, 400, "invalid_id", None),
    (TooLarge, 413, "too_large", None),
    (Invalid, 400, "invalid_request", None),
    # One text for all that can be wrong with a key: it tells nobody which keys there are.
    (CredentialRefused, 401, "unauthorized", "No valid API key: give one as `Authorization: Bearer KEY`."),
    (ScopeMissing, 403, "insufficient_scope", None),
    (EntityNotFound, 404, "entity_not_found", "There is no such entity."),
    (ProfileNotFound, 404, "profile_not_found", "No profile has this id."),
    (NotFound, 404, "not_found", "There is nothing here."),
    (MethodNotAllowed, 405, "method_not_allowed", None),
    (RateLimited, 429, "rate_limited", None),
    (RetryLater, 503, "unavailable", None),
    (MienError, 500, "internal", None),
)

_CHALLENGES = {
    401: 'Bearer realm="personalization"',
    403: 'Bearer realm="personalization", error="insufficient_scope"',
}


def error_answer(error: MienError) -> Response:
    """Return the answer for an error."""
    status, code, message = meaning(error, _TABLE)
    response = with_wait(answer({"error": code, "message": message}, status), error)
    if status in _CHALLENGES:
        response.headers["WWW-Authenticate"] = _CHALLENGES[status]
    if isinstance(error, RateLimited):
        response.headers["RateLimit"] = f'"space";r=0;t={error.retry_after}'
        response.headers["RateLimit-Policy"] = f'"space";q={error.amount};w={error.window}'
    return response
