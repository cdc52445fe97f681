"""The command line, in this process."""

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from mien.cli import main


class Done(NamedTuple):
    """What a command ended with, and what it said."""

    status: int
    out: str
    err: str


Mien = Callable[..., Done]


@pytest.fixture
def mien(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mien:
    """Run `mien` with these arguments."""

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["mien", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    return run
