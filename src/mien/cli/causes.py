"""What made a value change, and what a value is, in plain words."""

from typing import Any

from rich.markup import escape

from mien.cli.story import named, plain
from mien.core.computed import Cause, How
from mien.core.message import Identifier
from mien.core.want import worded
from mien.dialects.segment.names import segment_id

_WORDS = {
    How.MESSAGE: "message {}",
    How.TIME: "time that passed",
    How.DEFINITION: "the definition, which was new",
    How.MERGE: "a merge, by message {}",
    How.UNMERGE: "a merge that was undone",
    How.REMOVAL: "the removal of an identifier",
}


def caused(cause: Cause) -> str:
    """Return what made a value change."""
    return safe(_WORDS[How(cause.how)].format(cause.message))


def who(collection: str, profile: int, name: Identifier | None) -> str:
    """Return an identifier of a profile as people write it, or else the profile's own id."""
    return safe(named(name)) if name is not None else segment_id(collection, profile)


def value(found: Any) -> str:
    """Return a value as a query writes it."""
    return safe(worded(found))


def safe(text: str) -> str:
    """Return text that neither the terminal nor the printer of tables takes for more than text."""
    return escape(plain(text))
