"""`mien import`: a CSV or JSON Lines file into the profiles of a collection."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from mien import clock
from mien.cli.common import CollectionOption, StoreOption, console, opened
from mien.core.message import USERS
from mien.errors import Invalid, RetryLater
from mien.services.credentials import source_of_files
from mien.tables.columns import Columns
from mien.tables.files import CsvFile, JsonLinesFile, open_text
from mien.tables.importing import Import, Refused, Report

SHOWN = 20
"""How many refused rows are printed."""


class Format(StrEnum):
    """What a file is written in."""

    CSV = "csv"
    JSONL = "jsonl"


_ENDINGS = {".csv": Format.CSV, ".tsv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL}


def import_(  # noqa: PLR0913, PLR0917 (each is an option)
    space: Annotated[str, typer.Argument(help="The name of the space.")],
    file: Annotated[str, typer.Argument(help="The file, or - for standard input.")],
    identifier: Annotated[
        list[str],
        typer.Option("--id", metavar="COLUMN=TYPE", help="A column that identifies, and its type. Repeat for more."),
    ],
    collection: CollectionOption = USERS,
    column: Annotated[
        list[str] | None,
        typer.Option("--column", metavar="COLUMN=KEY", help="Keep a column under another name. Repeat for more."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="COLUMN", help="Keep no columns but these and those of --column."),
    ] = None,
    timestamp: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="When it happened; the time of the import if left out.")
    ] = None,
    event: Annotated[str | None, typer.Option(metavar="NAME", help="Rows are events of this name.")] = None,
    event_column: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Rows are events, named by this column.")
    ] = None,
    infer: Annotated[bool, typer.Option("--infer", help="CSV: numbers, true and false are more than text.")] = False,
    source: Annotated[str, typer.Option(help="The source they come from; made if there is none.")] = "import",
    format_: Annotated[
        Format | None, typer.Option("--format", help="What the file is; its ending says, if left out.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="CSV: what stands between values; `,`, and a tab in .tsv.", show_default=False)
    ] = None,
    encoding: Annotated[str, typer.Option(help="The encoding of the text.")] = "utf-8",
    refused: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the line and the reason of each refused row to a file.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Import a CSV or JSON Lines file: each row describes a profile, or is an event of one.

    Importing a file twice changes nothing, so what was interrupted is simply run again.
    Exit status 1 says that rows were refused; the others are in.
    """
    columns = Columns(
        identifiers=[_pair(text) for text in identifier],
        collection=collection,
        names=_names(column or ()),
        only=frozenset(only) if only else None,
        timestamp=timestamp,
        event=event,
        event_column=event_column,
        infer=infer,
    )
    if refused is not None and _is_same(Path(file), refused):
        raise Invalid(f"`--refused {refused}` is the file itself: the list would take its place.")
    with ExitStack() as stack:
        found = stack.enter_context(opened(store))
        stream = stack.enter_context(_stream(file))
        rows = _rows(stream, file, format_, delimiter=delimiter, encoding=encoding, infer=infer)
        columns.check(rows.header)
        list_ = stack.enter_context(_listed(refused))
        done = Import(
            found,
            source_of_files(found, space, source, now=clock.now()),
            columns,
            ids=clock.profile_ids(),
            refuse=list_.add,
        )
        _run(done, rows, stream)
    _tell(done.report, list_.first, space)
    if done.report.refused:
        raise typer.Exit(1)


def _is_same(file: Path, other: Path) -> bool:
    return file.exists() and other.exists() and file.samefile(other)


def _pair(text: str) -> tuple[str, str]:
    """Return what stands before and after the last `=`; a name alone is both."""
    column, equals, name = text.rpartition("=")
    return (column, name) if equals and column and name else (text, text)


def _names(given: Sequence[str]) -> dict[str, str]:
    """Return the keys under which columns are kept; raise Invalid for a column that is given two."""
    pairs = [_pair(text) for text in given]
    names = dict(pairs)
    if len(names) < len(pairs):
        raise Invalid("A column is kept under one name: `--column` names one twice.")
    return names


@contextmanager
def _stream(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with _opened(Path(file), "rb") as stream:
        yield stream


def _opened(file: Path, mode: str) -> BinaryIO:
    try:
        return cast(BinaryIO, file.open(mode))
    except OSError as error:
        raise Invalid(f"The file `{file}` cannot be opened: {error.strerror}.") from None


def _rows(
    stream: BinaryIO, file: str, given: Format | None, *, delimiter: str | None, encoding: str, infer: bool
) -> CsvFile | JsonLinesFile:
    """Return the rows of a file; raise Invalid when it cannot be known what it is, or it has no header."""
    ending = Path(file).suffix.lower()
    kind = given or _ENDINGS.get(ending)
    if kind is None:
        raise Invalid("Say what the file is: `--format csv` or `--format jsonl`.")
    text = open_text(stream, encoding)
    if kind is Format.CSV:
        between = delimiter or ("tab" if ending == ".tsv" else ",")
        return CsvFile(text, delimiter="\t" if between in {"tab", "\\t"} else between)
    if infer or delimiter:
        raise Invalid("`--infer` and `--delimiter` are for CSV: JSON says itself what its values are.")
    return JsonLinesFile(text)


class _List:
    """The refused rows: the first are kept, and each is told to whoever wants to know."""

    def __init__(self, tell: Callable[[Refused], object]) -> None:
        self.first: list[Refused] = []
        self._tell = tell

    def add(self, row: Refused) -> None:
        if len(self.first) < SHOWN:
            self.first.append(row)
        self._tell(row)


@contextmanager
def _listed(file: Path | None) -> Iterator[_List]:
    if file is None:
        yield _List(lambda _: None)
        return
    with _opened(file, "wb") as stream:
        yield _List(lambda row: stream.write(msgspec.json.encode(row) + b"\n"))


def _run(done: Import, rows: CsvFile | JsonLinesFile, stream: BinaryIO) -> None:
    """Import all rows and show how far it is; where it ends before that, say how to go on."""
    try:
        _watch(done.run(rows), stream)
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on from here.")
        raise typer.Exit(130) from None
    except RetryLater:
        console.print(f"Not finished after {done.report.rows:,} rows. The same command goes on from here.")
        raise


def _watch(reports: Iterator[Report], stream: BinaryIO) -> None:
    """Show how far it is: by the place in the file, where a file has one."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("0 rows", total=_size(stream))
        for report in reports:
            done = stream.tell() if stream.seekable() else None
            bar.update(task, completed=done, description=f"{report.rows:,} rows")


def _size(stream: BinaryIO) -> int | None:
    if not stream.seekable():
        return None
    here = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(here)
    return size


def _tell(report: Report, first: Sequence[Refused], space: str) -> None:
    """Print what became of the rows."""
    console.print(
        f"Read {report.rows:,} rows: {report.taken:,} taken in, {report.known:,} known already,"
        f" {report.refused:,} refused."
    )
    for row in first:
        console.print(f"  line {row.line}: {escape(row.reason)}")
    if report.refused > len(first):
        console.print(f"  and {report.refused - len(first):,} more: `--refused FILE` writes all to a file")
    if report.discarded:
        console.print(f"{report.discarded:,} were discarded in whole or in part: see `mien discards {space}`.")
