"""What the answers to errors have in common in every dialect: a table decides, and some say how long to wait."""

from collections.abc import Sequence

from starlette.responses import Response

from mien.errors import MienError, RetryLater

Table = Sequence[tuple[type[MienError], int, str, str | None]]
"""Classes of errors with their status, code and, where it is fixed, message. The first that fits decides."""


def meaning(error: MienError, table: Table) -> tuple[int, str, str]:
    """Return the status, the code and the message of an error."""
    status, code, message = next(row[1:] for row in table if isinstance(error, row[0]))
    return status, code, message or str(error)


def with_wait(response: Response, error: MienError) -> Response:
    """Return the answer to an error, saying when to try again if that can help."""
    if isinstance(error, RetryLater):
        response.headers["Retry-After"] = str(error.retry_after)
    return response
