"""What `mien audience` and `mien trait` have in common."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mien import clock
from mien.cli.causes import safe, value, who
from mien.cli.common import console, opened, space_named
from mien.cli.explained import tell
from mien.cli.supposed import read_supposed
from mien.core.definition import Definition, Kind, State, key_of
from mien.core.plan import COMPUTED_STATES, is_understood
from mien.dialects.segment.names import lookups
from mien.errors import Invalid
from mien.services.close_up import defined, named
from mien.services.define import create, remove
from mien.services.members import Listed, Listing, listing
from mien.services.preview import Preview, Question, preview
from mien.services.why import told, why
from mien.store.base import Store
from mien.web.times import read_time

SpaceName = Annotated[str, typer.Argument(help="The name of the space.")]
Query = Annotated[str, typer.Argument(help="The query; see docs/reference/definitions.md.")]
Named = Annotated[str, typer.Argument(metavar="ID", help="type:value, such as user_id:1234; or a use_… id.")]
WhatIf = Annotated[
    Path | None,
    typer.Option(
        "--what-if",
        metavar="FILE",
        help="As if these messages had come: JSON, one a line, such as "
        '{"event": "Order Completed", "properties": {"total": 5}} or {"traits": {"plan": "pro"}}. - reads the input.',
    ),
]
At = Annotated[str | None, typer.Option(metavar="TIME", help="As it will be then, if nothing happens until.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Examples = Annotated[int, typer.Option(min=0, max=1000, help="How many to show.")]
SampleSize = Annotated[
    int | None,
    typer.Option(min=1, help="Look at so many profiles drawn by chance, and estimate; all are looked at otherwise."),
]
Replace = Annotated[bool, typer.Option("--replace", help="Take the place of one that is there already.")]


def explain(
    space: str,
    kind: Kind,
    key: str,
    identifier: str,
    *,
    what_if: Path | None,
    at: str | None,
    as_json: bool,
    store: str | None,
) -> None:
    """Print why a definition says what it says of a profile."""
    now = _instant(at)
    with opened(store) as found:
        tenant = space_named(found, space)
        definition = named(defined(found, tenant), kind, key)
        names = lookups(definition.collection, identifier)
        suppose = read_supposed(what_if, space, definition.collection, now=now) if what_if else ()
        explained = why(found, tenant, definition, names, now=now, suppose=suppose)
    if as_json:
        Console().print_json(json.dumps(told(explained)))
    else:
        tell(explained)


def _instant(at: str | None) -> int:
    """Return the microseconds since 1970 of a time to come, now if none is given."""
    now = clock.now()
    if at is None:
        return now
    given = read_time(at)
    if given is None:
        raise Invalid("--at is no time; write 2026-12-31 or 2026-12-31T12:00:00Z.")
    if given < now:
        raise Invalid("--at is past, and profiles are as they are now; `mien audience history` says what was.")
    return given


def try_out(
    space: str, question: Question, *, examples: int, sample_size: int | None, as_json: bool, store: str | None
) -> None:
    """Print what a query would come to; store nothing."""
    with opened(store) as found, progress("profiles") as advanced:
        tenant = space_named(found, space)
        there = found.count_profiles(space)
        shown = preview(
            found,
            tenant,
            question,
            now=clock.now(),
            chance=random.SystemRandom(),
            examples=examples,
            draw=sample_size,
            tell=lambda done: advanced(done, min(there, sample_size or there)),
        )
    if as_json:
        Console().print_json(json.dumps(_as_json(shown, question)))
    else:
        _tell_preview(shown, question)


def _tell_preview(shown: Preview, question: Question) -> None:
    what = "would be in" if question.kind is Kind.AUDIENCE else "would have a value"
    if shown.least == shown.most:
        console.print(f"{shown.matching:,} of {shown.profiles:,} {question.collection} {what}.")
    else:
        console.print(
            f"Between {shown.least:,} and {shown.most:,} of {shown.profiles:,} {question.collection} {what}:"
        )
        console.print(f"{shown.matching:,} of {shown.looked_at:,} drawn by chance (in 95 of 100 such cases).")
    for example in shown.examples:
        name = who(question.collection, example.profile, example.name)
        console.print(f"  {name}" if question.kind is Kind.AUDIENCE else f"  {name}  {value(example.value)}")


def _as_json(shown: Preview, question: Question) -> dict[str, Any]:
    return {
        "profiles": shown.profiles,
        "looked_at": shown.looked_at,
        "matching": shown.matching,
        "between": [shown.least, shown.most],
        "examples": [who(question.collection, one.profile, one.name) for one in shown.examples],
    }


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far something is while it is told: how many are done, of how many. Standard output stays clean."""
    shown = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def listed(space: str, kind: Kind, *, store: str | None) -> None:
    """Print the definitions of a kind."""
    with opened(store) as found:
        rows = listing(found, space_named(found, space), kind)
    audience = kind is Kind.AUDIENCE
    table = Table("key", *(["id"] if audience else []), "name", "collection", "state", box=None)
    if audience:
        table.add_column("size", justify="right")
    table.add_column("query")
    for row in rows.definitions:
        d = row.definition
        own = [str(d.id)] if audience else []
        size = [_size(row)] if audience else []
        table.add_row(d.key, *own, safe(d.name), d.collection, _state(d, rows), *size, safe(_shortened(d.query)))
    console.print(table)


def _size(row: Listed) -> str:
    return f"{row.size:,}" if row.size is not None and row.definition.state is State.LIVE else ""


def _state(definition: Definition, rows: Listing) -> str:
    """Return the state of a definition, and how far the evaluation is if it waits for that."""
    evaluation = rows.evaluation
    if definition.state in COMPUTED_STATES and not is_understood(definition):
        return "not understood"
    if definition.state is not State.PREPARING or not evaluation.total:
        return str(definition.state)
    return f"{definition.state}, {min(99, 100 * evaluation.done // evaluation.total)} %"


def _shortened(query: str) -> str:
    text = " ".join(query.split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def define(
    space: str, kind: Kind, name: str, body: dict[str, Any], *, key: str | None, replace: bool, store: str | None
) -> None:
    """Create a definition under the key its name becomes, and say what is to be done next."""
    key = key or key_of(name)
    if not key:
        raise Invalid(f"`{name}` has no Latin letter and no digit: give a key of your own with --key.")
    with opened(store) as found:
        given = {"name": name, **{k: v for k, v in body.items() if v not in (None, {}, False)}}
        made = create(found, space, kind, key, given, now=clock.now(), over=replace)
        waiting = _waits(found, space)
    if made is None:
        console.print(f"Nothing to change: {key} is as it was.")
        return
    console.print(f"{key} is {'defined' if made.state is not State.LIVE or waiting else 'live'}.")
    if waiting:
        console.print("A serving Mien is evaluating profiles for it now, or `mien evaluate` does.")


def undefine(space: str, kind: Kind, key: str, *, store: str | None) -> None:
    """Remove a definition, and say what refers to it."""
    with opened(store) as found:
        key = named(defined(found, space_named(found, space)), kind, key).key
        referring = remove(found, space, kind, key, now=clock.now())
    console.print(f"{key} is removed.")
    if referring:
        console.print(
            f"These refer to it, and find a trait of that name from now on if there is one: {', '.join(referring)}."
        )


def _waits(store: Store, space: str) -> bool:
    evaluation = store.evaluations().get(space)
    return evaluation is not None and evaluation.settled < evaluation.target
