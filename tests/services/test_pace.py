"""As much at once as does not keep others waiting."""

import pytest

from mien.services import pace
from mien.services.pace import MOMENT, Pace


def test_steps_grow_while_they_are_short_and_shrink_when_they_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(pace, "monotonic", lambda: clock[0])
    taken: list[int] = []

    def work(each: float) -> bool:
        def step(many: int) -> bool:
            taken.append(many)
            clock[0] += many * each
            return True

        return paced.step(step)

    paced = Pace(200)
    assert all(work(0) for _ in range(6))
    assert taken == [16, 32, 64, 128, 200, 200]
    taken.clear()
    for _ in range(9):
        work(MOMENT)  # each of them has a long history
    assert taken == [200, 100, 50, 25, 12, 6, 3, 1, 1]
    taken.clear()
    for _ in range(20):
        work(MOMENT / 40)
    assert all(MOMENT / 4 <= many * MOMENT / 40 <= MOMENT for many in taken[5:])
