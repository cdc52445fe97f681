"""An explanation as a person reads it."""

from collections.abc import Iterator

from rich.markup import escape
from rich.tree import Tree

from mien.cli.causes import caused, safe, value
from mien.cli.common import console
from mien.core.assess import Bar
from mien.core.definition import Kind, State
from mien.core.spans import NEVER
from mien.core.want import Want
from mien.core.why import Found, Reason, Turn
from mien.services.why import Why
from mien.web.times import write_time

_TELLING = {
    State.PREPARING: "Readers are not told yet: profiles are still being evaluated for it.",
    State.DISABLED: "Readers are not told: it is disabled.",
}
_BARS = {
    Bar.ENDED: "Whatever the condition says, the audience has ended.",
    Bar.UNKNOWN: "Whatever the condition says, nothing is known of them but where they browse; "
    "the audience is not for those (see `anonymous`).",
}
_MARKS = {True: "[green]yes[/green]", False: "[red]no[/red]"}


def tell(found: Why) -> None:
    """Print an explanation."""
    for line in _head(found):
        console.print(line)
    console.print(_tree(found.reason))
    if found.turn is not None:
        console.print(f"\nTo {'leave' if found.reason.held else 'enter'}, {_heading(found.turn)}")
        for line in _turns(found.turn, "  "):
            console.print(line)
    console.print(f"\n{_next(found)}")


def _head(found: Why) -> Iterator[str]:
    definition = found.definition
    if found.supposed:
        yield "Had that happened:"
    if definition.kind is Kind.AUDIENCE:
        yield f"They are [bold]{'in' if found.answer else 'not in'}[/bold] {definition.key}{_since(found)}."
    else:
        yield f"{definition.key} is [bold]{value(found.answer)}[/bold]{_since(found)}."
    if definition.state is not State.LIVE and not (found.supposed and definition.state is State.PREPARING):
        yield _TELLING[definition.state]
    if found.bar is not None:
        yield _BARS[found.bar]
    if definition.control:
        yield f"{definition.control} percent of the profiles are its control group."


def _since(found: Why) -> str:
    if found.since is None or found.cause is None:
        return ""
    by = caused(found.cause)
    if found.entry is not None:
        message = found.entry.message
        by += safe(f" ({message.event or message.kind} of {write_time(message.timestamp)}, source {message.source})")
    return f", since {write_time(found.since)}, by {by}"


def _tree(reason: Reason) -> Tree:
    return _under(Tree(_label(reason)), reason)


def _under(tree: Tree, reason: Reason) -> Tree:
    for part in reason.parts:
        _under(tree.add(_label(part)), part)
    return tree


def _label(reason: Reason) -> str:
    mark = f"{_MARKS[reason.held]}  " if reason.held is not None else ""
    label = f"{mark}{safe(reason.word if reason.parts else reason.text)}"
    if reason.users is not None:
        label += f" — it holds for {reason.users.holding} of {reason.users.all} users"
    if reason.found:
        label += f" — {'; '.join(_found(reason))}"
    if reason.until is not None and not reason.parts:
        label += f", at least until {write_time(reason.until)}"
    return label


def _found(reason: Reason) -> Iterator[str]:
    left, *others = reason.found
    yield f"it is {_measured(left)}"
    for other in others:
        if other.text:
            yield f"{safe(other.text)} is {_measured(other)}"


def _measured(found: Found) -> str:
    made = (
        ""
        if found.events is None or found.events == found.value
        else f" (of {found.events} event{'s'[: found.events != 1]})"
    )
    return f"{value(found.value)}{made}"


def _heading(turn: Turn) -> str:
    if not turn.possible:
        return "nothing that can happen is enough; wanted would be:"
    if turn.need == "this":
        return "this has to change:"
    return "all of this has to change:" if turn.need == "all" else "one of these has to change:"


def _turns(turn: Turn, indent: str) -> Iterator[str]:
    if turn.need == "this":
        yield f"{indent}- {_wanted(turn)}"
    for part in turn.turns:
        if part.turns:
            yield f"{indent}- {'all of these' if part.need == 'all' else 'one of these'}:"
            yield from _turns(part, f"{indent}    ")
        else:
            yield f"{indent}- {_wanted(part)}"


def _wanted(turn: Turn) -> str:
    if turn.want is None:
        return safe(turn.text)
    return f"{safe(turn.text)} must {safe(turn.want.words)}{_by(turn.want)}"


def _by(want: Want) -> str:
    if not want.by:
        return ""
    return f": {'over ' if want.beyond else ''}{value(abs(want.by))} {'more' if want.by > 0 else 'less'}"


def _next(found: Why) -> str:
    outlook, audience = found.outlook, found.definition.kind is Kind.AUDIENCE
    if outlook.at is None and outlook.sure_until is None:
        return "By itself nothing changes."
    if outlook.at is None:
        until = write_time(min(outlook.sure_until or NEVER, NEVER))
        return f"By itself nothing changes before {until}; what comes then was not looked at."
    turns = "they enter" if outlook.answer else "they leave"
    text = f"By itself, {turns if audience else f'it becomes {value(outlook.answer)}'} at {write_time(outlook.at)}"
    reasons = [f"{escape(one.text)}: it is {_measured(one.found[0])}" for one in outlook.because if one.found]
    return f"{text}. Then {'; '.join(reasons)}." if audience and reasons else f"{text}."
