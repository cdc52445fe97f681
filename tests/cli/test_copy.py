"""`mien copy`."""

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mien.store.sql import SqlStore, open_engine, open_store
from mien.store.sql.engine import Engine
from mien.store.sql.tables import PROGRESS
from mien.store.sql.transfer import Transfer
from tests.cli.conftest import Mien
from tests.factories import message, take_in, user

ROWS = 100_000
ACROSS = pytest.mark.parametrize(
    ("url", "other_url"), [("sqlite", "postgresql"), ("postgresql", "sqlite")], indirect=True
)


def fill(store: SqlStore) -> None:
    """Give a store a profile, and rows by the thousand."""
    take_in(store, message(user("user_id", "u1"), event="Bought"))
    with store.db.transaction():
        store.db.load("seen", ("key",), [(n.to_bytes(16),) for n in range(1, ROWS)])


@ACROSS
def test_a_store_is_copied_and_serves_from_its_new_place(mien: Mien, url: str, other_url: str) -> None:
    with open_store(url) as store:
        fill(store)
    done = mien("copy", "--from", url, "--to", other_url)
    assert (done.status, done.err) == (0, "")
    assert "the two hold the same" in done.out
    with open_store(url) as one, open_store(other_url) as other:
        owner = one.owner("acme", user("user_id", "u1"))
        assert owner is not None
        assert other.owner("acme", user("user_id", "u1")) == owner
        assert other.activity(owner) == one.activity(owner)


@ACROSS
def test_a_copy_that_is_killed_again_and_again_ends_complete(mien: Mien, url: str, other_url: str) -> None:
    with open_store(url) as store:
        fill(store)
    chance, kills, moved = random.Random(7), 0, -1
    command = [sys.executable, "-m", "mien", "copy", "--from", url, "--to", other_url]
    with closing(open_engine(other_url)) as target:
        while moved < ROWS * 3 // 4:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            moved = _watch(process, target, moved + chance.randrange(1, ROWS // 4))
            process.kill()
            process.wait()
            kills += 1
    done = mien("copy", "--from", url, "--to", other_url)
    assert kills > 1
    assert (done.status, done.err) == (0, "")
    assert "Going on after" in done.out
    with open_store(other_url) as store:
        assert store.db.value("SELECT COUNT(*) FROM seen") == ROWS
        assert store.check() == []


def _watch(process: "subprocess.Popen[bytes]", target: Engine, goal: int) -> int:
    """Return how many rows there are in the target once there are enough."""
    while process.poll() is None:
        moved = target.value(f"SELECT moved FROM {PROGRESS}") if PROGRESS in target.tables() else -1
        if moved >= goal:
            return int(moved)
        time.sleep(0.001)
    raise AssertionError("it ended by itself")


def test_a_difference_is_a_sentence_that_names_the_table(
    mien: Mien, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as store:
        fill(store)
    target = f"sqlite:///{tmp_path / 'new.db'}"
    _write_late(monkeypatch, url)
    done = mien("copy", "--from", url, "--to", target)
    assert done.status == 1
    assert f"The copy differs in seen ({ROWS + 1:,} rows in the source, {ROWS:,} in the target)" in done.err
    assert "stop every Mien" in done.err
    refused = mien("doctor", "--store", target)
    assert refused.status == 1
    assert "mien copy" in refused.out


def _write_late(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Write to the source when everything was moved."""
    compare = Transfer.compare

    def late(self: Transfer) -> object:
        with open_store(url) as store:
            store.db.load("seen", ("key",), [(b"late",)])
        return compare(self)

    monkeypatch.setattr(Transfer, "compare", late)


def test_a_source_that_is_not_there_makes_no_file(mien: Mien, tmp_path: Path) -> None:
    done = mien("copy", "--from", f"sqlite:///{tmp_path / 'typo.db'}", "--to", f"sqlite:///{tmp_path / 'new.db'}")
    assert done.status == 1
    assert "cannot be opened" in done.err
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_copy_says_how_to_go_on(
    mien: Mien, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(url) as store:
        fill(store)
    command = ["copy", "--from", url, "--to", f"sqlite:///{tmp_path / 'new.db'}"]

    def interrupted(_: Transfer) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Transfer, "compare", interrupted)
        done = mien(*command)
    assert done.status == 130
    assert "The same command goes on from here" in done.out
    assert mien(*command).status == 0
