"""`mien doctor`: what is wrong with this installation, and how to mend it."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import apsw
import typer
from rich.markup import escape

from mien import __version__
from mien.cli.common import StoreOption, console, without_password
from mien.errors import MienError
from mien.services.spaces import read_catalog
from mien.settings import read_settings
from mien.store.sql import SqlStore, open_store

LOW_DISK = 1 << 30
LONG_LOG = 512 << 20


_CHECK_FILE = "Check the path, and that this user may read and write the file and its folder."
_CHECK_SERVER = "Check that the server runs, the address, the password (~/.pgpass), and what pg_hba.conf lets in."


def doctor(store: StoreOption = None) -> None:
    """Look at this installation; exit with 1 when something is wrong."""
    console.print(f"Mien {__version__}, Python {sys.version.split()[0]}, SQLite {apsw.sqlite_lib_version()}")
    findings = list(_findings(store))
    for wrong, mend in findings:
        console.print(f"[red]✗[/red] {escape(wrong)}\n  → {escape(mend)}")
    if findings:
        raise typer.Exit(1)
    console.print("[green]✓[/green] Nothing wrong was found.")


def _findings(flag: str | None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and how to mend it."""
    try:
        settings = read_settings(os.environ, store=flag)
    except MienError as error:
        yield str(error), "Correct the environment variable; docs/reference/settings.md lists them all."
        return
    console.print(f"Store: {without_password(settings.store)}")
    try:
        opened = open_store(settings.store)
    except MienError as error:
        file = settings.store.startswith("sqlite:")
        yield str(error), _CHECK_FILE if file else _CHECK_SERVER
        return
    with opened as found:
        yield from _in_store(found)
    if settings.store.startswith("sqlite:"):
        yield from _around(Path(settings.store.partition(":///")[2]))


def _in_store(store: SqlStore) -> Iterator[tuple[str, str]]:
    for damage in store.check():
        yield f"The database is damaged: {damage}", "Stop Mien and restore the file from a backup."
    try:
        catalog = read_catalog(store)
    except MienError as error:
        yield str(error), "Apply a corrected file with `mien apply`."
        return
    if not catalog.spaces:
        yield "There is no space yet.", "Create one: `mien apply FILE` (docs/tutorial.md has a file)."
    for record in catalog.unread:
        yield (
            f"Space {record.space} has a definition `{record.definition.key}` that this Mien does not understand.",
            "Use the Mien it was made with, or define it anew; until then it is not computed.",
        )
    for slug in catalog.spaces:
        if all(source.space != slug for source in catalog.sources.values()):
            yield (
                f"Space {slug} has no source: nothing can be sent to it.",
                f"`mien source create {slug} web`",
            )
        if all(credential.space != slug for credential in catalog.credentials.values()):
            yield f"Space {slug} has no token: nothing can be read.", f"`mien token create {slug} NAME`"


def _around(path: Path) -> Iterator[tuple[str, str]]:
    free = shutil.disk_usage(path.resolve().parent).free
    if free < LOW_DISK:
        yield (
            f"Only {free >> 20} MiB are free on the store's disk.",
            "Free some, or shorten `retention.events`.",
        )
    log = Path(f"{path}-wal")
    if log.exists() and log.stat().st_size > LONG_LOG:
        yield f"The write-ahead log has {log.stat().st_size >> 20} MiB.", "Look for a reader that never ends."
