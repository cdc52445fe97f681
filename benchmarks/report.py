"""What was measured, as ratios."""

from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks import load

console = Console(width=120)
table = Table("measure", "figure", "reference", "ratio", "target", box=None)


def row(measure: str, figure: str, reference: str, ratio: float, target: str) -> None:
    """Add a line to the report, and print it at once."""
    console.print(f"  {measure}: {figure} against {reference}: [bold]{ratio:.2f}[/bold] (target {target})")
    table.add_row(measure, figure, reference, f"{ratio:.2f}", target)


def in_turn(
    ours: Callable[[], load.Result], theirs: Callable[[], load.Result], rounds: int = 3
) -> tuple[load.Result, load.Result]:
    """Measure both in turn, and return the round whose ratio is the median: the machine's speed drifts."""
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    pairs.sort(key=lambda pair: pair[0].rate / pair[1].rate)
    return pairs[len(pairs) // 2]
