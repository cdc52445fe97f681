"""Senders, readers and operators race, through several nodes where the engine has them; nothing goes wrong."""

from pathlib import Path

from benchmarks.race import Race, run


def test_whoever_races_everything_stays_true(url: str, tmp_path: Path) -> None:
    """A short race; `python -m benchmarks.race` goes on for as long as asked."""
    nodes = 1 if url.startswith("sqlite:") else 3
    report = run(Race(store=url, folder=tmp_path, nodes=nodes, connections=4, seconds=6, check_every=2))
    assert report.found == []
    assert report.counts["messages acknowledged"] > 500
    assert report.counts["unmerge: done"] > 5
    assert report.counts["forget: done"]
    assert report.counts["remove: done"]
    assert report.counts["profiles absorbed"] > 10
