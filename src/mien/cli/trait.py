"""`mien trait`: computed traits, why they are what they are, and what a query would come to."""

from typing import Annotated

import typer

from mien.cli import definitions as common
from mien.cli.common import CollectionOption, StoreOption
from mien.cli.definitions import (
    AsJson,
    At,
    Examples,
    Named,
    Query,
    Replace,
    SampleSize,
    SpaceName,
    WhatIf,
)
from mien.core.definition import Kind
from mien.core.message import USERS
from mien.services.preview import Question

app = typer.Typer(help="Computed traits: values made of somebody's events.", no_args_is_help=True)

Key = Annotated[str, typer.Argument(help="The key of the computed trait.")]


@app.command("list")
def list_(space: SpaceName, store: StoreOption = None) -> None:
    """List computed traits, and how far those are that are being prepared."""
    common.listed(space, Kind.COMPUTED_TRAIT, store=store)


@app.command()
def why(
    space: SpaceName,
    key: Key,
    identifier: Named,
    what_if: WhatIf = None,
    at: At = None,
    as_json: AsJson = False,
    store: StoreOption = None,
) -> None:
    """Say what a computed trait is for somebody, of how many events, and when it changes by itself."""
    common.explain(space, Kind.COMPUTED_TRAIT, key, identifier, what_if=what_if, at=at, as_json=as_json, store=store)


@app.command()
def preview(
    space: SpaceName,
    query: Query,
    collection: CollectionOption = USERS,
    examples: Examples = 10,
    sample_size: SampleSize = None,
    as_json: AsJson = False,
    store: StoreOption = None,
) -> None:
    """Count who would have a value before the computed trait is saved, and show some. Nothing is stored."""
    question = Question(kind=Kind.COMPUTED_TRAIT, query=query, collection=collection)
    common.try_out(space, question, examples=examples, sample_size=sample_size, as_json=as_json, store=store)


@app.command()
def create(
    space: SpaceName,
    name: Annotated[str, typer.Argument(help="What people call it; its key is made of that.")],
    query: Annotated[str, typer.Option(help="The value; see docs/reference/definitions.md.")],
    key: Annotated[str | None, typer.Option(help="A key of your own.")] = None,
    collection: CollectionOption = USERS,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    replace: Replace = False,
    store: StoreOption = None,
) -> None:
    """Define a computed trait. It becomes live once all profiles are evaluated for it."""
    body = {"query": query, "collection": collection, "description": description}
    common.define(space, Kind.COMPUTED_TRAIT, name, body, key=key, replace=replace, store=store)


@app.command()
def remove(space: SpaceName, key: Key, store: StoreOption = None) -> None:
    """Remove a computed trait; nobody has it any more."""
    common.undefine(space, Kind.COMPUTED_TRAIT, key, store=store)
