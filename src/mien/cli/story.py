"""What happened to a profile, in plain words."""

from collections.abc import Iterator, Sequence

from mien.core.identity import Reason
from mien.core.message import Identifier
from mien.core.profile import Stamp
from mien.core.story import GONE_OVER, MADE_BESIDE, REMOVED, Merge, Note, Unmerge
from mien.dialects.segment.names import segment_id
from mien.services.story import Event, Noted, Origin

REFUSED = {
    Reason.BLOCKED: "its value identifies nobody",
    Reason.UNKNOWN_TYPE: "the space does not know its type and adds none by itself",
    Reason.LIMIT: "the profile would hold more values of {rule} than it may",
    Reason.PERIOD_LIMIT: "the profile would hold more values of {rule} than it may within the period",
    Reason.MERGE_LIMIT: "the profile would have merged more often than it may",
    Reason.MAPPING_LIMIT: "the profile would hold more identifiers than it may",
    Reason.KEPT_APART: "it would make one of two profiles that were told to stay apart",
    Reason.ELSEWHERE: "another profile holds it, and the rules leave it there",
}


def sentence(collection: str, event: Event) -> str:
    """Return what happened as a sentence, which nothing in it can make into more than text."""
    return plain(_sentence(collection, event))


def plain(text: str) -> str:
    """Return text without what a terminal would obey: identifiers are what clients sent."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _sentence(collection: str, event: Event) -> str:
    match event:
        case Stamp():
            return f"It was made, by message {event.message} of source {event.source}."
        case Origin():
            return f"It got {named(event.identifier)}, {_with(event)}."
        case Merge():
            return _merge(collection, event)
        case Unmerge():
            return _unmerge(collection, event)
        case Noted():
            return _note(collection, event.note, event.value)


def named(identifier: Identifier) -> str:
    """Return an identifier as people write it."""
    return f"{identifier.type}:{identifier.value}"


def _with(origin: Origin) -> str:
    by = f"by message {origin.held.message} of source {origin.held.source}"
    if origin.beside is None:
        return f"{by}, which is no longer kept"
    if not origin.beside:
        return f"{by}, which named it alone"
    return f"{by}, which also named {_listed([named(i) for i in origin.beside])}"


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)


def _merge(collection: str, merge: Merge) -> str:
    bridges = [f"{named(i)} (of {segment_id(collection, owner)})" for i, owner in merge.named]
    young, old = (segment_id(collection, profile) for profile in (merge.absorbed, merge.survivor))
    by = f"message {merge.message} of source {merge.source}"
    text = f"{young} became one with {old}, the older: {by} named {_listed(bridges)}."
    if merge.refused:
        text += f" Passed over: {_listed([f'one {kind} ({reason})' for kind, reason in merge.refused])}."
    return text


def _unmerge(collection: str, unmerge: Unmerge) -> str:
    merge = unmerge.merge
    young, old = (segment_id(collection, profile) for profile in (merge.absorbed, merge.survivor))
    one, other = (segment_id(collection, profile) for profile in unmerge.came)
    text = f"The merge of {young} into {old} by message {merge.message} was undone: they are {other} and {one} again."
    if unmerge.forever:
        text += " They never become one again."
    if unmerge.unkept:
        text += f" As they were at the merge, for what set them since is no longer kept: {_listed(unmerge.unkept)}."
    return text


def _note(collection: str, note: Note, value: str | None) -> str:
    what = f"{note.type}:{value}" if value is not None else f"One {note.type}"
    last = f"with message {note.message} of source {note.source}"
    often = f" (once, {last})" if note.times == 1 else f" ({note.times} times, last {last})"
    if note.what == GONE_OVER:
        return f"{what} went over to {segment_id(collection, note.other)}{often}."
    if note.what == REMOVED:
        return f"{what} was removed by hand."
    if note.what == MADE_BESIDE:
        return f"It was made beside {segment_id(collection, note.other)}, when somebody logged in there."
    return f"{what} was not taken: {REFUSED[Reason(note.what)].format(rule=note.rule)}{often}."


def why(origins: Sequence[Origin], merges: Sequence[Merge], collection: str) -> Iterator[str]:
    """Yield why the identifiers of a profile are one person's, a sentence for each."""
    for origin in origins:
        yield plain(f"{named(origin.identifier)} came {_with(origin)}.")
    if not merges:
        yield "No other profile became one with it."
    for merge in merges:
        yield plain(_merge(collection, merge))
