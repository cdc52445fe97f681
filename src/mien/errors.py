"""What can go wrong, in our words.

The text of an error is for the caller: it never holds a secret or personal data. Each dialect keeps its own
table from these classes to its vendor's statuses, codes and bodies.
"""


class MienError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip().splitlines()[0])


class Invalid(MienError):
    """The request cannot be understood."""


class TooLarge(Invalid):
    """The request is larger than the limit."""


class QueryRefused(MienError):
    """The query of a definition cannot be understood."""

    def __init__(self, reason: str | None = None, *, line: int = 1, column: int = 1) -> None:
        super().__init__(f"line {line}, column {column}: {reason}" if reason else None)
        self.line = line
        self.column = column
        """Where in the query, both counted from 1."""


class CredentialRefused(MienError):
    """The credential is missing, unknown, revoked, or opens another space."""


class NotFound(MienError):
    """There is nothing under this name."""


class SpaceNotFound(NotFound):
    """No space has this name."""


class ProfileNotFound(NotFound):
    """No profile answers to this identifier."""


class DefinitionNotFound(NotFound):
    """No computed trait and no audience has this key."""


class NotMerged(NotFound):
    """This profile was not absorbed by another."""


class CannotUnmerge(MienError):
    """The merge cannot be undone: it was made before Mien kept what that needs."""


class IdentifierNotFound(NotFound):
    """The profile does not hold this identifier."""


class SettingsRefused(MienError):
    """The settings contradict themselves or cannot be read; nothing was changed."""


class SchemaRefused(MienError):
    """The database was written by a newer Mien than this one."""


class CopyRefused(MienError):
    """The store cannot be copied there."""


class CopyUnfinished(MienError):
    """The store holds a part of another one: run the same `mien copy` again until it is finished."""


class CopyDiffers(MienError):
    """The copy does not hold what the store holds."""


class RetryLater(MienError):
    """The request was not taken in; send it again after `retry_after` seconds."""

    def __init__(self, message: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(RetryLater):
    """Too many requests hit the API too quickly."""

    def __init__(self, message: str | None = None, *, retry_after: int = 1, amount: int = 0, window: int = 0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.amount, self.window = amount, window
        """The rate that is used up: so many requests in so many seconds."""


class Busy(RetryLater):
    """Too much is waiting to be written; nothing of this request was taken in."""


class Unavailable(RetryLater):
    """The store cannot be reached at the moment."""

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail
        """What the operator wants to know beside it; callers are not told."""


class ConnectionLost(Unavailable):
    """The connection to the store was lost; what was being committed may be there or not."""


class CatalogChanged(MienError):
    """The spaces changed since they were read: read them again, and try again."""


class Contended(MienError):
    """Another writer changed the same profiles first; the batch must be folded again on fresh state."""
