"""What lasts is logged when it begins, now and then, and when it is over."""

import pytest
import structlog
from structlog.testing import capture_logs

from mien import logs
from mien.errors import Unavailable


def test_a_trouble_that_lasts_does_not_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = logs.Trouble(structlog.get_logger(), "no store")
    with capture_logs() as lines:
        trouble.over()
        for _ in range(100):
            trouble.met(Unavailable("It is away.", detail="Connection refused"))
        monkeypatch.setattr(logs, "AGAIN_SECONDS", 0)
        trouble.met(Unavailable("It is away."))
        trouble.over()
        trouble.over()
    assert [line["event"] for line in lines] == ["no store", "no store", "over: no store"]
    assert (lines[0]["reason"], lines[0]["detail"]) == ("It is away.", "Connection refused")
