"""`mien import`."""

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mien.app import SECTIONS
from mien.core.message import Identifier
from mien.errors import Busy
from mien.services import spaces
from mien.store.sql import open_store
from mien.tables.importing import Import, Report
from tests.cli.conftest import Done, Mien
from tests.factories import sheet_of

STORES = ("--collection", "stores", "--id", "store_id=id")


@pytest.fixture
def acme(tmp_path: Path) -> str:
    """A store with a space."""
    url = f"sqlite:///{tmp_path / 'mien.db'}"
    with open_store(url) as store:
        spaces.apply(store, "spaces: {acme: {}}", SECTIONS, {}, now=1)
    return url


@pytest.fixture
def take_in(mien: Mien, acme: str, tmp_path: Path) -> Any:
    """Import a file of some content."""

    def run(content: str | bytes, *options: str, name: str = "stores.csv") -> Done:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return mien("import", "acme", str(file), *options, "--store", acme)

    return run


def traits(url: str, value: str, kind: str = "id", collection: str = "stores") -> dict[str, Any]:
    with open_store(url) as store:
        sheet = sheet_of(store, Identifier(collection, kind, value))
        assert sheet is not None
        return {key: json.loads(bytes(text)) for key, text in sheet.members().items()}


def test_a_csv_file_becomes_profiles(take_in: Any, acme: str) -> None:
    done = take_in("store_id,city,area\n007,Ulm,120\n008,,95.5\n", *STORES)
    assert (done.status, done.out) == (0, "Read 2 rows: 2 taken in, 0 known already, 0 refused.\n")
    assert "2 rows" in done.err
    assert traits(acme, "007") == {"city": "Ulm", "area": "120"}
    assert traits(acme, "008") == {"area": "95.5"}


def test_columns_are_named_chosen_and_understood(take_in: Any, acme: str) -> None:
    text = "store_id;Stadt;area;note;a=b\n007;Ülm;120;x;y\n".encode("windows-1252")
    options = ("--delimiter", ";", "--encoding", "windows-1252", "--infer", "--only", "area", "--column")
    assert take_in(text, *STORES, *options, "Stadt=city", "--column", "a=b=c", name="stores.txt").status == 1
    done = take_in(text, *STORES, *options, "Stadt=city", "--column", "a=b=c", "--format", "csv", name="stores.txt")
    assert done.status == 0
    assert traits(acme, "007") == {"city": "Ülm", "area": 120, "c": "y"}


def test_json_lines_keep_their_types(take_in: Any, acme: str) -> None:
    lines = '{"store_id": 7, "at": {"lat": 48.4}, "open": true}\n{"store_id": 7, "open": null}\n'
    done = take_in(lines, *STORES, name="stores.jsonl")
    assert done.status == 1
    assert "line 2: its id stands in line 1 already" in done.out
    assert traits(acme, "7") == {"at": {"lat": 48.4}, "open": True}


def test_rows_can_be_events(take_in: Any, acme: str) -> None:
    text = "user_id,order,at,what\nu1,17,2026-11-01,Bought\nu1,18,2026-11-02,Returned\nu1,19,,Bought\n"
    done = take_in(text, "--id", "user_id", "--timestamp", "at", "--event-column", "what", "--source", "shop")
    assert done.status == 1
    assert "line 4: `at` is not a time" in done.out
    with open_store(acme) as store:
        activity = store.activity(store.owner("acme", Identifier("users", "user_id", "u1")) or 0)
        assert {name: seen.times for name, seen in activity.items()} == {"Bought": 1, "Returned": 1}
        assert [(s.name, s.kind) for s in store.tenancy().sources] == [("shop", "csv")]


def test_a_file_may_come_over_standard_input(mien: Mien, acme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Piped(io.BytesIO):
        def seekable(self) -> bool:
            return False

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Piped(b"store_id\tcity\n1\tUlm\n")))
    options = ("--format", "csv", "--delimiter", "tab", "--store", acme)
    assert mien("import", "acme", "-", *STORES, *options).status == 0
    assert traits(acme, "1") == {"city": "Ulm"}


