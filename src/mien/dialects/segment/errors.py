"""Our errors → Segment's statuses, codes and bodies (seed; reference: 1.5, 2.4)."""

from starlette.responses import Response

from mien.dialects.segment.ask import FieldRefused, UnsupportedType
from mien.dialects.segment.render import answer
from mien.errors import (
    Busy,
    CredentialRefused,
    IdentifierNotFound,
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

_PROFILE_API: Table = (
    (FieldRefused, 400, "validation_error", None),
    (Invalid, 400, "invalid_request_error", None),
    (
        CredentialRefused,
        401,
        "authentication_error",
        "No valid access token: give one as the Basic user name.",
    ),
    (ProfileNotFound, 404, "not_found", "Profile was not found."),
    (NotFound, 404, "not_found", "The resource was not found."),
    (MethodNotAllowed, 405, "invalid_request_error", None),
    (RateLimited, 429, "rate_limit_error", None),
    (RetryLater, 503, "service_unavailable", None),
    (MienError, 500, "internal_error", None),
)
"""Messages are fixed where Segment's are known."""

_REMOVAL: Table = (
    (UnsupportedType, 400, "unsupported_eid_type", "Unsupported external id type."),
    (Invalid, 400, "bad_request", None),
    (FieldRefused, 400, "bad_request", None),
    (CredentialRefused, 401, "unauthorized", "The specified token is invalid."),
    (IdentifierNotFound, 404, "eid_not_found", "External identifier not found."),
)
"""Where the removal of an identifier answers otherwise than the rest (reference: 1.13)."""

_TRACKING_API: Table = (
    # 400, not 413: documented, and the clients give up on it instead of sending the same again.
    (TooLarge, 400, "bad_request", None),
    (Invalid, 400, "bad_request", None),
    (NotFound, 404, "not_found", None),
    (MethodNotAllowed, 405, "bad_request", None),
    # 429: every client waits and sends again, the newer ones without counting it as a failure.
    (Busy, 429, "rate_limit_error", None),
    (RetryLater, 503, "service_unavailable", None),
    (MienError, 500, "internal_error", None),
)


def profile_error(error: MienError) -> Response:
    """Return the Profile API's answer for an error."""
    return _answer(error, _PROFILE_API)


def removal_error(error: MienError) -> Response:
    """Return the answer for an error of the removal of an identifier."""
    return _answer(error, (*_REMOVAL, *_PROFILE_API))


def _answer(error: MienError, table: Table) -> Response:
    status, code, message = meaning(error, table)
    return with_wait(answer({"error": {"code": code, "message": message}}, status), error)


def tracking_error(error: MienError) -> Response:
    """Return the Tracking API's answer for an error: an object whose `code` and `message` every client can read."""
    status, code, message = meaning(error, _TRACKING_API)
    return with_wait(answer({"success": False, "code": code, "message": message, "error": code}, status), error)
