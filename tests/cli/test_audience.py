"""`mien audience`, `mien trait`, `mien evaluate` and `mien changes`."""

import hashlib
import io
import json
from pathlib import Path

import pytest

from mien import clock
from mien.services.spaces import read_catalog
from mien.store.sql import open_store
from tests.cli.conftest import Mien
from tests.defining import U1, defining, order
from tests.factories import message, take_in, user

RECENT = "event('Order').within(7 days).count() >= 2"
BIG = f"{RECENT} AND (trait('plan') = 'pro' OR trait('spent') > 500)"
SPENT = "event('Order').sum(property('revenue'))"


@pytest.fixture
def at(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store with people who ordered, that commands look into."""
    monkeypatch.setenv("MIEN_STORE", url)
    now = clock.now()
    with open_store(url) as store:
        space = defining(store, now=now, audiences={"big": BIG, "some": RECENT}, computed_traits={"spent": SPENT})
        u2, u3 = user("user_id", "u[2]"), user("user_id", "u3")
        take_in(store, message(U1, traits={"plan": "pro"}), tenant=space, now=now)
        for n, name in enumerate([U1, U1, u2, u3, u3]):
            take_in(store, order(now, name, id=f"order-{n}", revenue=59.5), tenant=space, now=now)
    return url


def test_an_explanation_reads_like_one(mien: Mien, at: str) -> None:
    done = mien("audience", "why", "acme", "big", "user_id:u1")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].startswith("They are in big, since 20")
    assert "by message order-1 (Order of 20" in lines[0]
    assert lines[1] == "yes  AND"
    assert "yes  event('Order').within(7 days).count() >= 2 — it is 2, at least until 20" in lines[2]
    assert any("no  trait('spent') > 500 — it is 119" in line for line in lines)
    assert "To leave, one of these has to change:" in lines
    assert "  - event('Order').within(7 days).count() must be less than 2: 1 less" in lines
    assert "By itself, they leave at 20" in lines[-1]


def test_who_is_outside_reads_what_is_missing(mien: Mien, at: str) -> None:
    done = mien("audience", "why", "acme", "1", "user_id:u[2]").out
    assert done.startswith("They are not in big.")
    assert "To enter, all of this has to change:" in done
    assert "  - event('Order').within(7 days).count() must be at least 2: 1 more" in done
    assert "  - one of these:\n      - trait('plan') must be 'pro'\n" in done
    assert "      - trait('spent') must be more than 500: over 440.5 more" in done
    assert done.endswith("By itself nothing changes.\n")


def test_what_if_reads_messages_from_a_file_or_the_input(
    mien: Mien, at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = '{"type": "track", "userId": "x", "event": "Order"}\n\n{"traits": {"plan": "pro"}}\n'
    (tmp_path / "what.jsonl").write_text(lines)
    asked = ("audience", "why", "acme", "big", "user_id:u[2]", "--what-if")
    done = mien(*asked, str(tmp_path / "what.jsonl"))
    assert done.out.startswith("Had that happened:\nThey are in big, since ")
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    found = json.loads(mien(*asked, "-", "--json").out)
    assert (found["answer"], found["cause"]["how"]) == (True, "message")
    assert json.loads(mien(*asked[:-1], "--json").out)["answer"] is False


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        ('\n{"event": 5}', "line 2"),
        ("{}", "line 1: expected an `event` or `traits`"),
        ('{"event": "Order", "timestamp": "soon"}', "line 1: `timestamp` is no time"),
    ],
)
def test_what_if_names_the_line_that_is_no_message(
    mien: Mien, at: str, tmp_path: Path, line: str, wrong: str
) -> None:
    (tmp_path / "what.jsonl").write_text(line)
    done = mien("audience", "why", "acme", "big", "user_id:u1", "--what-if", str(tmp_path / "what.jsonl"))
    assert (done.status, done.out) == (1, "")
    assert wrong in done.err


def test_an_instant_to_come_can_be_looked_at_and_a_past_one_not(mien: Mien, at: str) -> None:
    asked = ("audience", "why", "acme", "some", "user_id:u3", "--at")
    assert "They are not in some, since 20" in mien(*asked, "2200-01-01").out
    assert "is past" in mien(*asked, "2020-01-01").err
    assert "is no time" in mien(*asked, "soon").err


def test_members_and_examples_are_shown_as_they_are_named(mien: Mien, at: str) -> None:
    first = mien("audience", "members", "acme", "some", "--limit", "1").out.splitlines()
    assert first[1].split()[0] == "user_id:u1"
    assert first[-1].startswith("More: --after use_")
    rest = mien("audience", "members", "acme", "some", "--after", first[-1].split()[-1]).out
    assert "user_id:u3" in rest
    assert "user_id:u1" not in rest
    assert "--after is not the id" in mien("audience", "members", "acme", "some", "--after", "5").err
    found = mien("audience", "preview", "acme", "event('Order').count() = 1").out
    assert found == "1 of 3 users would be in.\n  user_id:u[2]\n"


def test_a_preview_can_be_an_estimate_and_of_values(mien: Mien, at: str) -> None:
    found = mien("audience", "preview", "acme", "event('Order').count() >= 1", "--sample-size", "2").out
    assert "of 3 users would be in:\n2 of 2 drawn by chance" in found
    shown = mien("trait", "preview", "acme", SPENT, "--examples", "1", "--json").out
    assert json.loads(shown)["matching"] == 3
    assert "3 of 3 users would have a value.\n" in mien("trait", "preview", "acme", SPENT).out
    refused = mien("audience", "preview", "acme", "event('Order').count() >= ")
    assert (refused.status, refused.out) == (1, "")
    assert "line 1, column 26" in refused.err


def test_looking_writes_nothing(mien: Mien, at: str, tmp_path: Path) -> None:
    def everything() -> str:
        with open_store(at) as store:
            tables = ["profiles", "messages", "memberships", "changes", "definitions", "evaluations", "identifiers"]
            rows = {table: sorted(map(repr, store.db.rows(f"SELECT * FROM {table}"))) for table in tables}
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    before = everything()
    (tmp_path / "what.jsonl").write_text('{"event": "Order"}')
    for command in (
        ("audience", "list", "acme"),
        ("audience", "members", "acme", "some"),
        ("audience", "why", "acme", "some", "user_id:u3", "--at", "2200-01-01"),
        ("audience", "why", "acme", "some", "user_id:u[2]", "--what-if", str(tmp_path / "what.jsonl")),
        ("audience", "preview", "acme", RECENT),
        ("audience", "preview", "acme", RECENT, "--sample-size", "2"),
        ("audience", "history", "acme", "user_id:u1"),
        ("audience", "sizes", "acme", "some"),
        ("trait", "list", "acme"),
        ("trait", "why", "acme", "spent", "user_id:u1"),
        ("trait", "preview", "acme", SPENT),
        ("changes", "acme"),
    ):
        done = mien(*command)
        assert (done.status, done.err) == (0, ""), command
    assert everything() == before


def test_an_audience_is_made_evaluated_and_removed(mien: Mien, at: str) -> None:
    made = mien(
        *("audience", "create", "acme", "Repeat Buyers", "--query", "trait('some') = true"),
        *("--attribute", "offer=20%", "--attribute", "rank=5", "--description", "They came again"),
    )
    assert "repeat_buyers is defined." in made.out
    assert "`mien evaluate`" in made.out
    assert "preparing, 0 %" in mien("audience", "list", "acme").out
    why = mien("audience", "why", "acme", "repeat_buyers", "user_id:u1").out
    assert "They are in repeat_buyers" in why
    assert "Readers are not told yet" in why
    assert "is live" in mien("evaluate", "acme").out
    assert "preparing" not in mien("audience", "list", "acme").out
    with open_store(at) as store:
        space = read_catalog(store).spaces["acme"]
        definition = space.audiences["users", "repeat_buyers"]
        assert (definition.name, definition.attributes) == ("Repeat Buyers", {"offer": "20%", "rank": 5})
        assert store.count_members("acme", definition.number) == 2
    again = mien("audience", "create", "acme", "Repeat Buyers", "--query", RECENT)
    assert "is there already" in again.err
    assert mien("audience", "create", "acme", "Repeat Buyers", "--query", RECENT, "--replace").status == 0
    mien("evaluate", "acme")
    assert "repeat_buyers" in mien("audience", "history", "acme", "user_id:u1").out
    removed = mien("trait", "remove", "acme", "spent").out
    assert "spent is removed." in removed
    assert "big." in removed
    assert "repeat_buyers is removed." in mien("audience", "remove", "acme", "3").out
    assert "There is no audience `repeat_buyers`" in mien("audience", "remove", "acme", "repeat_buyers").err


def test_a_trait_is_made_listed_and_explained(mien: Mien, at: str) -> None:
    assert mien("trait", "create", "acme", "Orders", "--query", RECENT).status == 1
    assert mien("trait", "create", "acme", "Orders", "--query", "event('Order').count()").status == 0
    assert mien("trait", "create", "acme", "注文", "--query", "event('Order').count()").status == 1
    mien("evaluate", "acme")
    assert "event('Order').count()" in mien("trait", "list", "acme").out
    done = mien("trait", "why", "acme", "orders", "user_id:u1").out
    assert done.startswith("orders is 2, since 20")


def test_changes_are_paged(mien: Mien, at: str) -> None:
    first = mien("changes", "acme", "--limit", "2").out.splitlines()
    assert first[-1].startswith("More: --after ")
    rest = mien("changes", "acme", "--after", first[-1].split()[-1]).out
    assert "message order-4" in rest
    assert "message order-0" not in rest
    assert "--after is not a place" in mien("changes", "acme", "--after", "x").err


def test_changes_name_whose_they_are_in_the_order_of_their_times(mien: Mien, at: str) -> None:
    rows = [line.split() for line in mien("changes", "acme").out.splitlines()[1:]]
    assert {row[1] for row in rows} == {"user_id:u1", "user_id:u[2]", "user_id:u3"}
    assert all(row[2].startswith("use_") for row in rows)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_what_if_tells_of_a_file_that_cannot_be_read(mien: Mien, at: str, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'{"event": "\xe9"}')
    for name, wrong in (("none", "cannot be opened"), ("", "cannot be opened"), ("latin", "is not UTF-8")):
        done = mien("audience", "why", "acme", "big", "user_id:u1", "--what-if", str(tmp_path / name))
        assert (done.status, done.out) == (1, "")
        assert wrong in done.err


def test_what_if_takes_whatever_a_text_in_json_may_hold(mien: Mien, at: str, tmp_path: Path) -> None:
    (tmp_path / "what.jsonl").write_text('{"traits": {"plan": "pro\u2028\x85"}}\r\n{"event": "Order"}\n', "utf-8")
    done = mien("audience", "why", "acme", "big", "user_id:u[2]", "--what-if", str(tmp_path / "what.jsonl"))
    assert (done.status, done.err) == (0, "")


@pytest.mark.parametrize("value", ["9" * 30, "[-" + "9" * 30 + "]", "\udcff"])
def test_an_attribute_that_cannot_be_kept_is_a_sentence(mien: Mien, at: str, value: str) -> None:
    done = mien("audience", "create", "acme", "New", "--query", RECENT, "--attribute", f"n={value}")
    assert (done.status, done.out) == (1, "")
    assert "attributes.n: cannot be kept" in done.err


@pytest.mark.parametrize(
    "command", [("audience", "list"), ("trait", "list"), ("evaluate",), ("changes",), ("audience", "preview", "x")]
)
def test_an_unknown_space_is_a_sentence(mien: Mien, at: str, command: tuple[str, ...]) -> None:
    done = mien(*command[:2], "nowhere", *command[2:])
    assert done.status == 1
    assert "There is no space `nowhere`" in done.err