def test_the_list_of_refused_rows_never_takes_the_place_of_the_file(take_in: Any, tmp_path: Path) -> None:
    content = "store_id\n1\n"
    (tmp_path / "link").symlink_to("stores.csv")
    for other in ("stores.csv", "../" + tmp_path.name + "/stores.csv", "link"):
        done = take_in(content, *STORES, "--refused", str(tmp_path / other))
        assert (done.status, done.out) == (1, "")
        assert "is the file itself" in done.err
        assert (tmp_path / "stores.csv").read_text() == content


def test_refused_rows_are_told_the_first_of_them_here_and_all_in_a_file(take_in: Any, tmp_path: Path) -> None:
    file = tmp_path / "refused.jsonl"
    done = take_in("store_id,city\n" + "secret\n" * 25 + "1,Ulm\n", *STORES, "--refused", str(file))
    assert done.status == 1
    assert "Read 26 rows: 1 taken in, 0 known already, 25 refused." in done.out
    assert done.out.count("  line ") == 20
    assert "and 5 more: `--refused FILE`" in done.out
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert rows[24] == {"line": 26, "reason": "it has 1 values, and the header names 2 columns"}
    assert "secret" not in done.out + file.read_text()


def test_what_was_discarded_is_pointed_to(take_in: Any, mien: Mien, acme: str) -> None:
    mien("forget", "acme", "id:7", "--collection", "stores", "--store", acme)
    done = take_in("store_id,city\n7,Ulm\n8,Bonn\n", *STORES)
    assert done.status == 0
    assert "1 were discarded in whole or in part: see `mien discards acme`" in done.out
    assert "suppressed" in mien("discards", "acme", "--store", acme).out


def test_what_is_interrupted_says_that_it_can_be_run_again(take_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, status in ((KeyboardInterrupt(), 130), (Busy(), 1)):

        def fall(_: Import, __: Any, error: BaseException = error) -> Iterator[Report]:
            raise error

        monkeypatch.setattr(Import, "run", fall)
        done = take_in("store_id\n1\n", *STORES)
        assert (done.status, "The same command goes on from here." in done.out) == (status, True)


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        ("", STORES, "The file is empty"),
        ("a,b\n", STORES, "There is no column `store_id`: the header names a, b."),
        ("store_id\n", ("--id", "store_id=Id"), "`Id` cannot be a type of identifier"),
        ("store_id\n", ("--id", "store_id", "--collection", "Stores"), "`Stores` cannot name a collection"),
        ("store_id\n", (*STORES, "--delimiter", "::"), "A delimiter is one character"),
        ("store_id\n", (*STORES, "--encoding", "klingon"), "There is no encoding `klingon`"),
        ("store_id,a\n", (*STORES, "--column", "a=b", "--column", "a=c"), "`--column` names one twice"),
        ("store_id\n", (*STORES, "--format", "jsonl", "--infer"), "`--infer` and `--delimiter` are for CSV"),
        ("store_id\n", (*STORES, "--source", "[x]"), "`[x]` cannot be a name"),
        ("store_id\n", (*STORES, "--refused", "/no/folder/x"), "The file `/no/folder/x` cannot be opened"),
        ("store_id\n", (*STORES, "--event", "E", "--event-column", "a"), "give one of the two"),
    ],
)
def test_a_mistake_is_a_sentence(take_in: Any, content: str, options: tuple[str, ...], sentence: str) -> None:
    done = take_in(content, *options)
    assert done.status == 1
    assert sentence in done.err


def test_a_file_or_a_space_that_is_not_there(mien: Mien, acme: str, tmp_path: Path) -> None:
    done = mien("import", "acme", str(tmp_path / "no.csv"), *STORES, "--store", acme)
    assert (done.status, "No such file" in done.err) == (1, True)
    (tmp_path / "yes.csv").write_text("store_id\n")
    done = mien("import", "nowhere", str(tmp_path / "yes.csv"), *STORES, "--store", acme)
    assert (done.status, "There is no space `nowhere`" in done.err) == (1, True)
