"""The command `mien`: a file per command."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from mien import __version__
from mien.cli import (
    apply,
    audience,
    changes,
    copy,
    discards,
    doctor,
    evaluate,
    forget,
    import_,
    migrate,
    profile,
    serve,
    source,
    token,
    trait,
)
from mien.errors import MienError

app = typer.Typer(
    help="One customer profile, answered in every vendor's words.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
app.command("serve")(serve.serve)
app.command("apply")(apply.apply)
app.command("export")(apply.export)
app.add_typer(token.app, name="token")
app.add_typer(source.app, name="source")
app.command("import")(import_.import_)
app.add_typer(profile.app, name="profile")
app.add_typer(audience.app, name="audience")
app.add_typer(trait.app, name="trait")
app.command("evaluate")(evaluate.evaluate)
app.command("changes")(changes.changes)
app.command("forget")(forget.forget)
app.command("deletions")(forget.deletions)
app.add_typer(forget.suppression, name="suppression")
app.command("discards")(discards.discards)
app.command("migrate")(migrate.migrate_)
app.command("copy")(copy.copy)
app.command("doctor")(doctor.doctor)


@app.command("version")
def version() -> None:
    """Print the version."""
    print(__version__)


def main() -> None:
    """Run the command line; an error is a sentence and exit status 1."""
    try:
        app()
    except MienError as error:
        Console(stderr=True).print(f"[red]mien:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
