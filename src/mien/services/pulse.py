"""Pulse: how far computed traits and audiences are, for whoever watches over a Mien."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from mien.core.definition import State
from mien.store.base import Store
from mien.store.computed import Evaluation

SHOWN = (State.PREPARING, State.LIVE, State.DISABLED)


class Pulse(Struct, frozen=True):
    """How late the sweeper is, in microseconds; how many profiles have to be looked at at once; how many definitions
    are in each state; and which share of its profiles each space has evaluated that is not done."""

    lag: int
    at_once: int
    definitions: Mapping[State, int]
    progress: Mapping[str, float]


class Watch:
    """Takes the pulse of a store; definitions are counted again when they have changed."""

    def __init__(self) -> None:
        self._revision = -1
        self._states: Counter[State] = Counter()

    def look(self, store: Store, *, now: int) -> Pulse:
        """Return the pulse at an instant."""
        backlog = store.backlog(now=now)
        revision = store.revision()
        if revision != self._revision:
            self._states = Counter(record.definition.state for record in store.definitions())
            self._revision = revision
        return Pulse(
            lag=0 if backlog.since is None else now - backlog.since,
            at_once=backlog.at_once,
            definitions={state: self._states[state] for state in SHOWN},
            progress={space: _share(e) for space, e in store.evaluations().items() if e.settled < e.target},
        )


def _share(evaluation: Evaluation) -> float:
    return min(1.0, evaluation.done / evaluation.total) if evaluation.total else 1.0
